/**
 * The bytes of a WAL, read by hand from the files that a log wrote: nothing here uses the code that
 * wrote them but the hash.
 */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { b3Text } from "../../src/base/Hash.ts"
import * as Checkpoint from "../../src/checkpoint/Checkpoint.ts"
import * as Manifest from "../../src/checkpoint/Manifest.ts"
import { openNative } from "../../src/engine/EngineNative.ts"
import { parseHeader, readFrame } from "../../src/record/Frame.ts"
import { parseBody } from "../../src/record/Record.ts"
import { ChainFolder } from "./Chain.ts"
import { cleanUp, filesOf, fill, makePlace, openRoom, type Place, verify } from "./Room.ts"

cleanUp()

const engines = ["js", "native"] as const
const native = (() => {
  try {
    return openNative()
  } catch {
    return undefined
  }
})()
const hasNative = native !== undefined && native.signing !== "none"

const makeLog = async (engine: "js" | "native" = "js"): Promise<Place> => {
  const place = makePlace()
  const room = await openRoom(place, { engine, wal: { rotateBytes: 16 << 10 } })
  await fill(room, 1, 100)
  await room.close()
  return place
}

interface HandFrame {
  readonly at: number
  readonly v: number
  readonly seq: bigint
  readonly body: Buffer
  readonly hashLength: number
  readonly hash: Buffer
  readonly end: number
}

const handFrame = (file: Buffer, at: number): HandFrame => {
  const length = file.readUInt32LE(at)
  const body = file.subarray(at + 13, at + 13 + length)
  const hashLength = file.readUInt32LE(at + 13 + length)
  const hash = file.subarray(at + 17 + length, at + 17 + length + hashLength)
  const end = at + 17 + length + hashLength
  return { at, v: file[at + 4]!, seq: file.readBigUInt64LE(at + 5), body, hashLength, hash, end }
}

const handFrames = (file: Buffer): Array<HandFrame> => {
  const frames: Array<HandFrame> = []
  for (let at = 32; at < file.length; ) {
    const frame = handFrame(file, at)
    frames.push(frame)
    at = frame.end
  }
  return frames
}

const segmentsOf = (place: Place): Array<Buffer> =>
  filesOf(place.wal).segments.map(({ path }) => readFileSync(path))

/** What is found in the log with a file changed, as `kind seq`; puts the file back. */
const foundWith = (place: Place, name: string, change: (bytes: Buffer) => Uint8Array) => {
  const chain = new ChainFolder(place)
  const before = chain.read(name)
  chain.write(name, change(Buffer.from(before)))
  const { verdict, streams } = verify(place)
  // Whichever engine reads it.
  if (native !== undefined) expect(verify(place, {}, native).streams).toEqual(streams)
  chain.write(name, before)
  const found = streams.flatMap(({ findings }) => findings.map(({ kind, seq }) => `${kind} ${seq}`))
  return [verdict, found[0]] as const
}

const setting =
  (at: number, ...values: ReadonlyArray<number>) =>
  (bytes: Buffer): Buffer => {
    bytes.set(values, at)
    return bytes
  }

describe.each(engines)("a segment that the %s engine wrote", (engine) => {
  const magic = "524f4e2d41554401"

  it.runIf(engine === "js" || hasNative)("begins with the header [A-129]", async () => {
    const place = await makeLog(engine)
    const files = segmentsOf(place)
    expect(files.length).toBeGreaterThan(2)
    let records = 0
    for (const [index, file] of files.entries()) {
      const count = handFrames(file).length
      records += count
      const counted = Buffer.alloc(4)
      // 0 while it is open: who reads it counts the frames.
      counted.writeUInt32LE(index === files.length - 1 ? 0 : count)
      const header = `${magic}0000${counted.toString("hex")}${"00".repeat(18)}`
      expect(file.subarray(0, 32).toString("hex")).toBe(header)
    }
    expect(records).toBe(101)
    expect(verify(place).verdict).toBe("valid")
  })

  it.runIf(engine === "js" || hasNative)("holds frames to its end [A-130, A-131]", async () => {
    let seq = 0
    let prev = "b3:0"
    for (const file of segmentsOf(await makeLog(engine))) {
      const frames = handFrames(file)
      for (const frame of frames) {
        seq += 1
        const text = frame.body.toString()
        const { self_hash, ...record } = JSON.parse(text)
        expect(self_hash).toBeUndefined()
        expect(record).toMatchObject({ v: frame.v, seq: Number(frame.seq), prev })
        expect([frame.v, frame.seq]).toEqual([1, BigInt(seq)])
        expect(Object.keys(record).join()).toBe(
          "v,ts_ms,writer_id,seq,stream,kind,actor,subject,reason,attrs,prev",
        )
        expect(frame.hashLength).toBe(67)
        expect(frame.hash.toString()).toBe(b3Text(frame.body))
        prev = frame.hash.toString()
      }
      expect(frames.at(-1)?.end).toBe(file.length)
    }
    expect(seq).toBe(101)
  })
})

