/**
 * One chain, verified front to back in constant memory.
 *
 * What the tracks of ChainRun found is held against what the chain declares (Coverage). The
 * generator gives way after every piece, so that a caller can show progress, pace a scrub or stop.
 *
 * The scrub, the verifier and recovery all run this code. Source: FORMATS 4 to 7.
 */

import { segmentHeaderBytes } from "../base/Limits.ts"
import { headText } from "../chain/Chain.ts"
import type { ChainState } from "../engine/Engine.ts"
import type { RecordBody } from "../record/Record.ts"
import { segmentName } from "../sink/FileName.ts"
import { type Numbered, readHeader } from "../sink/Segment.ts"
import { insteadOf } from "../sink/SinkError.ts"
import { type ChainInput, ChainRun, type TornBytes, type WalkedSegment } from "./ChainRun.ts"
import type { TrackedCheckpoint } from "./CheckpointTrack.ts"
import { type CoverageResult, judgeCoverage, type Run } from "./Coverage.ts"
import type { Declaration } from "./Declaration.ts"
import { compareFindings, type Finding, type FindingKind } from "./Finding.ts"
import {
  type JudgedCheckpoint,
  type JudgedCheckpoints,
  judgeCheckpoints,
  placeSignatures,
} from "./KeyJudge.ts"
import type { TrackedState } from "./SignatureTrack.ts"
import { fileTail, judgeTail } from "./TornTail.ts"
import { type SegmentEnd, walkSegment } from "./Walk.ts"

export type { ChainInput, ExpectedHead, TornBytes } from "./ChainRun.ts"
export { openedLogId } from "./ChainRun.ts"

export interface ChainReport {
  readonly writerId: string
  readonly stream: string
  readonly declared: Declaration | undefined
  readonly records: number
  readonly state: ChainState
  /** Damage ended the walk before the newest segment. */
  readonly endsEarly: boolean
  readonly head: string
  readonly openedHash: string | undefined
  readonly signatures: ReadonlyArray<Run<TrackedState>>
  readonly coverage: CoverageResult
  /** Checkpoints whose place and root are right, and those of them that count. */
  readonly tracked: ReadonlyArray<TrackedCheckpoint>
  readonly checkpoints: ReadonlyArray<JudgedCheckpoint>
  /** What the walk found of each segment; empty where no manifest asks for it. */
  readonly segments: ReadonlyArray<WalkedSegment>
  readonly checkpointedTo: number
  readonly findings: ReadonlyArray<Finding>
  readonly notes: ReadonlyArray<string>
  /** attrs of ChainOpened and Frozen records, which the control chain holds. */
  readonly control: ReadonlyArray<RecordBody>
  readonly torn: TornBytes | undefined
  readonly tornSignatures: TornBytes | undefined
  /** Frames in the newest segment, and whether it is still open. */
  readonly newest: { readonly number: number; readonly count: number; readonly open: boolean }
}

/** Frames and bytes read since the last one. */
export interface Step {
  readonly records: number
  readonly bytes: number
}

function* walk(run: ChainRun): Generator<Step, void> {
  const { files, from } = run.input
  const start = from?.segment ?? 0
  // A range that was asked for, or a chain without its head, begins behind segments that are gone.
  const isFirst = from === undefined && !run.beginsLate
  const base = isFirst ? 0 : (files.segments[start]?.number ?? start + 1) - start - 1
  for (let index = start; index < files.segments.length; index++) {
    const segment = files.segments[index]!
    if (segment.number !== base + index + 1) {
      const missing = segmentName(base + index + 1)
      run.find("segment_missing", run.nextSeq, missing, 0, missing, segment.file)
      // Without the segments before it nothing says what it should link to.
      return
    }
    const isNewest = index === files.segments.length - 1
    const isWhole = yield* walkReadable(run, segment, isNewest)
    if (isWhole) continue
    run.endsEarly = !isNewest
    return
  }
}

/** Something else in the place of a segment's file is a finding, and ends the walk. */
function* walkReadable(
  run: ChainRun,
  segment: Numbered,
  isNewest: boolean,
): Generator<Step, boolean> {
  try {
    return yield* walkOne(run, segment, isNewest)
  } catch (error) {
    const instead = insteadOf(error)
    if (instead === undefined) throw error
    run.find("frame", run.nextSeq, segment.file, 0, instead.expected, instead.found)
    return false
  }
}

