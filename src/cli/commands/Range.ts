/**
 * `audit range`: chain and roots of a window, derived again from an export (or WAL) directory.
 */

import type { Verdict } from "../../audit/Finding.ts"
import { type RangeReport, rangeStream } from "../../audit/Range.ts"
import { finish, joinReports, type VerifyOptions } from "../../audit/Verify.ts"
import { selectEngine } from "../../engine/Select.ts"
import { listChains } from "../../sink/Segment.ts"
import { readAnchors } from "../Anchors.ts"
import { UsageError } from "../Exit.ts"
import { exitOf, findingLines, verdictLine, withoutKeys } from "../Findings.ts"
import type { Context } from "../Opening.ts"
import { count, short, table } from "../Output.ts"
import { demandDirectory, shown } from "../Settings.ts"
import { ownTrust, windowOf } from "./Verify.ts"

export interface RangeInput {
  readonly from: string | undefined
  readonly to: string | undefined
  readonly trust: string | undefined
  readonly key: ReadonlyArray<string>
  readonly integrity: boolean
}

const rootFor = ({ settings }: Context): string => {
  const { given, exportDir, walDir } = settings
  if (given.exportDir && given.walDir) {
    throw UsageError.of("USAGE", "--wal-dir and --export-dir were given together")
  }
  const root = given.walDir ? walDir : exportDir
  const what = given.walDir ? "WAL directory" : "export directory"
  demandDirectory(root, what, "give --export-dir, or run audit export first")
  return root
}

const show = ({ output }: Context, chains: ReadonlyArray<RangeReport>): void => {
  for (const { stream, range, records, root, head, checkpoints } of chains) {
    output.line(`${stream.writer_id} / ${stream.stream}`)
    if (range === null) output.line("  no record in the window")
    else {
      output.line(`  records  seq ${range[0]} to ${range[1]}, ${count(records, "record")}`)
      output.line(`  root     ${root}`)
      output.line(`  head     ${head}`)
      for (const line of table(
        checkpoints.map((checkpoint) => [
          "  checkpoint",
          `${checkpoint.range[0]} to ${checkpoint.range[1]}`,
          short(checkpoint.root),
          checkpoint.rebuilt ? "root derived again: the same" : "begins before what is here",
          checkpoint.file,
        ]),
      )) {
        output.line(line)
      }
    }
    if (stream.findings.length > 0) {
      for (const line of findingLines(stream.findings)) output.line(`  ${line}`)
    }
    output.line()
  }
}

/** What to type to get more than `unknown`. */
const advise = ({ output, settings, host }: Context, input: RangeInput, root: string): void => {
  const flag = settings.given.walDir ? "wal-dir" : "export-dir"
  const window = `--from ${input.from} --to ${input.to}`
  const command = `${host.program} audit range ${window} --${flag} ${shown(root)}`
  output.line(
    "Nothing is trusted by default. If you got the log's trust file from where you trust it:",
  )
  output.line(`  ${command} --trust ${ownTrust(settings)}`)
  output.line("To look at chain and roots alone:")
  output.line(`  ${command} --integrity`)
}

const reasonFor = (verdict: Verdict, hasAnchors: boolean, integrity: boolean): string => {
  if (integrity) return "chain and roots only"
  if (verdict !== "unknown") return ""
  return hasAnchors ? "not everything is proven" : "no trust anchor was given"
}

const toJson = ({ stream, ...range }: RangeReport) => {
  const { writer_id, stream: name, log_id, findings } = stream
  return { writer_id, stream: name, log_id, ...range, findings }
}

/** Errors: UsageError; DocumentError of a trust file; SinkError. */
export const run = async (input: RangeInput, context: Context): Promise<number> => {
  const { settings, output, signal } = context
  const window = windowOf(input.from, input.to, ["from", "to"])
  if (window === undefined || input.from === undefined || input.to === undefined) {
    throw UsageError.of("USAGE", "--from and --to are both needed")
  }
  const { integrity } = input
  if (integrity && (input.trust !== undefined || input.key.length > 0)) {
    const message = "--integrity looks at no signature, so --trust and --key do not go with it"
    throw UsageError.of("USAGE", message)
  }
  const trust = readAnchors(input.trust, input.key)
  const root = rootFor(context)
  const options: VerifyOptions & { window: NonNullable<VerifyOptions["window"]> } = {
    root,
    trust,
    integrity,
    require: "signed",
    expectHeads: [],
    nowMs: Date.now(),
    window,
  }
  const engine = selectEngine(settings.engine, (line) => output.note(line))
  const chains: Array<RangeReport> = []
  for (const name of listChains(root)) {
    const range = finish(rangeStream(engine, options, name))
    const findings =
      trust === undefined ? withoutKeys(range.stream.findings) : range.stream.findings
    chains.push({ ...range, stream: { ...range.stream, findings } })
    await new Promise((done) => setImmediate(done))
    signal.throwIfAborted()
  }
  const { verdict } = joinReports(
    chains.map(({ stream }) => stream),
    options,
  )
  if (output.isJson)
    output.json({ verdict, from: window.sinceMs, to: window.untilMs, chains: chains.map(toJson) })
  else {
    show(context, chains)
    if (trust === undefined && !integrity && verdict === "unknown") advise(context, input, root)
    output.line(verdictLine(output, verdict, reasonFor(verdict, trust !== undefined, integrity)))
  }
  await output.flush()
  return exitOf[verdict]
}
