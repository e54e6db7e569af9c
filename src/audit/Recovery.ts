/**
 * Opening an existing chain: verify the newest segment, the seals, the last checkpoint and the
 * head; cut a torn tail; say what the writer has to sign. Everything else is tampering, and a
 * tampered chain is frozen: nothing more is written to it.
 *
 * Crash windows and what this finds:
 * - a file under its temporary name: removed, it never was part of the log
 * - a half-written frame or `.sig` entry at the end: copied to `.torn-K`, fsynced, cut
 * - frames without their signature entry: handed to the writer to sign
 * - a sealed segment and no next one: the writer begins the next
 * - a first segment without its StreamOpened: no chain yet, the writer begins it there
 *
 * Older segments are left to the scrub, but for the last records whose op_ids are remembered.
 * Source: FORMATS 4, Recovery and Opening.
 */
import { closeSync, constants, fsyncSync, ftruncateSync, readdirSync, unlinkSync } from "node:fs"
import type { FileHandle } from "node:fs/promises"
import { join } from "node:path"
import { concat, dataView, toHex } from "../base/Bytes.ts"
import { genesis } from "../base/Hash.ts"
import { opIdWindow, segmentHeaderBytes, unsyncedBytesMax } from "../base/Limits.ts"
import { emptyChain } from "../chain/Chain.ts"
import * as Checkpoint from "../checkpoint/Checkpoint.ts"
import { type ChainState, flagOpId, frameInfoBytes } from "../engine/Engine.ts"
import { syncDirectory, syncFile, temporarySuffix, writeFileDurably } from "../sink/Durable.ts"
import { segmentName, tornName } from "../sink/FileName.ts"
import { openRegular } from "../sink/RegularFile.ts"
import { type ChainFiles, listChain, readSmallFile } from "../sink/Segment.ts"
import { attempt } from "../sink/SinkError.ts"
import { AuditError } from "./AuditError.ts"
import { type ChainInput, type ChainReport, type TornBytes, verifyChain } from "./ChainVerify.ts"
import type { CheckpointHead } from "./Checkpointer.ts"
import type { Declaration } from "./Declaration.ts"
import { type Finding, weightOf } from "./Finding.ts"
import { finding, readHeads, type SegmentHead, stateBefore, walkOlder } from "./Seals.ts"
import { fileTail, isZero, type TailBytes } from "./TornTail.ts"
import type { WalkedFrames } from "./Walk.ts"

/** A chain that tampering has stopped. */
export interface FrozenChain {
  readonly kind: "frozen"
  readonly finding: Finding
  readonly state: ChainState
}

export interface RecoveredChain {
  readonly kind: "ready"
  readonly state: ChainState
  readonly declared: Declaration
  readonly newest: { readonly number: number; readonly count: number; readonly open: boolean }
  readonly checkpoint: CheckpointHead
  /** self_hash of every record behind the last checkpoint; reads older segments when it must. */
  readonly pending: () => Uint8Array
  /** Records found without the signature that the chain declares. */
  readonly unsigned: { readonly first: number; readonly hashes: Uint8Array } | undefined
  readonly cut: { readonly bytes: number; readonly file: string } | undefined
  /** Hex of the op_ids of the last 65,536 records at least, oldest first, with their seq. */
  readonly opIds: Map<string, number>
}

/** A folder without a record: no chain yet, or one whose first write a crash cut short. */
export interface FreshChain extends Pick<RecoveredChain, "newest" | "cut"> {
  readonly kind: "fresh"
}

export const freshChain: FreshChain = {
  kind: "fresh",
  newest: { number: 0, count: 0, open: false },
  cut: undefined,
}

/** What verifyChain needs, but for where to begin. */
export type RecoveryInput = Omit<ChainInput, "from" | "files" | "watch" | "require">

const removeTemporaries = (directory: string): void => {
  attempt("remove unfinished files from", directory, () => {
    for (const name of readdirSync(directory)) {
      if (name.endsWith(temporarySuffix)) unlinkSync(join(directory, name))
    }
  })
}

const copyBytes = 1 << 20

/** In pieces; zeros stay holes, as they may have been: a tail can be larger than the disk. */
const copyTail = async (tail: TailBytes, copy: FileHandle): Promise<void> => {
  for (let at = 0; at < tail.length; at += copyBytes) {
    const piece = tail.read(at, copyBytes)
    if (!isZero(piece)) await writeWhole(copy, piece, at)
  }
  await copy.truncate(tail.length)
}

const writeWhole = async (file: FileHandle, bytes: Uint8Array, position: number): Promise<void> => {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}

