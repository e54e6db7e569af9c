import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect, it } from "vitest"
import { Admission, type ShedReason } from "../../src/ingress/Admission.ts"
import { type Batch, BatchPool, Mailbox } from "../../src/ingress/Mailbox.ts"

const open = (enqueueMs: number) => {
  const shed: Array<readonly [ShedReason, number]> = []
  const mailbox = new Mailbox<string>({
    depthMax: 4,
    pool: new BatchPool(2, 1000),
    groupRecords: 64,
    onWork: () => undefined,
    onGroup: () => undefined,
  })
  const admission = new Admission<string>({
    mailbox,
    enqueueMs,
    busy: (reason) => new Error(reason),
    onShed: (reason, count) => void shed.push([reason, count]),
  })
  return { mailbox, admission, shed }
}

const answer = (batch: Batch<string>): void => {
  for (let i = 0; i < batch.count; i++) batch.resolve[i]?.("written")
}

/** A sink that has no room until it is let go. */
const slowSink = () => Promise.withResolvers<void>()

describe("Admission", () => {
  it("refuses what a full mailbox has no room for, and counts it [A-085, A-107]", async () => {
    const { mailbox, admission, shed } = open(1000)
    const answers = ["a", "b", "c", "d", "e", "f"].map((text) => admission.text(text))
    await expect(answers[4]).rejects.toThrow("audit_backpressure")
    await expect(answers[5]).rejects.toThrow("audit_backpressure")
    expect(shed).toEqual([
      ["audit_backpressure", 1],
      ["audit_backpressure", 1],
    ])
    for (let batch = mailbox.take(); batch !== undefined; batch = mailbox.take()) answer(batch)
    expect(await Promise.all(answers.slice(0, 4))).toEqual(Array(4).fill("written"))
  })

  it("refuses what waited too long for a stalled sink [A-100, A-106]", async () => {
    const { mailbox, admission, shed } = open(20)
    const held = [admission.text("a"), admission.text("b")]
    const waiting = [admission.text("c")]
    const batch = mailbox.take()!
    batch.resolve[0]?.("written")
    const sink = slowSink()
    // One of the batch is written, the other has no room.
    const stalled = admission.stall(batch, 1, () => sink.promise)
    const refused = await Promise.allSettled([held[1], ...waiting])
    expect(refused.map((one) => one.status === "rejected" && String(one.reason))).toEqual([
      "Error: io_backpressure",
      "Error: io_backpressure",
    ])
    expect([mailbox.waiting, batch.count]).toEqual([0, 1])
    await expect(admission.text("d")).rejects.toThrow("io_backpressure")
    expect(shed).toEqual([
      ["io_backpressure", 2],
      ["io_backpressure", 1],
    ])
    sink.resolve()
    await stalled
    expect(await held[0]).toBe("written")
    const again = admission.text("e")
    answer(mailbox.take()!)
    expect(await again).toBe("written")
  })

  it("lets everybody wait for a sink that has room again in time", async () => {
    const { mailbox, admission, shed } = open(10_000)
    const answers = [admission.text("a"), admission.text("b"), admission.text("c")]
    const batch = mailbox.take()!
    await admission.stall(batch, 0, () => sleep(5))
    answer(batch)
    answer(mailbox.take()!)
    expect(await Promise.all(answers)).toEqual(Array(3).fill("written"))
    expect(shed).toEqual([])
  })

  it("tells all who wait when it is dismissed, and how many they were", async () => {
    const { mailbox, admission } = open(10_000)
    const answers = [admission.text("a"), admission.text("b"), admission.text("c")]
    const batch = mailbox.take()!
    const sink = slowSink()
    const stalled = admission.stall(batch, 0, () => sink.promise)
    expect(admission.dismiss(new Error("closed"))).toBe(3)
    const told = await Promise.allSettled(answers)
    expect(told.map(({ status }) => status)).toEqual(Array(3).fill("rejected"))
    sink.resolve()
    await stalled
  })
})
