/**
 * What was shed of one chain, until a Gap record in the chain tells it.
 *
 * A Gap is written when there is room again, at most one in a second, and the last one when the
 * chain is closed. What cannot be written stays counted for the next.
 *
 * Source: FORMATS 10 (Gap); LEDGER A-090, C-31.
 */
import type { Clock } from "../base/Clock.ts"
import type { ShedReason } from "../ingress/Admission.ts"
import type { JsonObject } from "../record/Canonical.ts"
import { isFull } from "../sink/SinkError.ts"

const gapEveryMs = 1_000

interface Shed {
  count: number
  readonly byReason: Partial<Record<ShedReason, number>>
  readonly firstTsMs: number
  lastTsMs: number
}

export class Shedding {
  readonly #clock: Clock
  readonly #write: (attrs: JsonObject) => Promise<unknown>
  #shed: Shed | undefined
  #lastGapMs = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  #total = 0

  constructor(clock: Clock, write: (attrs: JsonObject) => Promise<unknown>) {
    this.#clock = clock
    this.#write = write
  }

  /** Drafts shed since the chain was opened. */
  get total(): number {
    return this.#total
  }

  add(reason: ShedReason, count: number): void {
    if (count === 0) return
    const nowMs = this.#clock.nowMs()
    this.#shed ??= { count: 0, byReason: {}, firstTsMs: nowMs, lastTsMs: nowMs }
    const { byReason } = this.#shed
    byReason[reason] = (byReason[reason] ?? 0) + count
    this.#shed.count += count
    this.#shed.lastTsMs = nowMs
    this.#total += count
  }

  /** There is room again. */
  room(): void {
    if (this.#shed === undefined || this.#timer !== undefined) return
    const dueMs = this.#lastGapMs + gapEveryMs - this.#clock.nowMs()
    if (dueMs <= 0) return void this.flush().catch(() => undefined)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.flush().catch(() => undefined)
    }, dueMs)
    this.#timer.unref()
  }

  /** Writes what is not told yet. Errors: those of the writer; it is told the next time. */
  async flush(): Promise<void> {
    const shed = this.#shed
    if (shed === undefined) return
    this.#shed = undefined
    this.#lastGapMs = this.#clock.nowMs()
    const { count, byReason, firstTsMs, lastTsMs } = shed
    const attrs = { count, by_reason: byReason, first_ts_ms: firstTsMs, last_ts_ms: lastTsMs }
    await this.#write(attrs as JsonObject).catch((error: unknown) => {
      this.#take(shed)
      // Its writer counted the Gap among what was refused.
      if (isFull(error)) this.#forgetOne()
      throw error
    })
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #forgetOne(): void {
    const shed = this.#shed
    const { io_backpressure: count = 0 } = shed?.byReason ?? {}
    if (shed === undefined || count === 0) return
    shed.byReason.io_backpressure = count - 1
    shed.count -= 1
    this.#total -= 1
  }

  #take(shed: Shed): void {
    const later = this.#shed
    if (later === undefined) {
      this.#shed = shed
      return
    }
    const byReason = { ...shed.byReason }
    for (const [reason, count] of Object.entries(later.byReason)) {
      const key = reason as ShedReason
      byReason[key] = (byReason[key] ?? 0) + count
    }
    const { lastTsMs } = later
    const { firstTsMs } = shed
    this.#shed = { count: shed.count + later.count, byReason, firstTsMs, lastTsMs }
  }
}
