/**
 * Signature envelopes: a signature with its algorithm and its key's id, many to an array, and the
 * entries of `.sig` files.
 *
 * - One array has exactly one encoding in CBOR (RFC 8949 section 4.2.1) and one in JSON; decoders
 *   refuse every other, so nobody can hide a second reading in the same bytes.
 * - Order by algo_id, then pubkey_id; no pair twice; at most 8. An empty array signs nothing.
 *
 * Source: FORMATS 4 (`.sig`) and 6; docs/decisions/0004-cbor-codec.md.
 */
import { concat, dataView, toBase64 } from "../base/Bytes.ts"
import { hashBytes } from "../base/Hash.ts"
import { invariant } from "../base/Invariant.ts"
import { envelopesMax, sigEntryBytesMax, signatureBytesMax } from "../base/Limits.ts"
import type { Json } from "../record/Canonical.ts"
import { type AlgoId, isAlgoId, type KeyId, keyIdPattern } from "./Algorithm.ts"
import * as Cbor from "./Cbor.ts"
import type { Field } from "./Document.ts"

export interface Envelope {
  readonly algoId: AlgoId
  readonly keyId: KeyId
  readonly sig: Uint8Array
}

/** `root` null: the signature of record `first`; else of the batch `first` to `last`. */
export interface SigEntry {
  readonly first: number
  readonly last: number
  /** Shape: 32 bytes. */
  readonly root: Uint8Array | null
  readonly envelopes: ReadonlyArray<Envelope>
}

/** A malformed encoding, as a value: verification does not throw. */
export interface Malformed {
  readonly what: string
}

const rank = (envelope: Envelope): string => `${envelope.algoId} ${envelope.keyId}`

const arrayFault = (envelopes: ReadonlyArray<Envelope>): string | undefined => {
  if (envelopes.length > envelopesMax) return `more than ${envelopesMax} envelopes`
  for (let i = 0; i < envelopes.length; i++) {
    if (envelopes[i]!.sig.length > signatureBytesMax) return "a signature over 24 KiB"
    if (i === 0) continue
    // Key ids have one length, so ordering the joined pair orders by algorithm, then by key.
    if (rank(envelopes[i - 1]!) === rank(envelopes[i]!)) return "two envelopes of one key"
    if (rank(envelopes[i - 1]!) > rank(envelopes[i]!)) return "envelopes out of order"
  }
  return undefined
}

const sorted = (envelopes: ReadonlyArray<Envelope>): ReadonlyArray<Envelope> => {
  const ordered = [...envelopes].sort((a, b) => (rank(a) < rank(b) ? -1 : 1))
  const fault = arrayFault(ordered)
  invariant(fault === undefined, `envelopes can be written: ${fault ?? ""}`)
  return ordered
}

const encode = (envelopes: ReadonlyArray<Envelope>): Uint8Array[] => [
  Cbor.head(Cbor.array, envelopes.length),
  ...sorted(envelopes).flatMap((envelope) => [
    Cbor.head(Cbor.map, 3),
    Cbor.head(Cbor.unsigned, 1),
    Cbor.text(envelope.algoId),
    Cbor.head(Cbor.unsigned, 2),
    Cbor.bytes(envelope.sig),
    Cbor.head(Cbor.unsigned, 3),
    Cbor.text(envelope.keyId),
  ]),
]

/** The CBOR array, put in order. */
export const formatEnvelopes = (envelopes: ReadonlyArray<Envelope>): Uint8Array =>
  concat(...encode(envelopes))

const decode = (reader: Cbor.Reader): ReadonlyArray<Envelope> => {
  const count = reader.head(Cbor.array)
  if (count > envelopesMax) throw reader.fault(`more than ${envelopesMax} envelopes`)
  const envelopes: Envelope[] = []
  for (let i = 0; i < count; i++) {
    if (reader.head(Cbor.map) !== 3) throw reader.fault("an envelope without its three entries")
    reader.exactly(Cbor.unsigned, 1)
    const algoId = reader.text(64)
    reader.exactly(Cbor.unsigned, 2)
    const sig = reader.bytes(signatureBytesMax)
    reader.exactly(Cbor.unsigned, 3)
    const keyId = reader.text(64)
    if (!isAlgoId(algoId)) throw reader.fault("an unknown algorithm")
    if (!keyIdPattern.test(keyId)) throw reader.fault("a pubkey_id that is none")
    envelopes.push({ algoId, keyId, sig })
  }
  const fault = arrayFault(envelopes)
  if (fault !== undefined) throw reader.fault(fault)
  return envelopes
}

