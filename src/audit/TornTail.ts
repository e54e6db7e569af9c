/**
 * Is what follows the last good frame a write that a crash cut short, or is it tampering?
 *
 * The question is decided by the conditions of FORMATS 4, all of which must hold. They are narrow
 * on purpose: one flipped byte must never become a silent truncation.
 *
 * A tail may be larger than memory and made by an attacker: it is read in pieces, and no more than
 * 4,096 places in it are looked at closely. What a crash leaves has one or two.
 *
 * Source: FORMATS 4, Recovery.
 */
import { dataView } from "../base/Bytes.ts"
import { b3, formatHash } from "../base/Hash.ts"
import {
  envelopesMax,
  frameBytesMax,
  frameHeadBytes,
  frameOverheadBytes,
  frameTailBytes,
  recordBytesMax,
  selfHashBytes,
  sigEntryBytesMax,
  signatureBytesMax,
  unsyncedBytesMax,
} from "../base/Limits.ts"
import * as Cbor from "../signing/Cbor.ts"
import { readAt } from "../sink/ChunkReader.ts"
import type { FsyncPolicy } from "./Declaration.ts"

/** Bytes that need not fit into memory. */
export interface TailBytes {
  readonly length: number
  /** Up to `length` bytes from `at` on. */
  readonly read: (at: number, length: number) => Uint8Array
}

/** The bytes of a file from an offset to an end. Errors of `read`: SinkError. */
export const fileTail = (path: string, offset: number, end: number): TailBytes => {
  const size = end - offset
  return {
    length: size,
    read: (at, length) => readAt(path, offset + at, Math.max(0, Math.min(length, size - at))),
  }
}

export interface Tail {
  readonly of: "frames" | "signatures"
  /** All bytes behind the last good frame or `.sig` entry. */
  readonly bytes: TailBytes
  /** Offset of `bytes` in the file. */
  readonly offset: number
  /** `prev` of the record that would have come next. */
  readonly head: string
  /** The record that would have come next, or the first that the entry would have covered. */
  readonly nextSeq: number
  readonly fsync: FsyncPolicy
  readonly isNewestUnsealed: boolean
  /** A checkpoint, a manifest or, with always, a complete `.sig` entry goes beyond what is good. */
  readonly isCovered: boolean
}

const blockBytes = 512
const pieceBytes = 1 << 20
/** Places that may hide a frame or an entry, beyond which a tail is no crash's. */
export const candidatesMax = 4_096

/** Bytes that the first bad frame or entry says it has; `undefined` where none can have so many. */
const claimedBytes = ({ of, bytes }: Tail): number | undefined => {
  const isFrame = of === "frames"
  const overhead = isFrame ? frameOverheadBytes : 4
  const max = isFrame ? recordBytesMax : sigEntryBytesMax
  if (bytes.length < (isFrame ? frameHeadBytes : 4)) return overhead + max
  const len = dataView(bytes.read(0, 4)).getUint32(0, true)
  return len > max ? undefined : overhead + len
}

/** The first bad frame or entry runs past the end of the file. */
const isIncomplete = (tail: Tail): boolean => tail.bytes.length < (claimedBytes(tail) ?? 0)

const zeros = new Uint8Array(pieceBytes)

/** At most 1 MiB of bytes. */
export const isZero = (bytes: Uint8Array): boolean =>
  Buffer.compare(bytes, zeros.subarray(0, bytes.length)) === 0

/** Zero to the end of the file from a byte inside the first bad frame or entry on. */
const endsInZeros = (tail: Tail): boolean => {
  const { bytes } = tail
  let at = Math.max(0, Math.min(bytes.length, claimedBytes(tail) ?? frameBytesMax) - 1)
  for (; at < bytes.length; at += pieceBytes) {
    if (!isZero(bytes.read(at, pieceBytes))) return false
  }
  return true
}

const hasZeroBlock = (tail: Tail): boolean => {
  const { offset } = tail
  const bytes = tail.bytes.read(0, frameBytesMax + blockBytes)
  const end = Math.min(bytes.length, frameBytesMax)
  for (let at = 0; at < end; ) {
    const next = at + blockBytes - ((offset + at) % blockBytes)
    const whole = next <= bytes.length
    if (whole && isZero(bytes.subarray(at, next))) return true
    at = next
  }
  return false
}

interface Piece {
  readonly bytes: Buffer
  /** Places from `from` to before `to` are this piece's, the bytes around them its neighbours'. */
  readonly from: number
  readonly to: number
}

/** The tail in pieces that overlap by what stands before and behind a place. */
function* piecesOf(bytes: TailBytes, before: number, behind: number): Generator<Piece> {
  for (let from = 0; from < bytes.length; from += pieceBytes) {
    const start = Math.max(0, from - before)
    const read = bytes.read(start, from + pieceBytes + behind - start)
    const buffer = Buffer.from(read.buffer, read.byteOffset, read.length)
    yield { bytes: buffer, from: from - start, to: from - start + pieceBytes }
  }
}