/** False when the walk cannot go on behind this segment. */
function* walkOne(run: ChainRun, segment: Numbered, isNewest: boolean): Generator<Step, boolean> {
  const header = readHeader(segment)
  if (header === "incomplete" || "what" in header) {
    const [expected, found] =
      header === "incomplete"
        ? ["a header of 32 bytes", `${segment.size} bytes`]
        : [`${header.what} ${header.expected}`, header.found]
    run.find("frame", run.nextSeq, segment.file, 0, expected, found)
    return false
  }
  const isOpen = header.count === 0
  const firstSeq = run.nextSeq
  if (isOpen && isNewest) run.openFrom = firstSeq
  run.beginSegment(segment)
  run.isNewestUnsealed = isNewest && isOpen
  const end = yield* walkFrames(run, segment)
  run.state = end.state
  run.endSegment(segment, end.count, isOpen)
  if (end.broken !== undefined) run.findings.push(withReason(end.broken, run.notTorn))
  const isWhole = end.broken === undefined
  if (isOpen && !isNewest) {
    run.find("header_count", firstSeq, segment.file, 10, `${end.count}`, "0, as in an open segment")
  } else if (!isOpen && isWhole && header.count !== end.count) {
    run.find("header_count", firstSeq, segment.file, 10, `${header.count}`, `${end.count} frames`)
  }
  judgeSignatureEnd(run, segment, isWhole)
  return isWhole
}

function* walkFrames(run: ChainRun, segment: Numbered): Generator<Step, SegmentEnd> {
  const walk = walkSegment(run.input.engine, run.chain, segment, run.state, run.isTorn.bind(run))
  try {
    let step = walk.next()
    for (; !step.done; step = walk.next()) {
      if ("result" in step.value) {
        run.frames(step.value)
        yield { records: step.value.result.count, bytes: step.value.result.bytes }
      } else run.wrong(step.value)
    }
    return step.value
  } finally {
    // A scrub that is stopped leaves files open else.
    walk.return(undefined as never)
  }
}

const withReason = (finding: Finding, notTorn: string | undefined): Finding =>
  notTorn === undefined
    ? finding
    : { ...finding, found: `${finding.found} (no torn tail: ${notTorn})` }

/** What lies behind the last `.sig` entry of a segment that was walked to its end. */
const judgeSignatureEnd = (run: ChainRun, segment: Numbered, isWhole: boolean): void => {
  const headSeq = run.state.seq
  const { beyond, broken, unreadFrom } = run.signatures.end(headSeq)
  const file = run.input.files.signatures.get(segment.number)
  // The range of an entry that ends behind the damage cannot be rebuilt.
  if (!isWhole && beyond !== undefined) run.signatures.excuse(beyond.entry.first)
  if (file === undefined || !isWhole) return
  const fsync = run.fsync
  const torn = (seq: number, offset: number): void => {
    const bytes = file.size - offset
    run.tornSignatures = { segment: segment.number, offset, bytes }
    const found = `${bytes} bytes that no record goes with`
    run.find("torn_tail", seq, file.file, offset, "the end of the file", found)
  }
  if (beyond !== undefined) {
    // Without always the file system may have kept the entry and lost its frames.
    const isLost = run.isNewestUnsealed && fsync !== "always" && !run.claimsBeyond(headSeq)
    if (isLost) return torn(headSeq + 1, beyond.offset)
    const { first, last } = beyond.entry
    const expected = `records to seq ${last}, which are signed`
    // Entries never span segments, so only behind the newest can records be gone with its end.
    const isNewest = segment === run.input.files.segments.at(-1)
    const kind = isNewest ? "truncated" : "frame"
    const seq = isNewest ? Math.max(first, headSeq + 1) : first
    run.find(kind, seq, file.file, beyond.offset, expected, `${headSeq}`)
  } else if (broken !== undefined) {
    if (broken.instead !== undefined) {
      const { expected, found } = broken.instead
      run.find("frame", unreadFrom, file.file, 0, expected, found)
      run.signatures.excuse(unreadFrom)
      return
    }
    const verdict = judgeTail({
      of: "signatures",
      bytes: fileTail(file.path, broken.offset, file.size),
      offset: broken.offset,
      head: headText(run.state),
      nextSeq: unreadFrom,
      fsync,
      isNewestUnsealed: run.isNewestUnsealed,
      isCovered: run.claimsBeyond(unreadFrom - 1),
    })
    if (verdict === "torn") return torn(unreadFrom, broken.offset)
    const found = `${broken.what} (no torn tail: ${verdict})`
    run.find("frame", unreadFrom, file.file, broken.offset, "a .sig entry", found)
    run.signatures.excuse(unreadFrom)
  }
}

const coverageOf = (run: ChainRun, { counting, doubtful }: JudgedCheckpoints): CoverageResult =>
  judgeCoverage({
    signatures: placeSignatures(run.signatures.runs, run.input.judge, counting),
    doubtful,
    checkpoints: counting.map(({ first, last }) => [first, last] as const),
    declared: run.declarations,
    openFrom: run.openFrom,
    headSeq: run.state.seq,
    require: run.input.require,
  })

