/**
 * The checkpoint: a signed Merkle root over a range of one chain.
 *
 * - The signature is over the canonical bytes without `sig`; their BLAKE3 is the `prev` of the next
 *   checkpoint, so a checkpoint commits to all before it.
 * - A checkpoint file never changes; further signatures live in its `.cosig`.
 *
 * Does not protect against a signer who signs two histories: compare checkpoints, or use witnesses.
 * Source: FORMATS 5 and 6.
 */
import { toBase64, utf8 } from "../base/Bytes.ts"
import { b3Text, type HashText } from "../base/Hash.ts"
import { jsonFileBytesMax, signatureBytesMax } from "../base/Limits.ts"
import { format as formatJson } from "../record/Canonical.ts"
import type { AlgoId, KeyId } from "../signing/Algorithm.ts"
import { type Field, openCanonical } from "../signing/Document.ts"

/** What is signed. Shape: the members of the file. */
export interface CheckpointBody {
  readonly version: 1
  readonly log_id: string
  readonly writer_id: string
  readonly stream: string
  /** Inclusive, first and last seq. */
  readonly range: readonly [number, number]
  readonly root: HashText
  /** BLAKE3 of the previous checkpoint's signed bytes, `b3:0` for the first. */
  readonly prev: HashText
  /** Units: Unix milliseconds. */
  readonly ts_ms: number
  readonly signer_key_id: KeyId
  readonly alg: AlgoId
}

export interface Checkpoint extends CheckpointBody {
  /** Shape: base64. */
  readonly sig: string
}

/** The canonical bytes without `sig`; a `sig` that is there is left out. */
export const signedBytes = (body: CheckpointBody): Uint8Array =>
  utf8(
    formatJson({
      version: body.version,
      log_id: body.log_id,
      writer_id: body.writer_id,
      stream: body.stream,
      range: body.range,
      root: body.root,
      prev: body.prev,
      ts_ms: body.ts_ms,
      signer_key_id: body.signer_key_id,
      alg: body.alg,
    }),
  )

/** The `prev` of the checkpoint that follows. */
export const digestOf = (body: CheckpointBody): HashText => b3Text(signedBytes(body))

/** The bytes of the file. */
export const format = (checkpoint: Checkpoint): Uint8Array =>
  utf8(formatJson({ ...checkpoint, range: checkpoint.range }))

/** Reads a file. Errors: DocumentError where the bytes are not a canonical checkpoint. */
export const parse = (bytes: Uint8Array): Checkpoint =>
  fromField(openCanonical("checkpoint", bytes, jsonFileBytesMax))

const members = [
  "version",
  "log_id",
  "writer_id",
  "stream",
  "range",
  "root",
  "prev",
  "ts_ms",
  "signer_key_id",
  "alg",
  "sig",
] as const

/** Reads a checkpoint inside another document. Errors: DocumentError. */
export const fromField = (field: Field): Checkpoint => {
  const given = field.object(members)
  given.version.exactly(1)
  return {
    version: 1,
    log_id: given.log_id.logId(),
    writer_id: given.writer_id.writerId(),
    stream: given.stream.stream(),
    range: given.range.range(),
    root: given.root.hash(),
    prev: given.prev.hashOrGenesis(),
    ts_ms: given.ts_ms.integer(0),
    signer_key_id: given.signer_key_id.keyId(),
    alg: given.alg.algoId(),
    sig: toBase64(given.sig.base64(signatureBytesMax)),
  }
}
