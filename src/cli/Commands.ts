/**
 * Every command with its flags, help and examples. What a command does is loaded when it runs, so
 * that `audit canon` does not pay for the log.
 *
 * docs/reference/cli.md is made of these definitions. Source: INTERFACES, CLI.
 */

import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { backupCommands } from "./BackupCommand.ts"
import { configCommand } from "./ConfigCommand.ts"
import { drillCommand } from "./DrillCommand.ts"
import { type Execute, executor } from "./Execute.ts"
import {
  counting,
  files,
  fsync,
  given,
  integrity,
  keys,
  level,
  optionalText,
  require,
  signing,
  stream,
  switchOn,
  time,
  trust,
  writer,
} from "./Flags.ts"
import * as Globals from "./Globals.ts"
import type { Host } from "./Host.ts"

const importCommand = (execute: Execute, program: string) =>
  Command.make(
    "import",
    {
      files,
      format: Flag.Literals("format", ["jsonl", "cloudtrail", "sealed"]).pipe(
        Flag.withDescription("jsonl: a draft a line; sealed: canonical records, replayed"),
      ),
      stream: optionalText("stream", "Stream of drafts that name none; of all CloudTrail events"),
      writer: optionalText("writer", "writer_id of the chains; default user@host"),
      signing,
      fsync,
      acks: switchOn("acks", "Print one line for each record when it reached the level"),
      level,
      skipBad: switchOn("skip-bad", "Report and count bad lines and go on"),
    },
    (input) =>
      execute(
        {
          files: input.files,
          format: input.format,
          stream: given(input.stream),
          writer: given(input.writer),
          signing: given(input.signing),
          fsync: given(input.fsync),
          acks: input.acks,
          level: given(input.level),
          skipBad: input.skipBad,
        },
        async () => (await import("./commands/Import.ts")).run,
      ),
  ).pipe(
    Command.withDescription("Append real events to the log; prints counts, heads and rate"),
    Command.withExamples([
      {
        command: `${program} audit import events.jsonl --format jsonl --stream ingress`,
        description: "One draft a line: kind, actor, subject, reason, attrs",
      },
      {
        command: `gunzip -c trail.json.gz | ${program} audit import - --format cloudtrail`,
        description: "AWS CloudTrail events",
      },
      {
        command: `${program} audit import big.jsonl --format jsonl --fsync always --acks > acks`,
        description: "Acknowledge each record once it is on disk; acks go to --expect-head later",
      },
    ]),
  )

const showCommand = (execute: Execute, program: string) =>
  Command.make(
    "show",
    {
      stream: optionalText("stream", "Only this stream"),
      writer: optionalText("writer", "Only this writer"),
      fromSeq: counting("from-seq", "Only records from this seq on").pipe(Flag.withDefault(1)),
      limit: counting("limit", "At most this many records").pipe(Flag.optional),
      since: time("since", "from", "Not before"),
      until: time("until", "to", "Not after"),
      kind: optionalText("kind", "Only this kind"),
      csv: switchOn("csv", "Comma-separated values with a head line"),
    },
    (input) =>
      execute(
        {
          stream: given(input.stream),
          writer: given(input.writer),
          fromSeq: input.fromSeq,
          limit: given(input.limit),
          since: given(input.since),
          until: given(input.until),
          kind: given(input.kind),
          csv: input.csv,
        },
        async () => (await import("./commands/Show.ts")).run,
      ),
  ).pipe(
    Command.withDescription("Read records, verified on read"),
    Command.withExamples([
      { command: `${program} audit show --stream cloudtrail --limit 20` },
      {
        command: `${program} audit show --kind ConsoleLogin --since 2026-11-01T00:00:00Z --csv`,
      },
      {
        command: `${program} audit show --json > records.jsonl`,
        description: "Canonical records, as audit import --format sealed takes them",
      },
    ]),
  )

const verifyCommand = (execute: Execute, program: string) =>
  Command.make(
    "verify",
    {
      trust,
      key: keys,
      integrity,
      require,
      expectHead: Flag.String("expect-head").pipe(
        Flag.withMetavar("FILE"),
        Flag.withDescription("A receipt or --acks output: the chain must reach it; repeatable"),
        Flag.atLeast(0),
      ),
      full: switchOn("full", "The whole log, which is the default"),
      since: time("since", "from", "Only records not before"),
      until: time("until", "to", "Only records not after"),
    },
    (input) =>
      execute(
        {
          trust: given(input.trust),
          key: input.key,
          integrity: input.integrity,
          require: given(input.require),
          expectHead: input.expectHead,
          full: input.full,
          since: given(input.since),
          until: given(input.until),
        },
        async () => (await import("./commands/Verify.ts")).run,
      ),
  ).pipe(
    Command.withDescription(
      "The verdict on a log: valid (exit 0), invalid (2) or unknown (3), with every finding",
    ),
    Command.withExamples([
      { command: `${program} audit verify --trust trust.json` },
      { command: `${program} audit verify --export-dir export --trust trust.json --full` },
      {
        command: `${program} audit verify --wal-dir wal --integrity`,
        description: "Without any key: is the chain intact",
      },
      {
        command: `${program} audit verify --trust trust.json --expect-head acks`,
        description: "Names records that were acknowledged and are gone",
      },
    ]),
  )

