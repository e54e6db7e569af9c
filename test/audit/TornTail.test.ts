/** Every condition of FORMATS 4 for a torn tail, both sides of it. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { candidatesMax, judgeTail, type Tail, type TailBytes } from "../../src/audit/TornTail.ts"
import { concat, utf8 } from "../../src/base/Bytes.ts"
import { b3, b3Text, formatHash, genesis, type HashText } from "../../src/base/Hash.ts"
import { frameHeadBytes, frameTailBytes } from "../../src/base/Limits.ts"
import { formatFrame } from "../../src/record/Frame.ts"
import { formatSigEntry } from "../../src/signing/Envelope.ts"

/** A frame with a body of about the size asked for, behind `prev`. */
const frameOf = (seq: number, prev: string, size = 300): { bytes: Uint8Array; hash: HashText } => {
  const note = "x".repeat(Math.max(0, size - 150))
  const body = utf8(
    `{"v":1,"ts_ms":1,"writer_id":"w","seq":${seq},"stream":"s","kind":"GetServed","actor":{},` +
      `"subject":{},"reason":"ok","attrs":{"note":"${note}"},"prev":"${prev}"}`,
  )
  const hash = b3Text(body) as HashText
  return { bytes: formatFrame(seq, body, hash), hash }
}

const head = formatHash(b3(utf8("the record before")))
const next = frameOf(8, head)
const offset = 10_000

const tailOf = (bytes: Uint8Array, more: Partial<Tail> = {}): Tail => ({
  of: "frames",
  bytes: { length: bytes.length, read: (at, length) => bytes.subarray(at, at + length) },
  offset,
  head,
  nextSeq: 8,
  fsync: "always",
  isNewestUnsealed: true,
  isCovered: false,
  ...more,
})

const judge = (bytes: Uint8Array, more: Partial<Tail> = {}): string =>
  judgeTail(tailOf(bytes, more))
const isTorn = (bytes: Uint8Array, more: Partial<Tail> = {}): boolean =>
  judge(bytes, more) === "torn"

/** The same bytes with some of them changed. */
const changed = (bytes: Uint8Array, at: number, value: (byte: number) => number): Uint8Array =>
  bytes.map((byte, index) => (index === at ? value(byte) : byte))

const half = next.bytes.subarray(0, 200)

/** Bytes of file offsets `from` to `to`, which never reached the disk. */
const unwritten = (bytes: Uint8Array, from: number, to: number): Uint8Array =>
  bytes.map((byte, index) => (offset + index >= from && offset + index < to ? 0 : byte))

/** File offset of the first block boundary in the tail. */
const boundary = Math.ceil(offset / 512) * 512

describe("the place", () => {
  it("is the newest, unsealed segment, else it is tampering", () => {
    expect(isTorn(half)).toBe(true)
    expect(judge(half, { isNewestUnsealed: false })).toMatch(/not the newest, or it is sealed/)
  })

  it("lies beyond every checkpoint, manifest and signature", () => {
    expect(judge(half, { isCovered: true })).toMatch(/goes beyond it/)
  })

  it("is at most 1 MiB with always, and of any size with the other policies", () => {
    // An unfinished write of that length: everything is there but for the first block.
    const tail = (size: number): Uint8Array => {
      const bytes = new Uint8Array(size).fill(0x2a)
      bytes.set(next.bytes)
      return unwritten(bytes, offset, boundary + 512)
    }
    expect(isTorn(tail(1 << 20))).toBe(true)
    expect(judge(tail((1 << 20) + 1))).toMatch(/more than 1 MiB/)
    for (const fsync of ["on_checkpoint", "never"] as const) {
      expect(isTorn(tail((1 << 20) + 1), { fsync })).toBe(true)
    }
  })
})

describe("an incomplete frame", () => {
  it("is torn wherever the file ends", () => {
    for (let end = 1; end < next.bytes.length; end++) {
      expect([end, judge(next.bytes.subarray(0, end))]).toEqual([end, "torn"])
    }
  })

  it("is torn as the first frame of a chain too", () => {
    const first = frameOf(1, genesis).bytes
    expect(isTorn(first.subarray(0, 150), { head: genesis, nextSeq: 1 })).toBe(true)
  })

  it("is no torn tail where the frame is whole, whatever is wrong in it", () => {
    const whole = /the frame is whole/
    expect(judge(changed(next.bytes, 40, (byte) => byte ^ 1))).toMatch(whole)
    expect(judge(changed(next.bytes, 5, (byte) => byte ^ 1))).toMatch(whole)
    expect(judge(changed(next.bytes, next.bytes.length - 1, (byte) => byte ^ 1))).toMatch(whole)
    const more = concat(
      changed(next.bytes, 40, (byte) => byte ^ 1),
      frameOf(9, next.hash).bytes,
    )
    expect(judge(more)).toMatch(whole)
  })
})

