/**
 * The receipt of a stored record: everything beside the log that proves it, put together.
 *
 * Reads a WAL or an export directory without its lock, so it may stand beside a live writer. Every
 * frame that goes into a path is checked on the way; whether the signatures lead to an anchor is
 * for who verifies the receipt. Source: FORMATS 8.
 */
import { join } from "node:path"
import { dataView, equal } from "../base/Bytes.ts"
import { hashBytes } from "../base/Hash.ts"
import { certificatesMax } from "../base/Limits.ts"
import * as Checkpoint from "../checkpoint/Checkpoint.ts"
import { type Engine, frameInfoBytes } from "../engine/Engine.ts"
import { readFrame } from "../record/Frame.ts"
import { type AuditRecord, parseBody } from "../record/Record.ts"
import { DocumentError } from "../signing/Document.ts"
import { type Envelope, parseEnvelopes } from "../signing/Envelope.ts"
import { type KeyCertificate, parseCertificate } from "../signing/KeyCertificate.ts"
import {
  type ChainFiles,
  type ChainName,
  chainDirectory,
  keysDirectory,
  listChain,
  type Numbered,
  readSmallFile,
} from "../sink/Segment.ts"
import { insteadOf } from "../sink/SinkError.ts"
import { AuditError } from "./AuditError.ts"
import { openedLogId } from "./ChainVerify.ts"
import { certificateFiles } from "./KeyFolder.ts"
import { readFrames } from "./Read.ts"
import { buildReceipt, type Receipt } from "./Receipt.ts"
import { type PlacedEntry, SignatureReader } from "./SignatureFile.ts"

interface Covering {
  readonly checkpoint: Checkpoint.Checkpoint
  readonly cosignatures: ReadonlyArray<Envelope>
}

/** The checkpoint over a record, by halving: ranges tile the chain. */
const findCheckpoint = (files: ChainFiles, seq: number): Covering | undefined => {
  let [low, high] = [0, files.checkpoints.length - 1]
  while (low <= high) {
    const middle = (low + high) >> 1
    const file = files.checkpoints[middle]
    if (file === undefined) return undefined
    const checkpoint = Checkpoint.parse(readSmallFile(file.path))
    if (seq < checkpoint.range[0]) high = middle - 1
    else if (seq > checkpoint.range[1]) low = middle + 1
    else return { checkpoint, cosignatures: readCosignatures(files, file) }
  }
  return undefined
}

const readCosignatures = (files: ChainFiles, file: Numbered): ReadonlyArray<Envelope> => {
  const cosig = files.cosignatures.get(file.number)
  const envelopes = cosig === undefined ? [] : parseEnvelopes(readSmallFile(cosig.path))
  return "what" in envelopes ? [] : envelopes
}

/** The `.sig` entry over a record. */
const findEntry = (file: Numbered | undefined, seq: number): PlacedEntry["entry"] | undefined => {
  const reader = new SignatureReader(file)
  try {
    for (let placed = reader.take(); placed !== undefined; placed = reader.take()) {
      if (placed.entry.last >= seq) return placed.entry.first <= seq ? placed.entry : undefined
    }
    const found = reader.broken?.instead?.found
    if (found !== undefined) {
      const message = `${file?.file} is no regular file (${found}); run audit verify`
      throw AuditError.of("TAMPER", message)
    }
    return undefined
  } finally {
    reader.close()
  }
}

interface Found {
  readonly record: AuditRecord
  readonly entry: PlacedEntry["entry"] | undefined
}

/** The stored hashes of a range, gathered as the chain is walked. */
class Hashes {
  readonly first: number
  readonly last: number
  readonly bytes: Uint8Array

  constructor(first: number, last: number) {
    this.first = first
    this.last = last
    this.bytes = new Uint8Array((last - first + 1) * hashBytes)
  }

  take(firstSeq: number, hashes: Uint8Array): void {
    const lastSeq = firstSeq + hashes.length / hashBytes - 1
    const from = Math.max(this.first, firstSeq)
    const to = Math.min(this.last, lastSeq)
    if (from > to) return
    const part = hashes.subarray((from - firstSeq) * hashBytes, (to + 1 - firstSeq) * hashBytes)
    this.bytes.set(part, (from - this.first) * hashBytes)
  }
}

const title = ({ writerId, stream }: ChainName): string => `${writerId} / ${stream}`

