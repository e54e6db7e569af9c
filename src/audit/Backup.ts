/**
 * Backups: a copy of a whole log while it is written. Its way back is Restore.
 *
 *     <to>/wal  <to>/export  <to>/trust.json  <to>/heads.jsonl  <to>/keys (when asked for)
 *
 * - The copy is a state that the log was in: what an export names is in the WAL, listed after it; a
 *   chain that a control chain announces is listed after that; of each chain sizes are taken in the
 *   order of FORMATS 4 and no byte beyond them is copied.
 * - It is verified before it appears under its name, whole or not at all. A log that is damaged
 *   makes none, so that no good copy is thrown away for a bad one.
 * - heads.jsonl has a line for each chain, as acknowledgements have them: it is what a later
 *   verification, and opening, take as expected heads, so that an older copy shows as a rollback.
 *
 * Does not protect against: who can write both the log and its copies; `keys: "all"` puts the
 * unseal.key into the copy, and whoever has it can sign as this log.
 * Source: FORMATS 4 (a reader beside a live writer, rollback); LEDGER.
 */

import { readdirSync } from "node:fs"
import { join } from "node:path"
import { setImmediate as turn } from "node:timers/promises"
import type { Clock } from "../base/Clock.ts"
import type { Engine } from "../engine/Engine.ts"
import { canonicalizeValue } from "../record/Canonical.ts"
import { parseTrust, type Trust } from "../signing/Trust.ts"
import { makeDirectory, writeFileDurably } from "../sink/Durable.ts"
import { isThere } from "../sink/RegularFile.ts"
import {
  type ChainFiles,
  type ChainName,
  chainDirectory,
  listChain,
  listChains,
  readSmallFile,
} from "../sink/Segment.ts"
import { attempt, SinkError } from "../sink/SinkError.ts"
import {
  type CopiedTree,
  copyPart,
  copyTree,
  dropStage,
  isVacant,
  openStage,
  settleStage,
} from "../sink/Snapshot.ts"
import { AuditError } from "./AuditError.ts"
import { type Finding, weightOf } from "./Finding.ts"
import { type ExpectedPosition, type LogReport, verifyLog } from "./Verify.ts"

/** Which keys a backup takes: none, those that are sealed, or the unseal.key too. */
export type KeysTaken = "all" | "none" | "sealed"

/** Where the parts of a log lie. */
export interface LogPlaces {
  readonly walDir: string
  readonly exportDir: string | undefined
  readonly trustPath: string
  readonly keysDir: string
}

export interface BackupWork {
  readonly engine: Engine
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
}

export interface Snapshot extends CopiedTree {
  readonly dir: string
  readonly logId: string | undefined
  /** `unknown` where the end of a chain was not signed yet, or there is no trust file. */
  readonly verdict: LogReport["verdict"]
  /** Units: Unix milliseconds, before the first file was looked at. */
  readonly takenTsMs: number
  readonly heads: ReadonlyArray<ChainName & Head>
}

interface Head {
  readonly seq: number
  readonly selfHash: string
  readonly checkpointedTo: number
}

export const headsFile = "heads.jsonl"
const unsealFile = "unseal.key"
const controlStream = "control"
/** A chain that is recovered meanwhile loses its torn tail under the copy. */
const attemptsMax = 3

interface Listed extends ChainName {
  readonly files: ChainFiles
}

/** The chains below a root, a control chain before those that it announces. */
const listLog = (root: string): ReadonlyArray<Listed> => {
  if (!isThere(root)) return []
  const list = (name: ChainName): Listed => ({
    ...name,
    files: listChain(chainDirectory(root, name.writerId, name.stream)),
  })
  const isControl = ({ stream }: ChainName): boolean => stream === controlStream
  const controls = listChains(root).filter(isControl).map(list)
  const others = listChains(root).filter((name) => !isControl(name))
  return [...controls, ...others.map(list)]
}

