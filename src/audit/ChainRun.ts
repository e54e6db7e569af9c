/**
 * One chain under verification: what has been seen so far, and what is wrong with it.
 *
 * Three tracks run beside each other over the same frames: the frames themselves (Walk), the `.sig`
 * entries (SignatureTrack) and the checkpoints (CheckpointTrack).
 *
 * Source: FORMATS 4 to 7.
 */
import { dataView } from "../base/Bytes.ts"
import { formatHash, parseHash } from "../base/Hash.ts"
import { attrsBytesMax, recordBytesMax, segmentHeaderBytes } from "../base/Limits.ts"
import { emptyChain, headText } from "../chain/Chain.ts"
import * as Checkpoint from "../checkpoint/Checkpoint.ts"
import {
  type ChainContext,
  type ChainState,
  type Engine,
  flagReservedKind,
  flagTimeFell,
  frameInfoBytes,
} from "../engine/Engine.ts"
import { RangeRoot } from "../merkle/Tree.ts"
import { readFrame } from "../record/Frame.ts"
import { parseBody, type RecordBody } from "../record/Record.ts"
import { Rejected } from "../record/Reject.ts"
import { DocumentError } from "../signing/Document.ts"
import { readAt } from "../sink/ChunkReader.ts"
import { segmentName, signaturesName } from "../sink/FileName.ts"
import { type ChainFiles, type Numbered, readSmallFile } from "../sink/Segment.ts"
import { insteadOf } from "../sink/SinkError.ts"
import { CheckpointTrack } from "./CheckpointTrack.ts"
import {
  type Declaration,
  type FsyncPolicy,
  parseDeclaration,
  type Signing,
  signings,
  updateDeclaration,
} from "./Declaration.ts"
import type { Finding, FindingKind } from "./Finding.ts"
import type { KeyJudge } from "./KeyJudge.ts"
import { SignatureTrack } from "./SignatureTrack.ts"
import { fileTail, judgeTail } from "./TornTail.ts"
import { unknownLogId, type WalkedFrames, type WrongFrame } from "./Walk.ts"

/** A position that the chain must have reached, from a receipt or an acknowledgement. */
export interface ExpectedHead {
  readonly seq: number
  readonly selfHash: string
  readonly file: string
}

export interface ChainInput {
  readonly engine: Engine
  readonly writerId: string
  readonly stream: string
  readonly files: ChainFiles
  readonly judge: KeyJudge
  /** The log that the trust file names. */
  readonly logId: string | undefined
  /** Where to begin: index into files.segments, and the state before its first frame. */
  readonly from?: {
    readonly segment: number
    readonly state: ChainState
    readonly declared: Declaration
  }
  readonly expected: ReadonlyArray<ExpectedHead>
  /** Last seq that the manifests of the export directory cover, 0 without one. */
  readonly exportedTo: number
  readonly require: "signed" | "checkpointed"
  readonly watch?: (walked: WalkedFrames) => void
}

/** Bytes behind the last good frame, or behind the last good `.sig` entry, that a crash left. */
export interface TornBytes {
  readonly segment: number
  readonly offset: number
  readonly bytes: number
}

/** What the walk found of one segment. */
export interface WalkedSegment {
  readonly number: number
  readonly first: number
  readonly count: number
  readonly root: string
}

const contextOf = (input: ChainInput, logId: string): ChainContext => ({
  logId,
  writerId: input.writerId,
  stream: input.stream,
  attrsBytesMax,
  recordBytesMax,
})

/** The record of a chain's first frame, where there is a readable one. */
const firstBody = (files: ChainFiles): RecordBody | undefined => {
  const first = files.segments[0]
  if (first === undefined) return undefined
  try {
    const frame = readFrame(readAt(first.path, segmentHeaderBytes, 8192), 0)
    return frame === "incomplete" || "what" in frame ? undefined : parseBody(frame.body)
  } catch (error) {
    if (error instanceof Rejected || insteadOf(error) !== undefined) return undefined
    throw error
  }
}

/** What a chain's StreamOpened declares, where there is a readable one. */
const openedDeclaration = (files: ChainFiles): Declaration | undefined => {
  const opened = firstBody(files)
  return opened?.kind === "StreamOpened" ? parseDeclaration(opened.attrs) : undefined
}

/** The log that a chain says it belongs to. */
export const openedLogId = (files: ChainFiles): string | undefined =>
  openedDeclaration(files)?.logId

/**
 * The state before the first record of a chain without its head; `undefined` for a whole one.
 * What came before cannot be checked, what follows can: the first record says what it links to.
 */
const lateStart = (files: ChainFiles): ChainState | undefined => {
  const body = firstBody(files)
  const head = body === undefined ? undefined : parseHash(body.prev)
  return body === undefined || head === undefined
    ? undefined
    : { seq: body.seq - 1, tsMs: body.ts_ms, head }
}

