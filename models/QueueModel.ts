/**
 * Producers that shed and one consumer that sleeps, around a bounded queue.
 *
 * - At most `depthMax` wait; a full queue answers at once, and each refusal is counted.
 * - Whoever was taken in is answered once, and each producer in its order.
 * - The consumer never sleeps while something waits: under finite arrivals the queue drains.
 */
import { invariant } from "../src/base/Invariant.ts"
import type { Actor, World } from "./Actor.ts"

export const queueBugs = [
  "looks for room, waits, then puts",
  "sheds without counting",
  "looks for work, waits, then sleeps",
  "rings before it puts",
  "answers a batch again",
] as const

export type QueueBug = (typeof queueBugs)[number]

export interface QueueBounds {
  readonly producers: number
  readonly offersEach: number
  readonly depthMax: number
  readonly batchMax: number
}

export const queueWorld = (bounds: QueueBounds, bug?: QueueBug): World =>
  new QueueWorld(bounds, bug)

class QueueWorld implements World {
  readonly actors: ReadonlyArray<Actor>
  readonly #bounds: QueueBounds
  readonly #bug: QueueBug | undefined

  readonly #waiting: Array<string> = []
  readonly #accepted: Array<string> = []
  readonly #answered: Array<string> = []
  #refused = 0
  #shedCount = 0
  #isAsleep = false
  #producing: number

  constructor(bounds: QueueBounds, bug: QueueBug | undefined) {
    this.#bounds = bounds
    this.#bug = bug

    this.#producing = bounds.producers
    this.actors = [...this.#producers(), this.#consumer()]
  }

  #ring(): void {
    this.#isAsleep = false
  }

  #put(item: string): void {
    this.#waiting.push(item)
    this.#accepted.push(item)
  }

  #producers(): ReadonlyArray<Actor> {
    return [...Array(this.#bounds.producers).keys()].map((name) => this.#producer(name))
  }

  *#producer(name: number): Actor {
    for (let k = 0; k < this.#bounds.offersEach; k++) {
      yield undefined
      const hasRoom = this.#waiting.length < this.#bounds.depthMax
      if (this.#bug === "looks for room, waits, then puts") yield undefined
      if (!hasRoom) {
        this.#refused++
        if (this.#bug !== "sheds without counting") this.#shedCount++
        continue
      }
      if (this.#bug === "rings before it puts") {
        if (this.#waiting.length === 0) this.#ring()
        yield undefined
        this.#put(`${name}:${k}`)
        continue
      }
      this.#put(`${name}:${k}`)
      if (this.#waiting.length === 1) this.#ring()
    }
    this.#producing--
  }

  *#consumer(): Actor {
    for (;;) {
      const batch = this.#waiting.splice(0, this.#bounds.batchMax)
      if (batch.length === 0) {
        if (this.#bug === "looks for work, waits, then sleeps") yield undefined
        this.#isAsleep = true
        yield () => !this.#isAsleep || (this.#producing === 0 && this.#waiting.length === 0)
        if (this.#isAsleep) return
        continue
      }
      // The batch is written: others go on meanwhile.
      yield undefined
      this.#answered.push(...batch)
      if (this.#bug === "answers a batch again" && this.#waiting.length > 0)
        this.#answered.push(...batch)
    }
  }

  check(): void {
    invariant(this.#waiting.length <= this.#bounds.depthMax, "no more wait than there is room")
    invariant(this.#answered.length <= this.#accepted.length, "nobody is answered twice")
  }

  finish(): void {
    invariant(this.#waiting.length === 0, "the queue drains")
    invariant(this.#shedCount === this.#refused, "each refusal is counted")
    invariant(
      this.#accepted.length + this.#refused === this.#bounds.producers * this.#bounds.offersEach,
      "each offer is answered",
    )
    invariant(
      this.#answered.join() === this.#accepted.join(),
      "each accepted item is answered once, in order",
    )
  }
}