/** Copies a torn tail aside, durably, before it is cut. FORMATS 4: never deleted. */
const cutTail = async (
  directory: string,
  file: string,
  torn: TornBytes,
  taken: ReadonlyArray<string>,
): Promise<string> => {
  const path = join(directory, file)
  const base = file.replace(/\.seg$/, "")
  let k = 1
  while (taken.includes(tornName(base, k))) k++
  const aside = tornName(base, k)
  const tail = fileTail(path, torn.offset, torn.offset + torn.bytes)
  await writeFileDurably(join(directory, aside), (copy) => copyTail(tail, copy))
  attempt("cut the torn tail of", path, () => {
    const fd = openRegular(path, { flags: constants.O_RDWR })
    try {
      ftruncateSync(fd, torn.offset)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  })
  return aside
}

/** Frames of the newest segment as the walk gave them. */
class Seen {
  readonly walked: Array<WalkedFrames> = []
  readonly opIds = new Map<string, number>()

  readonly watch = (walked: WalkedFrames): void => {
    // Keep the results, not the chunk that they were read from.
    this.walked.push({ ...walked, bytes: new Uint8Array(0) })
    noteOpIds(this.opIds, walked)
  }

  get hashes(): Uint8Array {
    return concat(...this.walked.map(({ result }) => result.hashes))
  }

  /** Offset in the file of a record. */
  offsetOf(seq: number): number | undefined {
    const part = this.walked.find((walked) => seq < walked.firstSeq + walked.result.count)
    if (part === undefined || seq < part.firstSeq) return undefined
    const at = (seq - part.firstSeq) * frameInfoBytes
    return part.offset + dataView(part.result.infos).getUint32(at, true)
  }
}

const noteOpIds = (opIds: Map<string, number>, walked: WalkedFrames): void => {
  const { infos, count } = walked.result
  const view = dataView(infos)
  for (let i = 0; i < count; i++) {
    const at = i * frameInfoBytes
    if ((view.getUint32(at + 4, true) & flagOpId) === 0) continue
    opIds.set(toHex(infos.subarray(at + 16, at + 32)), walked.firstSeq + i)
  }
}

/** op_ids of older segments until the last 65,536 records are looked at. */
const widenWindow = (
  input: RecoveryInput,
  heads: ReadonlyArray<SegmentHead>,
  headSeq: number,
  newest: Map<string, number>,
): Map<string, number> | Finding => {
  const parts = [newest]
  for (let index = heads.length - 2; index >= 0; index--) {
    if (headSeq - (heads[index + 1]?.before ?? 0) >= opIdWindow) break
    const older = new Map<string, number>()
    const wrong = walkOlder(input, heads, index, (walked) => noteOpIds(older, walked))
    if (wrong !== undefined) return wrong
    parts.unshift(older)
  }
  const all = new Map(parts.flatMap((part) => [...part]))
  for (const id of all.keys()) {
    if (all.size <= opIdWindow) break
    all.delete(id)
  }
  return all
}

const lastCheckpoint = (files: ChainFiles): CheckpointHead => {
  const last = files.checkpoints.at(-1)
  if (last === undefined) return { number: 0, lastSeq: 0, digest: genesis }
  const checkpoint = Checkpoint.parse(readSmallFile(last.path))
  return {
    number: last.number,
    lastSeq: checkpoint.range[1],
    digest: Checkpoint.digestOf(checkpoint),
  }
}

/** hashes of the records behind `after`, the newest segment's being known. */
const pendingHashes = (
  input: RecoveryInput,
  heads: ReadonlyArray<SegmentHead>,
  after: number,
  newest: Uint8Array,
): Uint8Array => {
  const newestBefore = heads.at(-1)?.before ?? 0
  if (after >= newestBefore) return newest.subarray((after - newestBefore) * 32)
  const parts: Array<Uint8Array> = []
  const from = heads.findLastIndex((head) => head.before <= after)
  for (let index = from; index < heads.length - 1; index++) {
    const wrong = walkOlder(input, heads, index, ({ result }) => void parts.push(result.hashes))
    if (wrong !== undefined) {
      throw AuditError.of("TAMPER", `${wrong.file}: ${wrong.kind} at seq ${wrong.seq}`)
    }
  }
  const skip = after - (heads[from]?.before ?? 0)
  return concat(concat(...parts).subarray(skip * 32), newest)
}

/** FORMATS 4: a head behind what is known of it is a rollback. */
const asRollback = (found: Finding): Finding =>
  found.kind === "truncated" ? { ...found, kind: "rollback" } : found

/** FORMATS 4: a head that is behind the export directory is a rollback. */
const behindExport = (
  { exportedTo }: RecoveryInput,
  files: ChainFiles,
  { seq }: ChainState,
): Finding | undefined => {
  if (exportedTo <= seq) return undefined
  const file = files.segments.at(-1)
  const expected = `records to seq ${exportedTo}, which are exported`
  return finding("rollback", seq + 1, file?.file ?? "", file?.size ?? 0, expected, `${seq}`)
}

const firstDamning = (report: ChainReport): Finding | undefined =>
  report.findings.find(({ kind }) => weightOf(kind) === "damning" || kind === "segment_missing")

/** Records at the end whose declared signature is missing. */
const unsignedOf = (report: ChainReport, declared: Declaration, seen: Seen, before: number) => {
  const last = report.signatures.at(-1)
  if (declared.signing === "checkpoint" || last?.state !== "none") return undefined
  if (last.last !== report.state.seq) return undefined
  const hashes = seen.hashes.subarray((last.first - 1 - before) * 32)
  return { first: last.first, hashes }
}

const freeze = (found: Finding, state: ChainState): FrozenChain => ({
  kind: "frozen",
  finding: asRollback(found),
  state,
})

/**
 * Makes durable what an ended process may have left to the operating system: from now on it counts
 * as durable, signatures are made over it and files after it. What the last checkpoint covers was
 * durable before that was signed; `durableTo` is its end in the newest segment, in bytes.
 */
const settle = (directory: string, files: ChainFiles, durableTo?: number): void => {
  const newest = files.segments.at(-1)
  const signatures = files.signatures.get(newest?.number ?? 0)
  // The count in the header is written after all else.
  if (newest !== undefined) syncFile(newest.path, segmentHeaderBytes, durableTo)
  if (signatures !== undefined) syncFile(signatures.path)
  syncDirectory(directory)
}

/**
 * Recovers the chain in a folder; `fresh` when it has no record yet.
 * Errors: SinkError; AuditError TAMPER from `pending`. Cost: reads the newest segment and, for the
 * op_id window, what it takes of older ones to reach 65,536 records.
 */
export const recover = async (
  directory: string,
  input: RecoveryInput,
): Promise<RecoveredChain | FrozenChain | FreshChain> => {
  // First, for it refuses a folder that is a link to elsewhere.
  const files = listChain(directory)
  removeTemporaries(directory)
  const heads = readHeads(files)
  if (!Array.isArray(heads)) return freeze(heads, emptyChain)
  const index = Math.max(0, heads.length - 1)
  const state = stateBefore(heads, index)
  const head = heads[index]
  const declared = head?.declared
  if (state === undefined) {
    const found = finding("frame", (head?.before ?? 0) + 1, "", 0, "a whole last frame", "none")
    return freeze(found, emptyChain)
  }
  const seen = new Seen()
  const run = verifyChain({
    ...input,
    files,
    require: "signed",
    watch: seen.watch,
    ...(index > 0 && declared !== undefined ? { from: { segment: index, state, declared } } : {}),
  })
  let step = run.next()
  while (!step.done) step = run.next()
  return conclude(directory, input, { files, heads, seen, report: step.value })
}

const conclude = async (
  directory: string,
  input: RecoveryInput,
  read: { files: ChainFiles; heads: ReadonlyArray<SegmentHead>; seen: Seen; report: ChainReport },
): Promise<RecoveredChain | FrozenChain | FreshChain> => {
  const { files, heads, seen, report } = read
  const { state, declared, newest } = report
  const before = heads.at(-1)?.before ?? 0
  const damning = firstDamning(report) ?? behindExport(input, files, state)
  if (damning !== undefined) return freeze(damning, state)
  if (declared === undefined) {
    const cut = await cutTorn(directory, files, report)
    settle(directory, files)
    return { kind: "fresh", newest, cut }
  }
  const unsigned = unsignedOf(report, declared, seen, before)
  const unsignedFrom = unsigned === undefined ? undefined : seen.offsetOf(unsigned.first)
  const end = report.torn?.offset ?? files.segments.at(-1)?.size ?? 0
  if (declared.fsync === "always" && unsignedFrom !== undefined) {
    const bytes = end - unsignedFrom
    if (bytes > unsyncedBytesMax) {
      const expected = "at most 1 MiB of unsigned frames"
      const at = unsigned?.first ?? 0
      const file = segmentName(newest.number)
      return freeze(
        finding("sig_missing", at, file, unsignedFrom, expected, `${bytes} bytes`),
        state,
      )
    }
  }
  const opIds = widenWindow(input, heads, state.seq, seen.opIds)
  if (!(opIds instanceof Map)) return freeze(opIds, state)
  const checkpoint = lastCheckpoint(files)
  const cut = await cutTorn(directory, files, report)
  const isCovered = checkpoint.lastSeq >= state.seq
  settle(directory, files, isCovered ? end : seen.offsetOf(checkpoint.lastSeq + 1))
  const hashes = seen.hashes
  return {
    kind: "ready",
    state,
    declared,
    newest,
    checkpoint,
    pending: () => pendingHashes(input, heads, checkpoint.lastSeq, hashes),
    unsigned,
    cut,
    opIds,
  }
}

const cutTorn = async (
  directory: string,
  files: ChainFiles,
  report: ChainReport,
): Promise<RecoveredChain["cut"]> => {
  const { torn, tornSignatures } = report
  let file: string | undefined
  const segment = files.segments.at(-1)
  if (torn !== undefined && segment !== undefined) {
    file = await cutTail(directory, segment.file, torn, files.torn)
  }
  const signatures = files.signatures.get(tornSignatures?.segment ?? 0)
  if (tornSignatures !== undefined && signatures !== undefined) {
    const aside = await cutTail(directory, signatures.file, tornSignatures, files.torn)
    file ??= aside
  }
  if (file === undefined) return undefined
  return { bytes: (torn?.bytes ?? 0) + (tornSignatures?.bytes ?? 0), file }
}
