/**
 * A whole log, verified: every chain below a WAL or export directory, and what only all of them
 * together show.
 *
 * Reads nothing but what it is given, trusts nothing that it finds beside the log, and answers
 * `valid`, `invalid` or `unknown`; with `integrity`, `intact` instead of valid and unknown.
 * Memory does not grow with the log. Source: FORMATS 7.
 */
import { basename } from "node:path"
import { dataView } from "../base/Bytes.ts"
import { genesis } from "../base/Hash.ts"
import { type Engine, frameInfoBytes } from "../engine/Engine.ts"
import type { Trust } from "../signing/Trust.ts"
import {
  type ChainFiles,
  type ChainName,
  chainDirectory,
  hasLinkedChain,
  listChain,
  listChains,
  listForeign,
} from "../sink/Segment.ts"
import { insteadOf, type SinkError } from "../sink/SinkError.ts"
import { type ChainReport, type ExpectedHead, type Step, verifyChain } from "./ChainVerify.ts"
import { compareFindings, type Finding, type Verdict, weightOf } from "./Finding.ts"
import { KeyJudge } from "./KeyJudge.ts"
import { exportedTo, verifyManifests } from "./ManifestCheck.ts"
import type { WalkedFrames } from "./Walk.ts"
import { partFor, type Window } from "./Window.ts"

export interface ExpectedPosition extends ChainName, ExpectedHead {}

export interface VerifyOptions {
  readonly root: string
  readonly trust: Trust | undefined
  readonly integrity: boolean
  readonly require: "signed" | "checkpointed"
  readonly expectHeads: ReadonlyArray<ExpectedPosition>
  /** Units: Unix milliseconds, the verifier's now. */
  readonly nowMs: number
  /** Only the records of this time, and what it takes to verify them. */
  readonly window?: Window | undefined
}

/** What the report says of one chain. Plain data, so that it can cross threads. */
export interface StreamReport {
  readonly writer_id: string
  readonly stream: string
  readonly log_id: string | null
  readonly records: number
  /** Seq of the last record, and its self_hash. */
  readonly head: number
  readonly head_hash: string
  /** Records with a record or batch signature that counts. */
  readonly signed: number
  readonly checkpointed_to: number
  readonly proven_to: number
  readonly findings: ReadonlyArray<Finding>
  readonly notes: ReadonlyArray<string>
  /** Chains that this one, a control chain, announces. */
  readonly announces: ReadonlyArray<{
    readonly writer_id: string
    readonly stream: string
    readonly self_hash: string
  }>
  readonly opened_hash: string | null
  /** Files of segments; none is a chain that is not there. */
  readonly segments: number
}

export interface LogReport {
  readonly verdict: Verdict
  readonly trust: string
  /** Records that are proven: the sum of the chains' own. */
  readonly proven_to: number
  readonly records: number
  readonly streams: ReadonlyArray<
    Omit<StreamReport, "announces" | "opened_hash" | "segments" | "notes">
  >
  readonly notes: ReadonlyArray<string>
}

const announcesOf = (report: ChainReport): StreamReport["announces"] =>
  report.control.flatMap(({ kind, attrs }) => {
    const { writer_id, stream, self_hash } = attrs
    return kind === "ChainOpened" &&
      typeof writer_id === "string" &&
      typeof stream === "string" &&
      typeof self_hash === "string"
      ? [{ writer_id, stream, self_hash }]
      : []
  })

/** One chain as the report shows it, and as the verification found it. */
export interface ExaminedStream {
  readonly stream: StreamReport
  readonly chain: ChainReport
  /** What was read of its folder. */
  readonly files: ChainFiles
}

/**
 * Verifies one chain of a log; `watch` sees the frames that are right.
 * Errors: SinkError when a file cannot be read.
 */
