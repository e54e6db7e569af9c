/**
 * A supervisor that takes one message at a time, beside children that crash when they like, a timer
 * and somebody who stops it all.
 *
 * - Never two of one child: it starts again only when the one before has released everything.
 * - The ending of a child that was stopped, or of one before the present one, restarts nothing.
 * - No crash goes unnoticed, and everything is released at the end, whenever the stop comes.
 */
import { invariant } from "../src/base/Invariant.ts"
import type { Actor, World } from "./Actor.ts"

export const restartBugs = [
  "starts before the finalizers have run",
  "takes the ending of an earlier one for the present one's",
  "looks for messages, waits, then sleeps",
  "stops what runs and forgets the timer",
  "restarts only the failed one of the rest",
] as const

export type RestartBug = (typeof restartBugs)[number]

export interface RestartBounds {
  readonly children: number
  readonly crashesMax: number
}

interface Life {
  readonly child: number
  readonly number: number
  /** The life of the child before it, which it needs. */
  readonly needs: number | undefined
}

export const restartWorld = (bounds: RestartBounds, bug?: RestartBug): World =>
  new RestartWorld(bounds, bug)

class RestartWorld implements World {
  readonly actors: ReadonlyArray<Actor>
  readonly #bounds: RestartBounds
  readonly #bug: RestartBug | undefined

  readonly #names: ReadonlyArray<number>
  readonly #inbox: Array<Life> = []
  /** Everything that holds something, also while it releases it. */
  readonly #held: Array<Life> = []
  readonly #present: Array<Life | undefined>
  #lives = 0
  #isAsleep = false
  #dueFrom: number | undefined
  #isDue = false
  #isStopping = false
  #isOver = false

  constructor(bounds: RestartBounds, bug: RestartBug | undefined) {
    this.#bounds = bounds
    this.#bug = bug

    this.#names = [...Array(bounds.children).keys()]
    this.#present = this.#names.map(() => undefined)
    this.actors = [this.#loop(), this.#crashes(), this.#timer(), this.#stopper()]
  }

  #ring(): void {
    this.#isAsleep = false
  }

  #start(child: number): void {
    this.#lives++
    const life = { child, number: this.#lives, needs: this.#present[child - 1]?.number }
    this.#present[child] = life
    this.#held.push(life)
    const twice = this.#held.filter((other) => other.child === child).length > 1
    invariant(!twice, "one of each child")
    const before = this.#names.slice(0, child).every((name) => this.#present[name] !== undefined)
    invariant(before, "a child starts when those before it run")
  }

  #hasWhatItNeeds(life: Life | undefined): boolean {
    return life === undefined || life.needs === this.#present[life.child - 1]?.number
  }

  #release(life: Life): void {
    this.#held.splice(this.#held.indexOf(life), 1)
  }

  *#stop(child: number): Actor {
    const life = this.#present[child]
    if (life === undefined) return
    this.#present[child] = undefined
    // The finalizers.
    yield undefined
    if (this.#held.includes(life)) this.#release(life)
  }

  *#onEnded({ child, number }: Life): Actor {
    const isPresent = this.#present[child]?.number === number
    const isTaken =
      isPresent ||
      (this.#bug === "takes the ending of an earlier one for the present one's" &&
        this.#present[child] !== undefined)
    if (!isTaken) return
    invariant(isPresent, "only the present one's ending counts")
    const last =
      this.#bug === "restarts only the failed one of the rest" ? child : this.#bounds.children - 1
    for (let name = last; name >= child; name--) {
      const life = this.#present[name]
      if (this.#bug === "starts before the finalizers have run" && life !== undefined) {
        this.#present[name] = undefined
        this.#inbox.push(life)
      } else yield* this.#stop(name)
    }
    this.#dueFrom = Math.min(child, this.#dueFrom ?? child)
  }

  *#loop(): Actor {
    for (const name of this.#names) this.#start(name)
    while (!this.#isStopping) {
      const message = this.#inbox.shift()
      if (message !== undefined) yield* this.#onEnded(message)
      else if (this.#dueFrom !== undefined && this.#isDue) {
        const from = this.#dueFrom
        this.#dueFrom = undefined
        this.#isDue = false
        for (const name of this.#names.slice(from))
          if (this.#present[name] === undefined) this.#start(name)
      } else {
        if (this.#bug === "looks for messages, waits, then sleeps") yield undefined
        this.#isAsleep = true
        yield () => !this.#isAsleep
      }
    }
    for (const name of this.#names.toReversed()) yield* this.#stop(name)
    this.#isOver = true
    if (this.#bug === "stops what runs and forgets the timer" && this.#dueFrom !== undefined)
      this.#start(this.#dueFrom)
  }

  *#crashes(): Actor {
    for (let k = 0; k < this.#bounds.crashesMax; k++) {
      const child = k % this.#bounds.children
      yield () => this.#present[child] !== undefined || this.#isOver
      const life = this.#present[child]
      if (life === undefined) return
      // It is told of a little later, and somebody may have stopped it by then.
      yield undefined
      this.#inbox.push(life)
      this.#ring()
    }
  }

  *#timer(): Actor {
    for (let k = 0; k < this.#bounds.crashesMax; k++) {
      yield () => this.#dueFrom !== undefined || this.#isOver
      this.#isDue = true
      this.#ring()
    }
  }

  *#stopper(): Actor {
    yield undefined
    this.#isStopping = true
    this.#ring()
  }

  check(): void {
    invariant(!this.#isOver || this.#held.length === 0, "nothing is held once it is over")
    const isQuiet = this.#isAsleep && this.#dueFrom === undefined
    invariant(
      !isQuiet || this.#present.every((life) => this.#hasWhatItNeeds(life)),
      "each has what it was started with",
    )
    invariant(!this.#isAsleep || this.#inbox.length === 0, "it does not sleep beside a message")
  }

  finish(): void {
    invariant(this.#isOver && this.#held.length === 0, "everything ends")
  }
}
