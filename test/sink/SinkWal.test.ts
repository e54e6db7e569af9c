import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { utf8 } from "../../src/base/Bytes.ts"
import { b3Text, type HashText } from "../../src/base/Hash.ts"
import { frameBytesMax } from "../../src/base/Limits.ts"
import { formatFrame, parseHeader } from "../../src/record/Frame.ts"
import { SinkWal } from "../../src/sink/SinkWal.ts"
import { folder } from "./Folder.ts"

const frame = (seq: number): Uint8Array => {
  const body = utf8(`{"seq":${seq}}`)
  return formatFrame(seq, body, b3Text(body) as HashText)
}

const fresh = { number: 0, count: 0, open: false }
const openAt = (directory: string, rotateBytes = 1_000): SinkWal =>
  new SinkWal({ directory, rotateBytes, newest: fresh })

const headerOf = (directory: string, file: string): unknown =>
  parseHeader(readFileSync(join(directory, file)).subarray(0, 32))

describe("SinkWal", () => {
  it("creates a segment open, seals it with its count, then creates the next", async () => {
    const at = folder()
    const sink = openAt(at)
    expect(sink.room()).toBe(0)
    await sink.rotate("begin")
    expect(headerOf(at, "wal-000001.seg")).toEqual({ count: 0 })
    for (const seq of [1, 2, 3]) sink.write(frame(seq), seq, 1)
    await sink.rotate("begin")
    expect(headerOf(at, "wal-000001.seg")).toEqual({ count: 3 })
    expect(headerOf(at, "wal-000002.seg")).toEqual({ count: 0 })
    await sink.close()
  })

  it("never seals a segment without a frame, and has room for one in it", async () => {
    const at = folder()
    const sink = openAt(at, 100)
    await sink.rotate("begin")
    expect(sink.room()).toBe(frameBytesMax)
    await sink.rotate("begin")
    await sink.rotate("wait")
    expect(readdirSync(at)).toEqual(["wal-000001.seg"])
    expect(headerOf(at, "wal-000001.seg")).toEqual({ count: 0 })
    sink.write(frame(1), 1, 1)
    expect(sink.room()).toBeLessThan(100)
    await sink.close()
  })

  it("waits without an open segment after sealing, and refuses frames then", async () => {
    const at = folder()
    const sink = openAt(at)
    await sink.rotate("begin")
    sink.write(frame(1), 1, 1)
    sink.writeSignatures(Buffer.from("entry"))
    await sink.rotate("wait")
    expect(sink.room()).toBe(0)
    expect(() => sink.write(frame(2), 2, 1)).toThrow(/no segment is open/)
    await sink.rotate("begin")
    sink.writeSignatures(Buffer.from("next"))
    expect(readFileSync(join(at, "wal-000001.sig"), "utf8")).toBe("entry")
    expect(readFileSync(join(at, "wal-000002.sig"), "utf8")).toBe("next")
    await sink.close()
  })

  it("goes on in an open segment as recovery left it [A-132]", async () => {
    const at = folder()
    const first = openAt(at)
    await first.rotate("begin")
    first.write(frame(1), 1, 1)
    await first.close()
    const before = readFileSync(join(at, "wal-000001.seg"))
    const newest = { number: 1, count: 1, open: true }
    const sink = new SinkWal({ directory: at, rotateBytes: 1_000, newest })
    sink.write(frame(2), 2, 1)
    await sink.rotate("wait")
    const after = readFileSync(join(at, "wal-000001.seg"))
    expect(after.subarray(32, before.length)).toEqual(before.subarray(32))
    expect(headerOf(at, "wal-000001.seg")).toEqual({ count: 2 })
    await sink.close()
  })

  it("writes nothing once it is closed: the folder may be another's by then", async () => {
    const at = folder()
    const sink = openAt(at)
    await sink.rotate("begin")
    await sink.close()
    expect(() => sink.writeSignatures(Buffer.from("late"))).toThrow(/is closed/)
    expect(() => sink.write(frame(1), 1, 1)).toThrow(/is closed/)
    await expect(sink.rotate("begin")).rejects.toThrow(/is closed/)
    await expect(sink.writeCheckpoint(1, Buffer.from("{}"))).rejects.toThrow(/is closed/)
    expect(readdirSync(at)).toEqual(["wal-000001.seg"])
  })

  it("waits for fsyncs under way before it closes their files", async () => {
    const at = folder()
    const sink = openAt(at)
    await sink.rotate("begin")
    sink.write(frame(1), 1, 1)
    const syncing = [sink.sync("frames"), sink.sync("frames"), sink.sync("signatures")]
    await sink.close()
    await expect(Promise.all(syncing)).resolves.toHaveLength(3)
  })
})
