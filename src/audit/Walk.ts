/**
 * The walk over the frames of one segment, fast while they are right.
 *
 * The engine checks frames in bulk. Where it stops at a wrong one, `diagnose` says what is wrong,
 * in the order of FORMATS 4: len, v, seq, canonical form, self_hash, prev. A frame that can still
 * be delimited is stepped over with its own seq and hash taken as given, so that one edit is
 * reported once and the rest of the chain is checked as well; a frame that cannot ends the walk.
 */
import { dataView, equal, utf8 } from "../base/Bytes.ts"
import { b3, formatHash, parseHash } from "../base/Hash.ts"
import {
  frameHeadBytes,
  frameTailBytes,
  segmentHeaderBytes,
  selfHashBytes,
} from "../base/Limits.ts"
import { headText } from "../chain/Chain.ts"
import type { ChainContext, ChainState, Engine, VerifyResult } from "../engine/Engine.ts"
import { type Frame, readFrame } from "../record/Frame.ts"
import { parseBody, type RecordBody } from "../record/Record.ts"
import { Rejected } from "../record/Reject.ts"
import { ChunkReader } from "../sink/ChunkReader.ts"
import type { Numbered } from "../sink/Segment.ts"
import type { Finding } from "./Finding.ts"

/** Frames that are right, in one piece. */
export interface WalkedFrames {
  readonly segment: Numbered
  /** Offset in the file of `bytes`. */
  readonly offset: number
  readonly bytes: Uint8Array
  readonly firstSeq: number
  readonly result: VerifyResult
}

/** A frame that is wrong but can be delimited: the chain goes on behind it. */
export interface WrongFrame {
  readonly segment: Numbered
  readonly offset: number
  readonly frame: Frame
  readonly seq: number
  /** Present where the body is a canonical record. */
  readonly body: RecordBody | undefined
  readonly findings: ReadonlyArray<Finding>
}

/** Asked once a segment, at the first wrong frame: did a crash leave all that follows? */
export type IsTorn = (segment: Numbered, state: ChainState, offset: number) => boolean

export interface SegmentEnd {
  readonly state: ChainState
  /** Frames stepped over, right or wrong. */
  readonly count: number
  /** Offset behind the last of them. */
  readonly offset: number
  /** Why the walk ended before the end of the file, but for a torn tail. */
  readonly broken: Finding | undefined
}

/** Stands where a chain does not say its log; frames can be checked without it. */
export const unknownLogId = "0".repeat(32)

const diagnoseBody = (
  chain: ChainContext,
  state: ChainState,
  frame: Frame,
  find: (kind: Finding["kind"], expected: string, found: string) => Finding,
): { readonly body: RecordBody | undefined; readonly findings: ReadonlyArray<Finding> } => {
  let body: RecordBody
  try {
    body = parseBody(frame.body)
  } catch (error) {
    if (!(error instanceof Rejected)) throw error
    return { body: undefined, findings: [find("canon", "a canonical record", error.message)] }
  }
  if (body.seq !== frame.seq) {
    return { body, findings: [find("frame", `seq ${frame.seq} in the body`, `seq ${body.seq}`)] }
  }
  const findings: Array<Finding> = []
  const hash = b3(frame.body)
  const stored = parseHash(frame.selfHash)
  if (stored === undefined || !equal(hash, stored)) {
    findings.push(find("hash_mismatch", frame.selfHash, formatHash(hash)))
  }
  if (body.writer_id !== chain.writerId || body.stream !== chain.stream) {
    const name = (writer: string, stream: string) => `${writer} / ${stream}`
    findings.push(
      find("wrong_stream", name(chain.writerId, chain.stream), name(body.writer_id, body.stream)),
    )
  }
  if (frame.seq !== state.seq + 1) {
    findings.push(find("seq_gap", String(state.seq + 1), String(frame.seq)))
  } else if (body.prev !== headText(state)) {
    findings.push(find("prev_mismatch", headText(state), body.prev))
  }
  return { body, findings }
}

/**
 * Which record a frame stands for: the next one where its own seq or the body's says so. Else what
 * the body says, which is hashed; where it is no record, what the frame says.
 */
const seqOf = (frame: Frame, next: number): number => {
  if (frame.seq === next) return next
  try {
    return parseBody(frame.body).seq
  } catch (error) {
    if (error instanceof Rejected) return frame.seq
    throw error
  }
}

