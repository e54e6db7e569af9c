/**
 * A supervisor: starts children in order, restarts them as its policy decides, stops them in
 * reverse order when its scope closes.
 *
 * - Stopping takes at most the sum of the children's deadlines; what is left is named.
 * - The strategy is decided in Strategy; this module and Lane only carry it out.
 * - A child that blocks the thread blocks its supervisor too: nothing in the process can end it.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { invariant } from "../src/base/Invariant.ts"
import {
  ChildRefused,
  type ChildSpec,
  type Escalated,
  LeftRunning,
  type SupervisorEvent,
} from "./ChildSpec.ts"
import { type ChildState, Lane, type Shared } from "./Lane.ts"
import { checkPolicy, type Policy } from "./Strategy.ts"

export interface SupervisorOptions {
  /** A path, such as `root/audit`. */
  readonly name: string
  readonly policy: Policy
  readonly children: ReadonlyArray<ChildSpec>
  /** Duty: returns at once and does not throw. */
  readonly listener: (event: SupervisorEvent) => void
  /** Units: 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number
}

export interface Supervisor {
  /**
   * Takes on a child while running; succeeds when its first start has ended, well or not.
   * Errors: ChildRefused.
   */
  readonly start: (spec: ChildSpec) => Effect.Effect<void, ChildRefused>
  /** Stops a child and forgets it; at once where there is none of that name. */
  readonly stop: (name: string) => Effect.Effect<void>
  readonly states: () => ReadonlyMap<string, ChildState>
  /** Children that were abandoned and have not stopped since. */
  readonly leftRunning: () => ReadonlyArray<string>
  /** Fails once the supervisor gives up. Duty: close its scope then. */
  readonly ended: Effect.Effect<never, Escalated>
}

/** Errors: Escalated when a child could not be started. */
export const supervise = (
  options: SupervisorOptions,
): Effect.Effect<Supervisor, Escalated, Scope.Scope> =>
  Effect.gen(function* () {
    checkPolicy(options.policy)
    const names = options.children.map(({ name }) => name)
    invariant(new Set(names).size === names.length, "children have different names")
    const tree = new Tree(options, Effect.runForkWith(yield* Effect.context<never>()))
    yield* Effect.addFinalizer(() => tree.close())
    for (const spec of options.children) {
      // Who may need the others is not tried once the supervisor has given up.
      if (tree.hasEnded) break
      yield* Effect.raceFirst(tree.ended, Effect.orDie(tree.start(spec)))
    }
    if (tree.hasEnded) yield* tree.ended
    return tree
  })

/** A supervisor until it gives up: the root of a tree. */
export const runTree = (options: SupervisorOptions): Effect.Effect<never, Escalated> =>
  Effect.scoped(Effect.flatMap(supervise(options), ({ ended }) => ended))

/**
 * A supervisor as the child of another. `use` is given each new one, to start children that come
 * and go; these are gone after a restart, and `use` starts them again.
 */
export const subtree = (
  name: string,
  options: SupervisorOptions,
  use: (supervisor: Supervisor) => Effect.Effect<void, unknown, Scope.Scope> = () => Effect.void,
): ChildSpec => ({
  name,
  restart: "permanent",
  start: Effect.gen(function* () {
    const supervisor = yield* supervise(options)
    yield* use(supervisor)
    return supervisor.ended
  }),
  // Its children have deadlines, and so it has one.
  startMs: Number.POSITIVE_INFINITY,
  shutdownMs: Number.POSITIVE_INFINITY,
})

type Fork = (effect: Effect.Effect<void>) => Fiber.Fiber<void>

interface Running {
  readonly lane: Lane
  readonly fiber: Fiber.Fiber<void>
}

class Tree implements Supervisor {
  readonly #shared: Shared
  readonly #hasOneLane: boolean
  readonly #fork: Fork
  /** In the order of their start. */
  #lanes: ReadonlyArray<Running> = []
  #isClosing = false
  readonly #ended = Deferred.makeUnsafe<never, Escalated>()

  constructor({ name, policy, listener, random }: SupervisorOptions, fork: Fork) {
    const escalate = (escalated: Escalated): void => {
      Deferred.doneUnsafe(this.#ended, Effect.fail(escalated))
    }
    const state = { history: [], hasEscalated: false, leftRunning: new Set<string>() }
    this.#shared = { name, policy, listener, random, escalate, ...state }
    this.#hasOneLane = policy.strategy === "rest_for_one"
    this.#fork = fork
  }

  get ended(): Effect.Effect<never, Escalated> {
    return Deferred.await(this.#ended)
  }

  get hasEnded(): boolean {
    return Deferred.isDoneUnsafe(this.#ended)
  }

  states(): ReadonlyMap<string, ChildState> {
    return new Map(this.#lanes.flatMap(({ lane }) => lane.states()))
  }

  leftRunning(): ReadonlyArray<string> {
    return [...this.#shared.leftRunning]
  }

  start(spec: ChildSpec): Effect.Effect<void, ChildRefused> {
    return Effect.suspend(() => {
      const refused = this.#refusal(spec.name)
      if (refused !== undefined) return Effect.fail(refused)
      const lane = this.#laneFor(spec.name)
      const added = lane.add(spec)
      // In the same turn as the check above, so that no lane begins behind a closing supervisor.
      if (!this.#lanes.some((running) => running.lane === lane)) this.#launch(lane)
      return added
    })
  }

  stop(name: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      const found = this.#lanes.find(({ lane }) => lane.has(name))
      if (found === undefined) return Effect.void
      // A child alone in its lane need not wait until its start has ended.
      return this.#hasOneLane ? found.lane.remove(name) : Fiber.interrupt(found.fiber)
    })
  }

  close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#isClosing = true
      const fibers = this.#lanes.map(({ fiber }) => fiber).toReversed()
      return Effect.forEach(fibers, Fiber.interrupt, { discard: true })
    }).pipe(Effect.flatMap(() => this.#nameLeft()))
  }

  #nameLeft(): Effect.Effect<void> {
    const names = this.leftRunning().map((name) => `${this.#shared.name}/${name}`)
    if (names.length === 0) return Effect.void
    const message = `${names.join(", ")} did not stop in time`
    return Effect.die(new LeftRunning({ message, names }))
  }

  /** The lane that a child of that name belongs in, to be launched where it is new. */
  #laneFor(name: string): Lane {
    const known = this.#lanes.find(
      ({ lane }) => !lane.isOver && (this.#hasOneLane || lane.has(name)),
    )
    return known?.lane ?? new Lane(this.#shared)
  }

  #launch(lane: Lane): void {
    const fiber = this.#fork(lane.run)
    const running = { lane, fiber }
    this.#lanes = [...this.#lanes, running]
    fiber.addObserver(() => {
      this.#lanes = this.#lanes.filter((other) => other !== running)
    })
  }

  #refusal(name: string): ChildRefused | undefined {
    const of = (code: ChildRefused["code"], why: string): ChildRefused =>
      new ChildRefused({ code, message: `${this.#shared.name}/${name} is not started: ${why}` })
    if (this.#isClosing || this.hasEnded) return of("STOPPING", "its supervisor stops")
    if (this.#shared.leftRunning.has(name)) return of("LEFT_RUNNING", "it has not stopped yet")
    const state = this.states().get(name)
    const isThere = state !== undefined && state !== "ended" && state !== "gave_up"
    return isThere ? of("NAME_TAKEN", "there is one of that name") : undefined
  }
}
