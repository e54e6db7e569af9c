/**
 * The part of a chain that a verification of a time window has to read.
 *
 * It begins at the segment where the checkpoint over the window's first record begins, so that
 * every checkpoint that covers a record of the window is rebuilt, and ends with the segment of the
 * checkpoint over its last. Where the seals do not tile the chain the whole chain is read: damage
 * must not hide outside a window.
 *
 * Does not check manifests, which speak of whole files: that is for a full verification.
 * Source: FORMATS 7 (a range that was asked for).
 */

import { fromBase64 } from "../base/Bytes.ts"
import { b3, parseHash } from "../base/Hash.ts"
import { frameBytesMax, segmentHeaderBytes } from "../base/Limits.ts"
import * as Checkpoint from "../checkpoint/Checkpoint.ts"
import { readFrame } from "../record/Frame.ts"
import { parseBody, type RecordBody } from "../record/Record.ts"
import { Rejected } from "../record/Reject.ts"
import { DocumentError } from "../signing/Document.ts"
import { contexts } from "../signing/Message.ts"
import type { Trust } from "../signing/Trust.ts"
import { verifyAnchored } from "../signing/Verifier.ts"
import { readAt } from "../sink/ChunkReader.ts"
import { type ChainFiles, type Numbered, readSmallFile } from "../sink/Segment.ts"
import { insteadOf } from "../sink/SinkError.ts"
import type { ChainInput } from "./ChainVerify.ts"
import type { Finding } from "./Finding.ts"
import { finding, readHeads, type SegmentHead, stateBefore } from "./Seals.ts"

/** Inclusive. Units: Unix milliseconds of ts_ms. */
export interface Window {
  readonly sinceMs: number
  readonly untilMs: number
}

export interface Part {
  readonly files: ChainFiles
  readonly from: ChainInput["from"]
  /** Whether it ends before the chain does. */
  readonly isCut: boolean
  /** What is wrong with beginning there. */
  readonly findings: ReadonlyArray<Finding>
}

const firstBody = (segment: Numbered): RecordBody | undefined => {
  try {
    const frame = readFrame(readAt(segment.path, segmentHeaderBytes, frameBytesMax), 0)
    return frame === "incomplete" || "what" in frame ? undefined : parseBody(frame.body)
  } catch (error) {
    if (error instanceof Rejected || insteadOf(error) !== undefined) return undefined
    throw error
  }
}

interface Placed {
  readonly file: Numbered
  readonly checkpoint: Checkpoint.Checkpoint
}

/** The readable checkpoints; one that is not is for the verification to report. */
const readCheckpoints = (files: ChainFiles): Array<Placed> =>
  files.checkpoints.flatMap((file) => {
    try {
      return [{ file, checkpoint: Checkpoint.parse(readSmallFile(file.path)) }]
    } catch (error) {
      if (error instanceof DocumentError || insteadOf(error) !== undefined) return []
      throw error
    }
  })

/** Index of the segment that holds a record. */
const segmentOf = (heads: ReadonlyArray<SegmentHead>, seq: number): number =>
  Math.max(
    0,
    heads.findLastIndex(({ before }) => before < seq),
  )

const covering = (placed: ReadonlyArray<Placed>, seq: number): Placed | undefined =>
  placed.find(({ checkpoint: { range } }) => range[0] <= seq && seq <= range[1])

const whole = (files: ChainFiles): Part => ({ files, from: undefined, isCut: false, findings: [] })

/** Seals of a folder whose first segments are not kept any more. */
const prunedHeads = (
  files: ChainFiles,
  placed: ReadonlyArray<Placed>,
): Array<SegmentHead> | undefined => {
  const first = files.segments[0]
  const body = first === undefined ? undefined : firstBody(first)
  if (first === undefined || body === undefined) return undefined
  const base = first.number - 1
  const renumbered = files.segments.map((segment) => ({
    ...segment,
    number: segment.number - base,
  }))
  const heads = readHeads({ ...files, segments: renumbered }, body.seq - 1)
  const log = placed[0]?.checkpoint.log_id
  if (!Array.isArray(heads) || log === undefined) return undefined
  // Nobody can read any more what the chain declares: the weakest is demanded.
  const declared = {
    logId: log,
    signing: "checkpoint",
    algs: [],
    checkpointAlgs: [],
    fsync: "always",
  } as const
  return heads.map((head, index) => ({
    ...head,
    declared: head.declared ?? declared,
    segment: files.segments[index] ?? head.segment,
  }))
}

