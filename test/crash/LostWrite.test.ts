/**
 * An fsync that fails while the writer goes on: sectors are lost, and what was written to the file
 * meanwhile stands behind them. Each fsync of a chain's files fails in turn, and lasts a few turns.
 *
 * A hole is made of whole sectors: a write into a sector makes all of its page dirty again, so what
 * brings the later bytes to the disk brings the earlier ones. Every such hole is a torn tail by
 * FORMATS 4: a block of it is zero in all bytes behind the last good frame.
 */
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, describe, expect, it } from "vitest"
import { type FsyncPolicy, SinkError, type Strongroom } from "../../src/index.ts"
import { AppendFile } from "../../src/sink/Durable.ts"
import { mountVirtual } from "./DiskHooks.ts"
import { endOf, planAt, reopenedFrom, Testimony } from "./DiskLife.ts"
import type { Node } from "./DiskModel.ts"
import { open } from "./Life.ts"
import { isThorough } from "./Plan.ts"

const { disk, close } = mountVirtual()
disk.turns = 9
afterAll(() => close())

const draft = {
  stream: "ingress",
  kind: "GetServed",
  actor: {},
  subject: { content_id: `b3:${"0".repeat(64)}` },
  reason: "ok",
  attrs: {},
} as const

const append = async (room: Strongroom, witness: Testimony): Promise<void> => {
  const receipt = await room.append(draft)
  await receipt.reached("durable")
  const { writerId: writer_id, stream, seq, selfHash: self_hash } = receipt
  witness.add([{ writer_id, stream, seq, self_hash, level: "durable" }])
}

const rest = async (turns: number): Promise<void> => {
  for (let i = 0; i < turns; i++) await new Promise<void>((done) => setImmediate(done))
}

/** Rounds of records that fill some sectors, a checkpoint, and as many while its fsyncs last. */
const live = async (room: Strongroom, witness: Testimony): Promise<ReadonlyArray<unknown>> => {
  const ends: Array<Promise<unknown>> = []
  const appends = async (turns: number): Promise<void> => {
    for (let i = 0; i < 6; i++) {
      ends.push(endOf(append(room, witness)))
      await rest(turns * (i % 3))
    }
  }
  for (let round = 0; round < 3; round++) {
    await appends(4)
    await rest(20)
    ends.push(endOf(room.checkpoint()))
    await appends(2)
    await rest(20)
  }
  return Promise.all(ends)
}

/** Whether the chain takes records again, opened by its supervisor. */
const comesBack = async (room: Strongroom, witness: Testimony): Promise<unknown> => {
  let end: unknown
  for (let tries = 0; tries < 100; tries++) {
    end = await endOf(append(room, witness))
    if (end === undefined) return undefined
    await sleep(20)
  }
  return end
}

/** What was written while an fsync failed stands behind sectors that are lost. */
const isHoled = ({ live, pages }: Node): boolean =>
  live instanceof Uint8Array &&
  pages instanceof Uint8Array &&
  live.length === pages.length &&
  Buffer.compare(live, pages) !== 0

interface Row {
  readonly isHit: boolean
  readonly hasHole: boolean
  readonly wrong: ReadonlyArray<string>
}

const rowOf = async (
  fsync: FsyncPolicy,
  file: RegExp,
  effect: "lost" | "torn",
  nth: number,
): Promise<Row> => {
  const plan = planAt(disk.load(new Map()), fsync)
  const witness = new Testimony()
  let seen = 0
  let failed: Node | undefined
  let hasHole = false
  const room = await open(plan)
  await append(room, witness)
  disk.decide = ({ operation, path, node }) => {
    hasHole ||= failed !== undefined && isHoled(failed)
    if (node === undefined || operation !== "fsync" || !file.test(path)) return undefined
    seen += 1
    if (seen !== nth) return undefined
    failed = node
    return { code: "EIO", effect }
  }
  const wrong: Array<string> = []
  const ends = await live(room, witness)
  if (ends.includes("hangs")) wrong.push("a caller was never told")
  disk.decide = () => undefined
  const left = { tree: disk.live, acks: [...witness.acks] }
  const back = await comesBack(room, witness)
  if (back !== undefined) wrong.push(`does not come back: ${back}`)
  const closing = await endOf(room.close())
  if (closing === "hangs") wrong.push("close hangs")
  wrong.push(...witness.look(plan.dir).tampers, ...witness.look(plan.dir).lost)
  const after = await reopenedFrom(disk, left.tree, fsync, new Testimony(left.acks))
  wrong.push(...after.map((fault) => `in the next process: ${fault}`))
  return { isHit: seen >= nth, hasHole, wrong: wrong.map((fault) => `${nth}: ${fault}`) }
}

