/**
 * Stopping: intake closes, the queue drains, or the deadline aborts what is left.
 *
 *     running -> draining -> stopped
 *                   +-> aborting -> stopped
 *
 * - Whoever was accepted is answered exactly once: written or cancelled, also while in hand.
 * - Nothing is accepted once the intake is closed, nothing is written once the sink is.
 * - Everybody ends, whenever the deadline comes.
 */
import { invariant } from "../src/base/Invariant.ts"
import type { Actor, World } from "./Actor.ts"

export const shutdownBugs = [
  "asks whether the intake is open, waits, then accepts",
  "takes an empty queue for drained",
  "aborts the queue and forgets the batch in hand",
  "answers the batch in hand although it was aborted",
  "leaves the writer asleep",
] as const

export type ShutdownBug = (typeof shutdownBugs)[number]

type Phase = "running" | "draining" | "aborting" | "stopped"

export interface ShutdownBounds {
  readonly producers: number
  readonly offersEach: number
  readonly batchMax: number
}

export const shutdownWorld = (bounds: ShutdownBounds, bug?: ShutdownBug): World =>
  new ShutdownWorld(bounds, bug)

class ShutdownWorld implements World {
  readonly actors: ReadonlyArray<Actor>
  readonly #bounds: ShutdownBounds
  readonly #bug: ShutdownBug | undefined

  readonly #queue: Array<string> = []
  readonly #answers = new Map<string, Array<"written" | "cancelled">>()
  readonly #phases: Array<Phase> = ["running"]
  #hand: ReadonlyArray<string> = []
  #isIntakeOpen = true
  #isSinkOpen = true
  #isLate = false
  #leftCount = 0

  constructor(bounds: ShutdownBounds, bug: ShutdownBug | undefined) {
    this.#bounds = bounds
    this.#bug = bug

    this.actors = [...this.#producers(), this.#writer(), this.#closer(), this.#deadline()]
  }

  #phase(): Phase {
    return this.#phases.at(-1) as Phase
  }

  #answer(items: ReadonlyArray<string>, how: "written" | "cancelled"): void {
    for (const item of items) this.#answers.get(item)?.push(how)
  }

  #producers(): ReadonlyArray<Actor> {
    return [...Array(this.#bounds.producers).keys()].map((name) => this.#producer(name))
  }

  *#producer(name: number): Actor {
    for (let k = 0; k < this.#bounds.offersEach; k++) {
      yield undefined
      const isOpen = this.#isIntakeOpen
      if (this.#bug === "asks whether the intake is open, waits, then accepts") yield undefined
      if (!isOpen) continue
      this.#answers.set(`${name}:${k}`, [])
      this.#queue.push(`${name}:${k}`)
    }
  }

  *#writer(): Actor {
    for (;;) {
      const isWoken =
        this.#bug === "leaves the writer asleep"
          ? () => this.#queue.length > 0
          : () => this.#queue.length > 0 || this.#phase() === "stopped"
      yield isWoken
      if (this.#queue.length === 0) return
      this.#hand = this.#queue.splice(0, this.#bounds.batchMax)
      yield undefined
      // An abort came while the disk worked: who waited has had an answer.
      const isCancelled = this.#hand.length === 0
      if (isCancelled && this.#bug !== "answers the batch in hand although it was aborted") continue
      invariant(this.#isSinkOpen || isCancelled, "nothing is written to a closed sink")
      this.#answer(this.#hand, "written")
      this.#hand = []
    }
  }

  *#closer(): Actor {
    yield undefined
    this.#isIntakeOpen = false
    this.#phases.push("draining")
    const isDrained = (): boolean =>
      this.#queue.length === 0 &&
      (this.#hand.length === 0 || this.#bug === "takes an empty queue for drained")
    yield () => isDrained() || this.#isLate
    if (!isDrained()) {
      this.#phases.push("aborting")
      const left = this.#queue.splice(0)
      const inHand =
        this.#bug === "aborts the queue and forgets the batch in hand" ? [] : this.#hand
      this.#leftCount = left.length + inHand.length
      this.#answer([...inHand, ...left], "cancelled")
      if (this.#bug !== "answers the batch in hand although it was aborted") this.#hand = []
    }
    this.#isSinkOpen = false
    this.#phases.push("stopped")
  }

  *#deadline(): Actor {
    yield () => this.#phase() !== "running"
    this.#isLate = true
  }

  check(): void {
    for (const [item, got] of this.#answers) invariant(got.length <= 1, `${item} is answered once`)
    if (this.#phase() === "stopped") invariant(this.#hand.length === 0, "stopped is stopped")
  }

  finish(): void {
    const got = [...this.#answers.values()]
    invariant(
      got.every(({ length }) => length === 1),
      "each accepted item is answered",
    )
    const cancelled = got.flat().filter((how) => how === "cancelled").length
    invariant(cancelled === this.#leftCount, "what was left is counted")
    const [, second, third] = this.#phases
    invariant(second === "draining", "intake stops first")
    invariant(third === "stopped" || this.#leftCount > 0, "only what is left is aborted")
  }
}
