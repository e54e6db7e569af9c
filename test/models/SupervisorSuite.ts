/** What every supervisor must do: the models' commands and interleavings against a real one. */
import { setTimeout as sleep } from "node:timers/promises"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import fc from "fast-check"
import { expect } from "vitest"
import type { Choose } from "../../models/Actor.ts"
import { type ModelChild, SupervisorModel } from "../../models/SupervisorModel.ts"
import type { Policy } from "../../supervisors/Strategy.ts"
import type { Supervisor, supervise } from "../../supervisors/Supervisor.ts"
import { policyOf, Stage, settle } from "../supervisors/Tree.ts"
import { runFibers } from "./Explore.ts"

export interface SupervisorModule {
  readonly supervise: typeof supervise
}

type Strategy = Policy["strategy"]

/** Releasing takes a few turns, so that who does not wait for it is seen. */
const release = Effect.repeat(Effect.yieldNow, { times: 3 })

class Real {
  readonly stage = new Stage()
  readonly strategy: Strategy
  readonly #runtime = ManagedRuntime.make(TestClock.layer())
  readonly #scope = Scope.makeUnsafe()
  readonly #failingStarts = new Map<string, number>()
  tree: Supervisor | undefined

  constructor(strategy: Strategy) {
    this.strategy = strategy
  }

  run(effect: Effect.Effect<unknown, unknown, never>): Promise<unknown> {
    const done = this.#runtime.runPromise(Effect.andThen(effect, settle))
    // A broken one may never answer, and time stands still here.
    const hung = new AbortController()
    const late = sleep(2_000, undefined, { signal: hung.signal }).then(() =>
      expect.fail("it hangs"),
    )
    return Promise.race([done, late]).finally(() => {
      late.catch(() => undefined)
      hung.abort()
    })
  }

  spec({ name, restart }: ModelChild) {
    const start = (): Effect.Effect<void, unknown> => {
      const failures = this.#failingStarts.get(name) ?? 0
      this.#failingStarts.set(name, failures - 1)
      return failures > 0 ? Effect.fail("does not start") : Effect.void
    }
    return this.stage.child(name, { restart, start, release })
  }