const files = [
  ["segment", /\/ingress\/wal-\d+\.seg$/],
  ["signatures", /\/ingress\/wal-\d+\.sig$/],
] as const
/** Which of a chain's files is written to while it is fsynced. */
const busy = { always: "segment", on_checkpoint: "signatures" } as const
const policies = ["always", "on_checkpoint"] as const
const rows = policies.flatMap((fsync) => files.map(([name, file]) => [fsync, name, file] as const))

describe("an fsync that fails while more is written", () => {
  it.each(rows)(
    "recovers, freezes nothing, loses nothing acknowledged: fsync=%s, %s [A-145]",
    async (fsync, name, file) => {
      const wrong: Array<string> = []
      const isBusy = busy[fsync] === name
      const step = isBusy || isThorough ? 1 : 2
      let holes = 0
      let nth = 1
      for (let isHit = true; isHit; nth += step) {
        const row = await rowOf(fsync, file, nth % 3 === 0 ? "torn" : "lost", nth)
        isHit = row.isHit
        holes += row.hasHole ? 1 : 0
        wrong.push(...row.wrong)
      }
      expect(wrong.slice(0, 10)).toEqual([])
      expect(nth).toBeGreaterThan(3)
      if (isBusy) expect(holes).toBeGreaterThan(0)
    },
    120_000,
  )
})

describe("what a failed fsync forgets", () => {
  const sectorBytes = 512
  const old = Buffer.alloc(1_000, "o")
  const first = Buffer.alloc(157, "1")
  const second = Buffer.alloc(100, "2")
  /** From where the durable bytes end to the end of their sector nothing is left. */
  const hole = Buffer.alloc(2 * sectorBytes - old.length)
  const holed = Buffer.concat([old, hole, first.subarray(hole.length), second])

  const fileOf = async (): Promise<AppendFile> => {
    const file = await AppendFile.create(join(disk.load(new Map()), "file"), old)
    disk.decide = ({ operation }) =>
      operation === "fsync" ? { code: "EIO", effect: "lost" } : undefined
    file.append(first)
    return file
  }
  const bytesOf = (tree: typeof disk.live): unknown => Buffer.from(tree.get("file")!)

  it("is whole sectors, and none that is written to while it runs", async () => {
    const file = await fileOf()
    const end = endOf(file.sync())
    await new Promise<void>((done) => setImmediate(done))
    file.append(second)
    await end
    expect(bytesOf(disk.live)).toEqual(holed)
    expect(readFileSync(file.path)).toEqual(holed)
    expect(bytesOf(disk.kept)).toEqual(old)
    file.close()
  })

  it("is none that is written to after it: an fsync then makes all of it durable", async () => {
    const file = await fileOf()
    await endOf(file.sync())
    expect(readFileSync(file.path)).toEqual(old)
    disk.decide = () => undefined
    const fd = openSync(file.path, "r+")
    writeSync(fd, second, 0, second.length, old.length + first.length)
    fsyncSync(fd)
    closeSync(fd)
    expect(readFileSync(file.path)).toEqual(holed)
    expect(bytesOf(disk.kept)).toEqual(holed)
    file.close()
  })
})

describe("two fsyncs of a file at a time", () => {
  it("both fail where the first one does: what it lost the second would not write", async () => {
    const file = await AppendFile.create(join(disk.load(new Map()), "file"), Buffer.from("head"))
    let seen = 0
    disk.decide = ({ operation }) =>
      operation === "fsync" && ++seen === 1 ? { code: "EIO", effect: "lost" } : undefined
    file.append(Buffer.from("first"))
    const first = endOf(file.sync())
    file.append(Buffer.from("second"))
    const both = await Promise.all([first, endOf(file.sync())])
    expect(both.map((end) => end instanceof SinkError && end.code)).toEqual([
      "STATE_UNKNOWN",
      "STATE_UNKNOWN",
    ])
    file.close()
  })
})
