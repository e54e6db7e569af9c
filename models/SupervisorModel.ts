/**
 * A supervisor step by step on a clock of its own: who is up, who waits, what was opened
 * and closed.
 *
 * Children start and stop at once here, and starts fail as often as they are told to. Source:
 * supervisors/Strategy.ts, its header.
 */

export interface ModelPolicy {
  readonly strategy: "one_for_one" | "rest_for_one"
  readonly restartsMax: number
  readonly windowMs: number
  readonly firstMs: number
  readonly maxMs: number
}

export interface ModelChild {
  readonly name: string
  readonly restart: "permanent" | "transient" | "temporary"
}

interface Place extends ModelChild {
  state: "up" | "waiting" | "ended"
  dueMs: number
}

export class SupervisorModel {
  readonly #policy: ModelPolicy
  #places: ReadonlyArray<Place> = []
  #restarts: ReadonlyArray<{ readonly name: string; readonly atMs: number }> = []
  readonly #failingStarts = new Map<string, number>()
  nowMs = 0
  hasEscalated = false
  /** `+name` for an opening, `-name` for a closing. */
  readonly log: Array<string> = []

  constructor(policy: ModelPolicy, children: ReadonlyArray<ModelChild>) {
    this.#policy = policy
    for (const child of children) this.start(child)
  }

  get states(): ReadonlyArray<readonly [string, string]> {
    return this.#places.map(({ name, state }) => [name, state])
  }

  isUp(name: string): boolean {
    return this.#places.some((place) => place.name === name && place.state === "up")
  }

  /** Whether a child of that name is taken on. */
  mayStart(name: string): boolean {
    return !this.#places.some((place) => place.name === name && place.state !== "ended")
  }

  failStarts(name: string, times: number): void {
    this.#failingStarts.set(name, times)
  }

  start(child: ModelChild): void {
    const place: Place = { ...child, state: "waiting", dueMs: this.nowMs }
    this.#places = [...this.#places.filter(({ name }) => name !== child.name), place]
    this.#startDue()
  }

  stop(name: string): void {
    this.#remove(name)
    // Nobody waits for it any more.
    this.#startDue()
  }

  #remove(name: string): void {
    const place = this.#places.find((one) => one.name === name)
    if (place === undefined) return
    if (place.state === "up") this.log.push(`-${name}`)
    this.#places = this.#places.filter((one) => one !== place)
  }

  end(name: string, how: "completed" | "interrupted" | "failed"): void {
    const place = this.#places.find((one) => one.name === name)
    if (place !== undefined) this.#ended(place, how === "failed")
  }

  /** Units: milliseconds, whole. */
  pass(ms: number): void {
    for (let k = 0; k < ms; k++) {
      this.nowMs += 1
      this.#startDue()
    }
  }

  /** Everything stops, the last one first. */
  close(): void {
    for (const { name } of this.#places.toReversed()) this.#remove(name)
  }

  #startDue(): void {
    const isOrdered = this.#policy.strategy === "rest_for_one"
    for (;;) {
      const waiting = this.#places.filter(({ state }) => state === "waiting")
      // Those behind wait for those before them.
      const candidates = isOrdered ? waiting.slice(0, 1) : waiting
      const held = isOrdered ? Math.max(...waiting.map(({ dueMs }) => dueMs)) : 0
      const next = candidates.find(({ dueMs }) => Math.max(dueMs, held) <= this.nowMs)
      if (next === undefined || this.hasEscalated) return
      this.#open(next)
    }
  }

  #open(place: Place): void {
    const { name } = place
    this.log.push(`+${name}`)
    place.state = "up"
    const failures = this.#failingStarts.get(name) ?? 0
    if (failures === 0) return
    this.#failingStarts.set(name, failures - 1)
    this.#ended(place, true)
  }

  #ended(place: Place, isCrash: boolean): void {
    const { restart, name } = place
    const { strategy, restartsMax, windowMs, firstMs, maxMs } = this.#policy
    const comesBack = restart === "permanent" || (restart === "transient" && isCrash)
    const recent = this.#restarts.filter(({ atMs }) => this.nowMs - atMs < windowMs)
    const isTooOften = recent.length >= restartsMax
    const index = this.#places.indexOf(place)
    const rest = strategy === "rest_for_one" && comesBack ? this.#places.slice(index + 1) : []
    for (const one of [place, ...rest].toReversed()) {
      if (one.state === "up") this.log.push(`-${one.name}`)
      one.state = "ended"
    }
    if (!comesBack) return this.#forgetTemporary([place])
    if (isTooOften) {
      this.hasEscalated = true
      return
    }
    const own = recent.filter((one) => one.name === name).length
    const waitMs = Math.min(maxMs, firstMs * 2 ** own)
    this.#restarts = [...this.#restarts, { name, atMs: this.nowMs }]
    this.#forgetTemporary(rest)
    for (const one of [place, ...rest]) {
      one.state = "waiting"
      one.dueMs = this.nowMs + waitMs
    }
  }

  #forgetTemporary(ended: ReadonlyArray<Place>): void {
    const isGone = (one: Place): boolean => one.restart === "temporary" && ended.includes(one)
    this.#places = this.#places.filter((one) => !isGone(one))
  }
}
