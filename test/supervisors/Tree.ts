/** Children that a test makes crash, hang and end, and a log of what happened to them. */
import { setTimeout as sleep } from "node:timers/promises"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { ChildSpec, SupervisorEvent } from "../../supervisors/ChildSpec.ts"
import type { Policy } from "../../supervisors/Strategy.ts"
import { type SupervisorOptions, supervise } from "../../supervisors/Supervisor.ts"

export const policyOf = (policy: Partial<Policy> = {}): Policy => ({
  strategy: "one_for_one",
  restartsMax: 3,
  windowMs: 10_000,
  whenExhausted: "escalate",
  backoff: { firstMs: 100, maxMs: 1_000, jitter: 0 },
  ...policy,
})

/** What a child does when it is started, by its number of starts so far. */
export interface Habits extends Partial<Omit<ChildSpec, "name" | "start">> {
  readonly start?: (starts: number) => Effect.Effect<void, unknown>
  readonly release?: Effect.Effect<void>
}

export class Stage {
  readonly log: Array<string> = []
  readonly events: Array<SupervisorEvent> = []
  readonly #running = new Map<string, Deferred.Deferred<void, unknown>>()

  /** Opens, runs and closes are logged by name; it runs until it is told to end. */
  child(name: string, habits: Habits = {}): ChildSpec {
    let starts = 0
    const { start = () => Effect.void, release = Effect.void, ...terms } = habits
    return {
      name,
      restart: "permanent",
      startMs: 1_000,
      shutdownMs: 1_000,
      ...terms,
      start: Effect.gen({ self: this }, function* () {
        yield* Effect.acquireRelease(
          Effect.sync(() => this.log.push(`+${name}`)),
          () =>
            Effect.andThen(
              release,
              Effect.sync(() => this.log.push(`-${name}`)),
            ),
        )
        yield* start(starts++)
        const running = Deferred.makeUnsafe<void, unknown>()
        this.#running.set(name, running)
        return Deferred.await(running)
      }),
    }
  }

  /** Ends a child's run. */
  end(name: string, how: Effect.Effect<void, unknown> = Effect.fail(`${name} broke`)): void {
    const running = this.#running.get(name)
    if (running === undefined) throw new Error(`${name} does not run`)
    Deferred.doneUnsafe(running, how)
  }

  options(children: ReadonlyArray<ChildSpec>, policy: Partial<Policy> = {}): SupervisorOptions {
    const listener = (event: SupervisorEvent): void => void this.events.push(event)
    return { name: "root", policy: policyOf(policy), children, listener, random: () => 0.5 }
  }

  supervise(children: ReadonlyArray<ChildSpec>, policy: Partial<Policy> = {}) {
    return supervise(this.options(children, policy))
  }

  /** Takes what was logged since the last call. */
  since(): string {
    return this.log.splice(0).join(" ")
  }

  /** Takes the events since the last call. */
  told(): ReadonlyArray<string> {
    return this.events.splice(0).map((event) => `${event.event} ${event.child}`)
  }
}

/** Real time: until the condition holds. */
export const until = async (holds: () => boolean): Promise<void> => {
  for (let k = 0; !holds(); k++) {
    if (k === 5_000) throw new Error("it never came to that")
    await sleep(1)
  }
}

/** Lets every fiber go on that can. */
export const settle: Effect.Effect<void> = Effect.repeat(Effect.yieldNow, { times: 50 })