export function* examineStream(
  engine: Engine,
  options: VerifyOptions,
  name: ChainName,
  watch: (walked: WalkedFrames) => void,
): Generator<Step, ExaminedStream> {
  const { root, trust, nowMs, expectHeads, window } = options
  const { writerId, stream } = name
  const directory = chainDirectory(root, writerId, stream)
  const listed = listChain(directory)
  const part = window === undefined ? undefined : partFor(listed, window, trust)
  const files = part?.files ?? listed
  const logId = trust?.logId
  let wantedTo = 0
  const judge = new KeyJudge({ trust, keysRoot: root, logId, writerId, stream, nowMs })
  const report = yield* verifyChain({
    engine,
    writerId,
    stream,
    files,
    judge,
    logId,
    expected: expectHeads.filter((head) => head.writerId === writerId && head.stream === stream),
    exportedTo: part?.isCut === true ? 0 : exportedTo(directory),
    require: options.require,
    watch: (walked) => {
      if (window !== undefined) wantedTo = Math.max(wantedTo, lastUntil(walked, window.untilMs))
      watch(walked)
    },
    ...(part?.from === undefined ? {} : { from: part.from }),
  })
  const findings = [...report.findings, ...verifyManifests(engine, files, judge, report)]
  findings.push(...(part?.findings ?? []))
  const shown = {
    writer_id: writerId,
    stream,
    log_id: report.declared?.logId ?? null,
    records: report.records,
    // Behind the window nothing is asked for, so nothing there is open either.
    head: part?.isCut === true ? Math.min(wantedTo, report.state.seq) : report.state.seq,
    head_hash: report.head,
    signed: report.coverage.signed,
    checkpointed_to: report.checkpointedTo,
    proven_to: report.coverage.provenTo,
    findings: findings.sort(compareFindings),
    notes: report.notes,
    announces: announcesOf(report),
    opened_hash: report.openedHash ?? null,
    segments: files.segments.length,
  }
  return { stream: shown, chain: report, files }
}

/** The last of the walked records that is not later than a time, 0 where all are. */
const lastUntil = ({ firstSeq, result }: WalkedFrames, untilMs: number): number => {
  const infos = dataView(result.infos)
  for (let i = result.count - 1; i >= 0; i--) {
    if (infos.getFloat64(i * frameInfoBytes + 8, true) <= untilMs) return firstSeq + i
  }
  return 0
}

/**
 * Verifies one chain of a log; a folder that is none, or may not be read, is a finding.
 * Errors: SinkError when the system cannot read a file.
 */
export function* verifyStream(
  engine: Engine,
  options: VerifyOptions,
  name: ChainName,
): Generator<Step, StreamReport> {
  try {
    return (yield* examineStream(engine, options, name, () => undefined)).stream
  } catch (error) {
    const instead = insteadOf(error)
    if (instead === undefined) throw error
    const file = basename((error as SinkError).path)
    const { expected, found } = instead
    const findings = [{ ...at("frame", 1), file, expected, found }]
    return { ...missingStream(name.writerId, name.stream, ""), findings }
  }
}

/** What the control chains announce and the folders do not hold, or hold another way. */
const crossCheck = (
  streams: ReadonlyArray<StreamReport>,
  { expectHeads }: VerifyOptions,
): Array<StreamReport> => {
  const read = new Set(streams.map((stream) => `${stream.writer_id}/${stream.stream}`))
  const byName = new Map(streams.map((stream) => [`${stream.writer_id}/${stream.stream}`, stream]))
  for (const { announces } of streams) {
    for (const { writer_id, stream, self_hash } of announces) {
      const key = `${writer_id}/${stream}`
      const chain = byName.get(key)
      if (chain === undefined) byName.set(key, missingStream(writer_id, stream, self_hash))
      else if (chain.segments === 0) {
        const { findings } = missingStream(writer_id, stream, self_hash)
        const all = [...chain.findings, ...findings].sort(compareFindings)
        byName.set(key, { ...chain, findings: all })
      } else if (chain.head_hash === genesis) {
        // It was announced when its first record was durable.
        const finding = { ...at("stream_opened", 1), expected: self_hash, found: "no record" }
        const findings = [...chain.findings, finding].sort(compareFindings)
        byName.set(key, { ...chain, findings })
      } else if (chain.opened_hash !== null && chain.opened_hash !== self_hash) {
        const finding = { ...at("fork", 1), expected: self_hash, found: chain.opened_hash }
        const findings = [...chain.findings, finding].sort(compareFindings)
        byName.set(key, { ...chain, findings })
      }
    }
  }
  // A chain that was read is held to them by itself.
  const heads = new Map<string, ExpectedPosition>()
  for (const head of expectHeads) {
    const key = `${head.writerId}/${head.stream}`
    if (!read.has(key) && head.seq > (heads.get(key)?.seq ?? 0)) heads.set(key, head)
  }
  for (const [key, { writerId, stream, seq, selfHash, file }] of heads) {
    const chain = byName.get(key) ?? { ...missingStream(writerId, stream, ""), findings: [] }
    const expected = `seq ${seq} ${selfHash}`
    const finding = { ...at("truncated", 1), file, expected, found: "no folder" }
    byName.set(key, { ...chain, findings: [...chain.findings, finding].sort(compareFindings) })
  }
  return oneLog([...byName.values()])
}

