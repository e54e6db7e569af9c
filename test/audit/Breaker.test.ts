import { describe, expect, it } from "vitest"
import { Breaker } from "../../src/audit/Breaker.ts"

describe("Breaker", () => {
  it("opens after so many failures in a row, waits longer each time, and closes again", () => {
    const breaker = new Breaker({ failures: 3, cooldownMs: 100 })
    breaker.fail(0)
    breaker.fail(0)
    breaker.succeed()
    for (let i = 0; i < 2; i++) breaker.fail(0)
    expect(breaker.stateAt(0)).toEqual({ state: "closed", failures: 2, waitsMs: 0 })
    const waits: Array<number> = []
    let nowMs = 0
    for (let i = 0; i < 9; i++) {
      breaker.fail(nowMs)
      const { state, waitsMs } = breaker.stateAt(nowMs)
      expect(state).toBe("open")
      waits.push(waitsMs)
      nowMs += waitsMs
      expect(breaker.stateAt(nowMs)).toMatchObject({ state: "half_open", waitsMs: 0 })
    }
    expect(waits).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 6400, 6400])
    breaker.succeed()
    expect(breaker.stateAt(nowMs)).toEqual({ state: "closed", failures: 0, waitsMs: 0 })
  })
})
