import { chmodSync, existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { openNative } from "../../src/engine/EngineNative.ts"
import { readHeader } from "../../src/sink/Segment.ts"
import { SinkRam } from "../../src/sink/SinkRam.ts"
import {
  cleanUp,
  codeOf,
  draft,
  filesOf,
  fill,
  makePlace,
  openRoom,
  recordsOf,
  stream,
  trustOf,
  verify,
  writerId,
} from "./Room.ts"

cleanUp()

const rotateBytes = 16 << 10

describe("one writer a chain", () => {
  it("refuses a second and names who has it, until that one closes [A-046]", async () => {
    const place = makePlace()
    const room = await openRoom(place)
    const second = openRoom(place)
    expect(await codeOf(second)).toBe("LOCKED")
    await expect(second).rejects.toThrow(new RegExp(`is being written by .*${process.pid}`))
    expect((await room.append(draft(1))).seq).toBe(2)
    await room.close()
    expect((await (await openRoom(place)).append(draft(2))).seq).toBe(3)
  })

  it("lets other writers have the same streams beside it", async () => {
    const place = makePlace()
    const room = await openRoom(place)
    const other = await openRoom(place, { writerId: "test@2" })
    expect(other.logId).toBe(room.logId)
    const receipts = await Promise.all([room.append(draft(1)), other.append(draft(1))])
    expect(receipts.map(({ seq }) => seq)).toEqual([2, 2])
    await Promise.all([room.close(), other.close()])
    expect(verify(place)).toMatchObject({ verdict: "valid", records: 8 })
  })
})

describe("the control chain", () => {
  it("announces every chain with the hash of its first record, once", async () => {
    const place = makePlace()
    for (const streams of [
      ["ingress", "other"],
      ["other", "third"],
    ]) {
      const room = await openRoom(place)
      for (const one of streams) await room.append(draft(1, { stream: one }))
      await room.close()
    }
    const announced = recordsOf(place, "control").filter(({ kind }) => kind === "ChainOpened")
    const expected = ["ingress", "other", "third"].map((one) => ({
      writer_id: writerId,
      stream: one,
      self_hash: recordsOf(place, one)[0]?.self_hash,
    }))
    expect(announced.map(({ attrs }) => attrs)).toEqual(expected)
  })

  it("is a chain with a StreamOpened of the same log", async () => {
    const place = makePlace()
    const room = await openRoom(place, { signing: "record", wal: { fsync: "always" } })
    await room.append(draft(1))
    for (const one of ["control", stream]) {
      expect(recordsOf(place, one)[0]).toMatchObject({
        kind: "StreamOpened",
        actor: { anon: true },
        attrs: {
          log_id: room.logId,
          signing: "record",
          algs: ["ed25519"],
          checkpoint_algs: ["ed25519"],
          fsync: "always",
        },
      })
    }
  })
})

describe("settings", () => {
  it("that change begin a segment with ConfigUpdated; the log stays valid", async () => {
    const place = makePlace()
    for (const settings of [
      { signing: "batch", wal: { fsync: "on_checkpoint" } },
      { signing: "record", wal: { fsync: "on_checkpoint" } },
      { signing: "record", wal: { fsync: "always" } },
      { signing: "checkpoint", wal: { fsync: "always" } },
    ] as const) {
      const room = await openRoom(place, settings)
      await fill(room, 1, 3)
      await room.close()
    }
    const records = recordsOf(place)
    expect(records.length).toBe(16)
    const updates = records.filter(({ kind }) => kind === "ConfigUpdated")
    expect(updates.map(({ seq, attrs: { config_b3: _, ...changed } }) => [seq, changed])).toEqual([
      [5, { signing: "record" }],
      [9, { fsync: "always" }],
      [13, { signing: "checkpoint", algs: [] }],
    ])
    for (const { attrs } of updates) expect(attrs.config_b3).toMatch(/^b3:[0-9a-f]{64}$/)
    expect(filesOf(place.wal).segments.map((segment) => readHeader(segment))).toMatchObject([
      { count: 4 },
      { count: 4 },
      { count: 4 },
      { count: 0 },
    ])
    expect(verify(place).verdict).toBe("valid")
  })

  it("that stay write nothing on reopening", async () => {
    const place = makePlace()
    for (let round = 0; round < 3; round++) await (await openRoom(place)).close()
    const room = await openRoom(place)
    await room.append(draft(1))
    await room.close()
    await (await openRoom(place)).close()
    expect(recordsOf(place).length).toBe(2)
    expect(recordsOf(place, "control").length).toBe(2)
  })
})

describe("the ram sink", () => {
  it("writes nothing to disk and stays within its bound [A-122]", async () => {
    const place = makePlace()
    const room = await openRoom(place, { sink: "ram", ramBytesMax: 8192, dataDir: place.dir })
    const receipts = await fill(room, 1, 100)
    expect(receipts.at(-1)?.seq).toBe(101)
    await receipts.at(-1)?.reached("signed")
    await room.checkpoint()
    await room.flush()
    expect(room.heads().find((head) => head.stream === stream)?.checkpointedTo).toBe(101)
    await room.close()
    expect(room.trustPath).toBeUndefined()
    expect(readdirSync(place.dir)).toEqual([])

    const sink = new SinkRam({ bytesMax: 1000 })
    for (let seq = 1; seq <= 10; seq++) {
      sink.write(new Uint8Array(300), seq, 1)
      sink.writeSignatures(new Uint8Array(300))
      expect(sink.frames().length).toBeLessThanOrEqual(1000)
      expect(sink.signatures().length).toBeLessThanOrEqual(1000)
    }
    expect([sink.firstSeq, sink.evicted]).toEqual([8, 7])
  })
})

describe("segments", () => {
  it("rotate at rotateBytes, without a gap, sealed with their count [A-133, A-134]", async () => {
    const place = makePlace()
    const room = await openRoom(place, { wal: { rotateBytes } })
    await fill(room, 1, 300)
    await room.close()
    const { segments } = filesOf(place.wal)
    expect(segments.length).toBeGreaterThan(5)
    expect(segments.map(({ number }) => number)).toEqual(segments.map((_, i) => i + 1))
    for (const { size } of segments) expect(size).toBeLessThanOrEqual(rotateBytes)
    const records = recordsOf(place)
    expect(records.length).toBe(301)
    for (const [i, record] of records.entries()) {
      expect(record.prev).toBe(i === 0 ? "b3:0" : records[i - 1]?.self_hash)
    }
    const counts = segments.slice(0, -1).map((segment) => {
      const header = readHeader(segment)
      if (header === "incomplete" || "what" in header) throw new Error(segment.path)
      // Each was as full as it could be.
      expect(segment.size).toBeGreaterThan(rotateBytes - 4200)
      return header.count
    })
    expect(counts.every((count) => count > 0)).toBe(true)
    expect(readHeader(segments.at(-1)!)).toMatchObject({ count: 0 })
    expect(counts.reduce((sum, count) => sum + count, 0)).toBeLessThan(301)
    expect(verify(place).verdict).toBe("valid")
  })

  it("only grow: what was written is never written again [A-057, A-132]", async () => {
    const place = makePlace()
    let before = new Map<string, Buffer>()
    for (let round = 0; round < 3; round++) {
      const room = await openRoom(place, { wal: { rotateBytes } })
      await fill(room, round * 60, round * 60 + 59)
      await room.close()
      const { segments, signatures } = filesOf(place.wal)
      const after = new Map<string, Buffer>()
      for (const { path } of [...segments, ...signatures.values()]) {
        after.set(path, readFileSync(path))
      }
      for (const [path, bytes] of before) {
        const now = after.get(path)
        // The header's count is the one thing that is written later, when a segment is sealed.
        const from = path.endsWith(".seg") ? 32 : 0
        expect(now?.subarray(from, bytes.length).equals(bytes.subarray(from)), path).toBe(true)
      }
      before = after
    }
    expect(before.size).toBeGreaterThan(6)
  })

  it("go on with one engine where the other ended", async () => {
    const place = makePlace()
    for (const engine of ["native", "js", "native"] as const) {
      const room = await openRoom(place, { engine, wal: { rotateBytes } })
      await fill(room, 1, 50)
      await room.close()
    }
    expect(verify(place)).toEqual(verify(place, {}, openNative()))
    expect(verify(place)).toMatchObject({ verdict: "valid", records: 153 })
  })
})

describe("modes", () => {
  const modesBelow = (root: string): ReadonlyArray<readonly [string, string]> =>
    readdirSync(root, { recursive: true, withFileTypes: true }).map((entry) => {
      const path = join(entry.parentPath, entry.name)
      return [path, `${entry.isDirectory()} ${(statSync(path).mode & 0o777).toString(8)}`]
    })

  it("of everything written are 0700 and 0600 [A-136, A-149]", async () => {
    const place = makePlace()
    const mask = process.umask(0)
    try {
      const room = await openRoom(place, { wal: { rotateBytes } })
      await fill(room, 1, 100)
      await room.export()
      await room.close()
    } finally {
      process.umask(mask)
    }
    const all = modesBelow(place.dir)
    for (const [path, mode] of all) expect(["true 700", "false 600"], path).toContain(mode)
    const paths = all.map(([path]) => path)
    expect(paths.some((path) => path.endsWith("wal-000002.seg"))).toBe(true)
    expect(paths.some((path) => path.endsWith("manifest-000001.json"))).toBe(true)
  })

  it("that let others in stop the start, with the command to mend it", async () => {
    const place = makePlace()
    await (await openRoom(place)).close()
    for (const mode of [0o750, 0o705, 0o777]) {
      chmodSync(place.wal, mode)
      const opening = openRoom(place)
      expect(await codeOf(opening)).toBe("MODE")
      await expect(opening).rejects.toThrow(`chmod 0700 ${place.wal}`)
    }
    chmodSync(place.wal, 0o700)
    await (await openRoom(place)).close()
  })
})

describe("the first start", () => {
  it("makes a key and a trust file that names log and key, and keeps both", async () => {
    const place = makePlace()
    const room = await openRoom(place)
    const { logId, keyId } = room
    await room.close()
    expect(trustOf(place)).toMatchObject({ logId, keys: [{ keyId, purposes: ["root"] }] })
    const bytes = readFileSync(join(place.dir, "trust.json"))
    const again = await openRoom(place)
    expect([again.logId, again.keyId]).toEqual([logId, keyId])
    expect(readFileSync(join(place.dir, "trust.json")).equals(bytes)).toBe(true)
    expect(existsSync(join(place.wal, "trust.json"))).toBe(false)
  })
})
