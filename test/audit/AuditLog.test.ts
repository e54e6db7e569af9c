import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect, it } from "vitest"
import type { Draft, Strongroom } from "../../src/index.ts"
import { reservedKinds } from "../../src/record/Kind.ts"
import {
  cleanUp,
  codeOf,
  draft,
  fill,
  makePlace,
  openRoom,
  recordsOf,
  stream,
  verify,
  writerId,
} from "./Room.ts"

cleanUp()

const id = (last: string): string => `0190a5f0-7e5a-7cc3-98c4-dc0c0c07398${last}`
const once = (op_id: string, more: object = {}): Draft => draft(0, { attrs: { op_id, ...more } })

const headOf = (room: Strongroom, of = stream) => room.heads().find((head) => head.stream === of)

describe("append", () => {
  it("answers with the position and the new head of the chain [A-006, A-042, A-123]", async () => {
    const place = makePlace()
    const room = await openRoom(place)
    for (let seq = 2; seq <= 5; seq++) {
      const receipt = await room.append(draft(seq))
      expect(receipt).toMatchObject({ writerId, stream, seq })
      expect(headOf(room)).toMatchObject({ seq, selfHash: receipt.selfHash })
    }
    await room.close()
    const records = recordsOf(place)
    expect(records.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5])
    expect(records[0]).toMatchObject({ kind: "StreamOpened", prev: "b3:0" })
    expect(records[4]).toMatchObject({ ...draft(5), writer_id: writerId, v: 1 })
  })

  it("keeps one chain under concurrent callers: no gap, no seq twice [A-048, A-053]", async () => {
    const place = makePlace()
    const room = await openRoom(place)
    const caller = async (from: number) => {
      const seqs: Array<number> = []
      for (let i = 0; i < 20; i++) seqs.push((await room.append(draft(from + i))).seq)
      return seqs
    }
    const all = await Promise.all([100, 200, 300, 400, 500].map(caller))
    for (const seqs of all) expect(seqs).toEqual(seqs.toSorted((a, b) => a - b))
    const sorted = all.flat().sort((a, b) => a - b)
    expect(sorted).toEqual(Array.from({ length: 100 }, (_, i) => i + 2))
    await room.close()
    expect(recordsOf(place).length).toBe(101)
    expect(verify(place).verdict).toBe("valid")
  })

  it("takes a snapshot: what happens to the object later changes nothing", async () => {
    const place = makePlace()
    const room = await openRoom(place)
    await room.append(draft(0))
    const attrs: Record<string, number> = { index: 1 }
    const actor = { cap_id: "before" }
    const receipt = room.append(draft(1, { attrs, actor }))
    attrs.index = 2
    actor.cap_id = "after"
    const { seq } = await receipt
    await room.flush()
    expect(recordsOf(place)[seq - 1]).toMatchObject({
      attrs: { index: 1 },
      actor: { cap_id: "before" },
    })
  })

  it("refuses a draft alone: its neighbours go in and the chain has no gap", async () => {
    const place = makePlace()
    const room = await openRoom(place)
    await room.append(draft(0))
    const bad: ReadonlyArray<Draft> = [
      draft(2, { attrs: { text: "x".repeat(2000) } }),
      draft(2, { attrs: { half: 0.5 } }),
      draft(2, { attrs: { text: "\ud800" } }),
      draft(2, { kind: "not pascal" }),
    ]
    const answers = await Promise.allSettled(
      bad.flatMap((one, i) => [room.append(draft(10 + i)), room.append(one)]),
    )
    const codes = answers.map((answer) =>
      answer.status === "fulfilled" ? answer.value.seq : answer.reason.code,
    )
    expect(codes).toEqual([3, "attrs_size", 4, "float", 5, "surrogate", 6, "kind"])
    await room.close()
    expect(recordsOf(place).map(({ attrs }) => attrs.index)).toEqual([undefined, 0, 10, 11, 12, 13])
    expect(verify(place).verdict).toBe("valid")
  })

  it("refuses the kinds that only the runtime writes", async () => {
    const room = await openRoom(makePlace())
    for (const kind of reservedKinds) {
      expect(await codeOf(room.append(draft(0, { kind }))), kind).toBe("kind_reserved")
    }
    expect(await codeOf(room.append(draft(0, { stream: "" })))).toBeDefined()
    expect(headOf(room)?.seq ?? 1).toBe(1)
  })

  it("refuses the new one at once when a queue is full [A-076, A-085, A-107]", async () => {
    const place = makePlace()
    const room = await openRoom(place, { queueDepth: 4 })
    await room.append(draft(0))
    await room.append(draft(0, { stream: "other" }))
    const settled: Array<number> = []
    const offered = Array.from({ length: 7 }, (_, i) =>
      room.append(draft(i + 1)).finally(() => settled.push(i)),
    )
    const elsewhere = room.append(draft(1, { stream: "other" }))
    const answers = await Promise.allSettled(offered)
    expect(answers.map(({ status }) => status === "fulfilled")).toEqual([
      ...Array(4).fill(true),
      ...Array(3).fill(false),
    ])
    // The refused did not wait for the accepted.
    expect(settled.slice(0, 3)).toEqual([4, 5, 6])
    expect(await codeOf(offered[6]!)).toBe("BUSY")
    await expect(offered[6]).rejects.toMatchObject({ isRetryable: true })
    expect((await elsewhere).seq).toBe(3)
    expect((await room.append(draft(5))).seq).toBe(8)
    await room.close()
    const records = recordsOf(place)
    expect(records.map(({ attrs }) => attrs.index)).toEqual([
      undefined,
      0,
      1,
      2,
      3,
      4,
      undefined,
      5,
    ])
    // What was refused is told in the chain once there is room.
    const { kind, attrs } = records[6]!
    expect([kind, attrs.count, attrs.by_reason]).toEqual(["Gap", 3, { audit_backpressure: 3 }])
  })
})

