/** Each model holds in every interleaving within bounds, and each bug planted in it is found. */
import { describe, expect, it } from "vitest"
import { queueBugs, queueWorld } from "../../models/QueueModel.ts"
import { readerBugs, readerWorld } from "../../models/ReaderModel.ts"
import { restartBugs, restartWorld } from "../../models/RestartModel.ts"
import { shutdownBugs, shutdownWorld } from "../../models/ShutdownModel.ts"
import { type WriterBug, writerBugs, writerWorld } from "../../models/WriterModel.ts"
import { Deadlock, exploreWorld } from "./Explore.ts"

const report = (name: string, runs: number): void => console.log(`${name}: ${runs} runs`)

describe("bounded queue with shed", () => {
  const bounds = { producers: 2, offersEach: 3, depthMax: 2, batchMax: 2 }

  it("holds in every interleaving within the bounds [A-525, A-529, A-116]", () => {
    for (const depthMax of [1, 2]) {
      const explored = exploreWorld(() => queueWorld({ ...bounds, depthMax }), 9)
      expect(explored).toMatchObject({ isComplete: true })
      report(`queue of ${depthMax}`, explored.runs)
    }
  })

  it.each(queueBugs)("finds: %s", (bug) => {
    const depthMax = bug === "sheds without counting" ? 1 : 2
    const { found } = exploreWorld(() => queueWorld({ ...bounds, depthMax }, bug))
    expect(found).toBeDefined()
    if (bug === "looks for work, waits, then sleeps") expect(found?.error).toBeInstanceOf(Deadlock)
  })
})

describe("shutdown", () => {
  const bounds = { producers: 2, offersEach: 2, batchMax: 2 }

  it("quiesces in every interleaving within the bounds [A-527]", () => {
    const explored = exploreWorld(() => shutdownWorld(bounds), 4)
    expect(explored).toMatchObject({ isComplete: true })
    report("shutdown", explored.runs)
  })

  it.each(shutdownBugs)("finds: %s", (bug) => {
    expect(exploreWorld(() => shutdownWorld(bounds, bug)).found).toBeDefined()
  })
})

describe("a reader beside a live writer", () => {
  const bounds = { records: 5, framesEach: 2, checkpointEvery: 2 }

  it("never sees a torn state, in every interleaving [A-526]", () => {
    const explored = exploreWorld(() => readerWorld(bounds), 4)
    expect(explored).toMatchObject({ isComplete: true })
    report("reader", explored.runs)
  })

  it.each(readerBugs)("finds: %s", (bug) => {
    expect(exploreWorld(() => readerWorld(bounds, bug)).found).toBeDefined()
  })
})

describe("a single writer with crash and recovery", () => {
  const bounds = { records: 2, crashesMax: 2, fsyncFailuresMax: 1 }

  it("loses nothing it answered for, forks nowhere, in every interleaving [A-530]", () => {
    const explored = exploreWorld((choose) => writerWorld(bounds, choose), 2)
    expect(explored).toMatchObject({ isComplete: true })
    report("writer", explored.runs)
  })

  const needed: Partial<Record<WriterBug, number>> = { "writes without a lock": 0 }
  it.each(writerBugs)("finds: %s", (bug) => {
    const fsyncFailuresMax = needed[bug] ?? bounds.fsyncFailuresMax
    const make = { ...bounds, fsyncFailuresMax }
    expect(exploreWorld((choose) => writerWorld(make, choose, bug)).found).toBeDefined()
  })
})

describe("a supervisor's messages", () => {
  const bounds = { children: 3, crashesMax: 3 }

  it("restart one of each child, whenever they come", () => {
    const explored = exploreWorld(() => restartWorld(bounds), 4)
    expect(explored).toMatchObject({ isComplete: true })
    report("restart", explored.runs)
  })

  it.each(restartBugs)("finds: %s", (bug) => {
    expect(exploreWorld(() => restartWorld(bounds, bug), 3).found).toBeDefined()
  })
})