const bodyStart = Buffer.from('{"v":1,')
const hashStart = Buffer.from([selfHashBytes, 0, 0, 0, 0x62, 0x33, 0x3a])

type Hidden = "none" | "whole" | "too many"

/** Some body in the tail, with the head as prev, is followed by its own hash. */
const hiddenFrame = ({ bytes, head }: Tail, hash: (bytes: Uint8Array) => Uint8Array): Hidden => {
  const prev = Buffer.from(`,"prev":"${head}"}`)
  // Only behind the head's own text can a frame end that follows it: elsewhere nothing is hashed.
  const needle = Buffer.concat([prev, hashStart])
  let candidates = 0
  for (const piece of piecesOf(bytes, frameBytesMax, needle.length + frameTailBytes)) {
    const all = piece.bytes
    let at = all.indexOf(needle, piece.from)
    for (; at >= 0 && at < piece.to; at = all.indexOf(needle, at + 1)) {
      const end = at + prev.length
      const stored = all.toString("latin1", end + 4, end + frameTailBytes)
      let body = all.indexOf(bodyStart, Math.max(0, end - recordBytesMax))
      for (; body >= 0 && body < at; body = all.indexOf(bodyStart, body + 1)) {
        candidates += 1
        if (candidates > candidatesMax) return "too many"
        if (stored === formatHash(hash(all.subarray(body, end)))) return "whole"
      }
    }
  }
  return "none"
}

/** A whole `.sig` entry from the next record on stands in the bytes: only its length is wrong. */
const hiddenEntry = ({ bytes, nextSeq }: Tail): Hidden => {
  const start = Buffer.from([...Cbor.head(Cbor.array, 4), ...Cbor.head(Cbor.unsigned, nextSeq)])
  let candidates = 0
  for (const { bytes: all, from, to } of piecesOf(bytes, 0, sigEntryBytesMax)) {
    for (let at = all.indexOf(start, from); at >= 0 && at < to; at = all.indexOf(start, at + 1)) {
      const rest = all.subarray(at + start.length)
      if (!hasRoot(rest)) continue
      candidates += 1
      if (candidates > candidatesMax) return "too many"
      if (isEntry(rest)) return "whole"
    }
  }
  return "none"
}

/** What `isEntry` asks first: a number, then null or 32 bytes. */
const hasRoot = (bytes: Uint8Array): boolean => {
  const short = bytes[0] ?? 0xff
  if (short > 27) return false
  const at = short < 24 ? 1 : 1 + (1 << (short - 24))
  return bytes[at] === Cbor.nullItem[0] || (bytes[at] === 0x58 && bytes[at + 1] === 32)
}

/** An entry behind its `first`, whatever follows it. */
const isEntry = (bytes: Uint8Array): boolean => {
  let isWhole = false
  Cbor.read(bytes, (reader) => {
    reader.head(Cbor.unsigned)
    if (!reader.isNull()) reader.bytes(32)
    const count = reader.head(Cbor.array)
    for (let i = 0; i < Math.min(count, envelopesMax); i++) {
      reader.exactly(Cbor.map, 3)
      reader.exactly(Cbor.unsigned, 1)
      reader.text(64)
      reader.exactly(Cbor.unsigned, 2)
      reader.bytes(signatureBytesMax)
      reader.exactly(Cbor.unsigned, 3)
      reader.text(64)
    }
    isWhole = true
  })
  return isWhole
}

const hiddenText: Record<Exclude<Hidden, "none">, string> = {
  whole: "it hides a complete",
  "too many": `more than ${candidatesMax} places in it may hide a complete`,
}

/**
 * `torn`, or the condition that does not hold.
 * Errors: those of `read`. Cost: reads the tail twice, and at most 4,096 hashes of a record.
 */
export const judgeTail = (tail: Tail, hash: typeof b3 = b3): "torn" | string => {
  if (!tail.isNewestUnsealed) return "the segment is not the newest, or it is sealed"
  if (tail.isCovered) return "a checkpoint, a manifest or a signature goes beyond it"
  if (tail.fsync === "always" && tail.bytes.length > unsyncedBytesMax) {
    return "more than 1 MiB, which fsync=always never leaves behind"
  }
  if (!isIncomplete(tail) && !endsInZeros(tail) && !hasZeroBlock(tail)) {
    return "the frame is whole and no block of it is missing"
  }
  const isOfFrames = tail.of === "frames"
  const hidden = isOfFrames ? hiddenFrame(tail, hash) : hiddenEntry(tail)
  return hidden === "none" ? "torn" : `${hiddenText[hidden]} ${isOfFrames ? "frame" : "entry"}`
}