/** Signatures without their segment: it was deleted, or an export has not come so far yet. */
const findLostSegments = (run: ChainRun): void => {
  const { segments, signatures } = run.input.files
  const newest = segments.at(-1)?.number ?? 0
  for (const { number, file, size } of signatures.values()) {
    if (number <= newest || size === 0 || run.endsEarly) continue
    const missing = segmentName(number)
    run.find("segment_missing", run.state.seq + 1, missing, 0, missing, `${file} alone`)
  }
}

/** Names that a note gives before it counts the rest. */
const foreignShown = 5

/** What no track came to read, and is no file that it could have read. */
const findPlanted = (run: ChainRun): void => {
  const told = new Set(run.findings.map(({ file }) => file))
  const look = (files: Iterable<Numbered>, kind: FindingKind): void => {
    for (const { file, instead } of files) {
      if (instead === undefined || told.has(file)) continue
      run.find(kind, run.state.seq + 1, file, 0, "a regular file", instead)
    }
  }
  const { files } = run.input
  look(files.segments, "frame")
  look(files.signatures.values(), "frame")
  look(files.checkpoints, "canon")
  look(files.cosignatures.values(), "frame")
}

/** Checkpoints that do not count, one note for each reason. */
const doubtNotes = ({ doubts }: JudgedCheckpoints): Array<string> => {
  const first = new Map<string, { readonly file: string; count: number }>()
  for (const { file, text } of doubts) {
    const known = first.get(text)
    if (known === undefined) first.set(text, { file, count: 1 })
    else known.count += 1
  }
  return [...first].map(([text, { file, count }]) =>
    count === 1
      ? `${file} does not count: ${text}`
      : `${count} checkpoints from ${file} on do not count: ${text}`,
  )
}

/** Ends the run: what only the whole chain shows. */
const conclude = (run: ChainRun): ChainReport => {
  const { input, state } = run
  const { writerId, stream, files } = input
  const report = (finding: Finding) => void run.findings.push(finding)
  run.checkpoints.end(state.seq, run.endsEarly)
  findLostSegments(run)
  const isWhole = input.from === undefined && !run.beginsLate
  // A crash may leave the first segment without a record: then there is no seq 1 to miss.
  if (isWhole && run.nextSeq > 1 && run.declared === undefined) {
    run.find(
      "stream_opened",
      1,
      segmentName(1),
      segmentHeaderBytes,
      "StreamOpened at seq 1",
      "none",
    )
  }
  if (run.endsEarly)
    run.notes.push(`nothing behind seq ${state.seq} of ${writerId} / ${stream} was read`)
  for (const { seq, selfHash, file } of run.unmet) {
    if (seq > state.seq && !run.endsEarly)
      run.find("truncated", state.seq + 1, file, 0, `seq ${seq} ${selfHash}`, `${state.seq}`)
  }
  if (run.timeFell > 0)
    run.notes.push(`ts_ms falls ${run.timeFell} times in ${writerId} / ${stream}`)
  findPlanted(run)
  if (files.foreign.length > 0) {
    const names = files.foreign.slice(0, foreignShown).map((name) => JSON.stringify(name))
    const more = files.foreign.length - names.length
    if (more > 0) names.push(`${more} more`)
    run.notes.push(`no file of a chain, in ${writerId} / ${stream}: ${names.join(", ")}`)
  }
  for (const torn of files.torn) run.notes.push(`${torn} was cut off by an earlier recovery`)
  const judged = judgeCheckpoints(run.checkpoints.tracked, input.judge, report)
  run.notes.push(...doubtNotes(judged))
  const checkpoints = judged.counting
  const coverage = coverageOf(run, judged)
  // Without anchors no signature says anything, and none can be missed.
  if (input.judge.trust.keys.length > 0) {
    run.findings.push(...input.judge.revocationFindings())
    for (const { kind, first, expected, found } of coverage.gaps) {
      run.find(kind, first, "", 0, expected, found)
    }
  }
  return {
    writerId,
    stream,
    declared: run.declared,
    records: run.records,
    state,
    endsEarly: run.endsEarly,
    head: headText(state),
    openedHash: run.openedHash,
    signatures: run.signatures.runs,
    coverage,
    tracked: run.checkpoints.tracked,
    checkpoints,
    segments: run.segments,
    checkpointedTo: checkpoints.at(-1)?.last ?? 0,
    findings: run.findings.sort(compareFindings),
    notes: run.notes,
    control: run.control,
    torn: run.torn,
    tornSignatures: run.tornSignatures,
    newest: run.newest,
  }
}

/**
 * Verifies one chain.
 * Errors: SinkError when a file cannot be read; findings are values.
 */
export function* verifyChain(input: ChainInput): Generator<Step, ChainReport> {
  const run = new ChainRun(input)
  try {
    yield* walk(run)
  } finally {
    run.signatures.close()
  }
  return conclude(run)
}
