/**
 * The revocation of a certified key by its issuer. Anchors are revoked in the trust file.
 *
 * Does not protect against a revocation that was deleted: the chain's KeyCompromised record names
 * it, and its missing file makes the chain unknown.
 * Source: FORMATS 6.
 */
import { toBase64, utf8 } from "../base/Bytes.ts"
import { b3 } from "../base/Hash.ts"
import { jsonFileBytesMax, signatureBytesMax } from "../base/Limits.ts"
import { format, type JsonObject } from "../record/Canonical.ts"
import type { AlgoId, KeyId } from "./Algorithm.ts"
import { openCanonical } from "./Document.ts"
import type { KeyCertificate } from "./KeyCertificate.ts"
import { contexts } from "./Message.ts"
import type { Trust } from "./Trust.ts"
import { verifyAnchored } from "./Verifier.ts"

export interface Revocation {
  readonly keyId: KeyId
  /** Units: Unix milliseconds; signatures placed from then on count no more. */
  readonly fromTsMs: number
  readonly reason: string
  readonly issuerKeyId: KeyId
  readonly issuerAlgoId: AlgoId
  /** Units: Unix milliseconds, when it was signed. */
  readonly tsMs: number
  readonly sig: Uint8Array
}

const type = "strongroom/key-revoke/v1"

const unsigned = (revocation: Omit<Revocation, "sig">): JsonObject => ({
  type,
  pubkey_id: revocation.keyId,
  from_ts_ms: revocation.fromTsMs,
  reason: revocation.reason,
  issuer_key_id: revocation.issuerKeyId,
  issuer_algo_id: revocation.issuerAlgoId,
  ts_ms: revocation.tsMs,
})

/** What the issuer signs: the canonical bytes without `sig`. */
export const signedBytes = (revocation: Omit<Revocation, "sig">): Uint8Array =>
  utf8(format(unsigned(revocation)))

/** The bytes of the file; `revocation_b3` is their BLAKE3. */
export const formatRevocation = (revocation: Revocation): Uint8Array =>
  utf8(format({ ...unsigned(revocation), sig: toBase64(revocation.sig) }))

/** Reads a file. Errors: DocumentError. */
export const parseRevocation = (bytes: Uint8Array): Revocation => {
  const given = openCanonical("key revocation", bytes, jsonFileBytesMax).object([
    "type",
    "pubkey_id",
    "from_ts_ms",
    "reason",
    "issuer_key_id",
    "issuer_algo_id",
    "ts_ms",
    "sig",
  ])
  given.type.exactly(type)
  return {
    keyId: given.pubkey_id.keyId(),
    fromTsMs: given.from_ts_ms.integer(0),
    reason: given.reason.matching(/^[a-z][a-z0-9_.-]{0,63}$/, "a reason"),
    issuerKeyId: given.issuer_key_id.keyId(),
    issuerAlgoId: given.issuer_algo_id.algoId(),
    tsMs: given.ts_ms.integer(0),
    sig: given.sig.base64(signatureBytesMax),
  }
}

export type RevocationVerdict =
  | "valid"
  /** Its issuer is no anchor, or its algorithm is not supported here. */
  | "unknown"
  /** Of another key, not by the issuer of the certificate, or wrongly signed. */
  | "invalid"

/** Whether a revocation is that of the certificate's key, signed by the certificate's issuer. */
export const checkRevocation = (
  revocation: Revocation,
  certificate: KeyCertificate,
  trust: Trust,
): RevocationVerdict => {
  const { issuerKeyId: keyId, issuerAlgoId: algoId, sig } = revocation
  const isIssuers = keyId === certificate.issuerKeyId && algoId === certificate.issuerAlgoId
  if (revocation.keyId !== certificate.keyId || !isIssuers) return "invalid"
  const envelope = { algoId, keyId, sig }
  const digest = b3(signedBytes(revocation))
  const found = verifyAnchored(trust, "certificate", envelope, contexts.revocation, digest)
  if (found.verdict === "valid") return "valid"
  return found.verdict === "unknown" || found.verdict === "unsupported" ? "unknown" : "invalid"
}
