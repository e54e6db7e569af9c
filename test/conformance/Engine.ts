import { describe, expect, it } from "vitest"
import { concat, fromUtf8, utf8 } from "../../src/base/Bytes.ts"
import { b3, formatHash } from "../../src/base/Hash.ts"
import type { Engine } from "../../src/engine/Engine.ts"
import * as Vectors from "../record/Vectors.ts"
import { allHashes } from "./EngineInput.ts"
import { refusalSuite, sealingSuite } from "./EngineSealing.ts"
import { signatureSuite, signingSuite } from "./EngineSigning.ts"
import { verifyingSuite } from "./EngineVerifying.ts"

const hashingSuite = (open: () => Engine): void => {
  it("finds the roots of merkle.json and chain.json [A-328]", () => {
    const engine = open()
    for (const { size, root } of Vectors.merkleCases) {
      const leaves = allHashes.subarray(0, 32 * size)
      expect(formatHash(engine.merkleRoot(leaves, "leaves"))).toBe(root)
    }
    const [first, last] = Vectors.chain.range
    const range = allHashes.slice(32 * (first - 1), 32 * last)
    expect(formatHash(engine.merkleRoot(range, "leaves"))).toBe(Vectors.chain.root)
    const at = 32 * (Vectors.chain.tampered_seq - first)
    range.set(b3(range.subarray(at, at + 32)), at)
    expect(formatHash(engine.merkleRoot(range, "leaves"))).toBe(Vectors.chain.tampered_root)
  })

  it("joins finished subtrees to the same root", () => {
    const engine = open()
    for (const size of [1, 2, 3, 8, 9, 31, 64, 65, 200]) {
      const nodes: Array<Uint8Array> = []
      for (let at = 0; at < size; at += 8) {
        const leaves = allHashes.subarray(32 * at, 32 * Math.min(size, at + 8))
        nodes.push(engine.merkleRoot(leaves, "leaves").slice())
      }
      const whole = engine.merkleRoot(allHashes.subarray(0, 32 * size), "leaves").slice()
      expect(engine.merkleRoot(concat(...nodes), "nodes")).toEqual(whole)
    }
  })

  it("hashes a stream as its bytes in one piece", () => {
    const bytes = Uint8Array.from({ length: 5000 }, (_, i) => i % 251)
    for (const step of [1, 63, 64, 1024, 5000]) {
      const hasher = open().openHasher()
      for (let at = 0; at < bytes.length; at += step) hasher.update(bytes.subarray(at, at + step))
      expect(hasher.digest()).toEqual(b3(bytes))
    }
    expect(open().openHasher().digest()).toEqual(b3(new Uint8Array(0)))
  })

  it("canonicalizes canonical.json [A-032, A-324, A-327]", () => {
    const engine = open()
    expect(Vectors.canonicalCases.length).toBe(208)
    for (const { text, canonical } of Vectors.canonicalCases) {
      const result = engine.canonicalize(utf8(text))
      expect(result.ok ? fromUtf8(result.bytes) : undefined, text).toBe(canonical)
    }
    expect(engine.canonicalize(Uint8Array.of(0x22, 0xff, 0x22))).toEqual({
      ok: false,
      code: "utf8",
    })
  })
}

/** Registers the whole suite for one engine. */
export const engineSuite = (name: Engine["name"], open: () => Engine): void => {
  it("says which engine it is", () => {
    const engine = open()
    expect(engine.name).toBe(name)
    expect(engine.signing).not.toBe("")
  })
  describe("sealing", () => sealingSuite(open))
  describe("refusing", () => refusalSuite(open))
  describe("signing", () => signingSuite(open))
  describe("verifying", () => verifyingSuite(open))
  describe("signatures", () => signatureSuite(open))
  describe("hashing", () => hashingSuite(open))
}
