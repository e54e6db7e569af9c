/**
 * `audit verify`: the verdict on a WAL or export directory. Reads nothing but what it is given, and
 * trusts nothing that lies beside the log.
 */
import { existsSync } from "node:fs"
import { join } from "node:path"
import type { LogReport, VerifyOptions } from "../../audit/Verify.ts"
import { sizeChains, verifyParallel } from "../../audit/VerifyParallel.ts"
import { readAnchors, readExpectedHeads } from "../Anchors.ts"
import { UsageError } from "../Exit.ts"
import { exitOf, findingLines, verdictLine, withoutKeys } from "../Findings.ts"
import { Meter } from "../Meter.ts"
import { parseMoment } from "../Moment.ts"
import type { Context } from "../Opening.ts"
import { count, short, table } from "../Output.ts"
import { demandDirectory, type Settings, shown } from "../Settings.ts"

export interface VerifyInput {
  readonly trust: string | undefined
  readonly key: ReadonlyArray<string>
  readonly integrity: boolean
  readonly require: "signed" | "checkpointed" | undefined
  readonly expectHead: ReadonlyArray<string>
  readonly full: boolean
  readonly since: string | undefined
  readonly until: string | undefined
}

/** The directory that is to be read, and which of the two it is. */
export const rootOf = (
  settings: Settings,
): { readonly root: string; readonly flag: "wal-dir" | "export-dir" } => {
  const { given, walDir, exportDir } = settings
  if (given.walDir && given.exportDir) {
    const message = "--wal-dir and --export-dir were given together: verify one after the other"
    throw UsageError.of("USAGE", message)
  }
  const isExport = given.exportDir
  const root = isExport ? exportDir : walDir
  const hint = "give --data-dir, --wal-dir or --export-dir of a log"
  demandDirectory(root, isExport ? "export directory" : "WAL directory", hint)
  return { root, flag: isExport ? "export-dir" : "wal-dir" }
}

export const windowOf = (
  since: string | undefined,
  until: string | undefined,
  [from, to]: readonly [string, string] = ["since", "until"],
): VerifyOptions["window"] => {
  if (since === undefined && until === undefined) return undefined
  const sinceMs = since === undefined ? 0 : parseMoment(from, since)
  const untilMs = until === undefined ? Number.MAX_SAFE_INTEGER : parseMoment(to, until)
  if (sinceMs <= untilMs) return { sinceMs, untilMs }
  throw UsageError.of("USAGE", `--${from} lies behind --${to}`)
}

const checkInput = (input: VerifyInput): void => {
  const wrong = (message: string) => UsageError.of("USAGE", message)
  const isWindow = input.since !== undefined || input.until !== undefined
  if (isWindow && input.full) throw wrong("--full does not go with --since and --until")
  if (isWindow && input.expectHead.length > 0) {
    throw wrong("--expect-head does not go with --since and --until: it asks for the whole chain")
  }
  if (input.integrity && (input.trust !== undefined || input.key.length > 0)) {
    throw wrong("--integrity looks at no signature, so --trust and --key do not go with it")
  }
  if (input.integrity && input.require !== undefined) {
    throw wrong("--integrity looks at no signature, so --require does not go with it")
  }
}

const streamLines = ({ streams }: LogReport): Array<string> =>
  table([
    ["WRITER", "STREAM", "RECORDS", "HEAD", "SIGNED", "CHECKPOINTED TO", "PROVEN TO", "FINDINGS"],
    ...streams.map((stream) => [
      stream.writer_id,
      stream.stream,
      `${stream.records}`,
      short(stream.head_hash),
      `${stream.signed}`,
      `${stream.checkpointed_to}`,
      `${stream.proven_to}`,
      `${stream.findings.length}`,
    ]),
  ])

/** Every chain proven to its head is one sentence, not one for each. */
const noteLines = ({ verdict, notes, streams }: LogReport, hasAnchors: boolean): Array<string> => {
  const proven = new Set(
    streams
      .filter((stream) => stream.proven_to === stream.head)
      .map(
        (stream) =>
          `not proven beyond seq ${stream.proven_to} of ${stream.writer_id} / ${stream.stream}`,
      ),
  )
  // Without an anchor nothing is proven, and the verdict's line says so once.
  const isNews = (note: string) => hasAnchors || !note.startsWith("not proven beyond")
  const rest = notes.filter((note) => !proven.has(note) && isNews(note))
  const shownNotes = rest.slice(0, 20).map((note) => `note: ${note}`)
  if (rest.length > 20) shownNotes.push(`note: and ${rest.length - 20} more (--json gives all)`)
  const isAll = verdict === "valid" && proven.size === streams.length
  const ends = "proven to the last record of every chain that is here"
  return isAll ? [...shownNotes, `note: ${ends}; cut-off ends show with --expect-head`] : shownNotes
}

