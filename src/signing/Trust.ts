/**
 * The trust set: the keys a verifier was told to believe, for what, and for how long.
 *
 * - Anchors come from a person (`--key`, `--trust`), never from beside a log.
 * - A key is trusted by all its bytes; its id only finds it, so two keys of one id are refused.
 *
 * Does not protect against a trust file that the attacker could write.
 * Source: FORMATS 7.
 */
import { fromHex, toBase64, utf8 } from "../base/Bytes.ts"
import { jsonFileBytesMax } from "../base/Limits.ts"
import { format } from "../record/Canonical.ts"
import { type AlgoId, algorithms, isPublicKey, type KeyId, keyIdOf } from "./Algorithm.ts"
import { Field, openCanonical } from "./Document.ts"

export const purposes = [
  "root",
  "checkpoint",
  "certificate",
  "record",
  "vote",
  "evidence",
  "attestation",
  "witness",
] as const

/** `root` is all of them. */
export type Purpose = (typeof purposes)[number]

export interface TrustKey {
  readonly algoId: AlgoId
  readonly publicKey: Uint8Array
  readonly keyId: KeyId
  readonly purposes: ReadonlyArray<Purpose>
  /** Units: Unix milliseconds. */
  readonly fromTsMs?: number
  readonly toTsMs?: number
}

export interface Revoked {
  readonly keyId: KeyId
  /** Units: Unix milliseconds. */
  readonly fromTsMs: number
}

export interface Trust {
  /** Without it the trust set holds for any log, and a report says `log not pinned`. */
  readonly logId?: string
  readonly keys: ReadonlyArray<TrustKey>
  readonly revoked: ReadonlyArray<Revoked>
}

const type = "strongroom/trust/v1"
const document = "trust file"
const keysMax = 1 << 16

/** Reads a trust file. Errors: DocumentError. */
export const parseTrust = (bytes: Uint8Array): Trust => {
  const field = openCanonical(document, bytes, jsonFileBytesMax)
  const given = field.object(["type", "keys"], ["log_id", "revoked"])
  given.type.exactly(type)
  const keys = given.keys.array(keysMax).map(keyFromField)
  refuseTwice(given.keys, keys)
  const revoked = given.revoked?.array(keysMax).map(revokedFromField) ?? []
  if (given.revoked !== undefined) refuseTwice(given.revoked, revoked)
  return { ...(given.log_id === undefined ? {} : { logId: given.log_id.logId() }), keys, revoked }
}

const keyFromField = (field: Field): TrustKey => {
  const given = field.object(
    ["algo_id", "public_key", "pubkey_id", "purposes"],
    ["from_ts_ms", "to_ts_ms"],
  )
  const algoId = given.algo_id.algoId()
  const publicKey = given.public_key.base64(algorithms[algoId].publicKeyBytes)
  if (!isPublicKey(algoId, publicKey)) throw given.public_key.fail(`is not a key of ${algoId}`)
  const keyId = given.pubkey_id.keyId()
  if (keyIdOf(publicKey) !== keyId) throw given.pubkey_id.fail("is not the id of public_key")
  const fromTsMs = given.from_ts_ms?.integer(0)
  const toTsMs = given.to_ts_ms?.integer(fromTsMs ?? 0)
  return {
    algoId,
    publicKey,
    keyId,
    purposes: purposesFromField(given.purposes),
    ...(fromTsMs === undefined ? {} : { fromTsMs }),
    ...(toTsMs === undefined ? {} : { toTsMs }),
  }
}

const purposesFromField = (field: Field): ReadonlyArray<Purpose> => {
  const found = field.array(purposes.length).map((item) => {
    const purpose = purposes.find((known) => known === item.value)
    if (purpose === undefined) throw item.fail("is not a known purpose")
    return purpose
  })
  if (found.length === 0) throw field.fail("is empty")
  if (new Set(found).size !== found.length) throw field.fail("names a purpose twice")
  return found
}

const revokedFromField = (field: Field): Revoked => {
  const given = field.object(["pubkey_id", "from_ts_ms"])
  return { keyId: given.pubkey_id.keyId(), fromTsMs: given.from_ts_ms.integer(0) }
}

const refuseTwice = (field: Field, entries: ReadonlyArray<{ readonly keyId: KeyId }>): void => {
  if (new Set(entries.map(({ keyId }) => keyId)).size !== entries.length) {
    throw field.fail("names a pubkey_id twice")
  }
}

/** The bytes of the trust file. */
export const formatTrust = (trust: Trust): Uint8Array =>
  utf8(
    format({
      type,
      ...(trust.logId === undefined ? {} : { log_id: trust.logId }),
      keys: trust.keys.map((key) => ({
        algo_id: key.algoId,
        public_key: toBase64(key.publicKey),
        pubkey_id: key.keyId,
        purposes: key.purposes,
        ...(key.fromTsMs === undefined ? {} : { from_ts_ms: key.fromTsMs }),
        ...(key.toTsMs === undefined ? {} : { to_ts_ms: key.toTsMs }),
      })),
      ...(trust.revoked.length === 0
        ? {}
        : {
            revoked: trust.revoked.map((entry) => ({
              pubkey_id: entry.keyId,
              from_ts_ms: entry.fromTsMs,
            })),
          }),
    }),
  )

/** The anchor of a `--key ALG:HEX` flag, purpose root. Errors: DocumentError. */
export const anchorFromFlag = (flag: string): TrustKey => {
  const field = new Field("--key", "", flag)
  const colon = flag.indexOf(":")
  const algoId = new Field("--key", "", flag.slice(0, Math.max(colon, 0))).algoId()
  const publicKey = fromHex(flag.slice(colon + 1).toLowerCase())
  if (publicKey === undefined || !isPublicKey(algoId, publicKey)) {
    throw field.fail(`is not ${algoId}: and ${algorithms[algoId].publicKeyBytes} bytes of hex`)
  }
  return { algoId, publicKey, keyId: keyIdOf(publicKey), purposes: ["root"] }
}

/** A trust set with further anchors. Errors: DocumentError where two keys share an id. */
export const withAnchors = (trust: Trust | undefined, anchors: ReadonlyArray<TrustKey>): Trust => {
  const keys = [...(trust?.keys ?? []), ...anchors]
  refuseTwice(new Field("trust set", "keys", null), keys)
  return { revoked: [], ...trust, keys }
}

/** The anchor that an envelope names. */
export const findKey = (trust: Trust, keyId: KeyId, algoId: AlgoId): TrustKey | undefined =>
  trust.keys.find((key) => key.keyId === keyId && key.algoId === algoId)

/** Whether a key may sign for this purpose. */
export const allows = (key: TrustKey, purpose: Purpose): boolean =>
  key.purposes.includes("root") || key.purposes.includes(purpose)