describe("a reader", () => {
  const name = "wal-000002.seg"

  it("takes no other header: any byte of magic, flags and padding, any count [A-129]", async () => {
    const place = await makeLog()
    const file = segmentsOf(place)[1]!
    const [first, ...rest] = handFrames(file)
    for (let at = 0; at < 32; at++) {
      const isCount = at >= 10 && at < 14
      const [verdict, found] = foundWith(place, name, setting(at, file[at]! ^ 0x40))
      expect([at, verdict]).toEqual([at, "invalid"])
      expect(found).toMatch(isCount ? /^header_count / : new RegExp(`^frame ${first?.seq}$`))
    }
    // 0 means open, and only the newest segment is.
    expect(foundWith(place, name, setting(10, 0, 0, 0, 0))[1]).toMatch(/^header_count /)
    for (const count of [rest.length, rest.length + 2]) {
      expect(foundWith(place, name, setting(10, count))[1]).toMatch(/^header_count /)
    }
  })

  it("takes no frame whose parts disagree: len, v, seq, body [A-130]", async () => {
    const place = await makeLog()
    const frames = handFrames(segmentsOf(place)[1]!)
    const { at, seq, body } = frames[3]!
    const others: ReadonlyArray<readonly [string, (bytes: Buffer) => Buffer]> = [
      ["len, one less", setting(at, (body.length - 1) & 0xff)],
      ["len, one more", setting(at, (body.length + 1) & 0xff)],
      ["len beyond the bound", setting(at, 0xff, 0xff)],
      ["v", setting(at + 4, 2)],
      ["seq, the next one's", setting(at + 5, Number(seq & 0xffn) + 1)],
      ["seq, its highest byte", setting(at + 12, 1)],
      ["seq in the body", (bytes) => setting(at + 13 + body.indexOf('"seq":') + 6, 0x39)(bytes)],
      ["v in the body", setting(at + 13 + body.indexOf('"v":') + 4, 0x32)],
    ]
    for (const [what, change] of others) {
      const [verdict, found] = foundWith(place, name, change)
      expect([what, verdict], what).toEqual([what, "invalid"])
      expect(found, what).toMatch(new RegExp(` ${seq}$`))
    }
  })

  it("takes no self_hash of another length, the seeds' 34 and 66 among them [A-131]", async () => {
    const place = await makeLog()
    const { at, seq, body, hash, end } = handFrames(segmentsOf(place)[1]!)[3]!
    const raw = Buffer.from(hash.toString().slice(3), "hex")
    const texts = {
      34: Buffer.concat([Buffer.from("b3"), raw]),
      66: hash.subarray(0, 66),
      32: raw,
      64: hash.subarray(3),
      68: Buffer.concat([hash, Buffer.from("0")]),
      0: Buffer.alloc(0),
    }
    for (const [length, text] of Object.entries(texts)) {
      const [verdict, found] = foundWith(place, name, (bytes) => {
        const head = Buffer.from(bytes.subarray(0, at + 17 + body.length))
        head.writeUInt32LE(Number(length), at + 13 + body.length)
        return Buffer.concat([head, text, bytes.subarray(end)])
      })
      expect([length, verdict, found]).toEqual([length, "invalid", `frame ${seq}`])
    }
  })
})

describe("the formats' version", () => {
  it("stands in every file, and no reader takes another [A-137]", async () => {
    const page = readFileSync(new URL("../../docs/reference/formats.md", import.meta.url), "utf8")
    const version = Number(/^# Formats, version (\d+)$/m.exec(page)?.[1])
    // The first: there is nothing to migrate. Whoever raises it writes what migrates this one.
    expect(version).toBe(1)
    const place = makePlace()
    const room = await openRoom(place)
    await fill(room, 1, 3)
    await room.export()
    await room.close()
    const { segments, checkpoints, manifests } = filesOf(place.export)
    const segment = readFileSync(segments[0]!.path)
    const manifest = readFileSync(manifests[0]!.path)
    const checkpoint = readFileSync(checkpoints[0]!.path)
    const { body, at } = handFrame(segment, 32)
    expect([segment[7], segment[at + 4]]).toEqual([version, version])
    for (const bytes of [body, manifest, checkpoint]) {
      const { v, version: written } = JSON.parse(bytes.toString())
      expect(v ?? written).toBe(version)
    }
    const raised = (bytes: Buffer): Buffer =>
      Buffer.from(bytes.toString().replace(/"(v|version)":1\b/g, '"$1":2'))
    expect(parseHeader(setting(7, 2)(Buffer.from(segment.subarray(0, 32))))).toMatchObject({
      what: "magic",
    })
    expect(readFrame(setting(at + 4, 2)(Buffer.from(segment)), at)).toMatchObject({ what: "v" })
    expect(() => parseBody(raised(body))).toThrow(/\bv\b/)
    expect(() => Manifest.parse(raised(manifest))).toThrow("manifest: version: is not 1")
    expect(() => Checkpoint.parse(raised(checkpoint))).toThrow("checkpoint: version: is not 1")
  })
})
