/**
 * The manifest: what one export batch holds, file by file, with sizes, digests and roots.
 *
 * - Covers whole sealed segments, so no file it names ever changes again.
 * - Names its predecessor by digest: a manifest that is left out shows.
 *
 * Does not protect against a signer who signs two histories.
 * Source: FORMATS 5.
 */
import { utf8 } from "../base/Bytes.ts"
import { b3Text, type HashText } from "../base/Hash.ts"
import { jsonFileBytesMax, segmentHeaderBytes } from "../base/Limits.ts"
import { format as formatJson } from "../record/Canonical.ts"
import { type Field, openCanonical } from "../signing/Document.ts"
import { type Checkpoint, fromField as checkpointFromField } from "./Checkpoint.ts"

export interface ManifestFile {
  /** Base name, beside the manifest. */
  readonly file: string
  /** Of the whole file. */
  readonly bytes: number
  readonly digest: HashText
}

export interface ManifestSegment extends ManifestFile {
  /** Units: bytes from the end of the segment header. */
  readonly offset: number
  readonly count: number
  readonly range: readonly [number, number]
  readonly root: HashText
  readonly sig: ManifestFile | null
}

/** Shape: the members of the file. */
export interface Manifest {
  readonly version: 1
  readonly log_id: string
  readonly stream: string
  readonly writer_id: string
  readonly segments: ReadonlyArray<ManifestSegment>
  readonly checkpoints: ReadonlyArray<Checkpoint>
  /** BLAKE3 of each certificate file. */
  readonly certificates: ReadonlyArray<HashText>
  /** BLAKE3 of the previous manifest file, `b3:0` for the first. */
  readonly prev_manifest: HashText
  /** Units: Unix milliseconds. */
  readonly created_ts_ms: number
}

/** A segment holds at least a header and a frame of some hundred bytes: 64 MiB bound both. */
const entriesMax = 1 << 19

/** The bytes of the file; a signature is over their BLAKE3. */
export const format = (manifest: Manifest): Uint8Array =>
  utf8(
    formatJson({
      ...manifest,
      segments: manifest.segments.map((segment) => ({
        ...segment,
        sig: segment.sig === null ? null : { ...segment.sig },
      })),
      checkpoints: manifest.checkpoints.map((checkpoint) => ({ ...checkpoint })),
    }),
  )

/** The `prev_manifest` of the manifest that follows. Shape: the bytes of the file. */
export const digestOf = (bytes: Uint8Array): HashText => b3Text(bytes)

/** Reads a file. Errors: DocumentError where the bytes are not a canonical manifest. */
export const parse = (bytes: Uint8Array): Manifest => {
  const given = openCanonical("manifest", bytes, jsonFileBytesMax).object([
    "version",
    "log_id",
    "stream",
    "writer_id",
    "segments",
    "checkpoints",
    "certificates",
    "prev_manifest",
    "created_ts_ms",
  ])
  given.version.exactly(1)
  return {
    version: 1,
    log_id: given.log_id.logId(),
    stream: given.stream.stream(),
    writer_id: given.writer_id.writerId(),
    segments: given.segments.array(entriesMax).map(segmentFromField),
    checkpoints: given.checkpoints.array(entriesMax).map(checkpointFromField),
    certificates: given.certificates.array(entriesMax).map((hash) => hash.hash()),
    prev_manifest: given.prev_manifest.hashOrGenesis(),
    created_ts_ms: given.created_ts_ms.integer(0),
  }
}

const segmentFromField = (field: Field): ManifestSegment => {
  const given = field.object(["file", "offset", "count", "range", "root", "bytes", "digest", "sig"])
  const name = fileName(given.file, "seg")
  const count = given.count.integer(1)
  const range = given.range.range()
  if (range[1] - range[0] + 1 !== count) throw given.count.fail("does not fit the range")
  return {
    file: name,
    offset: given.offset.integer(0),
    count,
    range,
    root: given.root.hash(),
    bytes: given.bytes.integer(segmentHeaderBytes + 1),
    digest: given.digest.hash(),
    sig: given.sig.value === null ? null : sigFromField(given.sig, name),
  }
}

const sigFromField = (field: Field, segment: string): ManifestFile => {
  const given = field.object(["file", "bytes", "digest"])
  const name = fileName(given.file, "sig")
  if (name.slice(0, -4) !== segment.slice(0, -4)) throw given.file.fail("is of another segment")
  return { file: name, bytes: given.bytes.integer(0), digest: given.digest.hash() }
}

/** A bare name, so that a manifest can never point outside its folder. */
const fileName = (field: Field, ending: "seg" | "sig"): string => {
  const name = field.matching(/^wal-\d{6,15}\.(seg|sig)$/, `the name of a .${ending} file`)
  const digits = name.slice(4, -4)
  const isNumber = Number(digits) > 0 && String(Number(digits)).padStart(6, "0") === digits
  if (!isNumber || !name.endsWith(ending)) throw field.fail(`is not the name of a .${ending} file`)
  return name
}