/** Copies a chain as it was listed. */
const copyChain = async ({ files }: Listed, to: string): Promise<CopiedTree> => {
  makeDirectory(to)
  let bytes = 0
  let count = 0
  const take = async (file: string, part: { size?: number; head?: Uint8Array }): Promise<void> => {
    bytes += await copyPart({ from: join(files.directory, file), to: join(to, file), ...part })
    count += 1
  }
  // Replaced as a whole while others read them, or never changed: taken as they are now.
  const whole = [
    ...files.checkpoints,
    ...files.cosignatures.values(),
    ...files.manifests,
    ...files.manifestSignatures.values(),
  ]
  for (const { file } of whole) await take(file, {})
  for (const { file, size } of files.signatures.values()) await take(file, { size })
  // A segment that was sealed since is taken as open, as it was then.
  for (const { file, size, header } of files.segments) {
    await take(file, header === undefined ? { size } : { size, head: header.subarray(0, size) })
  }
  for (const file of files.torn) await take(file, {})
  return { files: count, bytes }
}

/** Certificates and objects, which lie beside the chains and never change. */
const copyOurs = async (root: string, to: string): Promise<CopiedTree> => {
  let sum = { files: 0, bytes: 0 }
  for (const folder of ["~keys", "~objects"]) {
    const from = join(root, folder)
    if (isThere(from)) sum = added(sum, await copyTree(from, join(to, folder)))
  }
  return sum
}

export const added = (a: CopiedTree, b: CopiedTree): CopiedTree => ({
  files: a.files + b.files,
  bytes: a.bytes + b.bytes,
})

/** An export that is under way has signatures already whose segment is still to come. */
const withoutEarly = ({ files, ...name }: Listed): Listed => {
  const newest = files.segments.at(-1)?.number ?? 0
  const signatures = [...files.signatures].filter(([number]) => number <= newest)
  return { ...name, files: { ...files, signatures: new Map(signatures) } }
}

const copyRoot = async (
  root: string,
  listed: ReadonlyArray<Listed>,
  to: string,
  signal: AbortSignal | undefined,
): Promise<CopiedTree> => {
  makeDirectory(to)
  let sum = await copyOurs(root, to)
  for (const chain of listed) {
    signal?.throwIfAborted()
    sum = added(sum, await copyChain(chain, chainDirectory(to, chain.writerId, chain.stream)))
  }
  return sum
}

const copyKeys = async (from: string, to: string, keys: KeysTaken): Promise<CopiedTree> => {
  let sum = { files: 0, bytes: 0 }
  if (keys === "none") return sum
  makeDirectory(to)
  for (const file of attempt("read the directory", from, () => readdirSync(from)).sort()) {
    const isTaken = file.endsWith(".key.json") || (file === unsealFile && keys === "all")
    if (!isTaken) continue
    const bytes = await copyPart({ from: join(from, file), to: join(to, file) })
    sum = added(sum, { files: 1, bytes })
  }
  return sum
}

/** Verifies one root; others have their turn meanwhile. Errors: SinkError. */
export const verifyRoot = async (
  { engine, clock, signal }: BackupWork,
  root: string,
  trust: Trust | undefined,
  expectHeads: ReadonlyArray<ExpectedPosition>,
): Promise<LogReport> => {
  const nowMs = clock.nowMs()
  const run = verifyLog(engine, {
    root,
    trust,
    integrity: false,
    require: "signed",
    expectHeads,
    nowMs,
  })
  for (let step = run.next(); ; step = run.next()) {
    if (step.done === true) return step.value
    await turn()
    if (signal?.aborted !== true) continue
    run.return(undefined as never)
    signal.throwIfAborted()
  }
}

interface Fault extends Finding {
  readonly chain: string
}

/** What makes a copy useless; a chain that was never exported is missing in an export. */
export const faultOf = ({ streams }: LogReport, isExport: boolean): Fault | undefined => {
  for (const { writer_id, stream, findings, records } of streams) {
    const fault = findings.find(
      ({ kind }) =>
        weightOf(kind) === "damning" ||
        (kind === "segment_missing" && !(isExport && records === 0)),
    )
    if (fault !== undefined) return { ...fault, chain: `${writer_id} / ${stream}` }
  }
  return undefined
}

const behind: ReadonlySet<string> = new Set(["rollback", "truncated"])

export const damaged = (what: string, { chain, kind, seq, file }: Fault): AuditError =>
  AuditError.of(
    "TAMPER",
    `${what} is ${behind.has(kind) ? "behind what it must have reached" : "damaged"}: ` +
      `${kind} at seq ${seq} of ${chain} (${file})`,
  )

export const readTrust = (path: string): Trust | undefined =>
  isThere(path) ? parseTrust(readSmallFile(path, "follow")) : undefined

