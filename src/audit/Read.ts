/**
 * Records read back from a chain's folder, verified on read.
 *
 * Every frame from the beginning of the segment on is checked (canonical form, hash, link), so what
 * is given out is what was written; a wrong frame ends the reading with TAMPER. Signatures and
 * checkpoints are `Verify`'s. Source: LEDGER A-051.
 */

import { dataView } from "../base/Bytes.ts"
import { parseHash } from "../base/Hash.ts"
import { attrsBytesMax, frameBytesMax, recordBytesMax, segmentHeaderBytes } from "../base/Limits.ts"
import { emptyChain, headText } from "../chain/Chain.ts"
import { type ChainState, type Engine, frameInfoBytes } from "../engine/Engine.ts"
import { readFrame } from "../record/Frame.ts"
import { type AuditRecord, parseBody } from "../record/Record.ts"
import { Rejected } from "../record/Reject.ts"
import { readAt } from "../sink/ChunkReader.ts"
import { type ChainFiles, type ChainName, type Numbered, readHeader } from "../sink/Segment.ts"
import { AuditError } from "./AuditError.ts"
import { fileTail, judgeTail } from "./TornTail.ts"
import { type IsTorn, unknownLogId, type WalkedFrames, walkSegment } from "./Walk.ts"

export interface ReadRecord {
  readonly record: AuditRecord
  readonly file: string
  readonly offset: number
}

interface Start {
  readonly segment: Numbered
  readonly state: ChainState
}

/** A segment and the state that its first frame claims to follow; `undefined` while it is empty. */
const startOf = (segment: Numbered): Start | undefined => {
  const frame = readFrame(readAt(segment.path, segmentHeaderBytes, frameBytesMax), 0)
  if (frame === "incomplete" || "what" in frame) return undefined
  if (frame.seq === 1) return { segment, state: emptyChain }
  try {
    const { seq, prev } = parseBody(frame.body)
    const head = parseHash(prev)
    return head === undefined ? undefined : { segment, state: { seq: seq - 1, tsMs: 0, head } }
  } catch (error) {
    if (error instanceof Rejected) return undefined
    throw error
  }
}

const tamper = (name: ChainName, kind: string, file: string, offset: number): AuditError =>
  AuditError.of(
    "TAMPER",
    `${name.writerId} / ${name.stream}: ${kind} in ${file} at byte ${offset}; run audit verify`,
  )

/** Segments from the one that holds `fromSeq` on. */
const segmentsFrom = (files: ChainFiles, fromSeq: number): Array<Start> => {
  const starts: Array<Start> = []
  for (const segment of [...files.segments].reverse()) {
    const start = startOf(segment)
    if (start === undefined) continue
    starts.unshift(start)
    if (start.state.seq < fromSeq) break
  }
  return starts
}

/** A live writer's last frame may be half there, a crash may have left it so: it is not read. */
const mayBeUnfinished = (segment: Numbered, state: ChainState, offset: number): boolean => {
  const header = readHeader(segment)
  const isOpen = header !== "incomplete" && !("what" in header) && header.count === 0
  return (
    isOpen &&
    judgeTail({
      of: "frames",
      bytes: fileTail(segment.path, offset, segment.size),
      offset,
      head: headText(state),
      nextSeq: state.seq + 1,
      fsync: "on_checkpoint",
      isNewestUnsealed: true,
      isCovered: false,
    }) === "torn"
  )
}

/**
 * Walks segments from the one with `fromSeq` on and gives right frames, valid until the next step.
 * Errors: AuditError TAMPER; SinkError.
 */
export function* readFrames(
  engine: Engine,
  name: ChainName,
  files: ChainFiles,
  fromSeq: number,
): Generator<WalkedFrames> {
  const chain = { logId: unknownLogId, ...name, attrsBytesMax, recordBytesMax }
  const newest = files.segments.at(-1)
  let state: ChainState | undefined
  for (const { segment, state: claimed } of segmentsFrom(files, fromSeq)) {
    const isUnfinished: IsTorn = (_, at, offset) =>
      segment === newest && mayBeUnfinished(segment, at, offset)
    const walk = walkSegment(engine, chain, segment, state ?? claimed, isUnfinished)
    try {
      let step = walk.next()
      for (; !step.done; step = walk.next()) {
        const { value } = step
        if ("result" in value) yield value
        else throw tamper(name, value.findings[0]?.kind ?? "frame", segment.file, value.offset)
      }
      const { broken } = step.value
      if (broken !== undefined) throw tamper(name, broken.kind, segment.file, broken.offset)
      state = step.value.state
    } finally {
      // Whoever wants no more leaves a file open else.
      walk.return(undefined as never)
    }
  }
}

/** Records from `fromSeq` on, in order. Errors: AuditError TAMPER; SinkError. */
export function* readRecords(
  engine: Engine,
  name: ChainName,
  files: ChainFiles,
  fromSeq: number,
): Generator<ReadRecord> {
  for (const walked of readFrames(engine, name, files, fromSeq)) {
    const { infos, count } = walked.result
    const view = dataView(infos)
    for (let i = Math.max(0, fromSeq - walked.firstSeq); i < count; i++) {
      const at = view.getUint32(i * frameInfoBytes, true)
      const frame = readFrame(walked.bytes, at)
      if (frame === "incomplete" || "what" in frame) return
      const record = { ...parseBody(frame.body), self_hash: frame.selfHash }
      yield { record, file: walked.segment.file, offset: walked.offset + at }
    }
  }
}
