/**
 * `audit import`: real events into the log.
 *
 * - Files are read in pieces and at most 1,024 appends are under way, whatever the size.
 * - A bad line stops the import: what stands before it is in the log, durable and counted, nothing
 *   behind it is. With --skip-bad it is reported and counted, and the import goes on.
 * - A signal stops reading; everything taken is settled, checkpointed and closed before the end.
 */
import { controlStream } from "../../audit/AuditLog.ts"
import type { FsyncPolicy, Signing } from "../../audit/Declaration.ts"
import type { Level } from "../../audit/Progress.ts"
import { selectEngine } from "../../engine/Select.ts"
import { Acks } from "../Acks.ts"
import { cloudTrailEvents, type Item, jsonLines, type Taken } from "../Drafts.ts"
import { exits, OutputError, UsageError } from "../Exit.ts"
import { Feed, type FeedFailure, isRefusal } from "../Feed.ts"
import type { Room } from "../Host.ts"
import { type ImportTotals, newTotals, refusalsShown, showImport } from "../ImportReport.ts"
import { demandFile, nameOf } from "../Lines.ts"
import { checkNames } from "../Names.ts"
import { type Context, effectiveSigning, withRoomOptions } from "../Opening.ts"
import { BrokenPipe } from "../Output.ts"
import { Repeats } from "../Repeats.ts"
import { defaultWriterId } from "../Settings.ts"

export interface ImportInput {
  readonly files: ReadonlyArray<string>
  readonly format: "jsonl" | "cloudtrail" | "sealed"
  readonly stream: string | undefined
  readonly writer: string | undefined
  readonly signing: Signing | undefined
  readonly fsync: FsyncPolicy | undefined
  readonly acks: boolean
  readonly level: Level | undefined
  readonly skipBad: boolean
}

const checkInput = (input: ImportInput): void => {
  const { files, format, acks, level, signing, stream, writer } = input
  const wrong = (message: string, hint?: string) => UsageError.of("USAGE", message, hint)
  if (files.length === 0) throw wrong("no file was given", "give one or more files, - is stdin")
  if (files.filter((file) => file === "-").length > 1) throw wrong("stdin can be read only once")
  if (level !== undefined && !acks) throw wrong("--level needs --acks")
  if (level === "signed" && signing === "checkpoint") {
    throw wrong("--level signed is never reached with --signing checkpoint")
  }
  if (stream === controlStream) throw wrong("the stream control is the runtime's own")
  if (format === "sealed" && (acks || stream !== undefined || writer !== undefined)) {
    const own = "sealed records keep their own writer and stream and give no acknowledgements"
    throw wrong(`--stream, --writer and --acks do not go with --format sealed: ${own}`)
  }
  checkNames(input)
  for (const file of files) demandFile(file)
}

/** Why the import ends before its files do, and the exit code of that. */
const endedEarly = ({ signal }: Context): string | undefined => {
  if (!signal.aborted) return undefined
  const { reason } = signal
  const isOutput = reason instanceof BrokenPipe || reason instanceof OutputError
  return isOutput ? "stopped: stdout takes no more acknowledgements" : "stopped by a signal"
}

/** Why an import ended before its files did. */
interface Stop {
  readonly place: string
  readonly error: unknown
}

class Run {
  readonly totals: ImportTotals = newTotals()
  readonly #context: Context
  readonly #input: ImportInput
  readonly #feed: Feed
  readonly #acks: Acks | undefined
  #handled = 0
  stop: Stop | undefined

