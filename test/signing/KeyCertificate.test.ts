import { describe, expect, it } from "vitest"
import { fromUtf8, toBase64, toHex } from "../../src/base/Bytes.ts"
import { b3 } from "../../src/base/Hash.ts"
import {
  type CertificateUse,
  checkCertificate,
  coversStream,
  formatCertificate,
  type KeyCertificate,
  parseCertificate,
  signedBytes,
} from "../../src/signing/KeyCertificate.ts"
import { contexts } from "../../src/signing/Message.ts"
import {
  checkRevocation,
  formatRevocation,
  parseRevocation,
  type Revocation,
  signedBytes as revocationBytes,
} from "../../src/signing/Revocation.ts"
import type { Trust } from "../../src/signing/Trust.ts"
import { changed, refusal, respellings } from "./Mutations.ts"
import { canonical, leaf, root, stranger, trust, vectors } from "./Vectors.ts"

const certificate = parseCertificate(canonical(vectors.certificate))
const use: CertificateUse = {
  trust,
  logId: certificate.logId,
  writerId: certificate.writerId,
  stream: "ingress",
}

/** The certificate with changes, signed anew by `issuer`. */
const issued = (changes: Partial<KeyCertificate>, issuer = root): KeyCertificate => {
  const { cosignatures, ...unsigned } = { ...certificate, issuerKeyId: issuer.keyId, ...changes }
  const sig = issuer.sign(contexts.certificate, b3(signedBytes(unsigned)))
  return { ...unsigned, sig, ...(cosignatures && { cosignatures }) }
}

const verdict = (one: KeyCertificate, other: Partial<CertificateUse> = {}): string => {
  const found = checkCertificate(one, { ...use, ...other })
  return found.verdict === "valid" ? "valid" : `${found.verdict}: ${found.reason}`
}

const cosigned = (by: typeof root, over = certificate) => ({
  algoId: "ed25519" as const,
  keyId: by.keyId,
  sig: by.sign(contexts.certificate, b3(signedBytes(over))),
})

describe("parseCertificate", () => {
  const parsing = (value: unknown) => refusal(parseCertificate, canonical(value))
  const json = JSON.parse(
    fromUtf8(formatCertificate({ ...certificate, cosignatures: [cosigned(stranger)] }))!,
  )

  it("reads the certificate of signatures.json and writes it back", () => {
    expect(toHex(formatCertificate(certificate))).toBe(toHex(canonical(vectors.certificate)))
    expect(certificate.keyId).toBe(leaf.keyId)
    expect(parseCertificate(canonical(json)).cosignatures).toEqual([cosigned(stranger)])
  })

  it("takes its canonical bytes and no other spelling", () => {
    for (const bytes of respellings(json)) {
      expect(refusal(parseCertificate, bytes), fromUtf8(bytes)).toBeDefined()
    }
  })

  it("refuses unknown and missing members", () => {
    expect(parsing({ ...json, more: 1 })).toBe("MEMBER_UNKNOWN")
    expect(parsing(changed(json, ["cosignatures", 0, "more"], 1))).toBe("MEMBER_UNKNOWN")
    const members = Object.keys(json).filter((member) => member !== "cosignatures")
    expect(members.length).toBe(12)
    for (const member of members) {
      expect(parsing(changed(json, [member], undefined)), member).toBe("MEMBER_MISSING")
    }
    expect(parsing(changed(json, ["cosignatures"], undefined))).toBeUndefined()
  })

  it("refuses every value that breaks its rule", () => {
    const wrong: ReadonlyArray<readonly [string, unknown]> = [
      ["type", "strongroom/key-cert/v2"],
      ["log_id", "x"],
      ["algo_id", "ed448"],
      ["public_key", toBase64(stranger.publicKey)],
      ["public_key", toBase64(leaf.publicKey.subarray(1))],
      ["pubkey_id", stranger.keyId],
      ["issuer_key_id", "ops-hsm-1"],
      ["issuer_algo_id", "none"],
      ["not_before_ms", -1],
      ["not_before_ms", certificate.notAfterMs + 1],
      ["not_after_ms", "x"],
      ["writer_id", "a/b"],
      ["writer_id", ""],
      ["writer_id", "x".repeat(129)],
      ["streams", []],
      ["streams", "ingress"],
      ["streams", [""]],
      ["streams", ["x".repeat(65)]],
      ["streams", ["a\u0000"]],
      ["sig", "AB=="],
      ["cosignatures", null],
      ["cosignatures", [json.cosignatures[0], json.cosignatures[0]]],
    ]
    for (const [member, value] of wrong) {
      expect(parsing(changed(json, [member], value)), `${member} ${value}`).toBe("MEMBER_VALUE")
    }
    expect(parsing(changed(json, ["streams"], ["*"]))).toBeUndefined()
  })
})

