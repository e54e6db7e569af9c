/**
 * The receipt: one record with all that proves it, checked offline (ReceiptVerify).
 *
 * - Member order is free and white space allowed, as people copy receipts through many tools; what
 *   it means is not: unknown members, duplicates, floats and strings not in NFC are refused.
 * - Carries paths, never other records: a receipt gives away one record.
 *
 * Does not protect against a log that shows different heads to different readers.
 * Source: FORMATS 8.
 */
import { equal, fromUtf8, utf8 } from "../base/Bytes.ts"
import { formatHash, type HashText, hashBytes, parseHash } from "../base/Hash.ts"
import { invariant } from "../base/Invariant.ts"
import { certificatesMax, envelopesMax, pathMax, signatureBytesMax } from "../base/Limits.ts"
import { type Checkpoint, fromField as checkpointFromField } from "../checkpoint/Checkpoint.ts"
import { proveInclusion } from "../merkle/Proof.ts"
import { root } from "../merkle/Tree.ts"
import { format as formatJson, type JsonObject, parse } from "../record/Canonical.ts"
import { type AuditRecord, normalize } from "../record/Record.ts"
import { Rejected } from "../record/Reject.ts"
import { DocumentError, type Field, openWith } from "../signing/Document.ts"
import { type Envelope, envelopesFromJson, envelopesToJson } from "../signing/Envelope.ts"
import {
  fromField as certificateFromField,
  toJson as certificateToJson,
  type KeyCertificate,
} from "../signing/KeyCertificate.ts"

type Path = ReadonlyArray<Uint8Array>

export interface ReceiptBatch {
  readonly first: number
  readonly last: number
  readonly root: HashText
  readonly path: Path
  readonly signatures: ReadonlyArray<Envelope>
}

export interface Receipt {
  readonly logId: string
  /** As it stands in the receipt: its self_hash may be that of another record. */
  readonly record: AuditRecord
  readonly signatures?: ReadonlyArray<Envelope> | undefined
  readonly batch?: ReceiptBatch | undefined
  readonly checkpoint?: Checkpoint | undefined
  readonly cosignatures?: ReadonlyArray<Envelope> | undefined
  /** To the checkpoint's root, nearest sibling first. There exactly if the checkpoint is. */
  readonly path?: Path | undefined
  readonly certificates?: ReadonlyArray<KeyCertificate> | undefined
}

const type = "strongroom/receipt/v1"
const document = "receipt"

/** Four envelope arrays and those of the certificates, in base64, and as much again around them. */
export const receiptBytesMax =
  2 * (4 + certificatesMax) * envelopesMax * signatureBytesMax * (4 / 3)

/** Reads a receipt. Errors: DocumentError. */
export const parseReceipt = (bytes: Uint8Array): Receipt => {
  const field = openWith(parse, document, bytes, receiptBytesMax)
  if (!isNfc(bytes)) throw field.fail("has a string that is not in NFC", "DOCUMENT_JSON")
  const given = field.object(
    ["type", "log_id", "record"],
    ["signatures", "batch", "checkpoint", "cosignatures", "path", "certificates"],
  )
  given.type.exactly(type)
  if ((given.checkpoint === undefined) !== (given.path === undefined)) {
    throw field.fail("has only one of checkpoint and path", "MEMBER_MISSING")
  }
  if (given.cosignatures !== undefined && given.checkpoint === undefined) {
    throw field.fail("has cosignatures without a checkpoint", "MEMBER_MISSING")
  }
  return {
    logId: given.log_id.logId(),
    record: recordFromField(given.record),
    signatures: given.signatures && envelopesFromJson(given.signatures),
    batch: given.batch && batchFromField(given.batch),
    checkpoint: given.checkpoint && checkpointFromField(given.checkpoint),
    cosignatures: given.cosignatures && envelopesFromJson(given.cosignatures),
    path: given.path && pathFromField(given.path),
    certificates: given.certificates?.array(certificatesMax).map(certificateFromField),
  }
}

/**
 * Whether every string of a JSON text is in NFC. No JSON syntax composes with a mark that follows
 * it, so with the escapes spelled out the whole text is in NFC exactly if its strings are.
 */
