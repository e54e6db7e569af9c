/**
 * Deterministic exploration in the manner of loom and CHESS: every choice of a run goes through one
 * function, and all runs are reached by replaying a prefix of choices and taking the next branch.
 *
 * - Actors in plain JavaScript are generators: a `yield` is a switch point (models/Actor.ts).
 * - Effect fibers run on a scheduler and a clock of their own: switch points are primitive
 *   operations; what stands in one `Effect.sync` happens at once, as it does in production.
 * - Bounded: a run switches away from what could go on at most `preemptionsMax` times.
 *
 * Native promises and timers escape it.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scheduler from "effect/Scheduler"
import fc from "fast-check"
import type { Actor, Choose, World } from "../../models/Actor.ts"

export interface Explored {
  readonly runs: number
  /** All runs within the bounds were made. */
  readonly isComplete: boolean
  readonly found?: { readonly error: unknown; readonly choices: ReadonlyArray<number> }
}

/** Depth first over all choices; stops at the first run that throws. */
export const explore = (once: (choose: Choose) => void, runsMax = 200_000): Explored => {
  let prefix: Array<number> = []
  for (let runs = 1; runs <= runsMax; runs++) {
    const choices: Array<number> = []
    const counts: Array<number> = []
    const choose = (count: number): number => {
      const choice = prefix[choices.length] ?? 0
      choices.push(choice)
      counts.push(count)
      return choice
    }
    try {
      once(choose)
    } catch (error) {
      return { runs, isComplete: false, found: { error, choices } }
    }
    let last = choices.length - 1
    while (last >= 0 && choices[last]! + 1 >= counts[last]!) last--
    if (last < 0) return { runs, isComplete: true }
    prefix = [...choices.slice(0, last), choices[last]! + 1]
  }
  return { runs: runsMax, isComplete: false }
}

/** Runs with random choices, shrunk by fast-check; the details name the seed. */
export const sample = (once: (choose: Choose) => void, numRuns: number, seed?: number) =>
  fc.check(
    fc.property(fc.infiniteStream(fc.nat(1 << 16)), (stream) => {
      once((count) => (stream.next().value as number) % count)
    }),
    { numRuns, ...(seed === undefined ? {} : { seed }) },
  )

type Wait = (() => boolean) | undefined

export class Deadlock extends Error {}

const stepsMax = 100_000

/** One run of a model. */
export const runActors = (world: World, choose: Choose, preemptionsMax = 2): void => {
  const waits = new Map<Actor, Wait>()
  const step = (actor: Actor): void => {
    const { done, value } = actor.next()
    if (done === true) waits.delete(actor)
    else waits.set(actor, value ?? undefined)
    world.check()
  }
  world.actors.forEach(step)
  let current: Actor | undefined
  let left = preemptionsMax
  for (let steps = 0; waits.size > 0; steps++) {
    if (steps === stepsMax) throw new Error("livelock")
    const ready = [...waits].filter(([, wait]) => wait?.() !== false).map(([actor]) => actor)
    if (ready.length === 0) throw new Deadlock("nobody can go on")
    const goesOn = current !== undefined && ready.includes(current)
    const order = goesOn ? [current!, ...ready.filter((actor) => actor !== current)] : ready
    const index = order.length === 1 || (goesOn && left === 0) ? 0 : choose(order.length)
    if (goesOn && index > 0) left--
    current = order[index]!
    step(current)
  }
  world.finish()
}

/** All runs of a model. */
export const exploreWorld = (make: (choose: Choose) => World, preemptionsMax = 2): Explored =>
  explore((choose) => runActors(make(choose), choose, preemptionsMax))

/** Runnable tasks and timers in one pool; `choose` says which goes on. */
class ModelScheduler implements Scheduler.Scheduler {
  readonly executionMode = "sync" as const
  readonly clock: Clock.Clock
  readonly #tasks: Array<() => void> = []
  #timers: ReadonlyArray<{ readonly atMs: number; readonly fire: () => void }> = []
  readonly #choose: Choose
  #left: number
  #nowMs = 0

  constructor(choose: Choose, preemptionsMax: number) {
    this.#choose = choose
    this.#left = preemptionsMax
    const nowNanos = (): bigint => BigInt(this.#nowMs) * 1_000_000n
    this.clock = {
      currentTimeMillisUnsafe: () => this.#nowMs,
      currentTimeMillis: Effect.sync(() => this.#nowMs),
      currentTimeNanosUnsafe: nowNanos,
      currentTimeNanos: Effect.sync(nowNanos),
      monotonicTimeNanosUnsafe: nowNanos,
      monotonicTimeNanos: Effect.sync(nowNanos),
      sleep: (duration) => this.#sleep(Duration.toMillis(duration)),
    }
  }

  /** A fiber counts anew after each resume: below three operations it would never get on. */
  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    if (this.#left === 0 || fiber.currentOpCount < 3 || this.#choose(2) === 0) return false
    this.#left--
    return true
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    const scheduleTask = (task: () => void): void => void this.#tasks.push(task)
    return { scheduleTask, flush: () => this.drain() }
  }

  /** Time passes when nothing else can go on, or, as a preemption, before it does. */
  drain(): void {
    for (let step = 0; this.#tasks.length > 0 || this.#timers.length > 0; step++) {
      if (step === stepsMax) throw new Error("livelock")
      const count = this.#tasks.length + (this.#timers.length > 0 && this.#left > 0 ? 1 : 0)
      const index = count < 2 ? 0 : this.#choose(count)
      const task = this.#tasks.splice(index, 1)[0]
      if (task !== undefined) task()
      else {
        if (index > 0) this.#left--
        this.#fire()
      }
    }
  }

  #sleep(ms: number): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const timer = { atMs: this.#nowMs + ms, fire: () => resume(Effect.void) }
      this.#timers = [...this.#timers, timer].sort((a, b) => a.atMs - b.atMs)
      return Effect.sync(() => {
        this.#timers = this.#timers.filter((other) => other !== timer)
      })
    })
  }

  #fire(): void {
    const [first, ...rest] = this.#timers
    if (first === undefined) return
    this.#timers = rest
    this.#nowMs = first.atMs
    first.fire()
  }
}

/** One run of an effect on virtual time. Errors: Deadlock. */
export const runFibers = <A, E>(
  effect: Effect.Effect<A, E>,
  choose: Choose,
  preemptionsMax = 2,
): Exit.Exit<A, E> => {
  const scheduler = new ModelScheduler(choose, preemptionsMax)
  const timed = Effect.provideService(effect, Clock.Clock, scheduler.clock)
  const fiber = Effect.runFork(timed, { scheduler })
  scheduler.drain()
  const exit = fiber.pollUnsafe()
  if (exit === undefined) throw new Deadlock("nobody can go on")
  return exit
}
