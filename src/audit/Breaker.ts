/**
 * When a step that keeps failing is tried again.
 *
 * closed: tried at once. After `failures` in a row it opens: not tried until the cooldown is over,
 * then once more (half open). Each failure from there doubles the cooldown, up to 64 times the
 * first; a success closes it.
 *
 * Source: LEDGER.
 */
export interface BreakerTerms {
  readonly failures: number
  /** Units: milliseconds. */
  readonly cooldownMs: number
}

const growthMax = 64

export interface BreakerState {
  readonly state: "closed" | "open" | "half_open"
  /** In a row. */
  readonly failures: number
  /** Units: milliseconds until it is tried again; 0 unless open. */
  readonly waitsMs: number
}

export class Breaker {
  readonly #terms: BreakerTerms
  #failures = 0
  #dueMs = 0

  constructor(terms: BreakerTerms) {
    this.#terms = terms
  }

  /** `nowMs`: of one clock, whichever it is. */
  stateAt(nowMs: number): BreakerState {
    const failures = this.#failures
    if (failures < this.#terms.failures) return { state: "closed", failures, waitsMs: 0 }
    const waitsMs = Math.max(0, this.#dueMs - nowMs)
    return { state: waitsMs > 0 ? "open" : "half_open", failures, waitsMs }
  }

  succeed(): void {
    this.#failures = 0
  }

  fail(nowMs: number): void {
    this.#failures += 1
    const beyond = this.#failures - this.#terms.failures
    const growth = Math.min(growthMax, 2 ** Math.max(0, beyond))
    this.#dueMs = nowMs + this.#terms.cooldownMs * growth
  }
}