/** The log that a chain's first readable checkpoint names. */
const checkpointedLogId = (files: ChainFiles): string | undefined => {
  const first = files.checkpoints[0]
  try {
    return first === undefined ? undefined : Checkpoint.parse(readSmallFile(first.path)).log_id
  } catch (error) {
    if (error instanceof DocumentError || insteadOf(error) !== undefined) return undefined
    throw error
  }
}

/** The state of one verification; `ChainVerify` drives it. */
export class ChainRun {
  readonly input: ChainInput
  readonly findings: Array<Finding> = []
  readonly notes: Array<string> = []
  readonly control: Array<RecordBody> = []
  readonly chain: ChainContext
  declared: Declaration | undefined
  readonly declarations: Array<{ first: number; signing: Signing }> = []
  readonly signatures: SignatureTrack
  readonly checkpoints: CheckpointTrack
  state: ChainState
  records = 0
  nextSeq: number
  openedHash: string | undefined
  timeFell = 0
  openFrom = Infinity
  newest = { number: 0, count: 0, open: false }
  torn: TornBytes | undefined
  tornSignatures: TornBytes | undefined
  readonly expected: ReadonlyArray<ExpectedHead>
  /** How many of the expected positions were compared. */
  #met = 0
  isNewestUnsealed = false
  /** Damage ended the walk before the newest segment: what lies behind it is unread, not gone. */
  endsEarly = false
  /** The head of the chain is not there. */
  readonly beginsLate: boolean
  readonly segments: Array<WalkedSegment> = []
  #segmentRoot: RangeRoot | undefined
  #segmentFirst = 0
  /** Why the end of the newest segment is no torn tail. */
  notTorn: string | undefined

  constructor(input: ChainInput) {
    this.input = input
    const declared = input.from?.declared ?? openedDeclaration(input.files)
    this.declared = declared
    const logId = declared?.logId ?? input.logId ?? checkpointedLogId(input.files)
    this.chain = contextOf(input, logId ?? unknownLogId)
    const late = input.from === undefined ? lateStart(input.files) : undefined
    this.beginsLate = late !== undefined
    this.state = input.from?.state ?? late ?? emptyChain
    this.nextSeq = this.state.seq + 1
    if (declared !== undefined)
      this.declarations.push({ first: this.nextSeq, signing: declared.signing })
    input.judge.logId = this.chain.logId
    this.expected = [...input.expected].sort((a, b) => a.seq - b.seq)
    const report = (finding: Finding) => void this.findings.push(finding)
    const { engine, judge, files } = input
    const { chain } = this
    const keyOf = judge.recordKey.bind(judge)
    this.signatures = new SignatureTrack({ engine, chain, keyOf, report })
    this.checkpoints = new CheckpointTrack({ engine, chain, files, firstSeq: this.nextSeq, report })
    if (late !== undefined) {
      const found = `the chain begins at seq ${this.nextSeq}`
      this.find("segment_missing", 1, segmentName(1), 0, "records from seq 1 on", found)
      // Segment 000001 begins with seq 1: where it does not, segments were renamed.
      if (files.segments[0]?.number === 1) {
        this.find("seq_gap", this.nextSeq, segmentName(1), segmentHeaderBytes, "1", found)
      }
    }
    if (declared !== undefined && input.logId !== undefined && declared.logId !== input.logId) {
      this.find("wrong_log", 1, segmentName(1), segmentHeaderBytes, input.logId, declared.logId)
    }
  }

  find(
    kind: FindingKind,
    seq: number,
    file: string,
    offset: number,
    expected: string,
    found: string,
  ): void {
    this.findings.push({ kind, seq, file, offset, expected, found })
  }

  frames(walked: WalkedFrames): void {
    const { firstSeq, result } = walked
    this.records += result.count
    this.reserved(walked)
    this.input.watch?.(walked)
    if (firstSeq === 1) this.openedHash = formatHash(result.hashes.subarray(0, 32))
    this.feed(firstSeq, result.hashes)
    this.nextSeq = firstSeq + result.count
  }

  /** A wrong frame's stored hash stands for it: roots and links are about what was stored. */
  wrong({ frame, seq, body, findings, segment, offset }: WrongFrame): void {
    this.findings.push(...findings)
    this.records += 1
    if (seq < this.nextSeq) return
    if (seq > this.nextSeq) this.checkpoints.hole(this.nextSeq)
    const hash = parseHash(frame.selfHash) ?? new Uint8Array(32)
    if (seq === 1) this.openedHash = frame.selfHash
    if (body !== undefined) this.notice(body, segment.file, offset)
    this.feed(seq, hash)
    this.nextSeq = seq + 1
  }

