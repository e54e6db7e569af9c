import { ed25519 } from "@noble/curves/ed25519.js"
import { sha512 } from "@noble/hashes/sha2.js"
import { describe, expect, it } from "vitest"
import { concat, fromHex, toHex, utf8 } from "../../src/base/Bytes.ts"
import { InvariantError } from "../../src/base/Invariant.ts"
import { chooseEd25519, type Ed25519, noble, nodeCrypto } from "../../src/engine/Ed25519Js.ts"
import { openJs } from "../../src/engine/EngineJs.ts"
import { Rejected } from "../../src/record/Reject.ts"
import { chain, good, requestOf } from "../conformance/EngineInput.ts"

const little = (bytes: Uint8Array): bigint =>
  [...bytes].reduceRight((value, byte) => value * 256n + BigInt(byte), 0n)
const fromLittle = (value: bigint): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n))

describe.each([nodeCrypto, noble])("Ed25519 by $name", (implementation) => {
  it("signs RFC 8032 test 2", () => {
    const seed = fromHex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")!
    const { publicKey, sign } = implementation.openKey(seed)
    expect(toHex(publicKey)).toBe(
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    )
    const signature = sign(Uint8Array.of(0x72))
    expect(toHex(signature)).toBe(
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    )
    expect(implementation.openVerifier(publicKey)(Uint8Array.of(0x72), signature)).toBe(true)
    expect(implementation.openVerifier(publicKey)(Uint8Array.of(0x73), signature)).toBe(false)
  })

  it("verifies without the cofactor", () => {
    const { Point } = ed25519
    const order = Point.Fn.ORDER
    // A point of order 8 makes the key one that only the equation with cofactor takes always.
    const torsion = Point.fromHex(
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    )
    const key = Point.BASE.multiply(77n).add(torsion)
    const r = Point.BASE.multiply(99n)
    const verify = implementation.openVerifier(key.toBytes())
    let taken = 0
    for (let i = 0; i < 64; i++) {
      const message = utf8(`message ${i}`)
      const k = little(sha512(concat(r.toBytes(), key.toBytes(), message))) % order
      const signature = concat(r.toBytes(), fromLittle((99n + k * 77n) % order))
      const holds = k % 8n === 0n
      if (holds) taken++
      expect(verify(message, signature)).toBe(holds)
    }
    expect(taken).toBeGreaterThan(0)
    expect(taken).toBeLessThan(64)
  })

  it("answers no to keys that are none", () => {
    for (const key of [new Uint8Array(31), new Uint8Array(32), Uint8Array.of(...fromLittle(2n))]) {
      expect(implementation.openVerifier(key)(utf8("x"), new Uint8Array(64))).toBe(false)
    }
  })
})

describe("openJs", () => {
  it("signs by node:crypto, by @noble/curves where that cannot", () => {
    expect(openJs().signing).toBe("node:crypto")
    const broken: Ed25519 = {
      ...nodeCrypto,
      openKey: () => {
        throw new Error("no such algorithm")
      },
    }
    expect(openJs(chooseEd25519(broken)).signing).toBe("@noble/curves")
    const lying: Ed25519 = { ...nodeCrypto, openVerifier: () => () => false }
    expect(chooseEd25519(lying)).toBe(noble)
  })

  it("seals nothing for a chain that cannot be written", () => {
    const engine = openJs()
    const seal = (change: object) =>
      engine.sealBatch(requestOf([good()], { chain: { ...chain, ...change } }))
    expect(() => seal({ writerId: "a/b" })).toThrow(Rejected)
    expect(() => seal({ stream: "e\u0301" })).toThrow(Rejected)
    expect(() => seal({ logId: "x" })).toThrow(InvariantError)
    expect(() => engine.sealBatch(requestOf([good()], { tsMs: -1 }))).toThrow(InvariantError)
    expect(() => engine.sealBatch(requestOf([good()], { count: 2 }))).toThrow(InvariantError)
    expect(() => engine.sealBatch(requestOf([good()], { mode: "batch" }))).toThrow(InvariantError)
    expect(() => engine.merkleRoot(new Uint8Array(0), "nodes")).toThrow(InvariantError)
  })

  it("says what is wrong with a draft that has not its five parts", () => {
    const statuses = ['["K",{},{},"ok"]', '["K",{},{},"ok",{},1]', '{"kind":"K"}'].map(
      (text) => openJs().sealBatch(requestOf([text])).statuses[0],
    )
    expect(statuses).toEqual([15, 14, 16])
  })
})