describe("levels", () => {
  it("settle each for itself, and durable on demand with on_checkpoint", async () => {
    const room = await openRoom(makePlace(), { wal: { fsync: "on_checkpoint" } })
    const receipt = await room.append(draft(1))
    await receipt.reached("accepted")
    await receipt.reached("signed")
    let isCheckpointed = false
    const checkpointed = receipt.reached("checkpointed").then(() => {
      isCheckpointed = true
    })
    await receipt.reached("durable")
    expect(isCheckpointed).toBe(false)
    expect(headOf(room)?.checkpointedTo).toBe(0)
    await room.checkpoint()
    await checkpointed
    expect(headOf(room)?.checkpointedTo).toBe(receipt.seq)
  })

  it.each(["always", "on_checkpoint"] as const)("are all reached with fsync=%s", async (fsync) => {
    const room = await openRoom(makePlace(), { wal: { fsync }, checkpointEvery: 3 })
    const receipts = await fill(room, 1, 3)
    for (const level of ["signed", "durable", "accepted", "checkpointed"] as const) {
      await Promise.all(receipts.map((receipt) => receipt.reached(level)))
    }
  })

  it("leave less than checkpointEvery behind the last checkpoint at rest", async () => {
    const room = await openRoom(makePlace(), { checkpointEvery: 10 })
    // More than one checkpoint's worth comes in while the first is being made.
    for (let i = 0; i < 60; i++) await room.append(draft(i))
    const behind = () => {
      const head = headOf(room)
      return head === undefined ? Infinity : head.seq - head.checkpointedTo
    }
    for (let wait = 0; wait < 200 && behind() >= 10; wait++) await sleep(10)
    expect(behind()).toBeLessThan(10)
  })

  it("say at once what is never reached", async () => {
    const ram = await openRoom(makePlace(), { sink: "ram" })
    const kept = await ram.append(draft(1))
    expect(await codeOf(kept.reached("durable"))).toBe("UNREACHABLE")
    await kept.reached("signed")
    const room = await openRoom(makePlace(), { signing: "checkpoint" })
    const receipt = await room.append(draft(1))
    expect(await codeOf(receipt.reached("signed"))).toBe("UNREACHABLE")
    await receipt.reached("durable")
  })
})

/** What a promise has come to before any I/O can end. */
const already = (promise: Promise<unknown>): Promise<string> => {
  const later = async (): Promise<string> => {
    for (let i = 0; i < 20; i++) await undefined
    return "not yet"
  }
  return Promise.race([promise.then(() => "settled"), later()])
}

describe("flush", () => {
  it("makes all that was accepted durable, and ends with the ram sink too [A-124]", async () => {
    const room = await openRoom(makePlace())
    const receipts = await fill(room, 1, 20)
    await room.flush()
    for (const receipt of receipts) {
      expect(await already(receipt.reached("durable"))).toBe("settled")
    }
    const [later] = await fill(room, 21, 21)
    expect(await already(later!.reached("durable"))).toBe("not yet")
    const ram = await openRoom(makePlace(), { sink: "ram" })
    await ram.append(draft(1))
    await ram.flush()
  })
})

