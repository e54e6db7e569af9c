import { execFile } from "node:child_process"
import { cpSync, mkdirSync, renameSync, rmSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"
import { selectEngine } from "../../src/engine/Select.ts"
import {
  cleanUp,
  draft,
  engine,
  filesOf,
  fill,
  makePlace,
  openRoom,
  type Place,
  stream,
  trustOf,
  verify,
  writerId,
} from "./Room.ts"

cleanUp()

interface Seen {
  readonly verdicts: ReadonlyArray<string>
  readonly findings: ReadonlyArray<string>
  readonly records: ReadonlyArray<number>
  readonly maxRssBytes: number
}

const verifyInChild = async (
  { wal, dir }: Place,
  rounds: number,
  flags: ReadonlyArray<string> = [],
): Promise<Seen> => {
  const program = join(import.meta.dirname, "VerifyChild.ts")
  const args = [...flags, program, wal, join(dir, "trust.json"), `${rounds}`]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  return JSON.parse(stdout) as Seen
}

const makeLog = async (count = 5): Promise<Place> => {
  const place = makePlace()
  const room = await openRoom(place)
  await fill(room, 1, count)
  await room.close()
  return place
}

const findingsOf = (report: ReturnType<typeof verify>): ReadonlyArray<string> =>
  report.streams.flatMap(({ findings }) => findings.map(({ kind, seq }) => `${kind} ${seq}`))

describe("verifyLog", () => {
  it("knows nothing of an empty directory", async () => {
    const place = await makeLog()
    const root = join(place.dir, "empty")
    mkdirSync(root)
    expect(verify(place, { root })).toMatchObject({ verdict: "unknown", records: 0, streams: [] })
  })

  it("says valid, how far that goes, and for which key and log", async () => {
    const place = await makeLog()
    const report = verify(place)
    const { logId, keys } = trustOf(place)
    expect(report).toMatchObject({ verdict: "valid", records: 8, proven_to: 8 })
    expect(report.trust).toBe(`${keys[0]?.keyId} for log ${logId}`)
    expect(report.notes.toSorted()).toEqual([
      `not proven beyond seq 2 of ${writerId} / control`,
      `not proven beyond seq 6 of ${writerId} / ${stream}`,
    ])
  })

  it("notes that the log is not pinned where the anchors name none", async () => {
    const place = await makeLog()
    const { logId: _, ...trust } = trustOf(place)
    const report = verify(place, { trust })
    expect(report.verdict).toBe("valid")
    expect(report.notes).toContain("log not pinned")
    expect(verify(place).notes).not.toContain("log not pinned")
    const other = verify(place, { trust: { ...trust, logId: "0".repeat(32) } })
    expect(other.verdict).toBe("invalid")
    expect(findingsOf(other).filter((found) => found.startsWith("wrong_log")).length).toBe(2)
  })

  it("trusts nothing without anchors, and says intact where only that is asked", async () => {
    const place = await makeLog()
    expect(verify(place, { trust: undefined })).toMatchObject({
      verdict: "unknown",
      trust: "none",
    })
    expect(verify(place, { trust: undefined, integrity: true })).toMatchObject({
      verdict: "intact",
      trust: "not asked for",
    })
  })

  it("notes that a chain may be missing when no control chain names them all", async () => {
    const place = await makeLog()
    const note = "not proven that no chain is missing: no control chain names them all"
    expect(verify(place).notes).not.toContain(note)
    rmSync(filesOf(place.wal, "control").directory, { recursive: true })
    const report = verify(place)
    expect(report.verdict).toBe("valid")
    expect(report.notes).toContain(note)
  })

  it("misses a chain that the control chain announces, and sees one that is another", async () => {
    const place = await makeLog()
    const other = await makeLog()
    const { directory } = filesOf(place.wal)
    const aside = join(place.dir, "aside")
    renameSync(directory, aside)
    const missing = verify(place)
    expect(missing.verdict).toBe("unknown")
    expect(findingsOf(missing)).toEqual(["segment_missing 1"])
    cpSync(filesOf(other.wal).directory, directory, { recursive: true })
    const swapped = verify(place)
    expect(swapped.verdict).toBe("invalid")
    expect(findingsOf(swapped)).toContain("fork 1")
    rmSync(directory, { recursive: true })
    renameSync(aside, directory)
    expect(verify(place).verdict).toBe("valid")
  })

  it("holds a chain to positions that were kept elsewhere", async () => {
    const place = makePlace()
    const room = await openRoom(place)
    const receipts = await fill(room, 1, 5)
    await room.close()
    const expectHead = (seq: number, selfHash: string) =>
      verify(place, { expectHeads: [{ writerId, stream, seq, selfHash, file: "kept" }] })
    const { seq, selfHash } = receipts[4]!
    expect(expectHead(seq, selfHash).verdict).toBe("valid")
    expect(expectHead(seq + 1, selfHash).verdict).toBe("invalid")
    expect(expectHead(seq - 1, selfHash).verdict).toBe("invalid")
  })

  it("says the same with either engine", async () => {
    const place = await makeLog(50)
    const native = selectEngine("native", () => undefined)
    expect(native.name).not.toBe(engine.name)
    expect(verify(place, {}, native)).toEqual(verify(place))
  })

  it("verifies 30 MB with a heap of 64 MB and the memory of a small log", async () => {
    const place = makePlace()
    const room = await openRoom(place, {
      engine: "auto",
      queueDepth: 30_000,
      wal: { fsync: "never", rotateBytes: 8 << 20 },
    })
    const attrs = { text: "x".repeat(1000) }
    await Promise.all(Array.from({ length: 25_000 }, (_, i) => room.append(draft(i, { attrs }))))
    await room.close()
    const { segments } = filesOf(place.wal)
    expect(segments.reduce((sum, { size }) => sum + size, 0)).toBeGreaterThan(30 << 20)
    const small = await verifyInChild(await makeLog(), 1)
    const large = await verifyInChild(place, 1, ["--max-old-space-size=64"])
    expect(large).toMatchObject({ verdicts: ["valid"], findings: [], records: [25_003] })
    expect(large.maxRssBytes - small.maxRssBytes).toBeLessThan(24 << 20)
  })

  it("never sees a half-written record beside a writer [A-146]", async () => {
    const place = makePlace()
    const options = { checkpointEvery: 40, wal: { rotateBytes: 64 << 10 } }
    const room = await openRoom(place, options)
    await fill(room, 1, 1)
    await room.checkpoint()
    let isDone = false
    const write = async (): Promise<void> => {
      for (let i = 0; !isDone; i += 20) {
        const receipts = await fill(room, i, i + 19)
        await receipts[0]?.reached("durable")
      }
    }
    const verifyBeside = async (): Promise<Seen> => {
      try {
        return await verifyInChild(place, 12)
      } finally {
        isDone = true
      }
    }
    const [seen] = await Promise.all([verifyBeside(), write()])
    await room.close()
    expect(seen.findings).toEqual([])
    expect(seen.verdicts).not.toContain("invalid")
    // The log grew while it was verified.
    expect(seen.records.at(-1)).toBeGreaterThan(seen.records[0]! + 20)
    expect(verify(place).verdict).toBe("valid")
  })
})