  async open(module: SupervisorModule, policy: Policy, children: ReadonlyArray<ModelChild>) {
    const options = { ...this.stage.options(children.map((child) => this.spec(child))), policy }
    const opening = Effect.map(module.supervise(options), (tree) => {
      this.tree = tree
    })
    await this.run(Scope.provide(opening, this.#scope))
  }

  failStarts(name: string, times: number): void {
    this.#failingStarts.set(name, times)
  }

  async close(): Promise<void> {
    await this.run(Scope.close(this.#scope, Exit.void))
    await this.#runtime.dispose()
  }
}

/** In one_for_one nothing is said about the order among children. */
const logOf = (strategy: Strategy, log: ReadonlyArray<string>): ReadonlyArray<string> =>
  strategy === "rest_for_one"
    ? [...log]
    : [...log].sort((a, b) => a.slice(1).localeCompare(b.slice(1)))

const compareLogs = (model: SupervisorModel, { strategy, stage }: Real): void => {
  // At one instant others may be started, or not, beside the one that makes it give up.
  if (model.hasEscalated && strategy === "one_for_one") return
  expect(logOf(strategy, stage.log)).toEqual(logOf(strategy, model.log))
}

const compareStates = (model: SupervisorModel, { tree, stage }: Real): void => {
  const hasEscalated = stage.events.some(({ event }) => event === "escalated")
  expect(hasEscalated).toBe(model.hasEscalated)
  if (!model.hasEscalated) expect(new Map(tree?.states())).toEqual(new Map(model.states))
}

type Command = fc.AsyncCommand<SupervisorModel, Real>

const command = (
  text: string,
  check: (model: SupervisorModel) => boolean,
  run: (model: SupervisorModel, real: Real) => Promise<unknown>,
): Command => ({
  check: (model) => !model.hasEscalated && check(model as SupervisorModel),
  run: async (model, real) => {
    await run(model, real)
    compareLogs(model, real)
    compareStates(model, real)
  },
  toString: () => text,
})

const endings = {
  completed: Effect.void,
  interrupted: Effect.interrupt,
  failed: Effect.fail("broke"),
} as const

const end = (name: string, how: keyof typeof endings): Command =>
  command(
    `${name} ${how}`,
    (model) => model.isUp(name),
    (model, real) => {
      model.end(name, how)
      return real.run(Effect.sync(() => real.stage.end(name, endings[how])))
    },
  )

const failStarts = (name: string, times: number): Command =>
  command(
    `${name} fails ${times} starts`,
    () => true,
    async (model, real) => {
      model.failStarts(name, times)
      real.failStarts(name, times)
    },
  )

const start = (child: ModelChild): Command =>
  command(
    `start ${child.restart} ${child.name}`,
    (model) => model.mayStart(child.name),
    (model, real) => {
      model.start(child)
      const { tree } = real
      // Its first start may lie behind a backoff.
      return tree === undefined
        ? expect.fail()
        : real.run(Effect.forkDetach(tree.start(real.spec(child))))
    },
  )

const stop = (name: string): Command =>
  command(
    `stop ${name}`,
    () => true,
    (model, real) => {
      model.stop(name)
      return real.tree === undefined ? expect.fail() : real.run(real.tree.stop(name))
    },
  )

const stepMs = 10
const pass = (steps: number): Command =>
  command(
    `pass ${steps * stepMs} ms`,
    () => true,
    async (model, real) => {
      model.pass(steps * stepMs)
      for (let k = 0; k < steps; k++) await real.run(TestClock.adjust(stepMs))
    },
  )

const nameOf = fc.constantFrom("a", "b", "c", "d")
const restartOf = fc.constantFrom("permanent", "transient", "temporary" as const)
const childOf: fc.Arbitrary<ModelChild> = fc.record({ name: nameOf, restart: restartOf })
const howOf = fc.constantFrom("completed", "interrupted", "failed" as const)

const commands = fc.commands(
  [
    fc.tuple(nameOf, howOf).map(([name, how]) => end(name, how)),
    nameOf.map((name) => end(name, "failed")),
    fc.tuple(nameOf, fc.integer({ min: 1, max: 3 })).map(([name, n]) => failStarts(name, n)),
    childOf.map(start),
    nameOf.map(stop),
    fc.integer({ min: 1, max: 9 }).map(pass),
  ],
  { maxCommands: 30 },
)

const settingsOf = fc.record({
  strategy: fc.constantFrom("one_for_one", "rest_for_one" as const),
  restartsMax: fc.integer({ min: 0, max: 4 }),
  children: fc.uniqueArray(childOf, { selector: ({ name }) => name, maxLength: 4 }),
})

const backoff = { firstMs: 20, maxMs: 50, jitter: 0 }
const windowMs = 300

/** Sequences of crashes, starts, stops and waits. */
export const checkSequences = (
  module: SupervisorModule,
  parameters: { readonly numRuns: number; readonly seed?: number; readonly endOnFailure?: boolean },
): Promise<void> =>
  fc.assert(
    fc.asyncProperty(settingsOf, commands, async (settings, sequence) => {
      const { strategy, restartsMax, children } = settings
      const { firstMs, maxMs } = backoff
      const terms = { strategy, restartsMax, windowMs }
      const model = new SupervisorModel({ ...terms, firstMs, maxMs }, children)
      const real = new Real(strategy)
      try {
        await real.open(module, policyOf({ ...terms, backoff }), children)
        compareLogs(model, real)
        await fc.asyncModelRun(() => ({ model, real }), sequence)
        model.close()
      } finally {
        await real.close()
      }
      compareLogs(model, real)
      // One that was stopped by name need not be the last one.
      checkLog("one_for_one", real.stage.log)
    }),
    parameters,
  )

/**
 * A crash, a stop by name and the stop of all, each whenever it likes: one of each child at a time,
 * those behind released before those in front, everything released at the end.
 */
export const runTogether = (
  module: SupervisorModule,
  strategy: Strategy,
  choose: Choose,
  preemptionsMax: number,
): void => {
  const stage = new Stage()
  // Time passes whenever it likes here: no deadline is far enough.
  const untimed = { release: Effect.yieldNow, startMs: Infinity, shutdownMs: Infinity }
  const backoffOff = { firstMs: 0, maxMs: 0, jitter: 0 }
  const terms = policyOf({ strategy, backoff: backoffOff, restartsMax: 9 })
  const children = ["a", "b"].map((name) => stage.child(name, untimed))
  const all = Effect.gen(function* () {
    const tree = yield* module.supervise({ ...stage.options(children), policy: terms })
    // The one that others stand on, or one that does not matter to the other.
    const crashing = strategy === "rest_for_one" ? "a" : "b"
    const acts = [Effect.sync(() => stage.end(crashing)), tree.stop("b")]
    yield* Effect.all(acts, { concurrency: "unbounded", discard: true })
    // Once no time may pass early any more, a sleep ends when nothing else can go on.
    for (let k = 0; k <= preemptionsMax; k++) yield* Effect.sleep(1_000)
    expect([...tree.states()]).toEqual([["a", "up"]])
    expect(stage.log.filter((line) => line === "+a").length).toBe(crashing === "a" ? 2 : 1)
  })
  const exit = runFibers(Effect.scoped(all), choose, preemptionsMax)
  if (Exit.isFailure(exit)) throw new Error(String(exit.cause))
  checkLog(strategy, stage.log)
}

const checkLog = (strategy: Strategy, log: ReadonlyArray<string>): void => {
  let open: ReadonlyArray<string> = []
  for (const line of log) {
    const name = line.slice(1)
    if (line.startsWith("+")) {
      expect(open).not.toContain(name)
      open = [...open, name]
    } else {
      expect(open).toContain(name)
      if (strategy === "rest_for_one") expect(open.at(-1)).toBe(name)
      open = open.filter((other) => other !== name)
    }
  }
  expect(open).toEqual([])
}
