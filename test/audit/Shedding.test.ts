import { describe, expect, it, vi } from "vitest"
import { Shedding } from "../../src/audit/Shedding.ts"
import type { JsonObject } from "../../src/record/Canonical.ts"

const open = () => {
  const told: Array<JsonObject> = []
  const now = { ms: 1_000 }
  const state = { fails: false }
  const shedding = new Shedding({ nowMs: () => now.ms }, async (attrs) => {
    if (state.fails) throw new Error("no room")
    told.push(attrs)
  })
  return { told, now, state, shedding }
}

const turn = () => new Promise((done) => setImmediate(done))

describe("Shedding", () => {
  it("tells what was shed once there is room, by reason, with the times [A-090]", async () => {
    const { told, now, shedding } = open()
    shedding.room()
    shedding.add("audit_backpressure", 1)
    now.ms = 1_400
    shedding.add("io_backpressure", 7)
    shedding.add("audit_backpressure", 2)
    shedding.room()
    await turn()
    expect(told).toEqual([
      {
        count: 10,
        by_reason: { audit_backpressure: 3, io_backpressure: 7 },
        first_ts_ms: 1_000,
        last_ts_ms: 1_400,
      },
    ])
    expect(shedding.total).toBe(10)
  })

  it("tells it once a second at most, and the rest by the clock", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
    try {
      const { told, now, shedding } = open()
      for (let i = 0; i < 50; i++) {
        shedding.add("audit_backpressure", 1)
        shedding.room()
        now.ms += 10
      }
      await turn()
      expect(told.map(({ count }) => count)).toEqual([1])
      now.ms += 1_000
      await vi.advanceTimersByTimeAsync(1_000)
      expect(told.map(({ count }) => count)).toEqual([1, 49])
    } finally {
      vi.useRealTimers()
    }
  })

  it("keeps what could not be told for the next time", async () => {
    const { told, now, state, shedding } = open()
    state.fails = true
    shedding.add("io_backpressure", 3)
    await expect(shedding.flush()).rejects.toThrow("no room")
    shedding.add("io_backpressure", 4)
    now.ms += 5_000
    state.fails = false
    await shedding.flush()
    await shedding.flush()
    expect(told.map(({ count, first_ts_ms }) => [count, first_ts_ms])).toEqual([[7, 1_000]])
  })
})
