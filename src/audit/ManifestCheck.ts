/**
 * The manifests beside an exported chain, held against its files and against what the walk found.
 *
 * Source: FORMATS 5 and 7.
 */
import { b3, b3Text, formatHash, genesis } from "../base/Hash.ts"
import * as Checkpoint from "../checkpoint/Checkpoint.ts"
import * as Manifest from "../checkpoint/Manifest.ts"
import type { Engine } from "../engine/Engine.ts"
import { DocumentError } from "../signing/Document.ts"
import { contexts } from "../signing/Message.ts"
import { verifyAnchored } from "../signing/Verifier.ts"
import { ChunkReader } from "../sink/ChunkReader.ts"
import { manifestName, manifestSignatureName, segmentNumber } from "../sink/FileName.ts"
import { isThere } from "../sink/RegularFile.ts"
import { type ChainFiles, listChain, type Numbered, readSmallFile } from "../sink/Segment.ts"
import { insteadOf } from "../sink/SinkError.ts"
import type { ChainReport } from "./ChainVerify.ts"
import type { Finding, FindingKind } from "./Finding.ts"
import type { KeyJudge } from "./KeyJudge.ts"
import { readEnvelopes } from "./SignatureFile.ts"

/** Last of the files that can be read; a damaged one must not hide those before it. */
const lastReadable = (files: ReadonlyArray<Numbered>, lastSeq: (bytes: Uint8Array) => number) => {
  for (const file of [...files].reverse()) {
    try {
      return lastSeq(readSmallFile(file.path))
    } catch (error) {
      if (!(error instanceof DocumentError) && insteadOf(error) === undefined) throw error
    }
  }
  return 0
}

/** Last seq that the manifests and checkpoints in a chain's export folder cover, 0 without any. */
export const exportedTo = (directory: string): number => {
  if (!isThere(directory)) return 0
  const { manifests, checkpoints } = listChain(directory)
  return Math.max(
    lastReadable(manifests, (bytes) => Manifest.parse(bytes).segments.at(-1)?.range[1] ?? 0),
    manifests.length === 0
      ? 0
      : lastReadable(checkpoints, (bytes) => Checkpoint.parse(bytes).range[1]),
  )
}

/** BLAKE3 of a whole file, read in pieces. */
const digestOf = (engine: Engine, file: Numbered): string => {
  const hasher = engine.openHasher()
  const reader = new ChunkReader(file, 0)
  try {
    reader.advance(0)
    while (reader.bytes.length > 0) {
      hasher.update(reader.bytes)
      reader.advance(reader.bytes.length)
    }
    return formatHash(hasher.digest())
  } finally {
    reader.close()
  }
}

interface Check {
  readonly engine: Engine
  readonly files: ChainFiles
  readonly judge: KeyJudge
  readonly report: ChainReport
  readonly findings: Array<Finding>
  /** Range to signed digest of the checkpoint files that can be read. */
  readonly beside: ReadonlyMap<string, string>
}

const readCheckpoints = (files: ChainFiles): ReadonlyMap<string, string> => {
  const beside = new Map<string, string>()
  for (const { path } of files.manifests.length === 0 ? [] : files.checkpoints) {
    try {
      const checkpoint = Checkpoint.parse(readSmallFile(path))
      beside.set(checkpoint.range.join(" to "), Checkpoint.digestOf(checkpoint))
    } catch (error) {
      if (!(error instanceof DocumentError) && insteadOf(error) === undefined) throw error
    }
  }
  return beside
}

type Find = (kind: FindingKind, seq: number, expected: string, found: string, file?: string) => void

/** Findings about the manifests of a chain that was walked to its end. */
export const verifyManifests = (
  engine: Engine,
  files: ChainFiles,
  judge: KeyJudge,
  report: ChainReport,
): Array<Finding> => {
  const findings: Array<Finding> = []
  const beside = readCheckpoints(files)
  const check = { engine, files, judge, report, findings, beside }
  let prev: string | undefined = genesis
  let nextSeq: number | undefined
  let beyond: { readonly seq: number; readonly file: string } | undefined
  for (const [index, file] of files.manifests.entries()) {
    const find: Find = (kind, seq, expected, found, name = file.file) =>
      void findings.push({ kind, seq, file: name, offset: 0, expected, found })
    if (file.number !== index + 1 && prev !== undefined) {
      find("manifest_gap", nextSeq ?? 1, manifestName(index + 1), file.file)
      prev = undefined
    }
    const read = readManifest(file, find, nextSeq ?? 1)
    if (read === undefined) {
      prev = undefined
      nextSeq = undefined
      continue
    }
    const { bytes, manifest } = read
    const first = manifest.segments[0]?.range[0] ?? nextSeq ?? 1
    if (prev !== undefined && manifest.prev_manifest !== prev) {
      find("manifest_gap", first, prev, manifest.prev_manifest)
    } else if (nextSeq !== undefined && first !== nextSeq) {
      find("manifest_gap", nextSeq, `a range from ${nextSeq}`, `from ${first}`)
    }
    checkNames(check, manifest, find, first)
    for (const segment of manifest.segments) checkSegment(check, segment, find)
    checkCheckpoints(check, manifest, find)
    checkSignature(check, file, bytes, find, first)
    prev = b3Text(bytes)
    const last = manifest.segments.at(-1)?.range[1] ?? first - 1
    nextSeq = last + 1
    if (last > report.state.seq && !report.endsEarly) beyond = { seq: last, file: file.file }
  }
  for (const { file, instead } of files.manifestSignatures.values()) {
    if (instead === undefined || findings.some((found) => found.file === file)) continue
    const expected = "a regular file"
    findings.push({ kind: "frame", seq: nextSeq ?? 1, file, offset: 0, expected, found: instead })
  }
  if (beyond !== undefined) {
    const { seq } = report.state
    const expected = `records to seq ${beyond.seq}, which are exported`
    const { file } = beyond
    findings.push({ kind: "truncated", seq: seq + 1, file, offset: 0, expected, found: `${seq}` })
  }
  return findings
}

