/**
 * The key certificate: how a key that never leaves its HSM, TPM or cloud KMS vouches for a
 * short-lived key in the process.
 *
 * - A certified key signs records and batches of one log, one writer and the streams named, for one
 *   window. Never checkpoints, manifests, votes or certificates: the chain length is 1.
 * - Whether the window holds is not decided here but by Standing, from times that others vouch for.
 *
 * Does not protect against a stolen certified key inside its window: that takes a revocation.
 * Source: FORMATS 6.
 */
import { toBase64, utf8 } from "../base/Bytes.ts"
import { b3 } from "../base/Hash.ts"
import { jsonFileBytesMax, signatureBytesMax } from "../base/Limits.ts"
import { format, type JsonObject } from "../record/Canonical.ts"
import { type AlgoId, algorithms, isPublicKey, type KeyId, keyIdOf } from "./Algorithm.ts"
import { type Field, openCanonical } from "./Document.ts"
import { type Envelope, envelopesFromJson, envelopesToJson } from "./Envelope.ts"
import { contexts } from "./Message.ts"
import type { CertifiedTimes } from "./Standing.ts"
import type { Trust, TrustKey } from "./Trust.ts"
import { verifyAnchored } from "./Verifier.ts"

export interface KeyCertificate {
  readonly logId: string
  readonly algoId: AlgoId
  readonly publicKey: Uint8Array
  readonly keyId: KeyId
  readonly issuerKeyId: KeyId
  readonly issuerAlgoId: AlgoId
  /** Units: Unix milliseconds, both inclusive. */
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly writerId: string
  /** Exact names, or prefixes that end in `*`. */
  readonly streams: ReadonlyArray<string>
  readonly sig: Uint8Array
  readonly cosignatures?: ReadonlyArray<Envelope>
}

const type = "strongroom/key-cert/v1"
const streamsMax = 1024

const unsigned = (certificate: Omit<KeyCertificate, "sig" | "cosignatures">): JsonObject => ({
  type,
  log_id: certificate.logId,
  algo_id: certificate.algoId,
  public_key: toBase64(certificate.publicKey),
  pubkey_id: certificate.keyId,
  issuer_key_id: certificate.issuerKeyId,
  issuer_algo_id: certificate.issuerAlgoId,
  not_before_ms: certificate.notBeforeMs,
  not_after_ms: certificate.notAfterMs,
  writer_id: certificate.writerId,
  streams: certificate.streams,
})

/** What the issuer signs: the canonical bytes without `sig` and `cosignatures`. */
export const signedBytes = (
  certificate: Omit<KeyCertificate, "sig" | "cosignatures">,
): Uint8Array => utf8(format(unsigned(certificate)))

/** The certificate as it stands inside a receipt. */
export const toJson = (certificate: KeyCertificate): JsonObject => ({
  ...unsigned(certificate),
  sig: toBase64(certificate.sig),
  ...(certificate.cosignatures === undefined
    ? {}
    : { cosignatures: envelopesToJson(certificate.cosignatures) }),
})

/** The bytes of the file; `cert_b3` and a manifest's `certificates` are their BLAKE3. */
export const formatCertificate = (certificate: KeyCertificate): Uint8Array =>
  utf8(format(toJson(certificate)))

/** Reads a file. Errors: DocumentError. */
export const parseCertificate = (bytes: Uint8Array): KeyCertificate =>
  fromField(openCanonical("key certificate", bytes, jsonFileBytesMax))

/** Reads a certificate inside a receipt. Errors: DocumentError. */
export const fromField = (field: Field): KeyCertificate => {
  const given = field.object(
    [
      "type",
      "log_id",
      "algo_id",
      "public_key",
      "pubkey_id",
      "issuer_key_id",
      "issuer_algo_id",
      "not_before_ms",
      "not_after_ms",
      "writer_id",
      "streams",
      "sig",
    ],
    ["cosignatures"],
  )
  given.type.exactly(type)
  const algoId = given.algo_id.algoId()
  const publicKey = given.public_key.base64(algorithms[algoId].publicKeyBytes)
  if (!isPublicKey(algoId, publicKey)) throw given.public_key.fail(`is not a key of ${algoId}`)
  const keyId = given.pubkey_id.keyId()
  if (keyIdOf(publicKey) !== keyId) throw given.pubkey_id.fail("is not the id of public_key")
  const notBeforeMs = given.not_before_ms.integer(0)
  return {
    logId: given.log_id.logId(),
    algoId,
    publicKey,
    keyId,
    issuerKeyId: given.issuer_key_id.keyId(),
    issuerAlgoId: given.issuer_algo_id.algoId(),
    notBeforeMs,
    notAfterMs: given.not_after_ms.integer(notBeforeMs),
    writerId: given.writer_id.writerId(),
    streams: streamsFromField(given.streams),
    sig: given.sig.base64(signatureBytesMax),
    ...(given.cosignatures === undefined
      ? {}
      : { cosignatures: envelopesFromJson(given.cosignatures) }),
  }
}

