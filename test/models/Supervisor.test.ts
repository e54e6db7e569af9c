/** The real supervisor against its models, and the models' bugs planted in its text. */
import { afterAll, describe, expect, it } from "vitest"
import type { Policy } from "../../supervisors/Strategy.ts"
import * as Real from "../../supervisors/Supervisor.ts"
import { type Explored, explore, sample } from "./Explore.ts"
import { Mutants, type Plant } from "./Mutant.ts"
import { checkSequences, runTogether, type SupervisorModule } from "./SupervisorSuite.ts"

const strategies = ["one_for_one", "rest_for_one"] as const

const numRuns = Number(process.env.RUNS ?? 150)

const exploreTogether = (module: SupervisorModule, strategy: Policy["strategy"]): Explored =>
  explore((choose) => runTogether(module, strategy, choose, 1), 20_000)

describe("Supervisor", () => {
  it(
    "does what the model does, for any sequence of commands",
    () => checkSequences(Real, { numRuns }),
    60_000,
  )

  it.each(strategies)(
    "keeps one of each child in every interleaving: %s",
    (strategy) => {
      const { runs, isComplete, found } = exploreTogether(Real, strategy)
      if (found !== undefined) throw found.error
      console.log(`${strategy}: ${runs} runs, ${isComplete ? "all" : "not all"} within the bound`)
      expect(isComplete).toBe(true)
    },
    120_000,
  )

  it.each(strategies)("does so in random schedules with more switches: %s", (strategy) => {
    const once = sample((choose) => runTogether(Real, strategy, choose, 20), 300)
    expect(once.failed, JSON.stringify({ seed: once.seed, path: once.counterexamplePath })).toBe(
      false,
    )
  })
})

const entry = "supervisors/Supervisor.ts"
const files = [entry, "supervisors/Lane.ts", "supervisors/Strategy.ts", "supervisors/ChildSpec.ts"]
const lane = (bug: string, from: string, to: string): Plant => ({ bug, file: files[1]!, from, to })
const strategy = (bug: string, from: string, to: string): Plant => ({
  ...{ bug, file: files[2]!, from, to },
})

const sequential: ReadonlyArray<Plant> = [
  lane(
    "forgets the next bell when it rings",
    "if (bell !== undefined) Deferred.doneUnsafe(bell, Effect.void)",
    "if (bell !== undefined) Deferred.doneUnsafe(bell, Effect.void)\n    this.#bell = undefined",
  ),
  lane(
    "takes the ending of an earlier one for the present one's",
    "this.#entries.find((one) => one.scope === scope)",
    "this.#entries.find((one) => one.scope !== undefined)",
  ),
  lane("stops in the order of the starts", "entries.toReversed()", "entries"),
  lane("forgets what restarted before", "[...recentOf(policy, history, atMs), restarted]", "[]"),
  lane("comes back at once", "one.dueMs = atMs + decision.inMs", "one.dueMs = 0"),
  strategy("one restart too many", "counted.length >= restartsMax", "counted.length > restartsMax"),
  strategy("takes interruption for a crash", '&& how !== "interrupted"', ""),
  strategy(
    "restarts only the failed one of the rest",
    'isAlone ? "restart_one" : "restart_rest"',
    '"restart_one"',
  ),
  strategy(
    "starts a temporary child again",
    'restart === "permanent" ||',
    'restart !== "transient" ||',
  ),
]

const concurrent: ReadonlyArray<Plant> = [
  lane(
    "starts before the finalizers have run",
    "within(Fiber.await(closing), spec.shutdownMs)",
    "Effect.succeed(Option.some(Exit.void))",
  ),
  lane("looks for messages, waits, then sleeps", "if (this.#isRung) return Effect.void", ""),
]

/** Seeded: what is found once is found every time. */
const hunt = { numRuns: 1_000, seed: 7, endOnFailure: true }

describe("the same bugs planted in the supervisor are found", () => {
  const mutants = new Mutants()
  afterAll(() => mutants.dispose())
  const load = (plant?: Plant) => mutants.load<SupervisorModule>(entry, files, plant)

  it("passes a copy without a bug", async () => {
    const copy = await load()
    expect(copy.supervise).not.toBe(Real.supervise)
    await checkSequences(copy, { numRuns: 10 })
  })

  it.each(sequential)(
    "finds: $bug",
    async (plant) => {
      const mutant = await load(plant)
      await expect(checkSequences(mutant, hunt)).rejects.toThrow(/Property failed/)
    },
    60_000,
  )

  it.each(concurrent)(
    "finds by interleavings: $bug",
    async (plant) => {
      const mutant = await load(plant)
      expect(exploreTogether(mutant, "rest_for_one").found).toBeDefined()
    },
    120_000,
  )
})
