/**
 * The bus: events of the runtime for those who want to know, in the order they happened.
 *
 * - Publishing never waits and never fails, whatever subscribers do.
 * - A subscriber that is slower than the bus loses the oldest events, is told how many, and they
 *   are counted.
 * - Events are hints, not evidence: what must be provable is a record in a chain.
 *
 * Source: LEDGER.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as PubSub from "effect/PubSub"
import * as Scope from "effect/Scope"
import type { Clock } from "../base/Clock.ts"
import { isOf, type Payloads, type Topic, topics } from "./Topics.ts"

/** Events that wait for the slowest subscriber. LEDGER A-095 */
const busCapacity = 1024

type EventOf<T extends Topic> = {
  /** Counts all events of this bus from 1, so that a gap shows. */
  readonly n: number
  readonly topic: T
  readonly tsMs: number
  readonly payload: Payloads[T]
  /** Events that this subscriber lost right before this one, of any topic. */
  readonly missed: number
}

/** Shape: `payload` by `topic`. */
export type BusEvent = { [T in Topic]: EventOf<T> }[Topic]

/** Events from the moment of subscribing on, for as long as they are iterated. */
export interface Subscription extends AsyncIterable<BusEvent> {
  /** Ends the iteration; leaving a `for await` over it does the same. */
  readonly close: () => Promise<void>
}

export class Bus {
  readonly #clock: Clock
  readonly #events: PubSub.PubSub<BusEvent>
  #published = 0
  #lagged = 0

  constructor(clock: Clock, capacity: number = busCapacity) {
    this.#clock = clock
    this.#events = Effect.runSync(PubSub.sliding<BusEvent>(capacity))
  }

  publish<T extends Topic>(topic: T, payload: Payloads[T]): void {
    this.#published += 1
    const event = { n: this.#published, topic, tsMs: this.#clock.nowMs(), payload, missed: 0 }
    Effect.runSync(PubSub.publish(this.#events, event as BusEvent))
  }

  /**
   * Events from now on, of one topic, of a family (`kernel`), or of all.
   * Errors: TypeError for a filter that no topic answers to.
   */
  subscribe(filter?: string): Subscription {
    if (filter !== undefined && !topics.some((topic) => isOf(topic, filter))) {
      throw new TypeError(`there is no topic ${filter}; there are ${topics.join(", ")}`)
    }
    const scope = Scope.makeUnsafe()
    const open = PubSub.subscribe(this.#events)
    const subscription = Effect.runSync(Effect.provideService(open, Scope.Scope, scope))
    const close = () => Effect.runPromise(Scope.close(scope, Exit.void))
    const events = this.#read(subscription, this.#published, filter)
    async function* closing(): AsyncGenerator<BusEvent, void> {
      try {
        yield* events
      } finally {
        // Whoever leaves the loop leaves no queue behind that fills.
        await close()
      }
    }
    return { [Symbol.asyncIterator]: closing, close }
  }

  /** Events published, and those that subscribers lost. */
  counts(): { readonly published: number; readonly lagged: number } {
    return { published: this.#published, lagged: this.#lagged }
  }

  async *#read(
    subscription: PubSub.Subscription<BusEvent>,
    after: number,
    filter: string | undefined,
  ): AsyncGenerator<BusEvent, void> {
    let last = after
    let missed = 0
    for (;;) {
      const taken = await Effect.runPromiseExit(PubSub.take(subscription))
      // Closing interrupts whoever waits for the next event.
      if (Exit.isFailure(taken)) return
      const event = taken.value
      const lost = event.n - last - 1
      last = event.n
      this.#lagged += lost
      missed += lost
      if (filter !== undefined && !isOf(event.topic, filter)) continue
      yield { ...event, missed }
      missed = 0
    }
  }
}