  constructor(context: Context, input: ImportInput, room: Room) {
    this.#context = context
    this.#input = input
    const acks = input.acks ? new Acks(input.level ?? "durable", context.output) : undefined
    this.#acks = acks
    // Opening has opened every chain that this writer has.
    const repeats = new Repeats(room.heads())
    this.#feed = new Feed(
      (draft) => room.append(draft),
      (receipt, draft) => {
        if (repeats.isRepeat(draft, receipt)) this.totals.repeated += 1
        acks?.add(receipt)
      },
    )
  }

  async file(file: string): Promise<void> {
    const tally = { file: nameOf(file), records: 0, refused: 0, repeated: 0 }
    this.totals.files.push(tally)
    const { records, repeated, refused } = this.totals
    for await (const items of this.#items(file)) {
      await this.#take(items, file)
      if (this.stop !== undefined || this.#context.signal.aborted) break
    }
    await this.#feed.drain()
    this.#lookAtFailures(file)
    if (this.#feed.failures.length > 0) this.#sayWhere(file)
    this.totals.records = this.#feed.accepted - this.totals.repeated
    tally.records = this.totals.records - records
    tally.repeated = this.totals.repeated - repeated
    tally.refused = this.totals.refused - refused
  }

  async acknowledge(): Promise<void> {
    await this.#acks?.done()
    if (this.#acks?.failure !== undefined) {
      this.stop ??= { place: "acknowledgements", error: this.#acks.failure }
    }
  }

  #items(file: string): AsyncGenerator<ReadonlyArray<Item>> {
    const { format, stream } = this.#input
    const { signal } = this.#context
    if (format === "jsonl") return jsonLines(file, stream, signal)
    const { cuts } = this.totals
    const onCut = (member: string): void => void cuts.set(member, (cuts.get(member) ?? 0) + 1)
    // The room has told already where the native engine is not there.
    const engine = selectEngine(this.#context.settings.engine, () => undefined)
    return cloudTrailEvents(file, { stream, engine, onCut }, signal)
  }

  async #take(items: ReadonlyArray<Item>, file: string): Promise<void> {
    const { signal } = this.#context
    for (const item of items) {
      if (this.#feed.isFull) await this.#feed.room()
      if (this.#feed.failures.length > this.#handled) this.#lookAtFailures(file)
      if (this.stop !== undefined || signal.aborted) return
      if ("draft" in item && item.isLarge === true) await this.#pushAlone(item, file)
      else if ("draft" in item) this.#feed.push(item.draft, item.at)
      else this.#refuse(file, item.at, item.code, item.message, item.isEnd === true)
    }
  }

  /** Nothing may be behind a draft that the writer may refuse. */
  async #pushAlone({ draft, at }: Taken, file: string): Promise<void> {
    await this.#feed.drain()
    this.#feed.push(draft, at)
    await this.#feed.drain()
    this.#lookAtFailures(file)
  }

  /** Drafts that the log itself refused, after they were pushed. */
  #lookAtFailures(file: string): void {
    for (const failure of this.#feed.failures.slice(this.#handled)) {
      this.#handled += 1
      this.#fail(file, failure)
    }
  }

  /** What was under way when the log refused a draft may be in it: a second import must know. */
  #sayWhere(file: string): void {
    const first = this.#feed.failures[0]
    if (first === undefined || this.stop === undefined) return
    const { acceptedBehind } = this.#feed
    const behind = acceptedBehind === 0 ? "nothing" : `${acceptedBehind} drafts`
    const place = this.#place(file, first.at)
    const text = `stopped at ${place}: what stands before it is in the log, ${behind} behind it`
    this.#context.output.note(text)
  }

  #fail(file: string, { at, error }: FeedFailure): void {
    if (!isRefusal(error)) this.stop ??= { place: this.#place(file, at), error }
    else this.#refuse(file, at, error.code, error.message, false)
  }

  #refuse(file: string, at: number, code: string, message: string, isEnd: boolean): void {
    const { refusals } = this.totals
    const place = this.#place(file, at)
    const text = `${place}: ${code}: ${message}`
    this.totals.refused += 1
    if (refusals.length < refusalsShown) refusals.push({ place, code, message })
    if (!this.#input.skipBad || isEnd) {
      const hint = isEnd ? undefined : "what stands before it is in the log; --skip-bad goes on"
      this.stop ??= { place, error: UsageError.of("INPUT", text, hint) }
    } else if (refusals.length < refusalsShown) this.#context.output.note(`refused ${text}`)
    else if (this.totals.refused === refusalsShown) this.#context.output.note("refused more lines")
  }

  #place(file: string, at: number): string {
    const name = nameOf(file)
    return this.#input.format === "jsonl" ? `${name}:${at}` : `${name}, event ${at}`
  }
}

/** Settles what was taken; the first thing that goes wrong is kept. */
const settle = async (run: Run, room: Room): Promise<void> => {
  for (const step of [() => room.flush(), () => room.checkpoint(), () => run.acknowledge()]) {
    try {
      await step()
    } catch (error) {
      run.stop ??= { place: "the end of the import", error }
    }
  }
}

const importDrafts = async (context: Context, input: ImportInput): Promise<number> => {
  const { host, output, settings, signal } = context
  const writerId = input.writer ?? settings.writerId ?? defaultWriterId()
  const wishes = { writerId, signing: input.signing, fsync: input.fsync }
  if (input.level === "signed" && effectiveSigning(settings, wishes) === "checkpoint") {
    const message = "--level signed is never reached: this log signs checkpoints only"
    throw UsageError.of("USAGE", message, "give --level checkpointed, or --signing batch")
  }
  const room = await withRoomOptions(context, wishes, host.openRoom)
  const begun = performance.now()
  const run = new Run(context, input, room)
  try {
    for (const file of input.files) {
      if (run.stop === undefined && !signal.aborted) await run.file(file)
    }
    await settle(run, room)
  } catch (error) {
    run.stop ??= { place: "", error }
  }
  const seconds = (performance.now() - begun) / 1000
  const { logId, trustPath } = room
  const heads = room.heads()
  await room.close().catch((error: unknown) => {
    run.stop ??= { place: "closing the log", error }
  })
  const early = endedEarly(context)
  showImport(output, {
    totals: run.totals,
    heads,
    logId,
    trustPath,
    walDir: settings.walDir,
    seconds,
    program: host.program,
    isSealed: false,
    isAside: input.acks,
  })
  await output.flush()
  if (run.stop !== undefined) throw run.stop.error
  if (early !== undefined) output.note(`${early}: ${run.totals.records} records are in the log`)
  return early === undefined ? exits.done : exits.aborted
}

/** Errors: UsageError; those of the library. */
export const run = async (input: ImportInput, context: Context): Promise<number> => {
  checkInput(input)
  if (input.format !== "sealed") return importDrafts(context, input)
  const { importSealed } = await import("../ImportSealed.ts")
  return importSealed(context, input.files, input.skipBad)
}
