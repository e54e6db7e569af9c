/**
 * Ed25519 as the formats demand it: RFC 8032 verification without cofactor, with S < L, canonical
 * A and R, and small-order A and R refused. Libraries differ on exactly these cases, so `isStrict`
 * checks them by itself; what is left, the group equation, is the same everywhere.
 *
 * Does not protect against a key that is not the one you trust: see Trust.
 * Source: FORMATS 6; RFC 8032 section 5.1.7; "Taming the many EdDSAs" (SSR 2020).
 */
import { createPublicKey, verify as verifyOpenssl } from "node:crypto"
import { fromHex, toBase64 } from "../base/Bytes.ts"
import { invariant } from "../base/Invariant.ts"

export const publicKeyBytes = 32
export const signatureBytes = 64

const constant = (hex: string): Uint8Array => {
  const bytes = fromHex(hex)
  invariant(bytes !== undefined, "constants are hex")
  return bytes
}

/** p = 2^255 - 19 and L = 2^252 + 27742317777372353535851937790883648493, little-endian. */
const fieldOrder = constant("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")
const groupOrder = constant("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")

/** y of the eight points whose order divides 8; the sign of x plays no part. */
const smallOrderY = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
].map(constant)

// Node takes a raw key only as a JSON Web Key, or as DER in its own kind of byte array.
const toBase64Url = (bytes: Uint8Array): string =>
  toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")

const isBelow = (bytes: Uint8Array, offset: number, limit: Uint8Array, mask: number): boolean => {
  for (let i = 31; i >= 0; i--) {
    const byte = bytes[offset + i]! & (i === 31 ? mask : 0xff)
    if (byte !== limit[i]!) return byte < limit[i]!
  }
  return false
}

const isSmallOrder = (bytes: Uint8Array): boolean =>
  smallOrderY.some((y) => {
    for (let i = 0; i < 32; i++) {
      if ((bytes[i]! & (i === 31 ? 0x7f : 0xff)) !== y[i]!) return false
    }
    return true
  })

const isPointText = (bytes: Uint8Array): boolean =>
  isBelow(bytes, 0, fieldOrder, 0x7f) && !isSmallOrder(bytes)

/**
 * Whether key and signature pass the checks that do not need the message: lengths, S < L, canonical
 * and not small-order A and R. The group equation is left to the caller.
 */
export const isStrict = (publicKey: Uint8Array, signature: Uint8Array): boolean =>
  publicKey.length === publicKeyBytes &&
  signature.length === signatureBytes &&
  isBelow(signature, 32, groupOrder, 0xff) &&
  isPointText(publicKey) &&
  isPointText(signature)

/** Whether `signature` is that of `message` by the whole strict rule. */
export const verify = (
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean => {
  if (!isStrict(publicKey, signature)) return false
  const jwk = { kty: "OKP", crv: "Ed25519", x: toBase64Url(publicKey) }
  const key = createPublicKey({ key: jwk, format: "jwk" })
  return verifyOpenssl(null, message, key, signature)
}
