import { describe, expect, it } from "vitest"
import { fromUtf8, toBase64, toHex } from "../../src/base/Bytes.ts"
import { type AlgoId, algorithms, keyIdOf } from "../../src/signing/Algorithm.ts"
import { DocumentError } from "../../src/signing/Document.ts"
import {
  allows,
  anchorFromFlag,
  findKey,
  formatTrust,
  parseTrust,
  purposes,
  type Trust,
  withAnchors,
} from "../../src/signing/Trust.ts"
import { verifyAnchored } from "../../src/signing/Verifier.ts"
import { changed, refusal, respellings } from "./Mutations.ts"
import { canonical, leaf, root, stranger, trust, vectors } from "./Vectors.ts"

const full: Trust = {
  logId: "a75e72aaf01d6331dd8c22950dfe1c76",
  keys: [
    {
      algoId: "ed25519",
      publicKey: root.publicKey,
      keyId: root.keyId,
      purposes: ["checkpoint", "certificate"],
      fromTsMs: 5,
      toTsMs: 9,
    },
    {
      algoId: "ed25519",
      publicKey: leaf.publicKey,
      keyId: leaf.keyId,
      purposes: ["record"],
    },
  ],
  revoked: [{ keyId: leaf.keyId, fromTsMs: 7 }],
}
const json = JSON.parse(fromUtf8(formatTrust(full))!)
const parsing = (value: unknown): string | undefined => refusal(parseTrust, canonical(value))

describe("parseTrust", () => {
  it("reads the trust file of signatures.json", () => {
    expect(trust).toEqual({
      keys: [
        {
          algoId: "ed25519",
          publicKey: root.publicKey,
          keyId: vectors.pubkey_id,
          purposes: ["root"],
        },
      ],
      revoked: [],
    })
    expect(toHex(formatTrust(trust))).toBe(toHex(canonical(vectors.trust)))
  })

  it("round-trips a trust file with everything in it", () => {
    expect(parseTrust(formatTrust(full))).toEqual(full)
    expect(parseTrust(canonical({ type: "strongroom/trust/v1", keys: [] })).keys).toEqual([])
  })

  it("takes its canonical bytes and no other spelling", () => {
    for (const bytes of respellings(json)) {
      expect(refusal(parseTrust, bytes), fromUtf8(bytes)).toBeDefined()
    }
  })

  it("refuses unknown and missing members at every level", () => {
    for (const at of [["more"], ["keys", 0, "more"], ["revoked", 0, "more"], ["__proto__x"]]) {
      expect(parsing(changed(json, at, 1)), at.join(".")).toBe("MEMBER_UNKNOWN")
    }
    for (const at of [
      ["type"],
      ["keys"],
      ["keys", 0, "algo_id"],
      ["keys", 0, "public_key"],
      ["keys", 0, "pubkey_id"],
      ["keys", 0, "purposes"],
      ["revoked", 0, "pubkey_id"],
      ["revoked", 0, "from_ts_ms"],
    ]) {
      expect(parsing(changed(json, at, undefined)), at.join(".")).toBe("MEMBER_MISSING")
    }
  })

  it("refuses every value that breaks its rule", () => {
    const p256 = toBase64(new Uint8Array(65).fill(2))
    const wrong: ReadonlyArray<readonly [ReadonlyArray<string | number>, unknown]> = [
      [["type"], "strongroom/trust/v2"],
      [["log_id"], "A75E72AAF01D6331DD8C22950DFE1C76"],
      [["log_id"], "a75e"],
      [["log_id"], null],
      [["keys"], {}],
      [["keys", 0], null],
      [["keys", 0, "algo_id"], "ed448"],
      [["keys", 0, "algo_id"], "ml-dsa-44"],
      [["keys", 0, "public_key"], toBase64(stranger.publicKey)],
      [["keys", 0, "public_key"], toBase64(root.publicKey.subarray(1))],
      [["keys", 0, "public_key"], toBase64(root.publicKey).replace("=", "")],
      [["keys", 0], { ...json.keys[0], algo_id: "ecdsa-p256-sha256", public_key: p256 }],
      [["keys", 0, "pubkey_id"], stranger.keyId],
      [["keys", 0, "pubkey_id"], "b3:0"],
      [["keys", 0, "purposes"], []],
      [
        ["keys", 0, "purposes"],
        ["checkpoint", "checkpoint"],
      ],
      [["keys", 0, "purposes"], ["everything"]],
      [["keys", 0, "purposes"], "root"],
      [["keys", 0, "from_ts_ms"], -1],
      [["keys", 0, "from_ts_ms"], "5"],
      [["keys", 0, "to_ts_ms"], 4],
      [["keys", 0, "to_ts_ms"], null],
      [["revoked"], null],
      [["revoked", 0, "pubkey_id"], "b3:"],
      [["revoked", 0, "from_ts_ms"], -1],
    ]
    for (const [at, value] of wrong) {
      expect(parsing(changed(json, at, value)), `${at.join(".")} ${value}`).toBe("MEMBER_VALUE")
    }
  })

  it("refuses two keys of one id, and a key revoked twice", () => {
    const twice = { ...json, keys: [json.keys[0], { ...json.keys[0], purposes: ["vote"] }] }
    expect(parsing(twice)).toBe("MEMBER_VALUE")
    expect(parsing({ ...json, revoked: [json.revoked[0], json.revoked[0]] })).toBe("MEMBER_VALUE")
  })

  it("says what and where, and repeats no value", () => {
    const secret = "do-not-repeat-me"
    for (const value of [
      { ...json, [secret]: 1 },
      changed(json, ["keys", 1, "pubkey_id"], secret),
      changed(json, ["keys", 1, "purposes", 0], secret),
    ]) {
      try {
        parseTrust(canonical(value))
        expect.unreachable()
      } catch (error) {
        expect(error).toBeInstanceOf(DocumentError)
        const { message, isRetryable } = error as DocumentError
        expect(message).toMatch(/^trust file/)
        expect(message).not.toContain(secret)
        expect(isRetryable).toBe(false)
      }
    }
    const wrongId = changed(json, ["keys", 1, "pubkey_id"], stranger.keyId)
    expect(() => parseTrust(canonical(wrongId))).toThrow(
      "trust file: keys[1].pubkey_id: is not the id of public_key",
    )
  })
})

