/** The signature vectors, typed, and what tests sign with: keys that are public knowledge. */
import { readFileSync } from "node:fs"
import { ed25519 } from "@noble/curves/ed25519.js"
import { fromHex } from "../../src/base/Bytes.ts"
import { canonicalizeValue, type JsonObject } from "../../src/record/Canonical.ts"
import { keyIdOf } from "../../src/signing/Algorithm.ts"
import { signedMessage } from "../../src/signing/Message.ts"
import { parseTrust } from "../../src/signing/Trust.ts"

interface SignatureVectors {
  readonly private_key_hex: string
  readonly leaf_private_key_hex: string
  readonly trust: JsonObject
  readonly pubkey_id: string
  readonly certificate: JsonObject
  readonly checkpoints: ReadonlyArray<JsonObject>
  readonly checkpoint_signed_bytes: string
  readonly batch_signed_bytes: string
  readonly receipt: JsonObject
  readonly envelopes_cbor_hex: string
  readonly rejected: ReadonlyArray<{ readonly name: string; readonly receipt: JsonObject }>
}

interface WalVectors {
  readonly hex: string
  readonly sig_hex: string
  readonly file: string
  readonly sig_file: string
  readonly manifest: string
  readonly manifest_sig_hex: string
}

const read = <A>(name: string): A =>
  JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), "utf8")) as A

export const vectors = read<SignatureVectors>("signatures")
if (vectors.rejected.length === 0) throw new Error("signatures.json rejects nothing")

export const wal = read<WalVectors>("wal")

export const bytes = (hex: string): Uint8Array => {
  const value = fromHex(hex)
  if (value === undefined) throw new Error(`no hex: ${hex}`)
  return value
}

export interface TestKey {
  readonly seed: Uint8Array
  readonly publicKey: Uint8Array
  readonly keyId: string
  readonly sign: (context: string, digest: Uint8Array) => Uint8Array
}

export const testKey = (seed: Uint8Array): TestKey => {
  const publicKey = ed25519.getPublicKey(seed)
  const sign = (context: string, digest: Uint8Array): Uint8Array =>
    ed25519.sign(signedMessage(context, digest), seed)
  return { seed, publicKey, keyId: keyIdOf(publicKey), sign }
}

/** The only anchor of the vectors, the key it certifies, and one nobody knows. */
export const root = testKey(bytes(vectors.private_key_hex))
export const leaf = testKey(bytes(vectors.leaf_private_key_hex))
export const stranger = testKey(new Uint8Array(32).fill(9))

export const canonical = canonicalizeValue

export const trust = parseTrust(canonical(vectors.trust))