const reasonFor = ({ verdict, records, streams }: LogReport, hasAnchors: boolean): string => {
  if (verdict === "invalid") {
    const count = streams.reduce((sum, { findings }) => sum + findings.length, 0)
    return `${count} ${count === 1 ? "finding" : "findings"}`
  }
  if (verdict !== "unknown") return ""
  if (records === 0) return "there is no record"
  return hasAnchors ? "not everything is proven" : "no trust anchor was given"
}

/** The trust file that the log wrote itself, or a word in its place. */
export const ownTrust = ({ dataDir }: Settings): string => {
  const own = join(dataDir, "trust.json")
  return existsSync(own) ? shown(own) : "TRUST_FILE"
}

/** What to type to get more than `unknown`. */
const adviceLines = (context: Context, root: string, flag: string): Array<string> => {
  const { settings, host } = context
  const trust = ownTrust(settings)
  const lines = [
    "Nothing is trusted by default. If you got the log's trust file from where you trust it:",
    `  ${host.program} audit verify --${flag} ${shown(root)} --trust ${trust}`,
  ]
  if (trust !== "TRUST_FILE") lines.push(`(${trust} is what this log itself wrote.)`)
  return [
    ...lines,
    `To look at chain and roots alone: … audit verify --${flag} ${shown(root)} --integrity`,
  ]
}

const show = (
  context: Context,
  report: LogReport,
  seconds: number,
  hasAnchors: boolean,
  place: { readonly root: string; readonly flag: string },
): void => {
  const { output } = context
  const { streams, records, trust, verdict } = report
  const rate = Math.round(records / Math.max(seconds, 1e-3)).toLocaleString("en")
  const total = `${count(records, "record")} in ${count(streams.length, "chain")}`
  output.line(`${total} below ${shown(place.root)}, ${seconds.toFixed(2)} s (${rate}/s)`)
  output.line(`trust: ${trust}`)
  if (streams.length > 0) {
    output.line()
    for (const line of streamLines(report)) output.line(line)
  }
  for (const { writer_id, stream, findings: all } of streams) {
    const findings = hasAnchors ? all : withoutKeys(all)
    if (findings.length === 0) continue
    output.line()
    output.line(`${writer_id} / ${stream}`)
    for (const line of findingLines(findings)) output.line(line)
  }
  output.line()
  for (const line of noteLines(report, hasAnchors)) output.line(line)
  const isUntrusted = verdict === "unknown" && !hasAnchors && records > 0
  if (isUntrusted)
    for (const line of adviceLines(context, place.root, place.flag)) output.line(line)
  output.line(verdictLine(output, verdict, reasonFor(report, hasAnchors)))
}

const chainOnly = (report: LogReport): LogReport => ({
  ...report,
  notes: report.notes.filter((note) => !note.startsWith("not proven beyond")),
  streams: report.streams.map((stream) => ({
    ...stream,
    findings: withoutKeys(stream.findings),
  })),
})

/** Errors: UsageError; DocumentError of a trust file; SinkError. */
export const run = async (input: VerifyInput, context: Context): Promise<number> => {
  checkInput(input)
  const { settings, output, signal } = context
  const place = rootOf(settings)
  const trust = readAnchors(input.trust, input.key)
  const expectHeads = await readExpectedHeads(input.expectHead, signal)
  if (input.expectHead.length > 0 && expectHeads.length === 0) {
    output.note("--expect-head names no record: nothing was acknowledged in it")
  }
  const options: VerifyOptions = {
    root: place.root,
    trust,
    integrity: input.integrity,
    require: input.require ?? "signed",
    expectHeads,
    nowMs: Date.now(),
    window: windowOf(input.since, input.until),
  }
  const bytes = sizeChains(place.root).reduce((sum, chain) => sum + chain.bytes, 0)
  const meter = new Meter(output, "verifying", bytes)
  const report = await verifyParallel(options, {
    engine: settings.engine,
    warn: (line) => output.note(line),
    onStep: (step) => meter.add(step),
    signal,
  })
  meter.end()
  const told = input.integrity ? chainOnly(report) : report
  if (output.isJson) output.json(told)
  else show(context, told, meter.seconds, trust !== undefined || input.integrity, place)
  await output.flush()
  return exitOf[report.verdict]
}
