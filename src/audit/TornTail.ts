/**
 * Is what follows the last good frame a write that a crash cut short, or is it tampering?
 *
 * The question is decided by the conditions of FORMATS 4, all of which must hold. They are narrow
 * on purpose: one flipped byte must never become a silent truncation.
 *
 * Source: FORMATS 4, Recovery.
 */
import { dataView, fromUtf8 } from "../base/Bytes.ts"
import { b3, formatHash } from "../base/Hash.ts"
import {
  envelopesMax,
  frameBytesMax,
  frameHeadBytes,
  frameOverheadBytes,
  recordBytesMax,
  selfHashBytes,
  sigEntryBytesMax,
  signatureBytesMax,
  unsyncedBytesMax,
} from "../base/Limits.ts"
import * as Cbor from "../signing/Cbor.ts"
import type { FsyncPolicy } from "./Declaration.ts"

export interface Tail {
  readonly of: "frames" | "signatures"
  /** All bytes behind the last good frame or `.sig` entry. */
  readonly bytes: Uint8Array
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

/** Bytes that the first bad frame or entry says it has; `undefined` where none can have so many. */
const claimedBytes = ({ of, bytes }: Tail): number | undefined => {
  const isFrame = of === "frames"
  const overhead = isFrame ? frameOverheadBytes : 4
  const max = isFrame ? recordBytesMax : sigEntryBytesMax
  if (bytes.length < (isFrame ? frameHeadBytes : 4)) return overhead + max
  const len = dataView(bytes).getUint32(0, true)
  return len > max ? undefined : overhead + len
}

/** The first bad frame or entry runs past the end of the file. */
const isIncomplete = (tail: Tail): boolean => tail.bytes.length < (claimedBytes(tail) ?? 0)

/** Zero to the end of the file from a byte inside the first bad frame or entry on. */
const endsInZeros = (tail: Tail): boolean => {
  const { bytes } = tail
  const last = bytes.findLastIndex((byte) => byte !== 0)
  return last < Math.min(bytes.length, claimedBytes(tail) ?? frameBytesMax) - 1
}

const hasZeroBlock = (tail: Tail): boolean => {
  const { bytes, offset } = tail
  const end = Math.min(bytes.length, frameBytesMax)
  for (let at = 0; at < end; ) {
    const next = at + blockBytes - ((offset + at) % blockBytes)
    const whole = next <= bytes.length
    if (whole && bytes.subarray(at, next).every((byte) => byte === 0)) return true
    at = next
  }
  return false
}

const bodyStart = Buffer.from('{"v":1,')
const hashStart = Buffer.from([selfHashBytes, 0, 0, 0, 0x62, 0x33, 0x3a])

/** Some body in the tail, with the head as prev, is followed by its own hash. */
const hidesFrame = (tail: Tail): boolean => {
  const bytes = Buffer.from(tail.bytes.buffer, tail.bytes.byteOffset, tail.bytes.length)
  const prev = Buffer.from(`,"prev":"${tail.head}"}`)
  for (let body = bytes.indexOf(bodyStart); body >= 0; body = bytes.indexOf(bodyStart, body + 1)) {
    const limit = body + recordBytesMax
    let hash = bytes.indexOf(hashStart, body)
    for (; hash >= 0 && hash <= limit; hash = bytes.indexOf(hashStart, hash + 1)) {
      const candidate = bytes.subarray(body, hash)
      const stored = fromUtf8(bytes.subarray(hash + 4, hash + 4 + selfHashBytes))
      if (!candidate.subarray(-prev.length).equals(prev)) continue
      if (stored === formatHash(b3(candidate))) return true
    }
  }
  return false
}

/** A whole `.sig` entry from the next record on stands in the bytes: only its length is wrong. */
const hidesEntry = ({ bytes, nextSeq }: Tail): boolean => {
  const start = Buffer.from([...Cbor.head(Cbor.array, 4), ...Cbor.head(Cbor.unsigned, nextSeq)])
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let at = buffer.indexOf(start); at >= 0; at = buffer.indexOf(start, at + 1)) {
    if (isEntry(bytes.subarray(at + start.length))) return true
  }
  return false
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

/** `torn`, or the condition that does not hold. */
export const judgeTail = (tail: Tail): "torn" | string => {
  if (!tail.isNewestUnsealed) return "the segment is not the newest, or it is sealed"
  if (tail.isCovered) return "a checkpoint, a manifest or a signature goes beyond it"
  if (tail.fsync === "always" && tail.bytes.length > unsyncedBytesMax) {
    return "more than 1 MiB, which fsync=always never leaves behind"
  }
  if (!isIncomplete(tail) && !endsInZeros(tail) && !hasZeroBlock(tail)) {
    return "the frame is whole and no block of it is missing"
  }
  if (tail.of === "frames") return hidesFrame(tail) ? "it hides a complete frame" : "torn"
  return hidesEntry(tail) ? "it hides a complete entry" : "torn"
}
