/**
 * Segment header and frames of a WAL file, byte by byte.
 *
 * A frame from here is only well laid out: that its bytes are canonical, hash to its self_hash and
 * repeat its v and seq is for who verifies it. Nothing is allocated from an unchecked length.
 *
 * Source: FORMATS 4.
 */
import { dataView, equal, fromUtf8, toHex, utf8 } from "../base/Bytes.ts"
import type { HashText } from "../base/Hash.ts"
import { invariant } from "../base/Invariant.ts"
import {
  frameHeadBytes,
  frameOverheadBytes,
  frameTailBytes,
  recordBytesMax,
  segmentHeaderBytes,
  selfHashBytes,
} from "../base/Limits.ts"

/** What is wrong with bytes that are all there. */
export interface Mismatch {
  readonly what: string
  readonly expected: string
  readonly found: string
}

export interface SegmentHeader {
  /** Frames of a sealed segment, 0 while it is open. */
  readonly count: number
}

export interface Frame {
  readonly len: number
  readonly v: number
  readonly seq: number
  /** A view into the bytes that were read. */
  readonly body: Uint8Array
  readonly selfHash: HashText
  /** Offset of the byte behind the frame. */
  readonly next: number
}

const magic = new Uint8Array([0x52, 0x4f, 0x4e, 0x2d, 0x41, 0x55, 0x44, 0x01])
const countAt = 10
const reservedAt = 14

export const formatHeader = (count: number): Uint8Array => {
  invariant(Number.isInteger(count) && count >= 0 && count < 2 ** 32, "count is a u32")
  const bytes = new Uint8Array(segmentHeaderBytes)
  bytes.set(magic)
  dataView(bytes).setUint32(countAt, count, true)
  return bytes
}

export const parseHeader = (bytes: Uint8Array): SegmentHeader | "incomplete" | Mismatch => {
  if (bytes.length < segmentHeaderBytes) return "incomplete"
  const start = bytes.subarray(0, magic.length)
  if (!equal(start, magic)) {
    return { what: "magic", expected: toHex(magic), found: toHex(start) }
  }
  const view = dataView(bytes)
  const flags = view.getUint16(magic.length, true)
  if (flags !== 0) return { what: "flags", expected: "0", found: String(flags) }
  const reserved = bytes.subarray(reservedAt, segmentHeaderBytes)
  if (reserved.some((byte) => byte !== 0)) {
    return { what: "reserved bytes", expected: "zero", found: toHex(reserved) }
  }
  return { count: view.getUint32(countAt, true) }
}

/** Shape: `body` are canonical bytes, `selfHash` their hash. */
export const formatFrame = (seq: number, body: Uint8Array, selfHash: HashText): Uint8Array => {
  invariant(body.length <= recordBytesMax, "a body fits a frame")
  invariant(selfHash.length === selfHashBytes, "self_hash is a full hash")
  const bytes = new Uint8Array(frameOverheadBytes + body.length)
  const view = dataView(bytes)
  view.setUint32(0, body.length, true)
  view.setUint8(4, 1)
  view.setBigUint64(5, BigInt(seq), true)
  bytes.set(body, frameHeadBytes)
  view.setUint32(frameHeadBytes + body.length, selfHashBytes, true)
  bytes.set(utf8(selfHash), frameHeadBytes + body.length + 4)
  return bytes
}

/**
 * The frame at an offset; `incomplete` where it runs past the end of the bytes by a length that a
 * frame can have.
 */
export const readFrame = (bytes: Uint8Array, offset: number): Frame | "incomplete" | Mismatch => {
  const rest = bytes.length - offset
  if (rest < 4) return "incomplete"
  const view = dataView(bytes)
  const len = view.getUint32(offset, true)
  if (len > recordBytesMax) {
    return { what: "len", expected: `at most ${recordBytesMax}`, found: String(len) }
  }
  if (rest < frameOverheadBytes + len) return "incomplete"
  const v = bytes[offset + 4]!
  if (v !== 1) return { what: "v", expected: "1", found: String(v) }
  const seq = view.getBigUint64(offset + 5, true)
  if (seq > BigInt(Number.MAX_SAFE_INTEGER)) {
    return { what: "seq", expected: "at most 2^53-1", found: String(seq) }
  }
  const bodyAt = offset + frameHeadBytes
  const hashLen = view.getUint32(bodyAt + len, true)
  if (hashLen !== selfHashBytes) {
    return { what: "self_hash_len", expected: String(selfHashBytes), found: String(hashLen) }
  }
  const next = bodyAt + len + frameTailBytes
  const hash = bytes.subarray(next - selfHashBytes, next)
  const selfHash = fromUtf8(hash)
  if (selfHash === undefined || !/^b3:[0-9a-f]{64}$/.test(selfHash)) {
    return { what: "self_hash", expected: "b3: and 64 hex digits", found: toHex(hash) }
  }
  return { len, v, seq: Number(seq), body: bytes.subarray(bodyAt, bodyAt + len), selfHash, next }
}