/** Reads an envelope array that fills the bytes, as in `.cosig` and manifest `.sig` files. */
export const parseEnvelopes = (bytes: Uint8Array): ReadonlyArray<Envelope> | Malformed =>
  Cbor.read(bytes, decode)

/** The JSON form, put in order. */
export const envelopesToJson = (envelopes: ReadonlyArray<Envelope>): ReadonlyArray<Json> =>
  sorted(envelopes).map((envelope) => ({
    algo_id: envelope.algoId,
    pubkey_id: envelope.keyId,
    sig: toBase64(envelope.sig),
  }))

/** Reads the JSON form by the same rules. Errors: DocumentError. */
export const envelopesFromJson = (field: Field): ReadonlyArray<Envelope> => {
  const envelopes = field.array(envelopesMax).map((item) => {
    const { algo_id, pubkey_id, sig } = item.object(["algo_id", "pubkey_id", "sig"])
    return {
      algoId: algo_id.algoId(),
      keyId: pubkey_id.keyId(),
      sig: sig.base64(signatureBytesMax),
    }
  })
  const fault = arrayFault(envelopes)
  if (fault !== undefined) throw field.fail(`has ${fault}`)
  return envelopes
}

const entryFault = (first: number, last: number, root: Uint8Array | null): string | undefined => {
  if (first < 1 || last < first) return "a range that is none"
  return root === null && first !== last ? "a range without a root" : undefined
}

/** One `.sig` entry with its length before it. */
export const formatSigEntry = (entry: SigEntry): Uint8Array => {
  const fault = entryFault(entry.first, entry.last, entry.root)
  invariant(fault === undefined, `a .sig entry can be written: ${fault ?? ""}`)
  const body = concat(
    Cbor.head(Cbor.array, 4),
    Cbor.head(Cbor.unsigned, entry.first),
    Cbor.head(Cbor.unsigned, entry.last),
    entry.root === null ? Cbor.nullItem : Cbor.bytes(entry.root),
    ...encode(entry.envelopes),
  )
  invariant(body.length <= sigEntryBytesMax, "a .sig entry has at most 256 KiB")
  const size = new Uint8Array(4)
  dataView(size).setUint32(0, body.length, true)
  return concat(size, body)
}

/** Reads the body of one `.sig` entry, without its length. */
export const parseSigEntry = (body: Uint8Array): SigEntry | Malformed =>
  Cbor.read(body, (reader) => {
    if (reader.head(Cbor.array) !== 4) throw reader.fault("an entry without its four items")
    const first = reader.head(Cbor.unsigned)
    const last = reader.head(Cbor.unsigned)
    const root = reader.isNull() ? null : reader.bytes(hashBytes)
    if (root !== null && root.length !== hashBytes) throw reader.fault("a root that is no hash")
    const fault = entryFault(first, last, root)
    if (fault !== undefined) throw reader.fault(fault)
    return { first, last, root, envelopes: decode(reader) }
  })

/**
 * Reads the `.sig` entry at `offset`, which is below the length of `bytes`.
 * `incomplete`: it runs past the end; `next`: where the following entry begins.
 */
export const readSigEntry = (
  bytes: Uint8Array,
  offset: number,
): { readonly entry: SigEntry; readonly next: number } | "incomplete" | Malformed => {
  if (offset + 4 > bytes.length) return "incomplete"
  const size = dataView(bytes).getUint32(offset, true)
  if (size === 0 || size > sigEntryBytesMax) return { what: `a length of ${size}` }
  const next = offset + 4 + size
  if (next > bytes.length) return "incomplete"
  const entry = parseSigEntry(bytes.subarray(offset + 4, next))
  return "what" in entry ? entry : { entry, next }
}