describe("zeros to the end", () => {
  it("are torn where they begin in the first bad frame", () => {
    for (let from = 0; from < next.bytes.length; from += 7) {
      const bytes = concat(next.bytes, new Uint8Array(3_000)).fill(0, from)
      expect([from, judge(bytes)]).toEqual([from, "torn"])
    }
  })

  it("are no torn tail where a whole frame that is wrong stands before them", () => {
    const wrong = changed(next.bytes, 40, (byte) => byte ^ 1)
    // A block that happens to be zero lies behind the frame.
    const bytes = concat(wrong, new Uint8Array(20))
    expect(isTorn(bytes)).toBe(false)
  })

  it("do not hide a changed end: one byte behind them is enough", () => {
    const size = boundary - offset - 1
    const bytes = new Uint8Array(size)
    bytes[0] = 10
    expect(isTorn(bytes)).toBe(true)
    expect(isTorn(changed(bytes, size - 1, () => 1))).toBe(false)
  })
})

describe("a block that never reached the disk", () => {
  const batch = (() => {
    const frames: Array<Uint8Array> = []
    let prev: string = head
    for (let seq = 8; seq < 20; seq++) {
      const frame = frameOf(seq, prev, 700)
      frames.push(frame.bytes)
      prev = frame.hash
    }
    return concat(...frames)
  })()

  it("is torn where it lies in the first bad frame", () => {
    expect(isTorn(unwritten(batch, boundary, boundary + 512))).toBe(true)
    // The first block belongs to the frame before as well: zero behind it counts.
    expect(isTorn(unwritten(batch, offset, boundary))).toBe(true)
  })

  it("is none where one byte of it is there", () => {
    const almost = unwritten(batch, boundary, boundary + 511)
    expect(isTorn(almost)).toBe(false)
    const other = unwritten(batch, boundary + 1, boundary + 512)
    expect(isTorn(other)).toBe(false)
  })

  it("is none where it is not aligned", () => {
    expect(isTorn(unwritten(batch, boundary + 100, boundary + 612))).toBe(false)
  })

  it("counts within 4,180 bytes of the first bad frame and no further", () => {
    const bytes = new Uint8Array(8_192).fill(0x2a)
    bytes.set(changed(next.bytes, 40, (byte) => byte ^ 1))
    const near = boundary + 512 * Math.floor((4_180 - (boundary - offset) - 1) / 512)
    expect(near - offset).toBeLessThan(4_180)
    expect(isTorn(unwritten(bytes, near, near + 512))).toBe(true)
    expect(isTorn(unwritten(bytes, near + 512, near + 1_024))).toBe(false)
  })
})

describe("a complete frame that the tail hides", () => {
  it("is tampering: one flipped bit of the last frame's len, any of them", () => {
    for (let bit = 0; bit < 32; bit++) {
      const bytes = changed(next.bytes, bit >> 3, (byte) => byte ^ (1 << (bit & 7)))
      expect([bit, isTorn(bytes)]).toEqual([bit, false])
    }
  })

  it("is tampering: any one byte of the last frame, changed in any way", () => {
    const change = fc.record({
      at: fc.nat(next.bytes.length - 1),
      by: fc.integer({ min: 1, max: 255 }),
    })
    fc.assert(
      fc.property(change, ({ at, by }) => {
        expect(isTorn(changed(next.bytes, at, (byte) => byte ^ by))).toBe(false)
      }),
    )
  })

  it("is found wherever it stands, behind other bytes and before others", () => {
    const junk = new Uint8Array(700).fill(0x7b)
    const hidden = concat(junk, next.bytes.subarray(frameHeadBytes), half)
    const bytes = unwritten(concat(new Uint8Array(1_000), hidden), offset, boundary + 512)
    expect(judge(bytes)).toBe("it hides a complete frame")
    // The largest body there may be, and decoys before it.
    const large = frameOf(8, head, 4_096 - 60).bytes.subarray(frameHeadBytes)
    const decoys = utf8('{"v":1,{"v":1,{"v":1,')
    expect(judge(concat(new Uint8Array(1_100), decoys, large))).toBe("it hides a complete frame")
  })

  it("must follow the head and be whole to its hash", () => {
    const behind = frameOf(9, next.hash).bytes
    const lost = new Uint8Array(1_100)
    // What a lost block leaves behind it: good frames that follow one that is gone.
    expect(isTorn(concat(lost, behind))).toBe(true)
    const body = next.bytes.subarray(frameHeadBytes)
    expect(
      isTorn(
        concat(
          lost,
          changed(body, 60, (byte) => byte ^ 1),
        ),
      ),
    ).toBe(true)
    expect(isTorn(concat(lost, body.subarray(0, body.length - 1)))).toBe(true)
    expect(isTorn(concat(lost, body.subarray(0, body.length - frameTailBytes)))).toBe(true)
    expect(isTorn(concat(lost, body))).toBe(false)
  })
})