export const headsOf = ({ streams }: LogReport): Snapshot["heads"] =>
  streams
    .filter(({ head }) => head > 0)
    .map(({ writer_id, stream, head, head_hash, checkpointed_to }) => ({
      writerId: writer_id,
      stream,
      seq: head,
      selfHash: head_hash,
      checkpointedTo: checkpointed_to,
    }))

const formatHeads = (heads: Snapshot["heads"], logId: string, takenTsMs: number): Uint8Array => {
  const lines = heads.map(({ writerId, stream, seq, selfHash, checkpointedTo }) =>
    Buffer.concat([
      canonicalizeValue({
        writer_id: writerId,
        stream,
        seq,
        self_hash: selfHash,
        checkpointed_to: checkpointedTo,
        log_id: logId,
        taken_ts_ms: takenTsMs,
      }),
      Buffer.from("\n"),
    ]),
  )
  return Buffer.concat(lines)
}

export const demandVacant = (path: string, what: string): void => {
  if (isVacant(path)) return
  throw AuditError.of("SETTINGS", `the ${what} ${path} is not empty`)
}

/** Copies everything into a stage, verifies it there, and says what it is. */
const fillStage = async (
  work: BackupWork,
  places: LogPlaces,
  stage: string,
  keys: KeysTaken,
): Promise<Omit<Snapshot, "dir">> => {
  const takenTsMs = work.clock.nowMs()
  const { walDir, exportDir, trustPath, keysDir } = places
  const [wal, exported] = [join(stage, "wal"), join(stage, "export")]
  // The export before the WAL: one that is ahead of its WAL would be a rollback.
  const exportFiles = exportDir === undefined ? [] : listLog(exportDir).map(withoutEarly)
  const walFiles = listLog(walDir)
  let sum = await copyRoot(walDir, walFiles, wal, work.signal)
  if (exportDir !== undefined && isThere(exportDir)) {
    sum = added(sum, await copyRoot(exportDir, exportFiles, exported, work.signal))
  }
  const trust = readTrust(trustPath)
  if (trust !== undefined) {
    const bytes = readSmallFile(trustPath, "follow")
    await writeFileDurably(join(stage, "trust.json"), bytes)
    sum = added(sum, { files: 1, bytes: bytes.length })
  }
  sum = added(sum, await copyKeys(keysDir, join(stage, "keys"), keys))
  const report = await verifyRoot(work, wal, trust, [])
  const fault = faultOf(report, false)
  if (fault !== undefined) throw damaged(`the log in ${walDir}`, fault)
  if (isThere(exported)) {
    const wrong = faultOf(await verifyRoot(work, exported, trust, []), true)
    if (wrong !== undefined) throw damaged(`the export in ${exportDir}`, wrong)
  }
  const logId = report.streams.find(({ log_id }) => log_id !== null)?.log_id ?? undefined
  const heads = headsOf(report)
  await writeFileDurably(join(stage, headsFile), formatHeads(heads, logId ?? "", takenTsMs))
  return { ...sum, logId, verdict: report.verdict, takenTsMs, heads }
}

const mayBePassing = (error: unknown): boolean =>
  (error instanceof AuditError && error.code === "TAMPER") ||
  (error instanceof SinkError && error.code === "CHANGED")

/**
 * Copies a log to `to`, which is not there yet or an empty folder; writers go on meanwhile.
 * Errors: AuditError SETTINGS where `to` is not empty, TAMPER where the log is damaged, NOT_FOUND
 * where there is none; SinkError; nothing of the copy is left then.
 */
export const backupLog = async (
  work: BackupWork,
  places: LogPlaces,
  to: string,
  keys: KeysTaken = "none",
): Promise<Snapshot> => {
  demandVacant(to, "backup directory")
  if (!isThere(places.walDir)) {
    throw AuditError.of("NOT_FOUND", `there is no log in ${places.walDir}`)
  }
  try {
    for (let attempts = 1; ; attempts++) {
      const stage = await openStage(to)
      try {
        const snapshot = await fillStage(work, places, stage, keys)
        settleStage(to)
        return { dir: to, ...snapshot }
      } catch (error) {
        if (!mayBePassing(error) || attempts === attemptsMax) throw error
      }
    }
  } catch (error) {
    // The first error is the one to tell.
    await dropStage(to).catch(() => undefined)
    throw error
  }
}
