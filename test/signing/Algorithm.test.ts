import { describe, expect, it } from "vitest"
import {
  type AlgoId,
  algorithms,
  family,
  isAlgoId,
  isPostQuantum,
  isPublicKey,
  keyIdOf,
  keyIdPattern,
} from "../../src/signing/Algorithm.ts"
import { verifySignature } from "../../src/signing/Verifier.ts"
import { leaf, root, stranger, vectors } from "./Vectors.ts"

const ids = Object.keys(algorithms) as ReadonlyArray<AlgoId>

describe("algorithms", () => {
  it("are the closed list of FORMATS 6, with the families of the metric label", () => {
    expect(ids.map((id) => [id, family(id)])).toEqual([
      ["ed25519", "ed25519"],
      ["ecdsa-p256-sha256", "ecdsa"],
      ["ml-dsa-44", "ml-dsa"],
      ["ml-dsa-65", "ml-dsa"],
      ["ml-dsa-87", "ml-dsa"],
      ["slh-dsa-sha2-128s", "slh-dsa"],
    ])
    expect(ids.filter(isPostQuantum)).toEqual(ids.slice(2))
    for (const id of ["", "Ed25519", "ml-dsa-46", "toString", "__proto__"]) {
      expect(isAlgoId(id)).toBe(false)
    }
  })

  it("have the sizes of their standards [A-180]", () => {
    expect(algorithms.ed25519).toMatchObject({ signatureBytes: 64, publicKeyBytes: 32 })
    expect(algorithms["ml-dsa-44"]).toMatchObject({ signatureBytes: 2420, publicKeyBytes: 1312 })
    const slh = algorithms["slh-dsa-sha2-128s"]
    expect(slh).toMatchObject({ signatureBytes: 7856, publicKeyBytes: 32 })
  })

  it("name a key by the first 16 bytes of its BLAKE3", () => {
    expect(root.keyId).toBe(vectors.pubkey_id)
    expect(leaf.keyId).toBe(vectors.certificate.pubkey_id)
    expect(keyIdOf(stranger.publicKey)).toMatch(keyIdPattern)
    expect(keyIdPattern.test(`b3:${"A".repeat(32)}`)).toBe(false)
    expect(keyIdPattern.test(`b3:${"a".repeat(33)}`)).toBe(false)
  })

  it("know a public key by its length, and P-256 by its form", () => {
    expect(isPublicKey("ed25519", new Uint8Array(32))).toBe(true)
    expect(isPublicKey("ed25519", new Uint8Array(33))).toBe(false)
    expect(isPublicKey("ecdsa-p256-sha256", new Uint8Array(65))).toBe(false)
    expect(isPublicKey("ecdsa-p256-sha256", Uint8Array.of(4, ...new Uint8Array(64)))).toBe(true)
    expect(isPublicKey("ecdsa-p256-sha256", new Uint8Array(33).fill(2))).toBe(false)
  })
})

describe("verifySignature", () => {
  const digest = new Uint8Array(32).fill(1)
  const context = "strongroom/checkpoint/v1"
  const sig = root.sign(context, digest)

  it("binds the context: a signature for one purpose is none for another", () => {
    expect(verifySignature("ed25519", root.publicKey, context, digest, sig)).toBe("valid")
    for (const other of ["strongroom/manifest/v1", "strongroom/checkpoint/v", ""]) {
      expect(verifySignature("ed25519", root.publicKey, other, digest, sig)).toBe("invalid")
    }
  })

  it("calls other algorithms unsupported, never valid, and a wrong size invalid [A-175]", () => {
    for (const id of ids.slice(1)) {
      const { publicKeyBytes, signatureBytes } = algorithms[id]
      const key = new Uint8Array(publicKeyBytes).fill(4)
      const right = new Uint8Array(signatureBytes)
      expect(verifySignature(id, key, context, digest, right)).toBe("unsupported")
      expect(verifySignature(id, key, context, digest, right.subarray(1))).toBe("invalid")
    }
    expect(verifySignature("ed25519", root.publicKey, context, digest, sig.subarray(1))).toBe(
      "invalid",
    )
  })
})
