/** The real mailbox against its models, and the models' bugs planted in its text. */
import { afterAll, describe, expect, it } from "vitest"
import * as real from "../../src/ingress/Mailbox.ts"
import { exploreWorld } from "./Explore.ts"
import { checkSchedules, checkSequences, type MailboxModule, mailboxWorld } from "./MailboxSuite.ts"
import { Mutants, type Plant } from "./Mutant.ts"

const exploreDepths = (module: MailboxModule): void => {
  for (const depthMax of [1, 2, 3]) {
    const { found, isComplete } = exploreWorld(() => mailboxWorld(module, depthMax), 9)
    if (found !== undefined) throw found.error
    expect(isComplete).toBe(true)
  }
}

describe("Mailbox", () => {
  it("sheds, wakes and drains as the model does, in every interleaving [A-525, A-116]", () => {
    exploreDepths(real)
  })

  it("answers sequences of commands as the model does", () =>
    checkSequences(real, { numRuns: 300 }))

  it("answers commands in any schedule as the model does", () => checkSchedules(real, 200))
})

const file = "src/ingress/Mailbox.ts"
const plants: ReadonlyArray<Plant> = [
  {
    bug: "one more than there is room",
    file,
    from: "if (this.#waiting >= this.#depthMax) return undefined",
    to: "if (this.#waiting > this.#depthMax) return undefined",
  },
  {
    bug: "rings for the second only",
    file,
    from: "if (this.#waiting === 1) this.#onWork()",
    to: "if (this.#waiting === 2) this.#onWork()",
  },
  {
    bug: "gives out the newest batch first",
    file,
    from: "this.#full.shift() ?? this.#takeOpen()",
    to: "this.#takeOpen() ?? this.#full.pop()",
  },
  {
    bug: "does not count what was taken",
    file,
    from: "this.#waiting -= batch.count",
    to: "this.#waiting -= 1",
  },
  {
    bug: "writes into the batch that was given out",
    file,
    from: "    this.#open = undefined\n    return batch",
    to: "    return batch",
  },
  {
    bug: "uses a batch again as it was",
    file,
    from: "    batch.count = 0\n    batch.used = 0\n",
    to: "    batch.used = 0\n",
  },
]

describe("the same bugs planted in Mailbox.ts are found", () => {
  const mutants = new Mutants()
  afterAll(() => mutants.dispose())
  const load = (plant?: Plant) => mutants.load<MailboxModule>(file, [file], plant)

  it("passes a copy without a bug", async () => {
    const copy = await load()
    expect(copy.Mailbox).not.toBe(real.Mailbox)
    exploreDepths(copy)
    await checkSequences(copy, { numRuns: 20 })
  })

  it.each(plants)("finds: $bug", async (plant) => {
    const mutant = await load(plant)
    await expect(checkSequences(mutant, { numRuns: 1_000, seed: 7 })).rejects.toThrow(
      /Property failed/,
    )
  })

  it.each(plants.slice(0, 5))("finds by interleavings: $bug", async (plant) => {
    const mutant = await load(plant)
    expect(() => exploreDepths(mutant)).toThrow()
  })
})