const streamsFromField = (field: Field): ReadonlyArray<string> => {
  const streams = field.array(streamsMax).map((item) => {
    // A prefix may be empty, a name may not, and both are bounded like a stream.
    return item.value === "*" ? "*" : item.stream()
  })
  if (streams.length === 0) throw field.fail("is empty")
  return streams
}

/** Whether one of the patterns names the stream. */
export const coversStream = (patterns: ReadonlyArray<string>, stream: string): boolean =>
  patterns.some((pattern) =>
    pattern.endsWith("*") ? stream.startsWith(pattern.slice(0, -1)) : stream === pattern,
  )

export type CertificateFault =
  | "self_issued"
  | "issued_by_certified"
  | "issuer_purpose"
  | "signature"
  | "log"
  | "writer"
  | "stream"

export type CertificateVerdict =
  | { readonly verdict: "valid"; readonly times: CertifiedTimes }
  | { readonly verdict: "unknown"; readonly reason: "issuer_unknown" | "unsupported" }
  | { readonly verdict: "invalid"; readonly reason: CertificateFault }

/** The chain that a certified key is to sign, and the other keys known to be certified only. */
export interface CertificateUse {
  readonly trust: Trust
  readonly logId: string
  readonly writerId: string
  readonly stream: string
  readonly certifiedKeyIds?: ReadonlySet<KeyId>
}

/** Whether a certificate leads to an anchor and covers the chain; its window is for Standing. */
export const checkCertificate = (
  certificate: KeyCertificate,
  use: CertificateUse,
): CertificateVerdict => {
  const issuer = checkIssuer(certificate, use)
  if (issuer.verdict !== "valid") return issuer
  const scope = scopeFault(certificate, use)
  if (scope !== undefined) return { verdict: "invalid", reason: scope }
  const { keyId, notBeforeMs, notAfterMs } = certificate
  return { verdict: "valid", times: { keyId, notBeforeMs, notAfterMs, issuer: issuer.key } }
}

const scopeFault = (
  certificate: KeyCertificate,
  use: CertificateUse,
): CertificateFault | undefined => {
  if (certificate.logId !== use.logId) return "log"
  if (certificate.writerId !== use.writerId) return "writer"
  return coversStream(certificate.streams, use.stream) ? undefined : "stream"
}

type IssuerVerdict =
  | { readonly verdict: "valid"; readonly key: TrustKey }
  | Exclude<CertificateVerdict, { readonly verdict: "valid" }>

/** Any valid signature of an anchor counts; a wrong one refuses the certificate all the same. */
const checkIssuer = (certificate: KeyCertificate, use: CertificateUse): IssuerVerdict => {
  if (certificate.issuerKeyId === certificate.keyId) {
    return { verdict: "invalid", reason: "self_issued" }
  }
  const own: Envelope = {
    algoId: certificate.issuerAlgoId,
    keyId: certificate.issuerKeyId,
    sig: certificate.sig,
  }
  const digest = b3(signedBytes(certificate))
  let key: TrustKey | undefined
  let isUnsupported = false
  for (const envelope of [own, ...(certificate.cosignatures ?? [])]) {
    const found = verifyAnchored(use.trust, "certificate", envelope, contexts.certificate, digest)
    if (found.verdict === "invalid") return { verdict: "invalid", reason: "signature" }
    if (found.verdict === "purpose") return { verdict: "invalid", reason: "issuer_purpose" }
    if (found.verdict === "valid") key ??= found.key
    if (found.verdict === "unsupported") isUnsupported = true
    if (found.verdict === "unknown" && use.certifiedKeyIds?.has(envelope.keyId)) {
      return { verdict: "invalid", reason: "issued_by_certified" }
    }
  }
  if (key !== undefined) return { verdict: "valid", key }
  return { verdict: "unknown", reason: isUnsupported ? "unsupported" : "issuer_unknown" }
}
