/**
 * The deadline of one sink's steps: who is late, and when it is no longer waited for.
 *
 * - A step that lasts longer than its deadline is *late*: counted once, and told of once for all
 *   that have less than ten seconds between them.
 * - One that outlasts `strikesMax` deadlines is a *stall*, which ends with the step.
 *
 * The deadline is that of 1 MiB; a step that makes more durable has as much more time. Nothing is
 * ever cut short: what a device does with a write that was given up, nobody knows.
 */

import type { Clock } from "../base/Clock.ts"
import { timerMsMax } from "../base/Limits.ts"

export interface PatienceTerms {
  /** Units: milliseconds for each MiB that is begun. */
  readonly deadlineMs: number
  readonly strikesMax: number
}

export interface PatienceOptions extends PatienceTerms {
  readonly clock: Clock
  /** Told of the first of several late steps. */
  readonly onLate: (afterMs: number) => void
  /** Told when a stall begins, and when it ends. */
  readonly onStall: (isStalled: boolean) => void
}

const mebibyte = 1 << 20
const calmMs = 10_000

export class Patience {
  readonly #options: PatienceOptions
  #terms: PatienceTerms
  #late = 0
  /** From when on a late step is news. */
  #calmFromMs = Number.NEGATIVE_INFINITY
  #stalled = 0

  constructor(options: PatienceOptions) {
    this.#options = options
    this.#terms = options
  }

  /** For the steps that begin from now on. */
  set terms(terms: PatienceTerms) {
    this.#terms = terms
  }

  /** Steps that were late. */
  get late(): number {
    return this.#late
  }

  get isStalled(): boolean {
    return this.#stalled > 0
  }

  /** A step that holds the thread: whether it was late is known behind it. */
  during(step: () => void): void {
    const { clock } = this.#options
    const begun = clock.nowMs()
    step()
    const tookMs = clock.nowMs() - begun
    if (tookMs > this.#terms.deadlineMs) this.#onLate(tookMs)
  }

  /** `bytes`: to be made durable by the step. */
  async with<A>(bytes: number, step: () => Promise<A>): Promise<A> {
    const { deadlineMs, strikesMax } = this.#terms
    const longMs = deadlineMs * Math.max(1, Math.ceil(bytes / mebibyte))
    const dueMs = Math.min(longMs, timerMsMax)
    let strikes = 0
    let isOver = false
    const strike = (): void => {
      if (isOver) return
      strikes += 1
      if (strikes === 1) this.#onLate(dueMs)
      if (strikes === strikesMax) this.#stall(1)
    }
    // A host that kept the thread is no slow device: what came meanwhile is looked at first.
    const timer = setInterval(() => setImmediate(strike), dueMs)
    timer.unref()
    try {
      return await step()
    } finally {
      isOver = true
      clearInterval(timer)
      if (strikes > 0) this.#calmFromMs = this.#options.clock.nowMs() + calmMs
      if (strikes >= strikesMax) this.#stall(-1)
    }
  }

  #onLate(afterMs: number): void {
    this.#late += 1
    const nowMs = this.#options.clock.nowMs()
    const isNews = nowMs >= this.#calmFromMs
    this.#calmFromMs = nowMs + calmMs
    if (isNews) this.#options.onLate(afterMs)
  }

  #stall(change: 1 | -1): void {
    const before = this.isStalled
    this.#stalled += change
    if (before !== this.isStalled) this.#options.onStall(this.isStalled)
  }
}
