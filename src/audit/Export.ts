/**
 * Exporting a chain: copies of its sealed segments, signatures and checkpoints, and one signed
 * manifest a batch.
 *
 * The order makes a crash harmless at any point: what a manifest names is there before it, its
 * signature too; a batch without its manifest is made again by the next export.
 *
 * Source: FORMATS 5.
 */
import { join } from "node:path"
import type { Clock } from "../base/Clock.ts"
import { b3, b3Text, formatHash, genesis } from "../base/Hash.ts"
import * as Checkpoint from "../checkpoint/Checkpoint.ts"
import * as Manifest from "../checkpoint/Manifest.ts"
import type { Engine } from "../engine/Engine.ts"
import { RangeRoot } from "../merkle/Tree.ts"
import { formatEnvelopes } from "../signing/Envelope.ts"
import { contexts } from "../signing/Message.ts"
import type { Signer } from "../signing/Signer.ts"
import { makeDirectoryLater, writeFileDurably } from "../sink/Durable.ts"
import { manifestName, manifestSignatureName, segmentNumber } from "../sink/FileName.ts"
import { demandFolder, isThere } from "../sink/RegularFile.ts"
import {
  type ChainFiles,
  type ChainName,
  chainDirectory,
  keysDirectory,
  listChain,
  type Numbered,
  readHeader,
  readSmallFile,
} from "../sink/Segment.ts"
import { copyDurably } from "../sink/SinkExport.ts"
import { AuditError } from "./AuditError.ts"
import { certificateFiles } from "./KeyFolder.ts"
import { readFrames } from "./Read.ts"

export interface ExportOptions {
  readonly engine: Engine
  readonly clock: Clock
  readonly signer: Signer
  readonly logId: string
  readonly walDir: string
  readonly exportDir: string
  /** Called whenever a piece was copied. */
  readonly progress?: () => void
}

/** What an export added of one chain. */
export interface Exported extends ChainName {
  /** Path of the manifest; absent where nothing was new. */
  readonly manifest: string | undefined
  readonly segments: number
  readonly records: number
  readonly range: readonly [number, number] | undefined
}

interface Before {
  readonly number: number
  readonly digest: string
  /** Number of the last segment that it names. */
  readonly segment: number
  readonly checkpointedTo: number
}

const lastManifest = (files: ChainFiles): Before => {
  const last = files.manifests.at(-1)
  if (last === undefined) return { number: 0, digest: genesis, segment: 0, checkpointedTo: 0 }
  const bytes = readSmallFile(last.path)
  const manifest = Manifest.parse(bytes)
  return {
    number: last.number,
    digest: b3Text(bytes),
    segment: segmentNumber(manifest.segments.at(-1)?.file ?? "") ?? 0,
    checkpointedTo: manifest.checkpoints.at(-1)?.range[1] ?? 0,
  }
}

interface Measured {
  readonly first: number
  readonly count: number
  readonly root: string
}

/** Walks a segment, which verifies it, and gives what a manifest says of it. */
const measure = (
  options: ExportOptions,
  name: ChainName,
  files: ChainFiles,
  segment: Numbered,
): Measured => {
  const root = new RangeRoot(options.engine.merkleRoot)
  let first = 0
  const only = { ...files, segments: [segment] }
  for (const { firstSeq, result } of readFrames(options.engine, name, only, 1)) {
    if (first === 0) first = firstSeq
    root.add(result.hashes)
  }
  return { first, count: root.count, root: formatHash(root.root()) }
}

const exportSegment = async (
  options: ExportOptions,
  name: ChainName,
  files: ChainFiles,
  segment: Numbered,
  to: string,
): Promise<Manifest.ManifestSegment> => {
  const { engine } = options
  const { first, count, root } = measure(options, name, files, segment)
  const signatures = files.signatures.get(segment.number)
  const sig =
    signatures === undefined
      ? null
      : await copyDurably(
          signatures.path,
          join(to, signatures.file),
          engine.openHasher(),
          options.progress,
        )
  // Behind its signatures: a reader of the export must not find it without them.
  const copied = await copyDurably(
    segment.path,
    join(to, segment.file),
    engine.openHasher(),
    options.progress,
  )
  return {
    file: segment.file,
    offset: 0,
    count,
    range: [first, first + count - 1],
    root,
    bytes: copied.bytes,
    digest: formatHash(copied.digest),
    sig:
      sig === null || signatures === undefined
        ? null
        : { file: signatures.file, bytes: sig.bytes, digest: formatHash(sig.digest) },
  }
}

