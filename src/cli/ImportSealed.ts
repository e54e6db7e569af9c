/**
 * `audit import --format sealed`: canonical records, replayed into the chains that they are of.
 *
 * Lines are taken in groups, those of a group chain by chain, so that chains that alternate line by
 * line cost no more than chains one after another.
 */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { AuditError } from "../audit/AuditError.ts"
import { logIdOf, parseSealed, type Replay, type Sealed } from "../audit/Replay.ts"
import type { Engine } from "../engine/Engine.ts"
import { selectEngine } from "../engine/Select.ts"
import { Rejected } from "../record/Reject.ts"
import { lineBytesMax } from "./Drafts.ts"
import { exits, UsageError } from "./Exit.ts"
import { newTotals, refusalsShown, showImport } from "./ImportReport.ts"
import { type Line, nameOf, readLines } from "./Lines.ts"
import { type Context, withRoomOptions } from "./Opening.ts"
import { defaultWriterId } from "./Settings.ts"

interface Placed {
  readonly number: number
  readonly record: Sealed
}

class SealedRun {
  readonly totals = newTotals()
  readonly #context: Context
  readonly #engine: Engine
  readonly #skipBad: boolean
  replay: Replay | undefined
  stop: unknown

  constructor(context: Context, engine: Engine, skipBad: boolean) {
    this.#context = context
    this.#engine = engine
    this.#skipBad = skipBad
  }

  async file(file: string): Promise<void> {
    const before = { records: this.totals.records, refused: this.totals.refused }
    for await (const lines of readLines(file, lineBytesMax, this.#context.signal)) {
      await this.#take(lines, file)
      if (this.stop !== undefined || this.#context.signal.aborted) break
    }
    const records = this.totals.records - before.records
    const refused = this.totals.refused - before.refused
    this.totals.files.push({ file: nameOf(file), records, refused })
  }

  async #take(lines: ReadonlyArray<Line>, file: string): Promise<void> {
    const chains = new Map<string, Array<Placed>>()
    for (const { number, bytes } of lines) {
      try {
        const record = parseSealed(this.#engine, bytes ?? new Uint8Array(0))
        const key = `${record.body.writer_id}/${record.body.stream}`
        const chain = chains.get(key)
        if (chain === undefined) chains.set(key, [{ number, record }])
        else chain.push({ number, record })
      } catch (error) {
        if (!(error instanceof Rejected)) throw error
        this.#refuse(file, number, error)
        if (this.stop !== undefined) break
      }
    }
    for (const chain of chains.values()) await this.#write(chain, file)
  }

  async #write(chain: ReadonlyArray<Placed>, file: string): Promise<void> {
    for (let done = 0; done < chain.length; ) {
      const part = chain.slice(done)
      const records = part.map(({ record }) => record)
      this.replay ??= await this.#open(records)
      const { appended, known, refused } = await this.replay.write(records)
      this.totals.records += appended
      this.totals.known += known
      if (refused === undefined) return
      this.#refuse(file, part[refused.index]?.number ?? 0, refused.error)
      // Behind a gap or a fork nothing of the chain can follow.
      if (refused.error instanceof AuditError) this.stop ??= refused.error
      if (this.stop !== undefined) return
      done += refused.index + 1
    }
  }

  #open(records: ReadonlyArray<Sealed>): Promise<Replay> {
    const { host, settings } = this.#context
    const writerId = settings.writerId ?? defaultWriterId()
    const logId = logIdOf(records)
    const isNew = !existsSync(join(settings.dataDir, "trust.json")) && !existsSync(settings.walDir)
    if (isNew && logId === undefined) {
      const message = "the first sealed record is no StreamOpened, so it names no log"
      throw UsageError.of("INPUT", message, "begin with the first record of a chain")
    }
    return withRoomOptions(this.#context, { writerId }, (options) =>
      host.openReplay(options, logId),
    )
  }

  #refuse(file: string, number: number, error: Rejected | AuditError): void {
    const { refusals } = this.totals
    const place = `${nameOf(file)}:${number}`
    const { code, message } = error
    const text = `${place}: ${code}: ${message}`
    this.totals.refused += 1
    if (refusals.length < refusalsShown) refusals.push({ place, code, message })
    if (error instanceof AuditError) {
      this.stop ??= AuditError.of(error.code, text)
    } else if (!this.#skipBad) this.stop ??= UsageError.of("INPUT", text)
    else if (refusals.length < refusalsShown) this.#context.output.note(`refused ${text}`)
  }
}

/** Errors: UsageError; AuditError TAMPER, WRONG_LOG, NOT_FOUND; those of the library. */
export const importSealed = async (
  context: Context,
  files: ReadonlyArray<string>,
  skipBad: boolean,
): Promise<number> => {
  const { settings, output, signal, host } = context
  const engine = selectEngine(settings.engine, () => undefined)
  const begun = performance.now()
  const run = new SealedRun(context, engine, skipBad)
  try {
    for (const file of files) if (run.stop === undefined && !signal.aborted) await run.file(file)
  } catch (error) {
    run.stop ??= error
  }
  const { replay } = run
  await replay?.close().catch((error: unknown) => {
    run.stop ??= error
  })
  const wasStopped = signal.aborted
  if (replay !== undefined) {
    showImport(output, {
      totals: run.totals,
      heads: replay.heads(),
      logId: replay.logId,
      trustPath: replay.trustPath,
      walDir: settings.walDir,
      seconds: (performance.now() - begun) / 1000,
      program: host.program,
      isSealed: true,
      isAside: false,
    })
  }
  await output.flush()
  if (run.stop !== undefined) throw run.stop
  if (replay === undefined && !wasStopped) {
    throw UsageError.of("INPUT", `no sealed record was found in ${files.map(nameOf).join(", ")}`)
  }
  return wasStopped ? exits.aborted : exits.done
}