/** Chains of two logs below one root: all but those of the first are in the wrong place. */
const oneLog = (streams: ReadonlyArray<StreamReport>): Array<StreamReport> => {
  const first = streams.find(({ log_id }) => log_id !== null)?.log_id
  return streams.map((stream) => {
    const { log_id, findings } = stream
    const isKnown = findings.some(({ kind }) => kind === "wrong_log")
    if (first == null || log_id === null || log_id === first || isKnown) return stream
    const finding = { ...at("wrong_log", 1), expected: first, found: log_id }
    return { ...stream, findings: [...findings, finding].sort(compareFindings) }
  })
}

const at = (kind: Finding["kind"], seq: number) => ({ kind, seq, file: "", offset: 0 })

const missingStream = (writer_id: string, stream: string, self_hash: string): StreamReport => ({
  writer_id,
  stream,
  log_id: null,
  records: 0,
  head: 0,
  head_hash: "b3:0",
  signed: 0,
  checkpointed_to: 0,
  proven_to: 0,
  findings: [
    { ...at("segment_missing", 1), expected: `a chain opened by ${self_hash}`, found: "no folder" },
  ],
  notes: [],
  announces: [],
  opened_hash: null,
  segments: 0,
})

const damns = (stream: StreamReport): boolean =>
  stream.findings.some(({ kind }) => weightOf(kind) === "damning")

/** A chain about which something is not known. */
const leavesOpen = (stream: StreamReport): boolean =>
  stream.records === 0 ||
  stream.findings.some(({ kind }) => weightOf(kind) === "uncertain") ||
  stream.proven_to < stream.head

const verdictOf = (streams: ReadonlyArray<StreamReport>, options: VerifyOptions): Verdict => {
  if (streams.some(damns)) return "invalid"
  if (hasLinkedChain(options.root)) return "unknown"
  // With anchors there is more to say than that the chains hold together.
  if (options.integrity && options.trust === undefined) {
    return streams.some(({ findings }) => findings.some(({ kind }) => kind === "segment_missing"))
      ? "unknown"
      : "intact"
  }
  const isEmpty = streams.every(({ records }) => records === 0)
  return options.trust === undefined || isEmpty || streams.some(leavesOpen) ? "unknown" : "valid"
}

const trustText = ({ trust, integrity }: VerifyOptions): string => {
  if (trust === undefined) return integrity ? "not asked for" : "none"
  const keys = trust.keys.map(({ keyId }) => keyId).join(", ")
  return trust.logId === undefined ? `${keys} (log not pinned)` : `${keys} for log ${trust.logId}`
}

const notesOf = (streams: ReadonlyArray<StreamReport>, options: VerifyOptions): Array<string> => {
  const notes = streams.flatMap((stream) => [
    ...stream.notes,
    ...(stream.records === 0
      ? []
      : [`not proven beyond seq ${stream.proven_to} of ${stream.writer_id} / ${stream.stream}`]),
  ])
  const announced = new Set(
    streams.flatMap(({ announces }) =>
      announces.map((chain) => `${chain.writer_id}/${chain.stream}`),
    ),
  )
  const isWatched = streams.every(
    ({ writer_id, stream, announces }) =>
      announced.has(`${writer_id}/${stream}`) || announces.length > 0,
  )
  if (!isWatched) notes.push("not proven that no chain is missing: no control chain names them all")
  if (options.trust !== undefined && options.trust.logId === undefined) notes.push("log not pinned")
  // Last, for whoever planted them may have planted many.
  for (const foreign of listForeign(options.root)) notes.push(`not part of the log: ${foreign}`)
  return notes
}

/** Joins the reports of all chains of a log. Errors: SinkError for a folder that cannot be read. */
export const joinReports = (
  reports: ReadonlyArray<StreamReport>,
  options: VerifyOptions,
): LogReport => {
  const streams = crossCheck(reports, options)
  return {
    verdict: verdictOf(streams, options),
    trust: trustText(options),
    proven_to: streams.reduce((sum, { proven_to }) => sum + proven_to, 0),
    records: streams.reduce((sum, { records }) => sum + records, 0),
    streams: streams.map(
      ({ announces: _a, opened_hash: _o, segments: _s, notes: _n, ...shown }) => shown,
    ),
    notes: notesOf(streams, options),
  }
}

/**
 * Verifies all chains in this thread, one after the other.
 * Errors: SinkError when the directory or a file cannot be read.
 */
export function* verifyLog(engine: Engine, options: VerifyOptions): Generator<Step, LogReport> {
  const reports: Array<StreamReport> = []
  for (const name of listChains(options.root)) {
    reports.push(yield* verifyStream(engine, options, name))
  }
  return joinReports(reports, options)
}

/** Runs a verification to its end. */
export const finish = <A>(run: Generator<Step, A>): A => {
  for (;;) {
    const step = run.next()
    if (step.done === true) return step.value
  }
}
