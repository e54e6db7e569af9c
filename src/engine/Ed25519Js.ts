/**
 * Ed25519 without the addon: by node:crypto, and by @noble/curves where node:crypto has none (a
 * FIPS build, another runtime).
 *
 * Both sign alike (RFC 8032 is deterministic) and verify alike: `isStrict` first, then the group
 * equation without cofactor. Does not protect against reading this process's memory: node:crypto
 * wipes a key when it is collected, not when it is closed, and @noble/curves keeps scalars in
 * JavaScript integers.
 *
 * Source: FORMATS 6, RFC 8032 section 5.1, RFC 8410 section 7.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto"
import { ed25519 } from "@noble/curves/ed25519.js"
import { sha512 } from "@noble/hashes/sha2.js"
import { concat, equal, utf8 } from "../base/Bytes.ts"
import { isStrict, publicKeyBytes, signatureBytes } from "../signing/Ed25519.ts"

/** A private key in memory. Duty: after `wipe`, `sign` is not called again. */
interface OpenKey {
  readonly publicKey: Uint8Array
  readonly sign: (message: Uint8Array) => Uint8Array
  readonly wipe: () => void
}

/** Answers for signatures of the right length over any message; never throws. */
type VerifyMessage = (message: Uint8Array, signature: Uint8Array) => boolean

export interface Ed25519 {
  readonly name: string
  /** Shape: seed 32 bytes, copied. */
  readonly openKey: (seed: Uint8Array) => OpenKey
  readonly openVerifier: (publicKey: Uint8Array) => VerifyMessage
}

const pkcs8Head = Buffer.from("302e020100300506032b657004220420", "hex")
const spkiHead = Buffer.from("302a300506032b6570032100", "hex")

const refuseAll: VerifyMessage = () => false

const openOpensslKey = (seed: Uint8Array): KeyObject => {
  // The only copy of the seed here, and not in the shared pool.
  const der = Buffer.alloc(pkcs8Head.length + seed.length)
  der.set(pkcs8Head)
  der.set(seed, pkcs8Head.length)
  try {
    return createPrivateKey({ key: der, format: "der", type: "pkcs8" })
  } finally {
    der.fill(0)
  }
}

const opensslPublicKey = (publicKey: Uint8Array): KeyObject | undefined => {
  const der = Buffer.from(concat(spkiHead, publicKey))
  try {
    return createPublicKey({ key: der, format: "der", type: "spki" })
  } catch {
    return undefined
  }
}

export const nodeCrypto: Ed25519 = {
  name: "node:crypto",
  openKey: (seed) => {
    const key = openOpensslKey(seed)
    const der = createPublicKey(key).export({ format: "der", type: "spki" })
    return {
      publicKey: new Uint8Array(der.subarray(spkiHead.length)),
      sign: (message) => new Uint8Array(sign(null, message, key)),
      wipe: () => {},
    }
  },
  openVerifier: (publicKey) => {
    const key = publicKey.length === publicKeyBytes ? opensslPublicKey(publicKey) : undefined
    if (key === undefined) return refuseAll
    return (message, signature) =>
      isStrict(publicKey, signature) && verify(null, message, key, signature)
  },
}

type Point = InstanceType<typeof ed25519.Point>

const noblePoint = (bytes: Uint8Array): Point | undefined => {
  try {
    return ed25519.Point.fromBytes(bytes)
  } catch {
    return undefined
  }
}

const littleEndian = (bytes: Uint8Array): bigint => {
  let value = 0n
  for (let index = bytes.length - 1; index >= 0; index--) {
    value = (value << 8n) | BigInt(bytes[index]!)
  }
  return value
}

/** R = S * B - k * A. The library's own `verify` multiplies by the cofactor. */
const holdsEquation = (
  key: Point,
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean => {
  const order = ed25519.Point.Fn.ORDER
  const r = signature.subarray(0, signatureBytes / 2)
  const s = littleEndian(signature.subarray(signatureBytes / 2))
  const k = littleEndian(sha512(concat(r, publicKey, message))) % order
  const expected = ed25519.Point.BASE.multiplyUnsafe(s).subtract(key.multiplyUnsafe(k))
  return equal(expected.toBytes(), r)
}

export const noble: Ed25519 = {
  name: "@noble/curves",
  openKey: (seed) => {
    const secret = new Uint8Array(seed)
    return {
      publicKey: ed25519.getPublicKey(secret),
      sign: (message) => ed25519.sign(message, secret),
      wipe: () => {
        secret.fill(0)
      },
    }
  },
  openVerifier: (publicKey) => {
    const key = publicKey.length === publicKeyBytes ? noblePoint(publicKey) : undefined
    if (key === undefined) return refuseAll
    return (message, signature) =>
      isStrict(publicKey, signature) && holdsEquation(key, publicKey, message, signature)
  },
}

const works = (candidate: Ed25519): boolean => {
  const message = utf8("strongroom")
  try {
    const { publicKey, sign } = candidate.openKey(new Uint8Array(32))
    return candidate.openVerifier(publicKey)(message, sign(message))
  } catch {
    return false
  }
}

/** node:crypto where it can, else @noble/curves. */
export const chooseEd25519 = (first: Ed25519 = nodeCrypto): Ed25519 =>
  works(first) ? first : noble