describe("a tail that somebody made", () => {
  const size = 1 << 20
  const filled = (unit: string): Uint8Array => {
    const bytes = new Uint8Array(size)
    const piece = Buffer.from(unit, "latin1")
    for (let at = 1_024; at + piece.length <= size; at += piece.length) bytes.set(piece, at)
    return bytes
  }
  const hashesOf = (bytes: Uint8Array): readonly [verdict: string, hashes: number] => {
    let hashes = 0
    const verdict = judgeTail(tailOf(bytes), (candidate) => {
      hashes += 1
      return b3(candidate)
    })
    return [verdict, hashes]
  }
  const hashStart = `C\0\0\0b3:${"0".repeat(64)}`

  it("full of beginnings and ends of frames costs no hash without the head before an end", () => {
    expect(hashesOf(filled(`{"v":1,${hashStart}`))).toEqual(["torn", 0])
    expect(hashesOf(filled(`{"v":1,"prev":"${next.hash}"}${hashStart}`))).toEqual(["torn", 0])
  })

  it("full of frames that follow the head is no crash's, and costs 4,096 hashes", () => {
    const [verdict, hashes] = hashesOf(filled(`{"v":1,{"v":1,,"prev":"${head}"}${hashStart}`))
    expect(verdict).toBe("more than 4096 places in it may hide a complete frame")
    expect(hashes).toBe(candidatesMax)
    const entries = judge(filled("\x84\x08\x08\xf6"), { of: "signatures" })
    expect(entries).toBe("more than 4096 places in it may hide a complete entry")
  })

  it("is read in pieces, whatever its size, and hides no frame between two of them", () => {
    const fsync = "on_checkpoint"
    const frame = next.bytes.subarray(frameHeadBytes)
    let longest = 0
    const none = new Uint8Array(2 << 20)
    // Some 3 GiB of zeros, and one frame at a place.
    const sparse = (place: number): TailBytes => ({
      length: 3 * 2 ** 30 + 7,
      read: (at, length) => {
        longest = Math.max(longest, length)
        const end = Math.min(at + length, 3 * 2 ** 30 + 7)
        const from = place - at
        if (from > end - at || from < -frame.length) return none.subarray(0, end - at)
        const bytes = new Uint8Array(end - at)
        for (let i = Math.max(0, -from); i < frame.length && from + i < bytes.length; i++) {
          bytes[from + i] = frame[i]!
        }
        return bytes
      },
    })
    const judged = (bytes: TailBytes) => judgeTail({ ...tailOf(half), bytes, fsync })
    for (const shift of [-400, -300, -79, -71, -1, 0]) {
      expect([shift, judged(sparse((5 << 20) + shift))]).toEqual([
        shift,
        "it hides a complete frame",
      ])
    }
    expect(judged(sparse(4 * 2 ** 30))).toBe("torn")
    expect(longest).toBeLessThan(2 << 20)
  })
})

describe("the end of a .sig file", () => {
  const entry = formatSigEntry({
    first: 8,
    last: 11,
    root: b3(utf8("root")),
    envelopes: [
      { algoId: "ed25519", keyId: `b3:${"0".repeat(32)}`, sig: new Uint8Array(64).fill(7) },
    ],
  })
  const isTornSig = (bytes: Uint8Array, more: Partial<Tail> = {}): boolean =>
    isTorn(bytes, { of: "signatures", ...more })

  it("is torn where the entry runs past it, at every length", () => {
    for (let end = 1; end < entry.length; end++) {
      expect([end, isTornSig(entry.subarray(0, end))]).toEqual([end, true])
    }
  })

  it("is torn where it is zero from some byte on, or a block of it is", () => {
    expect(isTornSig(new Uint8Array(100))).toBe(true)
    expect(isTornSig(concat(entry.subarray(0, 50), new Uint8Array(200)))).toBe(true)
    expect(isTornSig(unwritten(concat(entry, new Uint8Array(900).fill(1)), offset, boundary))).toBe(
      true,
    )
  })

  it("is bound by the same conditions", () => {
    const cut = entry.subarray(0, 50)
    expect(isTornSig(cut, { isNewestUnsealed: false })).toBe(false)
    expect(isTornSig(cut, { isCovered: true })).toBe(false)
    expect(isTornSig(concat(new Uint8Array(1_000), new Uint8Array(1 << 20).fill(1)))).toBe(false)
    expect(
      isTornSig(
        concat(
          changed(entry, 4, (byte) => byte ^ 1),
          cut,
        ),
      ),
    ).toBe(false)
  })

  it("is tampering where only the length of a whole entry is wrong", () => {
    for (let bit = 0; bit < 32; bit++) {
      const bytes = changed(entry, bit >> 3, (byte) => byte ^ (1 << (bit & 7)))
      expect([bit, isTornSig(bytes)]).toEqual([bit, false])
    }
  })
})