/** FORMATS 7: a chain may begin late where a signed checkpoint ends right before it. */
const lateBeginning = (
  files: ChainFiles,
  placed: ReadonlyArray<Placed>,
  before: number,
  trust: Trust | undefined,
): ReadonlyArray<Finding> => {
  const last = placed.find(({ checkpoint }) => checkpoint.range[1] === before)?.checkpoint
  const envelope = last && {
    algoId: last.alg,
    keyId: last.signer_key_id,
    sig: fromBase64(last.sig) ?? new Uint8Array(0),
  }
  const isSigned =
    last !== undefined &&
    envelope !== undefined &&
    trust !== undefined &&
    verifyAnchored(
      trust,
      "checkpoint",
      envelope,
      contexts.checkpoint,
      b3(Checkpoint.signedBytes(last)),
    ).verdict === "valid"
  if (isSigned) return []
  const file = files.segments[0]?.file ?? ""
  const expected = `a chain from seq 1, or a signed checkpoint that ends at ${before}`
  return [finding("segment_missing", 1, file, 0, expected, `a chain from seq ${before + 1}`)]
}

const cut = (
  files: ChainFiles,
  heads: ReadonlyArray<SegmentHead>,
  placed: ReadonlyArray<Placed>,
  end: number,
): ChainFiles => {
  const next = heads[end + 1]
  if (next === undefined) return { ...files, manifests: [] }
  const beyond = new Set(
    placed
      .filter(({ checkpoint }) => checkpoint.range[1] > next.before)
      .map(({ file }) => file.number),
  )
  const segments = files.segments.slice(0, end + 1)
  const lastNumber = segments.at(-1)?.number ?? 0
  return {
    ...files,
    segments,
    signatures: new Map([...files.signatures].filter(([number]) => number <= lastNumber)),
    checkpoints: files.checkpoints.filter(({ number }) => !beyond.has(number)),
    manifests: [],
  }
}

/** What to read of a chain for a window. Errors: SinkError. */
export const partFor = (
  files: ChainFiles,
  { sinceMs, untilMs }: Window,
  trust: Trust | undefined,
): Part => {
  const placed = readCheckpoints(files)
  const isPruned = (files.segments[0]?.number ?? 1) > 1
  const heads = isPruned ? prunedHeads(files, placed) : readHeads(files)
  if (!Array.isArray(heads) || heads.length === 0) return whole(files)
  const times = heads.map(({ segment }) => firstBody(segment)?.ts_ms)
  let start = Math.max(
    0,
    times.findLastIndex((time) => time !== undefined && time < sinceMs),
  )
  // What its last record says may leave that segment out as well.
  const next = start + 1 < heads.length ? stateBefore(heads, start + 1) : undefined
  if (next !== undefined && next.tsMs < sinceMs) start += 1
  let end = Math.max(
    start,
    times.findLastIndex((time) => time === undefined || time <= untilMs),
  )
  const first = covering(placed, (heads[start]?.before ?? 0) + 1)?.checkpoint
  if (first !== undefined) start = segmentOf(heads, first.range[0])
  const last = covering(placed, heads[end + 1]?.before ?? 0)?.checkpoint
  if (last !== undefined) end = Math.max(end, segmentOf(heads, last.range[1]))
  const { before = 0, declared } = heads[start] ?? {}
  const state = start === 0 && isPruned ? claimedState(files) : stateBefore(heads, start)
  if (state === undefined || declared === undefined) return whole(files)
  return {
    files: cut(files, heads, placed, end),
    from: start === 0 && !isPruned ? undefined : { segment: start, state, declared },
    isCut: end < heads.length - 1,
    findings: isPruned && start === 0 ? lateBeginning(files, placed, before, trust) : [],
  }
}

/** The state that the first frame of a folder claims to follow. */
const claimedState = (files: ChainFiles) => {
  const segment = files.segments[0]
  const body = segment === undefined ? undefined : firstBody(segment)
  const head = body === undefined ? undefined : parseHash(body.prev)
  return body === undefined || head === undefined ? undefined : { seq: body.seq - 1, tsMs: 0, head }
}
