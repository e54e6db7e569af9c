/**
 * The bytes of a sealed key file: an Ed25519 seed under AES-256-GCM, all that stands beside it
 * authenticated as associated data.
 *
 * - The key of the cipher comes from a passphrase (scrypt) or from 32 random bytes (HKDF).
 * - `check` is a plain digest of the rest: it tells a damaged file from a wrong passphrase, and
 *   protects nothing by itself.
 *
 * Does not protect against someone who has both the file and what unseals it.
 * Source: RFC 7914 (scrypt), RFC 5869 (HKDF), NIST SP 800-38D (GCM).
 */
import { createCipheriv, createDecipheriv, hkdfSync, scrypt } from "node:crypto"
import { concat, toBase64, utf8 } from "../../base/Bytes.ts"
import { b3Text } from "../../base/Hash.ts"
import { format, type JsonObject } from "../../record/Canonical.ts"
import { isPublicKey, keyIdOf } from "../../signing/Algorithm.ts"
import { openCanonical } from "../../signing/Document.ts"

export const seedBytes = 32
const saltBytes = 32
const nonceBytes = 12
const tagBytes = 16
const fileBytesMax = 16 * 1024

export type Unsealing = "scrypt" | "unseal-key"

export interface SealedKey {
  readonly alias: string
  readonly version: number
  readonly publicKey: Uint8Array
  readonly unsealing: Unsealing
  readonly salt: Uint8Array
  readonly nonce: Uint8Array
  /** Shape: ciphertext and tag. */
  readonly sealed: Uint8Array
}

// 128 MiB and some tenths of a second for each guess; fixed, so that no file can ask for more.
const cost = { N: 131_072, r: 8, p: 1 }
const scryptMemory = 2 * 128 * cost.N * cost.r

const type = "strongroom/sealed-key/v1"

const header = (key: Omit<SealedKey, "sealed">): JsonObject => ({
  type,
  alias: key.alias,
  version: key.version,
  algo_id: "ed25519",
  public_key: toBase64(key.publicKey),
  pubkey_id: keyIdOf(key.publicKey),
  kdf: {
    name: key.unsealing,
    salt: toBase64(key.salt),
    ...(key.unsealing === "scrypt" ? cost : {}),
  },
  cipher: { name: "aes-256-gcm", nonce: toBase64(key.nonce) },
})

/** The bytes of the file. */
export const formatSealedKey = (key: SealedKey): Uint8Array => {
  const body = { ...header(key), sealed: toBase64(key.sealed) }
  return utf8(format({ ...body, check: b3Text(utf8(format(body))) }))
}

/** Reads a file. Errors: DocumentError. */
export const parseSealedKey = (bytes: Uint8Array): SealedKey => {
  const field = openCanonical("sealed key", bytes, fileBytesMax)
  const { check, ...body } = field.asObject()
  if (check !== b3Text(utf8(format(body)))) throw field.fail("its digest does not fit its content")
  const given = field.object([
    "type",
    "alias",
    "version",
    "algo_id",
    "public_key",
    "pubkey_id",
    "kdf",
    "cipher",
    "sealed",
    "check",
  ])
  given.type.exactly(type)
  given.algo_id.exactly("ed25519")
  const publicKey = given.public_key.base64(32)
  if (!isPublicKey("ed25519", publicKey)) throw given.public_key.fail("is not a key of ed25519")
  given.pubkey_id.exactly(keyIdOf(publicKey))
  const kdf = given.kdf.object(["name", "salt"], ["N", "r", "p"])
  const unsealing: Unsealing = kdf.name.value === "scrypt" ? "scrypt" : "unseal-key"
  kdf.name.exactly(unsealing)
  for (const name of ["N", "r", "p"] as const) {
    const expected = unsealing === "scrypt" ? cost[name] : undefined
    if (kdf[name]?.value !== expected) throw given.kdf.fail("has other costs than this format")
  }
  const cipher = given.cipher.object(["name", "nonce"])
  cipher.name.exactly("aes-256-gcm")
  const sized = (bytes: Uint8Array, size: number): Uint8Array => {
    if (bytes.length !== size) throw field.fail("a length in it is wrong")
    return bytes
  }
  return {
    alias: given.alias.string(),
    version: given.version.integer(1),
    publicKey,
    unsealing,
    salt: sized(kdf.salt.base64(saltBytes), saltBytes),
    nonce: sized(cipher.nonce.base64(nonceBytes), nonceBytes),
    sealed: sized(given.sealed.base64(seedBytes + tagBytes), seedBytes + tagBytes),
  }
}

const deriveKey = (
  unsealing: Unsealing,
  secret: Uint8Array,
  salt: Uint8Array,
): Promise<Uint8Array> => {
  if (unsealing === "unseal-key") {
    return Promise.resolve(new Uint8Array(hkdfSync("sha256", secret, salt, type, 32)))
  }
  return new Promise((resolve, reject) => {
    scrypt(secret, salt, 32, { ...cost, maxmem: scryptMemory }, (error, key) => {
      if (error === null) resolve(key)
      else reject(error)
    })
  })
}

/**
 * Seals a seed under a passphrase or an unseal key. Wipes the key it derives, not its arguments.
 * Shape: seed 32 bytes; `random` gives that many random bytes.
 */
export const sealSeed = async (
  key: Pick<SealedKey, "alias" | "version" | "publicKey" | "unsealing">,
  seed: Uint8Array,
  secret: Uint8Array,
  random: (bytes: number) => Uint8Array,
): Promise<SealedKey> => {
  const unsealed = { ...key, salt: random(saltBytes), nonce: random(nonceBytes) }
  const derived = await deriveKey(key.unsealing, secret, unsealed.salt)
  try {
    const cipher = createCipheriv("aes-256-gcm", derived, unsealed.nonce)
    cipher.setAAD(utf8(format(header(unsealed))))
    const sealed = concat(cipher.update(seed), cipher.final(), cipher.getAuthTag())
    return { ...unsealed, sealed }
  } finally {
    derived.fill(0)
  }
}

/**
 * The seed, or `undefined` where the secret is wrong or the file was altered. Duty: the caller
 * wipes the seed.
 */
export const openSeed = async (
  key: SealedKey,
  secret: Uint8Array,
): Promise<Uint8Array | undefined> => {
  const derived = await deriveKey(key.unsealing, secret, key.salt)
  let opened: Uint8Array | undefined
  try {
    const decipher = createDecipheriv("aes-256-gcm", derived, key.nonce, {
      authTagLength: tagBytes,
    })
    decipher.setAAD(utf8(format(header(key))))
    decipher.setAuthTag(key.sealed.subarray(seedBytes))
    opened = decipher.update(key.sealed.subarray(0, seedBytes))
    decipher.final()
    return new Uint8Array(opened)
  } catch {
    return undefined
  } finally {
    // Also where it is not authentic: with only the header altered it is still the seed.
    opened?.fill(0)
    derived.fill(0)
  }
}