/** A frame of which only `what` is wrong, with what stands there when it is right. */
const mend = (bytes: Uint8Array, what: string, next: number): Frame | undefined => {
  const view = dataView(bytes)
  const bodyEnd = frameHeadBytes + view.getUint32(0, true)
  const copy = bytes.slice(0, bodyEnd + frameTailBytes)
  if (what === "v") copy[4] = 1
  else if (what === "seq") dataView(copy).setBigUint64(5, BigInt(next), true)
  else if (what === "self_hash") {
    const hash = formatHash(b3(copy.subarray(frameHeadBytes, bodyEnd)))
    copy.set(utf8(hash), copy.length - selfHashBytes)
  } else return undefined
  const frame = readFrame(copy, 0)
  return frame === "incomplete" || "what" in frame ? undefined : frame
}

/** What is wrong with the frame at an offset of `bytes`. */
const diagnose = (
  chain: ChainContext,
  state: ChainState,
  segment: Numbered,
  bytes: Uint8Array,
  fileOffset: number,
): WrongFrame | Finding => {
  const at =
    (seq: number) =>
    (kind: Finding["kind"], expected: string, found: string): Finding => ({
      kind,
      seq,
      file: segment.file,
      offset: fileOffset,
      expected,
      found,
    })
  const read = readFrame(bytes, 0)
  if (read === "incomplete") {
    return at(state.seq + 1)(
      "frame",
      "a whole frame",
      `${bytes.length} bytes to the end of the file`,
    )
  }
  const next = state.seq + 1
  if (!("what" in read)) {
    const seq = seqOf(read, next)
    return {
      segment,
      offset: fileOffset,
      frame: read,
      seq,
      ...diagnoseBody(chain, state, read, at(seq)),
    }
  }
  const malformed = (seq: number): Finding =>
    read.what === "self_hash"
      ? at(seq)("hash_mismatch", read.expected, read.found)
      : at(seq)("frame", `${read.what} ${read.expected}`, read.found)
  const frame = mend(bytes, read.what, next)
  if (frame === undefined) return malformed(next)
  const seq = seqOf(frame, next)
  const { body, findings } = diagnoseBody(chain, state, frame, at(seq))
  // Where its lengths hold a record, they are right, and the chain can be followed behind it.
  if (body === undefined) return read.what === "self_hash" ? findings[0]! : malformed(seq)
  return { segment, offset: fileOffset, frame, seq, body, findings: [malformed(seq), ...findings] }
}

/** A frame from before the head is a replay: the chain goes on behind the head, not behind it. */
const stepOver = (state: ChainState, wrong: WrongFrame): ChainState =>
  wrong.seq <= state.seq
    ? state
    : {
        seq: wrong.seq,
        tsMs: wrong.body?.ts_ms ?? state.tsMs,
        head: parseHash(wrong.frame.selfHash) ?? state.head,
      }

/**
 * Walks one segment from `state`, the chain's state before its first frame. What it yields is valid
 * until the next step.
 * Errors: SinkError when the file cannot be read.
 */
export function* walkSegment(
  engine: Engine,
  chain: ChainContext,
  segment: Numbered,
  state: ChainState,
  isTorn: IsTorn,
): Generator<WalkedFrames | WrongFrame, SegmentEnd> {
  const reader = new ChunkReader(segment, segmentHeaderBytes)
  let count = 0
  let at = state
  let isRight = true
  let broken: Finding | undefined
  try {
    reader.advance(0)
    while (reader.bytes.length > 0) {
      const result = engine.verifyBatch({ chain, state: at, frames: reader.bytes })
      const { offset, bytes } = reader
      if (result.count > 0) yield { segment, offset, bytes, firstSeq: at.seq + 1, result }
      count += result.count
      at = result.state
      let consumed = result.bytes
      if (result.stop === "bad" || (result.stop === "incomplete" && reader.atEnd)) {
        const wrongAt = offset + consumed
        const torn = isRight && isTorn(segment, at, wrongAt)
        const wrong = torn
          ? undefined
          : diagnose(chain, at, segment, bytes.subarray(consumed), wrongAt)
        if (wrong === undefined || "kind" in wrong) {
          broken = wrong
          reader.advance(consumed)
          break
        }
        yield wrong
        isRight = false
        count += 1
        at = stepOver(at, wrong)
        consumed += wrong.frame.next
      }
      reader.advance(consumed)
    }
    return { state: at, count, offset: reader.offset, broken }
  } finally {
    reader.close()
  }
}