const readManifest = (
  { path }: Numbered,
  find: Find,
  seq: number,
): { readonly bytes: Uint8Array; readonly manifest: Manifest.Manifest } | undefined => {
  try {
    const bytes = readSmallFile(path)
    return { bytes, manifest: Manifest.parse(bytes) }
  } catch (error) {
    const instead = insteadOf(error)
    if (instead !== undefined) find("canon", seq, instead.expected, instead.found)
    else if (error instanceof DocumentError) {
      find("canon", seq, "a canonical manifest", error.message)
    } else throw error
    return undefined
  }
}

const checkNames = (
  { report }: Check,
  manifest: Manifest.Manifest,
  find: Find,
  first: number,
): void => {
  const { writerId, stream, declared } = report
  if (manifest.writer_id !== writerId || manifest.stream !== stream) {
    const found = `${manifest.writer_id} / ${manifest.stream}`
    find("wrong_stream", first, `${writerId} / ${stream}`, found)
  }
  if (declared !== undefined && manifest.log_id !== declared.logId) {
    find("wrong_log", first, declared.logId, manifest.log_id)
  }
}

const checkFile = (
  { engine }: Check,
  named: Manifest.ManifestFile,
  file: Numbered | undefined,
  seq: number,
  find: Find,
  missing: "segment_missing" | "sig_missing",
): void => {
  // The walk says what stands in a file's place.
  if (file?.instead !== undefined) return
  if (file === undefined) find(missing, seq, named.file, "no such file", named.file)
  else if (file.size < named.bytes) {
    find("truncated", seq, `${named.bytes} bytes`, `${file.size}`, named.file)
  } else {
    const digest = file.size === named.bytes ? digestOf(engine, file) : `${file.size} bytes`
    if (digest !== named.digest) find("hash_mismatch", seq, named.digest, digest, named.file)
  }
}

const checkSegment = (check: Check, segment: Manifest.ManifestSegment, find: Find): void => {
  const { files, report } = check
  const number = segmentNumber(segment.file)
  const first = segment.range[0]
  checkFile(
    check,
    segment,
    files.segments.find((file) => file.number === number),
    first,
    find,
    "segment_missing",
  )
  if (segment.sig !== null) {
    checkFile(check, segment.sig, files.signatures.get(number ?? 0), first, find, "sig_missing")
  }
  const walked = report.segments.find((found) => found.number === number)
  if (walked === undefined) return
  if (segment.offset !== 0) {
    // Exports are of whole segments.
    find("manifest_gap", first, "offset 0", `${segment.offset}`)
  } else if (walked.first !== first || walked.count !== segment.count) {
    const found = `seq ${walked.first} and ${walked.count} frames`
    find("manifest_gap", first, `seq ${first} and ${segment.count} frames`, found)
  } else if (walked.root !== segment.root) {
    find("root_mismatch", first, segment.root, walked.root)
  }
}

/** The checkpoints inside a manifest are those beside it. */
const checkCheckpoints = ({ beside }: Check, manifest: Manifest.Manifest, find: Find): void => {
  for (const checkpoint of manifest.checkpoints) {
    const [first, last] = checkpoint.range
    const digest = formatHash(b3(Checkpoint.signedBytes(checkpoint)))
    const found = beside.get(`${first} to ${last}`)
    if (found === undefined) {
      find("checkpoint_gap", first, `a checkpoint over ${first} to ${last}`, "none beside it")
    } else if (found !== digest) find("fork", first, digest, found)
  }
}

const checkSignature = (
  { files, judge }: Check,
  file: Numbered,
  bytes: Uint8Array,
  find: Find,
  seq: number,
): void => {
  if (judge.trust.keys.length === 0) return
  const sig = files.manifestSignatures.get(file.number)
  const name = manifestSignatureName(file.number)
  if (sig === undefined) return find("sig_missing", seq, name, "no such file")
  const envelopes = readEnvelopes(sig)
  if ("found" in envelopes) return find("frame", seq, envelopes.expected, envelopes.found, name)
  let counts = false
  let isWrong = false
  for (const envelope of envelopes) {
    const { verdict } = verifyAnchored(
      judge.trust,
      "checkpoint",
      envelope,
      contexts.manifest,
      b3(bytes),
    )
    if (verdict === "valid") counts = true
    const isBarred = verdict === "unknown" && judge.isBarred(envelope.keyId)
    if (verdict === "invalid" || verdict === "purpose" || isBarred) {
      isWrong = true
      find("sig_invalid", seq, "a signature that counts", `one by ${envelope.keyId}`, name)
    }
  }
  if (counts || isWrong) return
  if (envelopes.length === 0) find("sig_missing", seq, "a signature", "none", name)
  else find("key_unknown", seq, "a signature that leads to an anchor", "an unknown key", name)
}