const findRecord = (engine: Engine, name: ChainName, files: ChainFiles, seq: number): Found => {
  let head = 0
  for (const walked of readFrames(engine, name, files, seq)) {
    head = walked.firstSeq + walked.result.count - 1
    if (seq < walked.firstSeq || seq > head) continue
    const at = (seq - walked.firstSeq) * frameInfoBytes
    const frame = readFrame(walked.bytes, dataView(walked.result.infos).getUint32(at, true))
    if (frame === "incomplete" || "what" in frame) break
    const record = { ...parseBody(frame.body), self_hash: frame.selfHash }
    return { record, entry: findEntry(files.signatures.get(walked.segment.number), seq) }
  }
  const end = head === 0 ? "it has none that can be read" : `its last one is ${head}`
  throw AuditError.of("NOT_FOUND", `${title(name)} has no record ${seq}: ${end}`)
}

const gather = (
  engine: Engine,
  name: ChainName,
  files: ChainFiles,
  ranges: ReadonlyArray<Hashes>,
): void => {
  const first = Math.min(...ranges.map((range) => range.first))
  const last = Math.max(...ranges.map((range) => range.last))
  let reached = 0
  for (const { firstSeq, result } of ranges.length === 0
    ? []
    : readFrames(engine, name, files, first)) {
    for (const range of ranges) range.take(firstSeq, result.hashes)
    reached = firstSeq + result.count - 1
    if (reached >= last) return
  }
  if (ranges.length === 0) return
  const message = `${title(name)} ends at ${reached}, before what is signed to ${last}`
  throw AuditError.of("TAMPER", `${message}; run audit verify`)
}

const readCertificates = (
  root: string,
  keyIds: ReadonlySet<string>,
): ReadonlyArray<KeyCertificate> => {
  const directory = keysDirectory(root)
  return certificateFiles(directory)
    .filter((file) => file.endsWith(".cert.json") && keyIds.has(`b3:${file.slice(0, 32)}`))
    .slice(0, certificatesMax)
    .flatMap((file) => {
      try {
        return [parseCertificate(readSmallFile(join(directory, file)))]
      } catch (error) {
        // One that cannot be read vouches for nothing; the rest may.
        if (error instanceof DocumentError || insteadOf(error) !== undefined) return []
        throw error
      }
    })
}

/**
 * The receipt of record `seq` of a chain below `root`.
 * Errors: AuditError NOT_FOUND, TAMPER; DocumentError for a damaged checkpoint; SinkError.
 * Cost: reads the segments of the record's batch and checkpoint; 2 hashes a record of both.
 */
export const proveRecord = (
  engine: Engine,
  root: string,
  name: ChainName,
  seq: number,
): Receipt => {
  const files = listChain(chainDirectory(root, name.writerId, name.stream))
  const { record, entry } = findRecord(engine, name, files, seq)
  const covering = findCheckpoint(files, seq)
  const logId = openedLogId(files) ?? covering?.checkpoint.log_id
  if (logId === undefined) {
    throw AuditError.of("TAMPER", `${title(name)} does not say which log it is of`)
  }
  const batch = entry === undefined || entry.root === null ? undefined : entry
  const batchHashes = batch && new Hashes(batch.first, batch.last)
  const [first, last] = covering?.checkpoint.range ?? [0, -1]
  const checkpointHashes = covering && new Hashes(first, last)
  gather(
    engine,
    name,
    files,
    [batchHashes, checkpointHashes].filter((range) => range !== undefined),
  )
  if (batch?.root && batchHashes) demandRoot(engine, name, batch.root, batchHashes)
  const signatures = entry === undefined || entry.root !== null ? [] : entry.envelopes
  const keyIds = new Set((entry?.envelopes ?? []).map(({ keyId }) => keyId))
  return buildReceipt({
    logId,
    record,
    signatures,
    batch: batch &&
      batchHashes && {
        first: batch.first,
        last: batch.last,
        hashes: batchHashes.bytes,
        signatures: batch.envelopes,
      },
    checkpoint: covering && checkpointHashes && { ...covering, hashes: checkpointHashes.bytes },
    certificates: readCertificates(root, keyIds),
    // The engine reuses its answer's memory.
    rootOf: (leafData) => engine.merkleRoot(leafData, "leaves").slice(),
  })
}

const demandRoot = (engine: Engine, name: ChainName, root: Uint8Array, hashes: Hashes): void => {
  if (equal(engine.merkleRoot(hashes.bytes, "leaves"), root)) return
  const range = `${hashes.first} to ${hashes.last}`
  throw AuditError.of("TAMPER", `${title(name)}: the batch root over ${range} is another`)
}
