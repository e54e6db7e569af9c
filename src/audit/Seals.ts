/**
 * What the sealed segments of a chain say of themselves: their first and last frames and counts, so
 * that opening need not read them whole. Source: FORMATS 4 (Opening).
 */
import { dataView } from "../base/Bytes.ts"
import { parseHash } from "../base/Hash.ts"
import {
  attrsBytesMax,
  frameBytesMax,
  frameOverheadBytes,
  recordBytesMax,
  segmentHeaderBytes,
} from "../base/Limits.ts"
import { emptyChain } from "../chain/Chain.ts"
import type { ChainState, Engine } from "../engine/Engine.ts"
import { type Frame, readFrame } from "../record/Frame.ts"
import { parseBody, type RecordBody } from "../record/Record.ts"
import { Rejected } from "../record/Reject.ts"
import { readAt } from "../sink/ChunkReader.ts"
import { segmentName } from "../sink/FileName.ts"
import { type ChainFiles, type Numbered, readHeader } from "../sink/Segment.ts"
import { insteadOf } from "../sink/SinkError.ts"
import { type Declaration, parseDeclaration, updateDeclaration } from "./Declaration.ts"
import type { Finding, FindingKind } from "./Finding.ts"
import { unknownLogId, type WalkedFrames, walkSegment } from "./Walk.ts"

export interface SegmentHead {
  readonly segment: Numbered
  /** Seq before its first frame. */
  readonly before: number
  /** What the chain declares from its first frame on. */
  readonly declared: Declaration | undefined
}

export const finding = (
  kind: FindingKind,
  seq: number,
  file: string,
  offset: number,
  expected: string,
  found: string,
): Finding => ({ kind, seq, file, offset, expected, found })

const bodyOf = (frame: Frame): RecordBody | undefined => {
  try {
    return parseBody(frame.body)
  } catch (error) {
    if (error instanceof Rejected) return undefined
    throw error
  }
}

const declaredBy = (
  body: RecordBody | undefined,
  before: Declaration | undefined,
): Declaration | undefined => {
  if (body?.kind === "StreamOpened" && body.seq === 1) return parseDeclaration(body.attrs)
  if (body?.kind !== "ConfigUpdated" || before === undefined) return before
  return updateDeclaration(before, body.attrs) ?? before
}

/** Header and first frame of a segment, or what stands in its place. Errors: SinkError. */
const readBegin = (segment: Numbered) => {
  try {
    const header = readHeader(segment)
    return { header, frame: readFrame(readAt(segment.path, segmentHeaderBytes, frameBytesMax), 0) }
  } catch (error) {
    const instead = insteadOf(error)
    if (instead === undefined) throw error
    return instead
  }
}

/**
 * The seals: numbers, headers and first frames of all segments, which must tile the chain from
 * `firstBefore` on, the seq before the first segment.
 */
export const readHeads = (files: ChainFiles, firstBefore = 0): Array<SegmentHead> | Finding => {
  const heads: Array<SegmentHead> = []
  let before = firstBefore
  let declared: Declaration | undefined
  for (const [index, segment] of files.segments.entries()) {
    const { file } = segment
    const wrong = (kind: FindingKind, offset: number, expected: string, found: string) =>
      finding(kind, before + 1, file, offset, expected, found)
    if (segment.number !== index + 1) {
      return wrong("segment_missing", 0, segmentName(index + 1), file)
    }
    const begun = readBegin(segment)
    if ("found" in begun) return wrong("frame", 0, begun.expected, begun.found)
    const { header, frame } = begun
    if (header === "incomplete")
      return wrong("frame", 0, "a segment header", `${segment.size} bytes`)
    if ("what" in header)
      return wrong("frame", 0, `${header.what} ${header.expected}`, header.found)
    const isNewest = index === files.segments.length - 1
    if (header.count === 0 && !isNewest) return wrong("header_count", 10, "a count above 0", "0")
    if (frame !== "incomplete" && !("what" in frame)) {
      if (frame.seq !== before + 1) {
        return wrong("seq_gap", segmentHeaderBytes, `${before + 1}`, `${frame.seq}`)
      }
      declared = declaredBy(bodyOf(frame), declared)
    }
    heads.push({ segment, before, declared })
    before += header.count
  }
  return heads
}

/** The last frame of a sealed segment, found from its end. */
const lastFrame = (segment: Numbered, seq: number): Frame | undefined => {
  const from = Math.max(segmentHeaderBytes, segment.size - frameBytesMax)
  const bytes = readAt(segment.path, from, segment.size - from)
  const view = dataView(bytes)
  for (let at = bytes.length - frameOverheadBytes; at >= 0; at--) {
    const isHere =
      view.getUint32(at, true) === bytes.length - at - frameOverheadBytes &&
      view.getBigUint64(at + 5, true) === BigInt(seq)
    if (!isHere) continue
    const frame = readFrame(bytes, at)
    if (frame !== "incomplete" && !("what" in frame)) return frame
  }
  return undefined
}

/** The chain's state before a segment, from the last frame of the one before it. */
export const stateBefore = (
  heads: ReadonlyArray<SegmentHead>,
  index: number,
): ChainState | undefined => {
  const before = heads[index]?.before ?? 0
  const previous = heads[index - 1]
  if (previous === undefined) return emptyChain
  const frame = lastFrame(previous.segment, before)
  const body = frame === undefined ? undefined : bodyOf(frame)
  const head = frame === undefined ? undefined : parseHash(frame.selfHash)
  return body === undefined || head === undefined
    ? undefined
    : { seq: before, tsMs: body.ts_ms, head }
}

/** Walks one older segment; a wrong frame there is tampering as well. */
export const walkOlder = (
  input: { readonly engine: Engine; readonly writerId: string; readonly stream: string },
  heads: ReadonlyArray<SegmentHead>,
  index: number,
  watch: (walked: WalkedFrames) => void,
): Finding | undefined => {
  const head = heads[index]
  const state = stateBefore(heads, index)
  if (head === undefined || state === undefined) {
    const seq = (head?.before ?? 0) + 1
    return finding(
      "frame",
      seq,
      head?.segment.file ?? "",
      0,
      "a whole last frame before it",
      "none",
    )
  }
  let wrong: Finding | undefined
  const { engine, writerId, stream } = input
  const logId = head.declared?.logId ?? unknownLogId
  const chain = { logId, writerId, stream, attrsBytesMax, recordBytesMax }
  const walk = walkSegment(engine, chain, head.segment, state, () => false)
  let step = walk.next()
  for (; !step.done; step = walk.next()) {
    if ("result" in step.value) watch(step.value)
    else wrong ??= step.value.findings[0]
  }
  return wrong ?? step.value.broken
}
