/**
 * Verifies one signature by its algorithm, and one envelope against the anchors.
 *
 * Ed25519 today; the other algorithms of the list answer `unsupported`, which is never `valid`.
 * Source: FORMATS 6 and 7.
 */
import { type AlgoId, algorithms } from "./Algorithm.ts"
import { verify } from "./Ed25519.ts"
import type { Envelope } from "./Envelope.ts"
import { signedMessage } from "./Message.ts"
import { allows, findKey, type Purpose, type Trust, type TrustKey } from "./Trust.ts"

export type SignatureVerdict = "valid" | "invalid" | "unsupported"

/**
 * Whether `sig` is the signature of `context 0x00 digest`.
 * Shape: digest 32 bytes. A signature of the wrong size is invalid for every algorithm.
 */
export const verifySignature = (
  algoId: AlgoId,
  publicKey: Uint8Array,
  context: string,
  digest: Uint8Array,
  sig: Uint8Array,
): SignatureVerdict => {
  if (sig.length !== algorithms[algoId].signatureBytes) return "invalid"
  if (algoId !== "ed25519") return "unsupported"
  return verify(publicKey, signedMessage(context, digest), sig) ? "valid" : "invalid"
}

/** `purpose`: by an anchor that may not sign this; `unknown`: by no anchor. */
export type AnchoredVerdict =
  | { readonly verdict: "valid"; readonly key: TrustKey }
  | { readonly verdict: "invalid" | "unsupported" | "purpose" | "unknown" }

/** What one envelope is worth against the anchors, its time aside (see Standing). */
export const verifyAnchored = (
  trust: Trust,
  purpose: Purpose,
  envelope: Envelope,
  context: string,
  digest: Uint8Array,
): AnchoredVerdict => {
  const key = findKey(trust, envelope.keyId, envelope.algoId)
  if (key === undefined) return { verdict: "unknown" }
  if (!allows(key, purpose)) return { verdict: "purpose" }
  const verdict = verifySignature(key.algoId, key.publicKey, context, digest, envelope.sig)
  return verdict === "valid" ? { verdict, key } : { verdict }
}
