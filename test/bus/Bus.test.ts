import { describe, expect, it } from "vitest"
import { Bus, type BusEvent, type Subscription } from "../../src/bus/Bus.ts"
import { isOf, topics } from "../../src/bus/Topics.ts"

const bus = (capacity?: number) => new Bus({ nowMs: () => 7 }, capacity)
const crashed = (n: number) => ({ service: `audit/${n}`, code: "FATAL" })

const take = async (subscription: Subscription, count: number): Promise<Array<BusEvent>> => {
  const events: Array<BusEvent> = []
  for await (const event of subscription) if (events.push(event) === count) break
  return events
}

describe("the bus", () => {
  it("tells each subscriber every event in order [A-313]", async () => {
    const line = bus()
    const all = [line.subscribe(), line.subscribe()]
    for (let i = 1; i <= 3; i++) line.publish("kernel.service.crashed", crashed(i))
    for (const subscription of all) {
      const events = await take(subscription, 3)
      expect(events.map(({ n, tsMs, missed }) => [n, tsMs, missed])).toEqual([
        [1, 7, 0],
        [2, 7, 0],
        [3, 7, 0],
      ])
      expect(events.map(({ payload }) => payload)).toEqual([1, 2, 3].map(crashed))
    }
  })

  it("gives a topic, or a family of them [A-319]", async () => {
    const line = bus()
    const kernel = line.subscribe("kernel")
    const shutdown = line.subscribe("kernel.shutdown")
    line.publish("audit.verify.failed", {
      stream: "s",
      writer_id: "w",
      seq: 1,
      reason: "canon",
    })
    line.publish("kernel.config.updated", { version: 2 })
    line.publish("kernel.shutdown", { reason: "SIGTERM" })
    expect((await take(kernel, 2)).map(({ topic }) => topic)).toEqual([
      "kernel.config.updated",
      "kernel.shutdown",
    ])
    expect((await take(shutdown, 1)).map(({ n, missed }) => [n, missed])).toEqual([[3, 0]])
    expect(() => line.subscribe("kern")).toThrow(/there is no topic kern; there are audit\./)
    expect(topics.filter((topic) => isOf(topic, "audit"))).toHaveLength(2)
  })

  it("drops the oldest for a slow subscriber, tells it and counts [A-095]", async () => {
    const line = bus(4)
    const slow = line.subscribe()
    const quick = line.subscribe()
    const seen = take(quick, 10)
    for (let i = 1; i <= 10; i++) {
      line.publish("kernel.config.updated", { version: i })
      await new Promise((next) => setImmediate(next))
    }
    expect((await seen).map(({ missed }) => missed)).toEqual(Array(10).fill(0))
    const late = await take(slow, 4)
    expect(late.map(({ n, missed }) => [n, missed])).toEqual([
      [7, 6],
      [8, 0],
      [9, 0],
      [10, 0],
    ])
    expect(line.counts()).toEqual({ published: 10, lagged: 6 })
  })

  it("never waits for anybody: without a subscriber events are gone", async () => {
    const line = bus(1)
    for (let i = 1; i <= 5000; i++) line.publish("kernel.config.updated", { version: i })
    const later = line.subscribe()
    line.publish("kernel.shutdown", { reason: "close" })
    expect((await take(later, 1)).map(({ n, missed }) => [n, missed])).toEqual([[5001, 0]])
    expect(line.counts()).toEqual({ published: 5001, lagged: 0 })
  })

  it("ends an iteration that waits when the subscription is closed", async () => {
    const line = bus()
    const subscription = line.subscribe()
    const rest = take(subscription, 1)
    await subscription.close()
    expect(await rest).toEqual([])
  })
})