describe("op_id", () => {
  it("gives a repeat the first receipt and appends nothing, also reopened [A-060]", async () => {
    const place = makePlace()
    const room = await openRoom(place)
    const first = await room.append(once(id("a"), { b: 1, a: 2 }))
    const atOnce = await Promise.all([
      room.append(once(id("a"), { a: 2, b: 1 })),
      room.append(once(id("c"))),
      room.append(once(id("c"))),
    ])
    expect(atOnce.map(({ seq }) => seq)).toEqual([2, 3, 3])
    expect(atOnce[0]?.selfHash).toBe(first.selfHash)
    await room.close()
    const again = await openRoom(place)
    const later = await again.append(once(id("a"), { a: 2, b: 1 }))
    expect(later).toMatchObject({ writerId, stream, seq: 2, selfHash: first.selfHash })
    await later.reached("checkpointed")
    expect(headOf(again)?.seq).toBe(3)
  })

  it("refuses other content under a known op_id, also reopened", async () => {
    const place = makePlace()
    const room = await openRoom(place)
    await room.append(draft(0))
    const answers = [room.append(once(id("a"), { n: 1 })), room.append(once(id("a"), { n: 2 }))]
    expect(await codeOf(answers[1]!)).toBe("OP_ID_CONFLICT")
    expect((await answers[0]!).seq).toBe(3)
    await room.close()
    const again = await openRoom(place)
    expect(await codeOf(again.append(once(id("a"), { n: 2 })))).toBe("OP_ID_CONFLICT")
    expect(headOf(again)?.seq).toBe(3)
  })

  it("knows an id in any case, and keeps ids of streams and writers apart", async () => {
    const place = makePlace()
    const room = await openRoom(place)
    const first = await room.append(once(id("a")))
    const other = await room.append({ ...once(id("a")), stream: "other" })
    expect(other.stream).toBe("other")
    const conflict = codeOf(room.append(once(id("A"), { n: 1 })))
    expect(await conflict).toBe("OP_ID_CONFLICT")
    expect(first.seq).toBe(2)
    await room.close()
    const again = await openRoom(place)
    expect(await codeOf(again.append(once(id("A"), { n: 1 })))).toBe("OP_ID_CONFLICT")
  })

  it("refuses what is no UUID", async () => {
    const room = await openRoom(makePlace())
    await room.append(draft(0))
    for (const op_id of ["", "1", id("g"), id("a").replaceAll("-", ""), `${id("a")} `, 7]) {
      const answer = room.append(draft(1, { attrs: { op_id } }))
      expect(await codeOf(answer), String(op_id)).toBe("op_id")
    }
    expect(headOf(room)?.seq).toBe(2)
  })

  it("lets a draft that found the queue full come again", async () => {
    const room = await openRoom(makePlace(), { queueDepth: 1 })
    await room.append(draft(0))
    const first = room.append(draft(1))
    expect(await codeOf(room.append(once(id("a"))))).toBe("BUSY")
    await first
    expect((await room.append(once(id("a")))).seq).toBe(4)
  })

  it("forgets the id of a draft that was refused", async () => {
    const room = await openRoom(makePlace())
    await room.append(draft(0))
    const long = once(id("a"), { text: "x".repeat(2000) })
    expect(await codeOf(room.append(long))).toBe("attrs_size")
    expect((await room.append(once(id("a")))).seq).toBe(3)
  })
})

describe("close", () => {
  it("drains: all that was accepted is there, checkpointed [A-116, A-281]", async () => {
    const place = makePlace()
    const room = await openRoom(place)
    await room.append(draft(0))
    const offered = Array.from({ length: 600 }, (_, i) => room.append(draft(i + 1)))
    const closing = room.close()
    const receipts = await Promise.all(offered)
    await closing
    expect(receipts.at(-1)?.seq).toBe(602)
    expect(recordsOf(place).length).toBe(602)
    const report = verify(place, { require: "checkpointed" })
    expect(report).toMatchObject({ verdict: "valid", records: 604 })
    await receipts.at(-1)?.reached("checkpointed")
  })

  it("refuses what comes later with an error of its own [A-096]", async () => {
    const room = await openRoom(makePlace())
    await room.append(draft(0))
    const closing = room.close()
    expect(await codeOf(room.append(draft(1)))).toBe("CLOSED")
    await closing
    expect(await codeOf(room.append(draft(1)))).toBe("CLOSED")
  })

  it("called twice ends once, and the key stays until then", async () => {
    const place = makePlace()
    const room = await openRoom(place)
    await room.append(draft(0))
    const offered = Array.from({ length: 50 }, (_, i) => room.append(draft(i + 1)))
    const late = room.append(draft(0, { stream: "late" }))
    await Promise.all([room.close(), room.close()])
    await room.close()
    expect((await Promise.all([...offered, late])).length).toBe(51)
    expect(verify(place, { require: "checkpointed" }).verdict).toBe("valid")
  })

  it("leaves nobody waiting: the last checkpoint makes all durable, also with never", async () => {
    const room = await openRoom(makePlace(), { wal: { fsync: "never" } })
    const receipt = await room.append(draft(0))
    const waiting = codeOf(receipt.reached("durable"))
    await room.close()
    expect(await waiting).toBe("no error")
  })
})

describe("heads", () => {
  it("are snapshots, and the same after a restart [A-041, A-054, A-298]", async () => {
    const place = makePlace()
    const room = await openRoom(place)
    await room.append(draft(1))
    await room.append(draft(1, { stream: "other" }))
    const before = room.heads()
    const copy = structuredClone(before)
    await room.append(draft(2))
    expect(before).toEqual(copy)
    expect(before.map((head) => head.stream).sort()).toEqual(["control", stream, "other"])
    await room.close()
    const last = recordsOf(place).at(-1)
    const again = await openRoom(place)
    expect(headOf(again)).toMatchObject({ seq: last?.seq, selfHash: last?.self_hash })
    expect((await again.append(draft(3))).seq).toBe(4)
    await again.close()
    expect(recordsOf(place)[3]?.prev).toBe(last?.self_hash)
    expect(verify(place).verdict).toBe("valid")
  })
})
