import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect, it } from "vitest"
import { cleanUp, draft, fill, makePlace, openRoom, recordsOf, writerId } from "../audit/Room.ts"

cleanUp()

describe("gate", () => {
  it("runs an action once its record is at the level, and gives what it gives", async () => {
    const place = makePlace()
    const room = await openRoom(place)
    const seen: Array<number> = []
    const answer = await room.gate(draft(1), "durable", (receipt) => {
      seen.push(receipt.seq)
      expect(recordsOf(place).at(-1)?.attrs).toEqual({ index: 1 })
      return "opened"
    })
    expect([answer, seen]).toEqual(["opened", [2]])
    await expect(
      room.gate(draft(2), "accepted", () => Promise.reject(new Error("the door is stuck"))),
    ).rejects.toThrow("the door is stuck")
    expect(recordsOf(place).at(-1)?.attrs).toEqual({ index: 2 })
  })

  it("runs nothing where the record is refused, or can never reach the level", async () => {
    const room = await openRoom(makePlace(), { sink: "ram", queueDepth: 1 })
    let runs = 0
    const run = () => void runs++
    await expect(room.gate(draft(1), "durable", run)).rejects.toMatchObject({ code: "UNREACHABLE" })
    await expect(room.gate(draft(1, { kind: "x y" }), "accepted", run)).rejects.toThrow()
    const secret = draft(1, { attrs: { note: `Bearer ${"a".repeat(30)}` } })
    await expect(room.gate(secret, "accepted", run)).rejects.toMatchObject({ code: "pii_blocked" })
    const gates = [1, 2, 3].map((i) => room.gate(draft(i), "accepted", run))
    const ends = await Promise.allSettled(gates)
    const refused = ends.filter(({ status }) => status === "rejected").length
    expect([refused, runs]).toEqual([2, 1])
    await room.close()
    await expect(room.gate(draft(1), "accepted", run)).rejects.toMatchObject({ code: "CLOSED" })
    expect(runs).toBe(1)
  })
})

describe("append", () => {
  it.each([
    ["always", 0],
    ["on_checkpoint", 1],
  ] as const)("answers with fsync=%s, and %i records are not durable then", async (fsync, open) => {
    const room = await openRoom(makePlace(), { wal: { fsync } })
    await room.append(draft(1))
    await room.flush()
    for (let i = 2; i < 20; i++) {
      await room.append(draft(i))
      const { accepted, durable } = room.counts()
      expect(accepted - durable).toBe(open * (i - 1))
    }
  })
})

describe("subscribe", () => {
  it("tells of checkpoints and of the shutdown [A-314, A-317]", async () => {
    const room = await openRoom(makePlace())
    const told: Array<unknown> = []
    const listening = (async () => {
      for await (const { topic, payload } of room.subscribe()) told.push([topic, payload])
    })()
    await fill(room, 1, 9)
    await room.checkpoint()
    await room.close("maintenance")
    await sleep(20)
    const root = expect.stringMatching(/^b3:[0-9a-f]{64}$/)
    const ours = { writer_id: writerId, stream: "ingress" }
    expect(told).toContainEqual([
      "audit.checkpoint.created",
      { ...ours, range: [1, 10], root, signer_key_id: room.keyId },
    ])
    expect(told.at(-1)).toEqual(["kernel.shutdown", { reason: "maintenance" }])
    void listening
  })
})

describe("checkpoints by the clock", () => {
  it("are signed over what came since the last one, and only then [A-162, A-163]", async () => {
    const place = makePlace()
    const room = await openRoom(place, { checkpointEveryMs: 30 })
    const receipt = await room.append(draft(1))
    await receipt.reached("checkpointed")
    await sleep(100)
    const [head] = room.heads().filter(({ stream }) => stream === "ingress")
    expect(head?.checkpointedTo).toBe(head?.seq)
    const report = await room.close()
    expect(report).toMatchObject({ left: 0, shed: 0, abandoned: [] })
    expect(report.checkpointed).toBe(report.accepted)
  })
})
