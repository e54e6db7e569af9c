import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect, it } from "vitest"
import { DeviceLine } from "../../src/sink/DeviceLine.ts"
import { Patience } from "../../src/sink/Patience.ts"

const mebibyte = 1 << 20

const setUp = (deadlineMs = 20, strikesMax = 3) => {
  const told: Array<string> = []
  let nowMs = 0
  const patience = new Patience({
    deadlineMs,
    strikesMax,
    clock: { nowMs: () => nowMs },
    onLate: (afterMs) => void told.push(`late ${afterMs}`),
    onStall: (isStalled) => void told.push(isStalled ? "stalled" : "moving"),
  })
  const pass = (ms: number): void => {
    nowMs += ms
  }
  return { patience, told, pass }
}

describe("Patience", () => {
  it("counts each late step, and tells of several at once only once [A-143]", async () => {
    const { patience, told, pass } = setUp(20, 1_000)
    await patience.with(0, async () => undefined)
    expect(patience.late).toBe(0)
    for (let i = 0; i < 3; i++) await patience.with(0, () => sleep(90))
    expect(patience.late).toBe(3)
    expect(told).toEqual(["late 20"])
    pass(60_000)
    patience.during(() => pass(25))
    expect(told).toEqual(["late 20", "late 25"])
    expect(patience.late).toBe(4)
  })

  it("gives a step as much more time as it has bytes", async () => {
    const { patience, told } = setUp()
    await patience.with(10 * mebibyte, () => sleep(60))
    expect(told).toEqual([])
  })

  it("is stalled after several deadlines, until the last such step ends [A-144]", async () => {
    const { patience, told } = setUp()
    const first = patience.with(0, () => sleep(150))
    const second = patience.with(0, () => sleep(300))
    await first
    expect([patience.isStalled, ...told]).toEqual([true, "late 20", "stalled"])
    await second
    expect([patience.isStalled, ...told]).toEqual([false, "late 20", "stalled", "moving"])
  })

  it("also ends the stall of a step that fails", async () => {
    const fail = () => Promise.reject(new Error("gone"))
    const { patience, told } = setUp()
    const failing = patience.with(0, () => sleep(100).then(() => fail()))
    await expect(failing).rejects.toThrow("gone")
    expect([patience.isStalled, ...told]).toEqual([false, "late 20", "stalled", "moving"])
  })
})

describe("DeviceLine", () => {
  const never = new Promise<void>(() => undefined)

  it("leaves a thread to others: two steps a chain, three a device, in order", async () => {
    const begun: Array<string> = []
    const step = (name: string, until: Promise<void>) => () => {
      begun.push(name)
      return until
    }
    const [hung, other] = [new DeviceLine(-1), new DeviceLine(-1)]
    for (const name of ["h1", "h2", "h3"]) void hung.run(step(name, never))
    expect(begun).toEqual(["h1", "h2"])
    const { promise, resolve } = Promise.withResolvers<void>()
    const [first, second] = [other.run(step("o1", promise)), other.run(step("o2", promise))]
    expect(begun).toEqual(["h1", "h2", "o1"])
    resolve()
    await Promise.all([first, second])
    expect(begun).toEqual(["h1", "h2", "o1", "o2"])
    // Another device has threads of its own share.
    await new DeviceLine(-2).run(step("d2", Promise.resolve()))
    expect(begun.at(-1)).toBe("d2")
  })

  it("hands a place on when a step fails", async () => {
    const line = new DeviceLine(-3)
    const failing = () => Promise.reject(new Error("gone"))
    const ended = await Promise.allSettled([1, 2, 3, 4].map(() => line.run(failing)))
    expect(ended.map(({ status }) => status)).toEqual(new Array(4).fill("rejected"))
    expect(await line.run(async () => "here")).toBe("here")
  })
})