describe("anchorFromFlag", () => {
  it("reads ALG:HEX as a root key", () => {
    const anchor = anchorFromFlag(`ed25519:${toHex(root.publicKey).toUpperCase()}`)
    expect(anchor).toEqual(trust.keys[0])
  })

  it("refuses anything else in one sentence", () => {
    for (const flag of ["", "ed25519", "ed25519:", "ed25519:00", ":00", "ed448:00", "ed25519:zz"]) {
      expect(() => anchorFromFlag(flag), flag).toThrow(/^--key: is not/)
    }
  })

  it("reads every algorithm's key by its size", () => {
    for (const id of Object.keys(algorithms) as ReadonlyArray<AlgoId>) {
      const key = new Uint8Array(algorithms[id].publicKeyBytes).fill(4)
      expect(anchorFromFlag(`${id}:${toHex(key)}`).keyId).toBe(keyIdOf(key))
    }
  })
})

describe("the trust set", () => {
  const anchor = anchorFromFlag(`ed25519:${toHex(stranger.publicKey)}`)

  it("takes further anchors, and refuses a second key of one id", () => {
    expect(withAnchors(undefined, [anchor])).toEqual({ keys: [anchor], revoked: [] })
    expect(withAnchors(full, [anchor])).toEqual({ ...full, keys: [...full.keys, anchor] })
    expect(() => withAnchors(trust, [...trust.keys])).toThrow(/twice/)
  })

  it("finds a key by id and algorithm", () => {
    expect(findKey(full, leaf.keyId, "ed25519")).toBe(full.keys[1])
    expect(findKey(full, leaf.keyId, "ml-dsa-44")).toBeUndefined()
    expect(findKey(full, stranger.keyId, "ed25519")).toBeUndefined()
  })

  it("lets root sign everything and every other key only what it is for", () => {
    for (const purpose of purposes) {
      expect(allows(anchor, purpose)).toBe(true)
      expect(allows(full.keys[1]!, purpose)).toBe(purpose === "record")
    }
    expect(allows(full.keys[0]!, "root")).toBe(false)
  })
})

describe("verifyAnchored", () => {
  const digest = new Uint8Array(32).fill(3)
  const envelope = { algoId: "ed25519" as const, keyId: root.keyId, sig: root.sign("c", digest) }

  it("tells a valid signature from a wrong one, a wrong purpose and a stranger", () => {
    expect(verifyAnchored(full, "checkpoint", envelope, "c", digest)).toEqual({
      verdict: "valid",
      key: full.keys[0],
    })
    const verdict = (purpose: "record" | "checkpoint", changes: Partial<typeof envelope>) =>
      verifyAnchored(full, purpose, { ...envelope, ...changes }, "c", digest).verdict
    expect(verdict("checkpoint", { sig: stranger.sign("c", digest) })).toBe("invalid")
    expect(verdict("checkpoint", { keyId: stranger.keyId })).toBe("unknown")
    expect(verdict("record", {})).toBe("purpose")
  })
})
