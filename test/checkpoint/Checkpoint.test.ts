import { describe, expect, it } from "vitest"
import { fromBase64, fromUtf8, toBase64, toHex } from "../../src/base/Bytes.ts"
import { b3, genesis } from "../../src/base/Hash.ts"
import {
  type Checkpoint,
  digestOf,
  format,
  parse,
  signedBytes,
} from "../../src/checkpoint/Checkpoint.ts"
import { contexts } from "../../src/signing/Message.ts"
import { verifySignature } from "../../src/signing/Verifier.ts"
import { changed, refusal, respellings } from "../signing/Mutations.ts"
import { canonical, root, vectors } from "../signing/Vectors.ts"

const [firstJson, secondJson] = vectors.checkpoints
const first = parse(canonical(firstJson))
const second = parse(canonical(secondJson))

const verdict = (checkpoint: Checkpoint): string =>
  verifySignature(
    checkpoint.alg,
    root.publicKey,
    contexts.checkpoint,
    b3(signedBytes(checkpoint)),
    fromBase64(checkpoint.sig)!,
  )

describe("signatures.json", () => {
  it("gives the signed bytes, and the file byte for byte [A-154]", () => {
    expect(vectors.checkpoints.length).toBe(2)
    expect(fromUtf8(signedBytes(first))).toBe(vectors.checkpoint_signed_bytes)
    expect(toHex(format(first))).toBe(toHex(canonical(firstJson)))
    expect(first).toEqual(firstJson)
    expect(first.range).toEqual([1, 100])
  })

  it("verifies both by their alg, sig and signer_key_id [A-177]", () => {
    for (const checkpoint of [first, second]) {
      expect(checkpoint.alg).toBe("ed25519")
      expect(checkpoint.signer_key_id).toBe(root.keyId)
      expect(verdict(checkpoint)).toBe("valid")
    }
  })

  it("links the second to the first's signed bytes", () => {
    expect(first.prev).toBe(genesis)
    expect(second.prev).toBe(digestOf(first))
    // The digest is of what is signed, so another signature over it changes nothing.
    expect(digestOf({ ...first, sig: "" } as Checkpoint)).toBe(second.prev)
  })

  it("binds log, writer, stream, range, root, prev, time, key and algorithm", () => {
    const changes: ReadonlyArray<Partial<Checkpoint>> = [
      { log_id: "0".repeat(32) },
      { writer_id: "svc-gateway@inst-2" },
      { stream: "egress" },
      { range: [1, 99] },
      { range: [2, 100] },
      { root: second.root },
      { prev: second.prev },
      { ts_ms: first.ts_ms + 1 },
      { signer_key_id: `b3:${"0".repeat(32)}` },
    ]
    for (const change of changes) {
      expect(verdict({ ...first, ...change }), JSON.stringify(change)).toBe("invalid")
    }
    const asPq = signedBytes({ ...first, alg: "ml-dsa-44" })
    expect(toHex(asPq)).not.toBe(toHex(signedBytes(first)))
  })
})

describe("parse", () => {
  const json = { ...second } as unknown as Parameters<typeof changed>[0]
  const parsing = (value: unknown) => refusal(parse, canonical(value))

  it("takes the canonical bytes and no other spelling", () => {
    for (const bytes of respellings(json)) {
      expect(refusal(parse, bytes), fromUtf8(bytes)).toBeDefined()
    }
  })

  it("refuses unknown and missing members", () => {
    expect(parsing({ ...json, note: "x" })).toBe("MEMBER_UNKNOWN")
    expect(Object.keys(json).length).toBe(11)
    for (const member of Object.keys(json)) {
      expect(parsing(changed(json, [member], undefined)), member).toBe("MEMBER_MISSING")
    }
  })

  it("refuses every value that breaks its rule", () => {
    const wrong: ReadonlyArray<readonly [string, unknown]> = [
      ["version", 2],
      ["version", "1"],
      ["log_id", "a75e72aaf01d6331dd8c22950dfe1c7"],
      ["writer_id", "a/b"],
      ["writer_id", ""],
      ["stream", "x".repeat(65)],
      ["stream", "a\tb"],
      ["range", [0, 100]],
      ["range", [101, 100]],
      ["range", [101]],
      ["range", [101, 102, 103]],
      ["range", { first: 1 }],
      ["range", ["1", "2"]],
      ["root", genesis],
      ["root", second.root.toUpperCase()],
      ["root", second.root.slice(0, -1)],
      ["prev", "b3:00"],
      ["prev", null],
      ["ts_ms", -1],
      ["signer_key_id", "ops-hsm-1"],
      ["signer_key_id", second.root],
      ["alg", "rsa"],
      ["sig", second.sig.replace(/=+$/, "")],
      ["sig", `${second.sig} `],
      ["sig", toBase64(new Uint8Array(24 * 1024 + 1))],
      ["sig", 1],
    ]
    for (const [member, value] of wrong) {
      expect(parsing(changed(json, [member], value)), `${member} ${value}`).toBe("MEMBER_VALUE")
    }
    expect(parsing({ ...json, range: [101, 101] })).toBeUndefined()
    expect(parsing({ ...json, prev: genesis })).toBeUndefined()
  })

  it("refuses floats and duplicate members with their place", () => {
    const text = fromUtf8(format(second))!
    const float = text.replace(`"ts_ms":${second.ts_ms}`, `"ts_ms":${second.ts_ms}.0`)
    expect(() => parse(Buffer.from(float))).toThrow(/^checkpoint: ts_ms: .*fraction/)
    const twice = text.replace('"version":1', '"version":1,"version":1')
    expect(() => parse(Buffer.from(twice))).toThrow(/^checkpoint: version: two equal keys/)
  })

  it("has room for other algorithms: a checkpoint of ML-DSA is read, not trusted [A-175]", () => {
    const pq = { ...second, alg: "ml-dsa-65" as const, sig: toBase64(new Uint8Array(3309)) }
    expect(parse(format(pq))).toEqual(pq)
    const key = new Uint8Array(1952)
    const digest = b3(signedBytes(pq))
    const sig = fromBase64(pq.sig)!
    expect(verifySignature(pq.alg, key, contexts.checkpoint, digest, sig)).toBe("unsupported")
  })
})