const isNfc = (bytes: Uint8Array): boolean => {
  const text = fromUtf8(bytes) ?? ""
  const spelled = text.replace(/\\(?:u([0-9A-Fa-f]{4})|.)/gs, (_, hex: string | undefined) =>
    hex === undefined ? "\0" : String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return spelled.normalize("NFC") === spelled
}

const recordFromField = (field: Field): AuditRecord => {
  const { self_hash: selfHash, ...body } = field.asObject()
  if (typeof selfHash !== "string" || parseHash(selfHash) === undefined) {
    throw field.fail("self_hash is missing or no hash", "MEMBER_MISSING")
  }
  try {
    return { ...normalize(body).body, self_hash: selfHash }
  } catch (error) {
    if (!(error instanceof Rejected)) throw error
    throw new DocumentError({
      code: "MEMBER_VALUE",
      document,
      path: `record.${error.path}`,
      message: `${document}: record: ${error.message}`,
    })
  }
}

const batchFromField = (field: Field): ReceiptBatch => {
  const given = field.object(["first", "last", "root", "path", "signatures"])
  const first = given.first.integer(1)
  return {
    first,
    last: given.last.integer(first),
    root: given.root.hash(),
    path: pathFromField(given.path),
    signatures: envelopesFromJson(given.signatures),
  }
}

const pathFromField = (field: Field): Path =>
  field.array(pathMax).map((item) => {
    const hash = parseHash(item.hash())
    invariant(hash !== undefined, "a checked hash has its bytes")
    return hash
  })

/** The canonical bytes of a receipt. */
export const formatReceipt = (receipt: Receipt): Uint8Array => {
  const { signatures, batch, checkpoint, cosignatures, path, certificates } = receipt
  return utf8(
    formatJson({
      type,
      log_id: receipt.logId,
      record: { ...receipt.record } as unknown as JsonObject,
      ...(signatures && { signatures: envelopesToJson(signatures) }),
      ...(batch && { batch: batchToJson(batch) }),
      ...(checkpoint && { checkpoint: { ...checkpoint } }),
      ...(cosignatures && { cosignatures: envelopesToJson(cosignatures) }),
      ...(path && { path: path.map(formatHash) }),
      ...(certificates && { certificates: certificates.map(certificateToJson) }),
    }),
  )
}

const batchToJson = (batch: ReceiptBatch): JsonObject => ({
  first: batch.first,
  last: batch.last,
  root: batch.root,
  path: batch.path.map(formatHash),
  signatures: envelopesToJson(batch.signatures),
})

/** What a log has to say about one record. Shape of `hashes`: 32 bytes of self_hash a record. */
export interface ReceiptParts {
  readonly logId: string
  readonly record: AuditRecord
  readonly signatures?: ReadonlyArray<Envelope> | undefined
  readonly batch?:
    | {
        readonly first: number
        readonly last: number
        readonly hashes: Uint8Array
        readonly signatures: ReadonlyArray<Envelope>
      }
    | undefined
  readonly checkpoint?:
    | {
        readonly checkpoint: Checkpoint
        readonly hashes: Uint8Array
        readonly cosignatures?: ReadonlyArray<Envelope> | undefined
      }
    | undefined
  readonly certificates?: ReadonlyArray<KeyCertificate> | undefined
  /** Root over leaf data, where something faster than the pure one is at hand. */
  readonly rootOf?: ((leafData: Uint8Array) => Uint8Array) | undefined
}

/** Assembles a receipt; it proves only what its parts prove. Cost: 2 hashes a record of a range. */
export const buildReceipt = (parts: ReceiptParts): Receipt => {
  const { logId, record, batch, checkpoint } = parts
  const some = <A>(items: ReadonlyArray<A> | undefined) =>
    items !== undefined && items.length > 0 ? items : undefined
  return {
    logId,
    record,
    signatures: some(parts.signatures),
    batch: batch && {
      first: batch.first,
      last: batch.last,
      root: formatHash((parts.rootOf ?? root)(batch.hashes)),
      path: pathOf(record, [batch.first, batch.last], batch.hashes, parts.rootOf),
      signatures: batch.signatures,
    },
    checkpoint: checkpoint?.checkpoint,
    cosignatures: some(checkpoint?.cosignatures),
    path:
      checkpoint && pathOf(record, checkpoint.checkpoint.range, checkpoint.hashes, parts.rootOf),
    certificates: some(parts.certificates),
  }
}

const pathOf = (
  record: AuditRecord,
  [first, last]: readonly [number, number],
  hashes: Uint8Array,
  rootOf: ReceiptParts["rootOf"],
): Path => {
  invariant(hashes.length === (last - first + 1) * hashBytes, "one hash for each record of a range")
  const index = record.seq - first
  const leaf = hashes.subarray(index * hashBytes, (index + 1) * hashBytes)
  const selfHash = parseHash(record.self_hash)
  invariant(selfHash !== undefined && equal(leaf, selfHash), "the range holds the record")
  return proveInclusion(hashes, index, rootOf)
}
