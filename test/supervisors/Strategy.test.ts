import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  checkPolicy,
  decide,
  type Ending,
  type Failure,
  type History,
  type Policy,
  type Restart,
  recentOf,
} from "../../supervisors/Strategy.ts"
import { policyOf } from "./Tree.ts"

const failureOf = (failure: Partial<Failure> = {}): Failure => ({
  child: "a",
  restart: "permanent",
  how: "failed",
  isLeftRunning: false,
  atMs: 1_000,
  random: 0,
  ...failure,
})

const restarts = (...atMs: ReadonlyArray<number>): History =>
  atMs.map((at) => ({ child: "a", atMs: at }))

const ended = { do: "stop", because: "ended" }
const again = { do: "restart_one", inMs: 100 }

describe("decide", () => {
  const crashes: ReadonlyArray<Ending> = ["failed", "died", "state_unknown", "start_failed"]
  const others: ReadonlyArray<Ending> = ["completed", "interrupted"]
  const rows: ReadonlyArray<[Restart, ReadonlyArray<Ending>, unknown]> = [
    ["permanent", [...crashes, ...others], again],
    ["transient", crashes, again],
    ["transient", others, ended],
    ["temporary", ["failed", "died", "start_failed", ...others], ended],
    ["temporary", ["state_unknown"], { do: "escalate" }],
  ]
  it.each(rows)("%s after %j", (restart, endings, decision) => {
    for (const how of endings)
      expect(decide(policyOf(), [], failureOf({ restart, how }))).toEqual(decision)
  })

  it("doubles the wait for each restart of the child within the window, up to the cap", () => {
    const policy = policyOf({ restartsMax: 9 })
    const waits = [0, 1, 2, 3, 4, 5].map((count) => {
      const history = [...restarts(...Array(count).fill(999)), { child: "b", atMs: 999 }]
      const decision = decide(policy, history, failureOf())
      return "inMs" in decision ? decision.inMs : undefined
    })
    expect(waits).toEqual([100, 200, 400, 800, 1_000, 1_000])
  })

  it("takes off at most the share that jitter allows", () => {
    const policy = policyOf({ backoff: { firstMs: 100, maxMs: 1_000, jitter: 0.5 } })
    const waitOf = (random: number) => decide(policy, [], failureOf({ random }))
    expect(waitOf(0)).toEqual({ do: "restart_one", inMs: 100 })
    expect(waitOf(0.5)).toEqual({ do: "restart_one", inMs: 75 })
  })

  it("hands over the restart that is one too many within the window, its edge outside", () => {
    const history = restarts(-9_000, 10, 20)
    expect(decide(policyOf(), history, failureOf({ atMs: 1_000 }))).toMatchObject({
      inMs: 400,
    })
    expect(decide(policyOf(), history, failureOf({ atMs: 999 }))).toEqual({ do: "escalate" })
  })

  it("gives up a child alone, by its own restarts, where it may", () => {
    const policy = policyOf({ whenExhausted: "give_up" })
    const history = restarts(1, 2, 3)
    expect(decide(policy, history, failureOf())).toEqual({ do: "stop", because: "gave_up" })
    expect(decide(policy, history, failureOf({ child: "b" }))).toMatchObject(again)
  })

  it("never starts a second one beside what may still run", () => {
    const failure = failureOf({ isLeftRunning: true })
    expect(decide(policyOf(), [], failure)).toEqual({ do: "stop", because: "gave_up" })
    const chained = policyOf({ strategy: "rest_for_one" })
    expect(decide(chained, [], failure)).toEqual({ do: "escalate" })
  })

  it("restarts the rest with rest_for_one", () => {
    const policy = policyOf({ strategy: "rest_for_one" })
    expect(decide(policy, [], failureOf())).toEqual({ do: "restart_rest", inMs: 100 })
  })

  it("ends for any child that always crashes, however the policy is set", () => {
    const property = fc.property(fc.integer({ min: 0, max: 12 }), fc.nat(50), (max, firstMs) => {
      const backoff = { firstMs, maxMs: firstMs * 8, jitter: 0 }
      const policy = policyOf({ restartsMax: max, backoff })
      checkPolicy(policy)
      let history: History = []
      let atMs = 0
      for (let count = 0; ; count++) {
        const decision = decide(policy, history, failureOf({ atMs }))
        expect(decision.do).toBe(count < max ? "restart_one" : "escalate")
        if (count === max) break
        history = [...recentOf(policy, history, atMs), { child: "a", atMs }]
        atMs += "inMs" in decision ? decision.inMs : 0
      }
    })
    fc.assert(property)
  })
})

describe("checkPolicy", () => {
  it.each<[string, Partial<Policy>]>([
    ["restarts that never use up the window", { restartsMax: 20, windowMs: 10_000 }],
    ["giving up a child that others need", { strategy: "rest_for_one", whenExhausted: "give_up" }],
    ["half a restart", { restartsMax: 0.5 }],
    ["more jitter than wait", { backoff: { firstMs: 1, maxMs: 1, jitter: 2 } }],
  ])("refuses %s", (_name, policy) => {
    expect(() => checkPolicy(policyOf(policy))).toThrow(/invariant broken/)
  })
})