  feed(firstSeq: number, hashes: Uint8Array): void {
    this.meet(firstSeq, hashes)
    this.signatures.feed(firstSeq, hashes)
    this.checkpoints.feed(firstSeq, hashes)
    this.#segmentRoot?.add(hashes)
  }

  /** Begins a segment; its root is kept where a manifest will ask for it. */
  beginSegment(segment: Numbered): void {
    const { files, engine } = this.input
    const signatures = files.signatures.get(segment.number)
    this.signatures.begin(signatures, signaturesName(segment.number), this.nextSeq)
    this.#segmentFirst = this.nextSeq
    const isAsked = files.manifests.length > 0
    this.#segmentRoot = isAsked ? new RangeRoot(engine.merkleRoot) : undefined
  }

  endSegment(segment: Numbered, count: number, open: boolean): void {
    this.newest = { number: segment.number, count, open }
    const root = this.#segmentRoot
    if (root === undefined || root.count === 0) return
    const rootText = formatHash(root.root())
    this.segments.push({ number: segment.number, first: this.#segmentFirst, count, root: rootText })
  }

  get fsync(): FsyncPolicy {
    return this.declared?.fsync ?? "always"
  }

  /** A checkpoint or manifest covers a record behind `seq`. */
  claimsBeyond(seq: number): boolean {
    return this.checkpoints.claimsBeyond(seq) || this.input.exportedTo > seq
  }

  isTorn(segment: Numbered, state: ChainState, offset: number): boolean {
    const { fsync, isNewestUnsealed } = this
    const bytes = segment.size - offset
    const isSigned = fsync === "always" && this.signatures.goesBeyond(state.seq)
    const verdict = judgeTail({
      of: "frames",
      bytes: fileTail(segment.path, offset, segment.size),
      offset,
      head: headText(state),
      nextSeq: state.seq + 1,
      fsync,
      isNewestUnsealed,
      isCovered: isSigned || this.claimsBeyond(state.seq),
    })
    this.notTorn = verdict === "torn" ? undefined : verdict
    if (verdict !== "torn") return false
    this.torn = { segment: segment.number, offset, bytes }
    const found = `${bytes} bytes of an unfinished write`
    this.find("torn_tail", state.seq + 1, segment.file, offset, "the end of the file", found)
    return true
  }

  /** The records among the walked ones whose kind is the runtime's. */
  reserved(walked: WalkedFrames): void {
    const infos = dataView(walked.result.infos)
    for (let i = 0; i < walked.result.count; i++) {
      const flags = infos.getUint32(i * frameInfoBytes + 4, true)
      if (flags === 0) continue
      if ((flags & flagTimeFell) !== 0) this.timeFell += 1
      if ((flags & flagReservedKind) === 0) continue
      const at = infos.getUint32(i * frameInfoBytes, true)
      const frame = readFrame(walked.bytes, at)
      if (frame === "incomplete" || "what" in frame) continue
      this.notice(parseBody(frame.body), walked.segment.file, walked.offset + at)
    }
  }

  notice(body: RecordBody, file: string, offset: number): void {
    const { seq, kind, attrs } = body
    switch (kind) {
      case "StreamOpened": {
        if (seq !== 1) this.find("stream_opened", seq, file, offset, "only at seq 1", `at ${seq}`)
        return
      }
      case "ConfigUpdated": {
        const next = this.declared && updateDeclaration(this.declared, attrs)
        if (next === undefined || this.declared === undefined) return
        // The record that says so may still be signed the old way, where that was the weaker.
        const isStronger = signings.indexOf(next.signing) < signings.indexOf(this.declared.signing)
        this.declared = next
        this.declarations.push({ first: isStronger ? seq + 1 : seq, signing: next.signing })
        return
      }
      case "Recovered": {
        const found = `${String(attrs.cut_bytes)} bytes cut`
        this.find("recovered", seq, file, offset, "a clean end", found)
        return
      }
      case "KeyCertified":
      case "KeyCompromised":
        this.input.judge.announce(body)
        return
      case "ChainOpened":
      case "Frozen":
      case "Unfrozen":
        this.control.push(body)
        return
      default:
    }
  }

  /** Expected positions that the chain did not reach. */
  get unmet(): ReadonlyArray<ExpectedHead> {
    return this.expected.slice(this.#met)
  }

  /** Compares what was acknowledged elsewhere with what is here. */
  meet(firstSeq: number, hashes: Uint8Array): void {
    const last = firstSeq + hashes.length / 32 - 1
    for (;;) {
      const head = this.expected[this.#met]
      if (head === undefined || head.seq > last) return
      this.#met += 1
      if (head.seq < firstSeq) continue
      const at = (head.seq - firstSeq) * 32
      const found = formatHash(hashes.subarray(at, at + 32))
      if (found !== head.selfHash) this.find("fork", head.seq, head.file, 0, head.selfHash, found)
    }
  }
}