const rangeCommand = (execute: Execute, program: string) =>
  Command.make(
    "range",
    {
      from: time("from", "since", "First moment"),
      to: time("to", "until", "Last moment"),
      trust,
      key: keys,
      integrity,
    },
    (input) =>
      execute(
        {
          integrity: input.integrity,
          from: given(input.from),
          to: given(input.to),
          trust: given(input.trust),
          key: input.key,
        },
        async () => (await import("./commands/Range.ts")).run,
      ),
  ).pipe(
    Command.withDescription("Derive chain and roots of a window again from an export directory"),
    Command.withExamples([
      {
        command: `${program} audit range --from 2026-11-01T00:00:00Z --to 2026-11-02T00:00:00Z`,
      },
    ]),
  )

const exportCommand = (execute: Execute, program: string) =>
  Command.make(
    "export",
    { writer: optionalText("writer", "Only the chains of this writer; default: of all") },
    (input) =>
      execute(
        { writer: given(input.writer) },
        async () => (await import("./commands/Export.ts")).run,
      ),
  ).pipe(
    Command.withDescription("Rotate, checkpoint and write manifests of what is new"),
    Command.withExamples([{ command: `${program} audit export --export-dir /backup/export` }]),
  )

const proveCommand = (execute: Execute, program: string) =>
  Command.make(
    "prove",
    {
      writer,
      stream,
      seq: counting("seq", "The record's seq"),
    },
    (input) => execute(input, async () => (await import("./commands/Prove.ts")).run),
  ).pipe(
    Command.withDescription("The receipt of one record on stdout"),
    Command.withExamples([
      {
        command: `${program} audit prove --writer root@host --stream ingress --seq 7 > r.json`,
      },
    ]),
  )

const receiptCommand = (execute: Execute, program: string) =>
  Command.make("receipt").pipe(
    Command.withDescription("Work with receipts"),
    Command.withSubcommands([
      Command.make(
        "verify",
        {
          file: Argument.String("FILE").pipe(Argument.withDescription("The receipt; - is stdin")),
          trust,
          key: keys,
          require,
        },
        (input) =>
          execute(
            {
              file: input.file,
              trust: given(input.trust),
              key: input.key,
              require: given(input.require),
            },
            async () => (await import("./commands/Receipt.ts")).run,
          ),
      ).pipe(
        Command.withDescription("Check a receipt offline, with nothing but the trust file"),
        Command.withExamples([
          { command: `${program} audit receipt verify receipt.json --trust trust.json` },
        ]),
      ),
    ]),
  )

const continueCommand = (execute: Execute, program: string) =>
  Command.make("continue", { writer, stream }, (input) =>
    execute(input, async () => (await import("./commands/Continue.ts")).run),
  ).pipe(
    Command.withDescription("Keep a damaged chain as it is and open its successor"),
    Command.withExamples([
      { command: `${program} audit continue --writer root@host --stream ingress` },
    ]),
  )

const lines = switchOn("lines", "One answer for each line of stdin, and exit 0")

const canonCommand = (execute: Execute, program: string) =>
  Command.make("canon", { lines }, (input) =>
    execute(input, async () => (await import("./commands/Canon.ts")).runCanon),
  ).pipe(
    Command.withDescription("JSON text on stdin to canonical bytes (formats.md, section 1)"),
    Command.withExamples([{ command: `echo '{"b":1,"a":2}' | ${program} audit canon` }]),
  )

const hashCommand = (execute: Execute, program: string) =>
  Command.make("hash", { lines }, (input) =>
    execute(input, async () => (await import("./commands/Canon.ts")).runHash),
  ).pipe(
    Command.withDescription("A record on stdin to its self_hash; one that it carries is checked"),
    Command.withExamples([{ command: `${program} audit hash < record.json` }]),
  )

const tourCommand = (execute: Execute, program: string) =>
  Command.make("tour", { files }, (input) =>
    execute(input, async () => (await import("./commands/Tour.ts")).run),
  ).pipe(
    Command.withDescription("Import, verify, prove and tamper, step by step, on CloudTrail events"),
    Command.withExamples([
      { command: `${program} tour` },
      { command: `${program} tour my-trail.json` },
    ]),
  )

/** The whole program. `outcome` gets the exit code of the command that ran. */
export const makeProgram = (host: Host, outcome: (exit: number) => void) => {
  const execute = executor(host, outcome)
  const { program } = host
  const audit = Command.make("audit").pipe(
    Command.withDescription("Write, read, verify and prove audit records"),
    Command.withSubcommands([
      importCommand(execute, program),
      showCommand(execute, program),
      verifyCommand(execute, program),
      rangeCommand(execute, program),
      exportCommand(execute, program),
      proveCommand(execute, program),
      receiptCommand(execute, program),
      continueCommand(execute, program),
      canonCommand(execute, program),
      hashCommand(execute, program),
      ...backupCommands(execute, program),
    ]),
  )
  return Command.make(host.name).pipe(
    Command.withDescription("A tamper-evident audit log that anyone can verify, offline"),
    Command.withSubcommands([
      audit,
      configCommand(execute, program),
      drillCommand(execute, program),
      tourCommand(execute, program),
    ]),
    Command.withGlobalFlags(Globals.all),
  )
}
