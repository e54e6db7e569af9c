import { ED25519_TORSION_SUBGROUP, ed25519 } from "@noble/curves/ed25519.js"
import { sha512 } from "@noble/hashes/sha2.js"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { concat, toHex, utf8 } from "../../src/base/Bytes.ts"
import { isStrict, verify } from "../../src/signing/Ed25519.ts"
import { bytes, root, stranger } from "./Vectors.ts"

const { Point } = ed25519
const L = Point.Fn.ORDER
const p = Point.Fp.ORDER

const littleEndian = (value: bigint): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n))
const fromLittleEndian = (value: Uint8Array): bigint =>
  value.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n)

const torsion = ED25519_TORSION_SUBGROUP.map((hex) => Point.fromHex(hex, true))
const order8 = torsion.find((point) => !point.multiplyUnsafe(4n).is0())!
const a = 123_456_789_123_456_789n
const r = 987_654_321_987_654_321n

const challenge = (R: Uint8Array, A: Uint8Array, message: Uint8Array): bigint =>
  fromLittleEndian(sha512(concat(R, A, message))) % L

/** A signature whose parts may carry torsion, and whether it holds without the cofactor. */
const forge = (
  message: Uint8Array,
  onKey: InstanceType<typeof Point>,
  onR: InstanceType<typeof Point>,
) => {
  const A = Point.BASE.multiply(a).add(onKey).toBytes()
  const R = Point.BASE.multiply(r).add(onR).toBytes()
  const k = challenge(R, A, message)
  const signature = concat(R, littleEndian((r + k * a) % L))
  const holdsWithoutCofactor = onR.add(onKey.multiplyUnsafe(k % 8n)).is0()
  return { A, signature, holdsWithoutCofactor }
}

const noble = (A: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
  ed25519.verify(signature, message, A, { zip215: false })

describe("verify", () => {
  it("takes RFC 8032 test 1 and 2", () => {
    const one = bytes("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    const oneSig =
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155" +
      "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    expect(verify(one, new Uint8Array(), bytes(oneSig))).toBe(true)
    const two = bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    const twoSig =
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    expect(verify(two, bytes("72"), bytes(twoSig))).toBe(true)
    expect(verify(two, bytes("73"), bytes(twoSig))).toBe(false)
  })

  it("answers as noble for honest signatures and every one-bit change of them [A-203]", () => {
    const bit = fc.integer({ min: 0, max: 8 * 64 - 1 })
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), bit, (message, at) => {
        const signature = ed25519.sign(message, root.seed)
        expect(verify(root.publicKey, message, signature)).toBe(true)
        const flipped = signature.slice()
        flipped[at >> 3]! ^= 1 << (at & 7)
        expect(verify(root.publicKey, message, flipped)).toBe(false)
        expect(noble(root.publicKey, message, flipped)).toBe(false)
        expect(verify(stranger.publicKey, message, signature)).toBe(false)
      }),
      { numRuns: 60 },
    )
  })

  it("refuses every single flipped bit of one signature [A-203]", () => {
    const message = utf8("one message")
    const signature = ed25519.sign(message, root.seed)
    for (let at = 0; at < 512; at++) {
      const flipped = signature.slice()
      flipped[at >> 3]! ^= 1 << (at & 7)
      expect(verify(root.publicKey, message, flipped), `bit ${at}`).toBe(false)
    }
  })

  it("refuses S + L, which means the same scalar", () => {
    const message = utf8("m")
    const signature = ed25519.sign(message, root.seed)
    const s = fromLittleEndian(signature.subarray(32))
    const shifted = concat(signature.subarray(0, 32), littleEndian(s + L))
    expect(isStrict(root.publicKey, shifted)).toBe(false)
    expect(verify(root.publicKey, message, shifted)).toBe(false)
    expect(isStrict(root.publicKey, concat(signature.subarray(0, 32), littleEndian(L)))).toBe(false)
    const below = concat(signature.subarray(0, 32), littleEndian(L - 1n))
    expect(isStrict(root.publicKey, below)).toBe(true)
  })

  it("refuses a small-order key, under which one signature fits any message", () => {
    expect(torsion.length).toBe(8)
    for (const point of torsion) {
      const A = point.toBytes()
      const signature = concat(torsion[0]!.toBytes(), littleEndian(0n))
      expect(isStrict(A, ed25519.sign(utf8("m"), root.seed)), toHex(A)).toBe(false)
      expect(verify(A, utf8("any"), signature)).toBe(false)
    }
  })

  it("refuses a small-order R, with which one S fits, though the equation holds", () => {
    const message = utf8("m")
    for (const point of torsion) {
      const R = point.toBytes()
      const A = Point.BASE.multiply(a).toBytes()
      const s = (challenge(R, A, message) * a) % L
      const signature = concat(R, littleEndian(s))
      expect(isStrict(A, signature), toHex(R)).toBe(false)
      expect(verify(A, message, signature)).toBe(false)
    }
  })

  it("refuses points that are not written in their one way", () => {
    const signature = ed25519.sign(utf8("m"), root.seed)
    for (let y = p; y < 2n ** 255n; y++) {
      for (const sign of [0n, 1n]) {
        const text = littleEndian(y | (sign << 255n))
        expect(isStrict(text, signature)).toBe(false)
        expect(isStrict(root.publicKey, concat(text, signature.subarray(32)))).toBe(false)
      }
    }
    // The last canonical y below the small-order p - 1.
    expect(isStrict(littleEndian(p - 2n), signature)).toBe(true)
  })

  it("uses no cofactor: mixed-order parts count only where their torsion cancels", () => {
    let held = 0
    let refused = 0
    for (let i = 0; i < 64 && (held < 2 || refused < 8); i++) {
      const message = utf8(`message ${i}`)
      for (const onR of [torsion[0]!, order8, order8.negate()]) {
        const { A, signature, holdsWithoutCofactor } = forge(message, order8, onR)
        expect(noble(A, message, signature)).toBe(true)
        expect(verify(A, message, signature)).toBe(holdsWithoutCofactor)
        if (holdsWithoutCofactor) held++
        else refused++
      }
    }
    expect(held).toBeGreaterThanOrEqual(2)
    expect(refused).toBeGreaterThanOrEqual(8)
  })

  it("answers false, and throws nothing, for what is no key or no signature", () => {
    const signature = ed25519.sign(utf8("m"), root.seed)
    const offCurve = Uint8Array.of(2, ...new Uint8Array(31))
    expect(() => Point.fromBytes(offCurve)).toThrow()
    expect(verify(offCurve, utf8("m"), signature)).toBe(false)
    for (const size of [0, 31, 33]) {
      expect(verify(new Uint8Array(size).fill(5), utf8("m"), signature)).toBe(false)
    }
    for (const size of [0, 63, 65]) {
      expect(verify(root.publicKey, utf8("m"), new Uint8Array(size).fill(5))).toBe(false)
    }
  })
})