describe("checkCertificate", () => {
  it("follows a certificate to its anchor", () => {
    expect(checkCertificate(certificate, use)).toEqual({
      verdict: "valid",
      times: {
        keyId: leaf.keyId,
        notBeforeMs: certificate.notBeforeMs,
        notAfterMs: certificate.notAfterMs,
        issuer: trust.keys[0],
      },
    })
  })

  it("refuses another log, writer or stream, however validly signed", () => {
    expect(verdict(issued({ logId: "0".repeat(32) }))).toBe("invalid: log")
    expect(verdict(issued({ writerId: "svc-gateway@inst-2" }))).toBe("invalid: writer")
    expect(verdict(issued({ streams: ["egress"] }))).toBe("invalid: stream")
    expect(verdict(issued({ streams: ["egress", "ingress"] }))).toBe("valid")
  })

  it("refuses any change that the issuer did not sign", () => {
    const changes: ReadonlyArray<Partial<KeyCertificate>> = [
      { streams: ["*"] },
      { notBeforeMs: certificate.notBeforeMs - 1 },
      { notAfterMs: certificate.notAfterMs + 1 },
      { publicKey: stranger.publicKey, keyId: stranger.keyId },
      { sig: certificate.sig.with(0, certificate.sig[0]! ^ 1) },
    ]
    for (const change of changes) {
      expect(verdict({ ...certificate, ...change })).toBe("invalid: signature")
    }
  })

  it("refuses what is issued by itself or by another certified key: the chain is one long", () => {
    expect(verdict(issued({}, leaf))).toBe("invalid: self_issued")
    const byLeaf = issued({ publicKey: stranger.publicKey, keyId: stranger.keyId }, leaf)
    expect(verdict(byLeaf)).toBe("unknown: issuer_unknown")
    const certifiedKeyIds = new Set([leaf.keyId, stranger.keyId])
    expect(verdict(byLeaf, { certifiedKeyIds })).toBe("invalid: issued_by_certified")
  })

  it("does not know an issuer that is no anchor, and refuses one without the purpose", () => {
    expect(verdict(issued({}, stranger))).toBe("unknown: issuer_unknown")
    const [key] = trust.keys
    const withPurposes = (purposes: Trust["keys"][0]["purposes"]): Trust => ({
      ...trust,
      keys: [{ ...key!, purposes }],
    })
    expect(verdict(certificate, { trust: withPurposes(["checkpoint", "record"]) })).toBe(
      "invalid: issuer_purpose",
    )
    expect(verdict(certificate, { trust: withPurposes(["certificate"]) })).toBe("valid")
  })

  it("counts any valid cosignature, and refuses a wrong one all the same", () => {
    const pq = { algoId: "ml-dsa-44" as const, keyId: stranger.keyId, sig: new Uint8Array(2420) }
    const byStranger = issued({ cosignatures: [pq] }, stranger)
    expect(verdict({ ...byStranger, cosignatures: [cosigned(root, byStranger)] })).toBe("valid")
    const wrong = { ...cosigned(root), sig: new Uint8Array(64) }
    expect(verdict({ ...byStranger, cosignatures: [wrong] })).toBe("invalid: signature")
    expect(verdict({ ...certificate, cosignatures: [pq] })).toBe("valid")
    const publicKey = new Uint8Array(1312)
    const pqAnchor = { algoId: pq.algoId, publicKey, keyId: pq.keyId, purposes: ["root"] as const }
    const onlyPq: Trust = { keys: [pqAnchor], revoked: [] }
    expect(verdict(byStranger, { trust: onlyPq })).toBe("unknown: unsupported")
  })
})

describe("coversStream", () => {
  it("takes exact names, and prefixes that end in a star", () => {
    expect(coversStream(["ingress"], "ingress")).toBe(true)
    expect(coversStream(["ingress"], "ingress2")).toBe(false)
    expect(coversStream(["ing*"], "ingress")).toBe(true)
    expect(coversStream(["ing*"], "ing")).toBe(true)
    expect(coversStream(["ing*"], "in")).toBe(false)
    expect(coversStream(["*"], "anything")).toBe(true)
    expect(coversStream(["i*s"], "ingress")).toBe(false)
    expect(coversStream(["a", "b*"], "bc")).toBe(true)
    expect(coversStream([], "a")).toBe(false)
  })
})

describe("revocation", () => {
  const revoke = (changes: Partial<Revocation> = {}, issuer = root): Revocation => {
    const unsigned = {
      keyId: leaf.keyId,
      fromTsMs: 1_730_246_400_000,
      reason: "key.compromise",
      issuerKeyId: issuer.keyId,
      issuerAlgoId: "ed25519" as const,
      tsMs: 1_730_246_500_000,
      ...changes,
    }
    return { ...unsigned, sig: issuer.sign(contexts.revocation, b3(revocationBytes(unsigned))) }
  }
  const json = JSON.parse(fromUtf8(formatRevocation(revoke()))!)
  const parsing = (value: unknown) => refusal(parseRevocation, canonical(value))

  it("round-trips in its canonical bytes and no other spelling", () => {
    expect(parseRevocation(formatRevocation(revoke()))).toEqual(revoke())
    for (const bytes of respellings(json)) expect(refusal(parseRevocation, bytes)).toBeDefined()
  })

  it("refuses unknown, missing and wrong members", () => {
    expect(parsing({ ...json, more: 1 })).toBe("MEMBER_UNKNOWN")
    for (const member of Object.keys(json)) {
      expect(parsing(changed(json, [member], undefined)), member).toBe("MEMBER_MISSING")
      expect(parsing(changed(json, [member], null)), member).toBe("MEMBER_VALUE")
    }
    expect(parsing({ ...json, type: "strongroom/key-cert/v1" })).toBe("MEMBER_VALUE")
    expect(parsing({ ...json, reason: "Not a reason" })).toBe("MEMBER_VALUE")
    expect(parsing({ ...json, from_ts_ms: -1 })).toBe("MEMBER_VALUE")
  })

  it("counts only by the issuer of the certificate it ends", () => {
    const check = (one: Revocation, by = trust) => checkRevocation(one, certificate, by)
    expect(check(revoke())).toBe("valid")
    expect(check(revoke({}, stranger))).toBe("invalid")
    expect(check(revoke({ keyId: stranger.keyId }))).toBe("invalid")
    expect(check({ ...revoke(), fromTsMs: 1 })).toBe("invalid")
    expect(check(revoke(), { keys: [], revoked: [] })).toBe("unknown")
    // The certificate's signature is no revocation, and the other way round.
    expect(check({ ...revoke(), sig: certificate.sig })).toBe("invalid")
  })
})
