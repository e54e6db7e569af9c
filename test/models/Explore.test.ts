/** The explorer itself: it finds what is there, and says so when it has seen everything. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Ref from "effect/Ref"
import * as Semaphore from "effect/Semaphore"
import { describe, expect, it } from "vitest"
import type { Actor, World } from "../../models/Actor.ts"
import { Deadlock, explore, exploreWorld, runFibers, sample } from "./Explore.ts"

/** Actors that note their name `times` times. */
const noting = (times: number, names: string, seen: Set<string>): World => {
  let text = ""
  function* actor(name: string): Actor {
    for (let k = 0; k < times; k++) {
      yield undefined
      text += name
    }
  }
  return {
    actors: [...names].map(actor),
    check: () => undefined,
    finish: () => void seen.add(text),
  }
}

describe("choices", () => {
  it("makes every run once", () => {
    const seen: Array<string> = []
    const explored = explore((choose) => {
      const first = choose(3)
      seen.push(`${first}${first === 1 ? choose(2) : ""}`)
    })
    expect(seen).toEqual(["0", "10", "11", "2"])
    expect(explored).toEqual({ runs: 4, isComplete: true })
  })

  it("says when it has not seen everything", () => {
    expect(explore((choose) => void choose(9), 5)).toEqual({ runs: 5, isComplete: false })
  })

  it("names the choices that replay what it found", () => {
    const once = (choose: (count: number) => number): void => {
      if (choose(2) + choose(3) === 3) throw new Error("found")
    }
    const { found } = explore(once)
    expect(found?.choices).toEqual([1, 2])
    const choices = [...(found?.choices ?? [])]
    expect(() => once(() => choices.shift() as number)).toThrow("found")
  })
})

describe("actors", () => {
  it("sees every interleaving when the bound allows it", () => {
    const seen = new Set<string>()
    // Three notes each: 6! / (3! 3!) words.
    expect(exploreWorld(() => noting(3, "ab", seen), 9).isComplete).toBe(true)
    expect(seen.size).toBe(20)
  })

  it("switches no more often than the bound says", () => {
    const seen = new Set<string>()
    exploreWorld(() => noting(3, "ab", seen), 0)
    expect([...seen]).toEqual(["aaabbb", "bbbaaa"])
    exploreWorld(() => noting(3, "ab", seen), 1)
    // Besides: one of the two is cut in two by the other.
    expect(seen.size).toBe(6)
  })

  it("finds a deadlock", () => {
    const make = (): World => {
      const taken = new Set<string>()
      function* actor(...locks: ReadonlyArray<string>): Actor {
        for (const lock of locks) {
          yield () => !taken.has(lock)
          taken.add(lock)
        }
        taken.clear()
      }
      return {
        actors: [actor("a", "b"), actor("b", "a")],
        check: () => undefined,
        finish: () => undefined,
      }
    }
    expect(exploreWorld(make).found?.error).toBeInstanceOf(Deadlock)
  })
})

describe("fibers", () => {
  const counting = (guard: (step: Effect.Effect<void>) => Effect.Effect<void>) =>
    Effect.gen(function* () {
      const count = yield* Ref.make(0)
      const step = guard(Effect.flatMap(Ref.get(count), (n) => Ref.set(count, n + 1)))
      yield* Effect.all([step, step], { concurrency: "unbounded" })
      return yield* Ref.get(count)
    })
  const check = (exit: Exit.Exit<number>): void => expect(exit).toEqual(Exit.succeed(2))

  it("finds a lost update, and proves the repaired one within the bound", () => {
    const lost = explore((choose) =>
      check(
        runFibers(
          counting((step) => step),
          choose,
        ),
      ),
    )
    expect(lost.found).toBeDefined()
    const repaired = explore((choose) => {
      const semaphore = Semaphore.makeUnsafe(1)
      check(runFibers(counting(semaphore.withPermits(1)), choose))
    })
    expect(repaired).toMatchObject({ isComplete: true })
    expect(repaired.runs).toBeGreaterThan(100)
  })

  it("finds the same with random choices, by a seed", () => {
    const once = (choose: (count: number) => number): void =>
      check(
        runFibers(
          counting((step) => step),
          choose,
        ),
      )
    expect(sample(once, 500, 42)).toMatchObject({ failed: true, seed: 42 })
  })

  it("finds a deadlock", () => {
    const { found } = explore((choose) => {
      const [a, b] = [Semaphore.makeUnsafe(1), Semaphore.makeUnsafe(1)]
      const both = (x: Semaphore.Semaphore, y: Semaphore.Semaphore) =>
        x.withPermits(1)(Effect.andThen(Effect.void, y.withPermits(1)(Effect.void)))
      runFibers(Effect.all([both(a, b), both(b, a)], { concurrency: 2, discard: true }), choose)
    })
    expect(found?.error).toBeInstanceOf(Deadlock)
  })

  it("lets a deadline pass at any moment", () => {
    const ends = new Set<string>()
    const explored = explore((choose) => {
      const work = Effect.as(Effect.yieldNow, "work")
      const late = Effect.as(Effect.sleep(3_600_000), "late")
      const exit = runFibers(Effect.raceFirst(work, late), choose)
      ends.add(Exit.isSuccess(exit) ? exit.value : "failed")
    })
    expect(explored.isComplete).toBe(true)
    expect([...ends].sort()).toEqual(["late", "work"])
  })
})