const exportCheckpoints = async (
  options: ExportOptions,
  files: ChainFiles,
  [after, upTo]: readonly [number, number],
  to: string,
): Promise<Array<Checkpoint.Checkpoint>> => {
  const exported: Array<Checkpoint.Checkpoint> = []
  for (const file of files.checkpoints) {
    const checkpoint = Checkpoint.parse(readSmallFile(file.path))
    // One over records that came in since the rotation waits for their segment.
    if (checkpoint.range[1] > upTo) break
    const cosig = files.cosignatures.get(file.number)
    // Co-signatures are added to old checkpoints too: they are copied whenever they are there.
    const { openHasher } = options.engine
    if (cosig !== undefined)
      await copyDurably(cosig.path, join(to, cosig.file), openHasher(), options.progress)
    if (checkpoint.range[1] <= after) continue
    await copyDurably(file.path, join(to, file.file), openHasher(), options.progress)
    exported.push(checkpoint)
  }
  return exported
}

const exportKeys = async (options: ExportOptions): Promise<Array<string>> => {
  const { walDir, exportDir, engine } = options
  const from = keysDirectory(walDir)
  const to = keysDirectory(exportDir)
  const digests: Array<string> = []
  if (isThere(from)) demandFolder(from)
  for (const file of certificateFiles(from)) {
    await makeDirectoryLater(to)
    const { digest } = await copyDurably(join(from, file), join(to, file), engine.openHasher())
    if (file.endsWith(".cert.json")) digests.push(formatHash(digest))
  }
  return digests.sort()
}

/**
 * Exports the sealed segments of one chain that are new; the writer may be at the next one already.
 * Errors: SinkError; SignerError; AuditError TAMPER for a segment that does not verify.
 */
export const exportChain = async (options: ExportOptions, name: ChainName): Promise<Exported> => {
  const { writerId, stream } = name
  const files = listChain(chainDirectory(options.walDir, writerId, stream))
  const to = chainDirectory(options.exportDir, writerId, stream)
  await makeDirectoryLater(to)
  const before = lastManifest(listChain(to))
  const nothing = {
    writerId,
    stream,
    manifest: undefined,
    segments: 0,
    records: 0,
    range: undefined,
  }
  const segments: Array<Manifest.ManifestSegment> = []
  for (const segment of files.segments) {
    if (segment.number <= before.segment) continue
    const header = readHeader(segment)
    const isSealed = header !== "incomplete" && !("what" in header) && header.count > 0
    if (!isSealed && segment === files.segments.at(-1)) break
    if (!isSealed) {
      throw AuditError.of("TAMPER", `${segment.path} is not sealed, so it cannot be exported`)
    }
    segments.push(await exportSegment(options, name, files, segment, to))
  }
  if (segments.length === 0) return nothing
  const range = [segments[0]!.range[0], segments.at(-1)!.range[1]] as const
  const news = [before.checkpointedTo, range[1]] as const
  const checkpoints = await exportCheckpoints(options, files, news, to)
  const certificates = await exportKeys(options)
  const manifest = {
    version: 1 as const,
    log_id: options.logId,
    stream,
    writer_id: writerId,
    segments,
    checkpoints,
    certificates,
    prev_manifest: before.digest,
    created_ts_ms: options.clock.nowMs(),
  }
  const path = await writeManifest(options.signer, to, before.number + 1, manifest)
  const records = range[1] - range[0] + 1
  return { writerId, stream, manifest: path, segments: segments.length, records, range }
}

const writeManifest = async (
  signer: Signer,
  to: string,
  number: number,
  manifest: Manifest.Manifest,
): Promise<string> => {
  const bytes = Manifest.format(manifest)
  const sig = await signer.sign(contexts.manifest, b3(bytes))
  const envelopes = [{ algoId: signer.algoId, keyId: signer.keyId, sig }]
  await writeFileDurably(join(to, manifestSignatureName(number)), formatEnvelopes(envelopes))
  const path = join(to, manifestName(number))
  await writeFileDurably(path, bytes)
  return path
}
