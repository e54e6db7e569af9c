import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { frameOf } from "../../models/ChainModel.ts"
import { concat, fromUtf8, utf8 } from "../../src/base/Bytes.ts"
import { b3Text } from "../../src/base/Hash.ts"
import { formatFrame, formatHeader, parseHeader, readFrame } from "../../src/record/Frame.ts"
import { formatBody, parseBody } from "../../src/record/Record.ts"
import { runs } from "./Arbitrary.ts"
import { chain, wal } from "./Vectors.ts"

const segment = new Uint8Array(Buffer.from(wal.hex, "hex"))
const body = utf8('{"v":1}')
const frame = formatFrame(7, body, b3Text(body))

const changed = (bytes: Uint8Array, at: number, value: number): Uint8Array => {
  const copy = bytes.slice()
  copy[at] = value
  return copy
}

describe("wal.json", () => {
  it("has the model's frames", () => {
    const record = chain.records[0]!
    const text = fromUtf8(formatBody(record))!
    expect(frameOf({ seq: 1, text, selfHash: record.self_hash })).toEqual(
      segment.subarray(32, 32 + 84 + text.length),
    )
  })

  it("is a header and three frames, byte for byte", () => {
    const records = chain.records.slice(0, 3)
    const frames = records.map((record) =>
      formatFrame(record.seq, formatBody(record), record.self_hash),
    )
    expect(concat(formatHeader(3), ...frames)).toEqual(segment)
  })

  it("is read frame by frame", () => {
    expect(parseHeader(segment)).toEqual({ count: 3 })
    let at = 32
    let frames = 0
    while (at < segment.length) {
      const read = readFrame(segment, at)
      if (typeof read === "string" || "what" in read) throw new Error("not a frame")
      const { body: bytes, selfHash, ...rest } = read
      const { self_hash, ...record } = chain.records[frames++]!
      expect(parseBody(bytes)).toEqual(record)
      expect(selfHash).toBe(self_hash)
      expect(rest).toEqual({ len: bytes.length, v: 1, seq: frames, next: at + 84 + bytes.length })
      at = rest.next
    }
    expect(frames).toBe(3)
    expect(at).toBe(segment.length)
    expect(readFrame(segment, at)).toBe("incomplete")
  })
})

describe("a segment header", () => {
  it("is 32 bytes with magic, no flags and the count", () => {
    const bytes = formatHeader(0x01020304)
    expect(Buffer.from(bytes).toString("hex")).toBe(
      "524f4e2d4155440100000403020100000000000000000000000000000000000000".slice(0, 64),
    )
    expect(parseHeader(bytes)).toEqual({ count: 0x01020304 })
    expect(parseHeader(formatHeader(0))).toEqual({ count: 0 })
  })

  it("is refused with any other byte changed", () => {
    const bytes = formatHeader(5)
    for (let at = 0; at < 32; at++) {
      const read = parseHeader(changed(bytes, at, bytes[at]! ^ 0x80))
      if (at >= 10 && at < 14) expect(read).not.toEqual({ count: 5 })
      else expect(read).toHaveProperty("what")
    }
    expect(parseHeader(bytes.subarray(0, 31))).toBe("incomplete")
    expect(parseHeader(changed(bytes, 7, 2))).toMatchObject({ what: "magic" })
    expect(parseHeader(changed(bytes, 8, 1))).toMatchObject({ what: "flags", found: "1" })
  })
})

describe("readFrame", () => {
  it("is incomplete at every shorter length", () => {
    for (let length = 0; length < frame.length; length++) {
      expect(readFrame(frame.subarray(0, length), 0)).toBe("incomplete")
    }
    expect(readFrame(frame, 0)).toMatchObject({ seq: 7, next: frame.length })
  })

  it.each([
    ["len", 1, 0x11],
    ["len", 3, 0xff],
    ["v", 4, 2],
    ["seq", 12, 1],
    ["self_hash_len", 13 + body.length, 66],
    ["self_hash", 17 + body.length, 0x42],
    ["self_hash", frame.length - 1, 0x46],
    ["self_hash", frame.length - 1, 0xff],
  ])("says that %s is wrong", (what, at, value) => {
    expect(readFrame(changed(frame, at, value), 0)).toMatchObject({ what })
  })

  it("answers any bytes, and gives views into them only", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(220), (bytes, offset) => {
        const read = readFrame(bytes, offset)
        if (typeof read === "string" || "what" in read) return
        expect(read.body.buffer).toBe(bytes.buffer)
        expect(formatFrame(read.seq, read.body, read.selfHash)).toEqual(
          bytes.subarray(offset, read.next),
        )
      }),
      runs,
    )
  })
})
