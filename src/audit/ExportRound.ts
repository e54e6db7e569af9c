/**
 * Exports of all chains of a log, one round at a time, so that a device that hangs or fails holds
 * up nothing but its own share.
 *
 * - A chain whose export makes no progress for `budgetMs` is told as TIMEOUT and left behind: the
 *   round goes on to the next chain. It is not begun a second time while it may still be running.
 * - Nothing that was written is undone: what a manifest names is there before it (Export).
 * - After several rounds in a row that could not write, the next ones are refused for a while.
 *
 * Source: LEDGER.
 */
import type { Clock } from "../base/Clock.ts"
import { SinkError } from "../sink/SinkError.ts"
import { AuditError } from "./AuditError.ts"
import { Breaker, type BreakerState, type BreakerTerms } from "./Breaker.ts"
import type { Exported } from "./Export.ts"

export interface ExportRoundOptions {
  readonly clock: Clock
  /** Units: milliseconds without progress. */
  readonly budgetMs: number
  readonly breaker: BreakerTerms
  /** Names of the chains to export. */
  readonly streams: () => ReadonlyArray<string>
  /** Makes the files of a chain ready to be exported. */
  readonly seal: (stream: string) => Promise<void>
  /** Calls `progress` whenever something was done. */
  readonly exportOne: (stream: string, progress: () => void) => Promise<Exported | undefined>
}

export class ExportRound {
  readonly #options: ExportRoundOptions
  readonly #breaker: Breaker
  readonly #running = new Set<string>()
  #round: Promise<unknown> = Promise.resolve()

  constructor(options: ExportRoundOptions) {
    this.#options = options
    this.#breaker = new Breaker(options.breaker)
  }

  /** Whether exports are tried, and when. */
  get state(): BreakerState {
    return this.#breaker.stateAt(this.#options.clock.nowMs())
  }

  /**
   * Exports what is new of every chain; the others too where one fails.
   * Errors: the first of SinkError, SignerError, AuditError TIMEOUT, TAMPER; UNAVAILABLE at once
   * while the breaker is open.
   */
  run(): Promise<ReadonlyArray<Exported>> {
    const round = this.#round.then(() => this.#run())
    this.#round = round.catch(() => undefined)
    return round
  }

  async #run(): Promise<ReadonlyArray<Exported>> {
    const { state, failures, waitsMs } = this.state
    if (state === "open") {
      const why = `the last ${failures} failed; they are tried again in ${waitsMs} ms`
      throw AuditError.of("UNAVAILABLE", `exports are suspended: ${why}`)
    }
    const exported: Array<Exported> = []
    const errors: Array<unknown> = []
    let isBroken = false
    for (const stream of this.#options.streams()) {
      try {
        const one = await this.#one(stream)
        if (one !== undefined) exported.push(one)
      } catch (error) {
        errors.push(error)
        isBroken ||= error instanceof ExportFailed
      }
    }
    if (isBroken) this.#breaker.fail(this.#options.clock.nowMs())
    else this.#breaker.succeed()
    const [first] = errors
    if (errors.length > 0) throw first instanceof ExportFailed ? first.error : first
    return exported
  }

  async #one(stream: string): Promise<Exported | undefined> {
    if (this.#running.has(stream)) throw new ExportFailed(stillRunning(stream))
    this.#running.add(stream)
    let isSealed = false
    const { budgetMs, seal, exportOne } = this.#options
    const watched = watch(budgetMs, async (progress) => {
      try {
        await seal(stream)
        isSealed = true
        progress()
        return await exportOne(stream, progress)
      } finally {
        this.#running.delete(stream)
      }
    })
    return watched.catch((error: unknown) => {
      const failed = error === late ? tooSlow(stream, isSealed, budgetMs) : error
      // A WAL that does not let itself be sealed says nothing about where exports go.
      const isOurs = isSealed && (error === late || error instanceof SinkError)
      throw isOurs ? new ExportFailed(failed) : failed
    })
  }
}

/** A failure of the export directory. */
class ExportFailed {
  readonly error: unknown

  constructor(error: unknown) {
    this.error = error
  }
}

const late = Symbol("late")

/** Rejects with `late` after `budgetMs` without progress; the step goes on. */
const watch = async <A>(
  budgetMs: number,
  step: (progress: () => void) => Promise<A>,
): Promise<A> => {
  const { promise: lateness, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(late), budgetMs)
  timer.unref()
  const running = step(() => void timer.refresh())
  // It may fail when nobody waits for it any more.
  running.catch(() => undefined)
  try {
    return await Promise.race([running, lateness])
  } finally {
    clearTimeout(timer)
  }
}

const tooSlow = (stream: string, isSealed: boolean, budgetMs: number): AuditError => {
  const what = isSealed ? `the export of ${stream}` : `sealing ${stream} for its export`
  return AuditError.of("TIMEOUT", `${what} made no progress for ${budgetMs} ms`)
}

const stillRunning = (stream: string): AuditError =>
  AuditError.of("TIMEOUT", `the last export of ${stream} has still not ended`)
