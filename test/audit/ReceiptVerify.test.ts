import { describe, expect, it } from "vitest"
import { buildReceipt, parseReceipt, type Receipt } from "../../src/audit/Receipt.ts"
import { type ReceiptOptions, verifyReceipt } from "../../src/audit/ReceiptVerify.ts"
import { toBase64, utf8 } from "../../src/base/Bytes.ts"
import { b3, formatHash, parseHash } from "../../src/base/Hash.ts"
import { type Checkpoint, format, signedBytes } from "../../src/checkpoint/Checkpoint.ts"
import { root as rootOf } from "../../src/merkle/Tree.ts"
import { type AuditRecord, seal } from "../../src/record/Record.ts"
import type { Envelope } from "../../src/signing/Envelope.ts"
import {
  signedBytes as certificateBytes,
  type KeyCertificate,
} from "../../src/signing/KeyCertificate.ts"
import { batchDigest, contexts } from "../../src/signing/Message.ts"
import type { Purpose, Trust, TrustKey } from "../../src/signing/Trust.ts"
import { leaf, root, stranger, type TestKey, testKey, trust, vectors } from "../signing/Vectors.ts"

const parse = (value: unknown): Receipt => parseReceipt(utf8(JSON.stringify(value)))
const good = parse(vectors.receipt)
const nowMs = 1_763_000_000_000

const verify = (receipt: Receipt, options: Partial<ReceiptOptions> = {}) =>
  verifyReceipt(receipt, { trust, nowMs, ...options })

const said = (receipt: Receipt, options: Partial<ReceiptOptions> = {}): string => {
  const { verdict, findings } = verify(receipt, options)
  return [verdict, ...new Set(findings.map(({ kind }) => kind))].join(" ")
}

const anchor = (key: TestKey, purposes: Purpose[], more: Partial<TrustKey> = {}): TrustKey => ({
  algoId: "ed25519",
  publicKey: key.publicKey,
  keyId: key.keyId,
  purposes,
  ...more,
})
const trusting = (...keys: TrustKey[]): Trust => ({ keys, revoked: [] })

const envelope = (key: TestKey, context: string, digest: Uint8Array): Envelope => ({
  algoId: "ed25519",
  keyId: key.keyId,
  sig: key.sign(context, digest),
})

const { logId, record } = good
const own = parseHash(record.self_hash)!
const recordSigned = (key: TestKey): Receipt => ({
  logId,
  record,
  signatures: [envelope(key, contexts.record, own)],
})
const batchSigned = (key: TestKey): Receipt => ({
  logId,
  record,
  batch: {
    ...good.batch!,
    signatures: [
      envelope(
        key,
        contexts.batch,
        batchDigest({
          first: 65,
          last: 128,
          logId,
          root: good.batch!.root,
          stream: record.stream,
          writerId: record.writer_id,
        }),
      ),
    ],
  },
})
const checkpointSigned = (key: TestKey, changes: Partial<Checkpoint> = {}): Receipt => {
  const body = { ...good.checkpoint!, signer_key_id: key.keyId, ...changes }
  const sig = key.sign(contexts.checkpoint, b3(signedBytes(body)))
  return { logId, record, checkpoint: { ...body, sig: toBase64(sig) }, path: good.path }
}
const cosigned = (receipt: Receipt, ...keys: TestKey[]): Receipt => ({
  ...receipt,
  cosignatures: keys.map((key) =>
    envelope(key, contexts.checkpoint, b3(signedBytes(receipt.checkpoint!))),
  ),
})
const certified = (changes: Partial<KeyCertificate> = {}): KeyCertificate => {
  const unsigned = { ...good.certificates![0]!, ...changes }
  return { ...unsigned, sig: root.sign(contexts.certificate, b3(certificateBytes(unsigned))) }
}

describe("signatures.json", () => {
  it("has its good receipt and 14 that must not verify", () => {
    expect(vectors.rejected.length).toBe(14)
    expect(new Set(vectors.rejected.map(({ name }) => name)).size).toBe(14)
  })

  it("finds the good receipt valid, by record, batch and checkpoint [A-201]", () => {
    const report = verify(good)
    expect(report).toMatchObject({ verdict: "valid", findings: [], seq: 100, log_id: logId })
    expect(report.covered_by).toEqual([
      { by: "checkpoint", algo_id: "ed25519", pubkey_id: root.keyId },
      { by: "batch", algo_id: "ed25519", pubkey_id: leaf.keyId },
      { by: "record", algo_id: "ed25519", pubkey_id: root.keyId },
    ])
    expect(report.notes).toEqual(["log not pinned"])
    expect(verify(good, { trust: { ...trust, logId } }).notes).toEqual([])
    expect(said(good, { require: "checkpointed" })).toBe("valid")
  })

  it("finds none of the others valid, each for its own reason", () => {
    const found = Object.fromEntries(
      vectors.rejected.map(({ name, receipt }) => [name, said(parse(receipt))]),
    )
    expect(found).toEqual({
      "record edited": "invalid hash_mismatch",
      "signature bit": "invalid sig_invalid",
      "other log": "invalid cert_invalid wrong_log",
      "path swapped": "invalid root_mismatch",
      "batch last": "invalid root_mismatch sig_invalid",
      "certificate for other streams (validly signed)": "invalid cert_invalid",
      "certificate for another writer (validly signed)": "invalid cert_invalid",
      "certificate of another log (validly signed)": "invalid cert_invalid",
      "certificate over before the checkpoint (validly signed)": "invalid key_expired",
      "certificate issued by itself": "invalid cert_invalid",
      "certificate edited, not re-signed": "invalid cert_invalid",
      "checkpoint validly signed by the certified key": "invalid sig_invalid",
      "no proof": "invalid sig_missing",
      "record signature alone, other log": "unknown",
    })
  })

  it("is never valid without trust, with none in it, or with another's", () => {
    for (const { name, receipt } of [
      { name: "good", receipt: vectors.receipt },
      ...vectors.rejected,
    ]) {
      for (const other of [undefined, trusting(), trusting(anchor(stranger, ["root"]))]) {
        expect(verify(parse(receipt), { trust: other }).verdict, name).not.toBe("valid")
      }
    }
    expect(said(good, { trust: undefined })).toBe("unknown")
    expect(verify(good, { trust: undefined }).notes).toContain("no trust anchor was given")
    expect(said(good, { trust: trusting(anchor(stranger, ["root"])) })).toBe("unknown key_unknown")
  })
})

describe("the log", () => {
  it("must be the one that the trust file pins", () => {
    expect(said(good, { trust: { ...trust, logId } })).toBe("valid")
    expect(said(good, { trust: { ...trust, logId: "0".repeat(32) } })).toBe("invalid wrong_log")
  })

  it("is not named by a record signature alone", () => {
    expect(said(recordSigned(root))).toBe("unknown")
    expect(verify(recordSigned(root)).notes.join()).toMatch(/does not say which log/)
    expect(said({ ...recordSigned(root), ...batchSigned(root) })).toBe("valid")
    expect(said(batchSigned(root))).toBe("valid")
    expect(said(checkpointSigned(root))).toBe("valid")
  })

  it("is named by the certificate of the signing key, not by that of another", () => {
    const wide = certified({ notAfterMs: nowMs + 1 })
    expect(said({ ...recordSigned(leaf), certificates: [wide] })).toBe("valid")
    expect(said({ ...recordSigned(root), certificates: [wide] })).toBe("unknown")
  })

  it("must be the one that the chain's first record opened", () => {
    const { self_hash: _, ...first } = vectors.receipt.record as unknown as AuditRecord
    const opened = seal({
      ...first,
      seq: 1,
      kind: "StreamOpened",
      attrs: { log_id: logId },
      prev: "b3:0",
    })
    const leafHash = parseHash(opened.self_hash)!
    const range = [1, 1] as const
    const body = { ...good.checkpoint!, range, root: formatHash(rootOf(leafHash)) }
    const sealed = (id: string): Receipt => {
      const signed = { ...body, log_id: id }
      const sig = root.sign(contexts.checkpoint, b3(signedBytes(signed)))
      const checkpoint = { ...signed, sig: toBase64(sig) }
      return buildReceipt({
        logId: id,
        record: opened,
        checkpoint: { checkpoint, hashes: leafHash },
      })
    }
    expect(said(sealed(logId))).toBe("valid")
    expect(said(sealed("0".repeat(32)))).toBe("invalid wrong_log")
  })
})

describe("places", () => {
  it("must be those of the record: writer, stream, seq, path", () => {
    expect(said(checkpointSigned(root, { stream: "egress" }))).toBe("invalid wrong_stream")
    expect(said(checkpointSigned(root, { writer_id: "x" }))).toBe("invalid wrong_stream")
    expect(said(checkpointSigned(root, { log_id: "0".repeat(32) }))).toBe("invalid wrong_log")
    for (const range of [
      [101, 200],
      [1, 99],
      [1, 128],
      [2, 101],
    ] as const) {
      expect(said(checkpointSigned(root, { range })), `${range}`).toBe("invalid root_mismatch")
    }
    const cut = { ...checkpointSigned(root), path: good.path!.slice(1) }
    expect(said(cut)).toBe("invalid root_mismatch")
    // A right signature over a wrong place covers nothing.
    expect(verify(cut).covered_by).toEqual([])
    expect(verify({ ...batchSigned(root), ...cut }).covered_by.map(({ by }) => by)).toEqual([
      "batch",
    ])
    const lost = { ...batchSigned(root).batch!, path: good.batch!.path.slice(1) }
    expect(verify({ logId, record, batch: lost }).covered_by).toEqual([])
    const lostLeaf = { ...batchSigned(leaf).batch!, path: lost.path }
    const certificates = [certified({ notAfterMs: nowMs })]
    expect(verify({ logId, record, batch: lostLeaf, certificates }).covered_by).toEqual([])
    const shifted = { ...good, batch: { ...good.batch!, first: 64 } }
    expect(said(shifted)).toBe("invalid root_mismatch sig_invalid")
  })

  it("name what was expected and what was found", () => {
    const [finding] = verify({ ...good, path: good.path!.toReversed() }).findings
    expect(finding).toMatchObject({
      kind: "root_mismatch",
      seq: 100,
      expected: good.checkpoint!.root,
    })
    expect(finding!.found).toMatch(/^b3:[0-9a-f]{64}$/)
    const self_hash = formatHash(new Uint8Array(32))
    const [edited] = verify({ ...good, record: { ...record, self_hash } }).findings
    expect(edited).toMatchObject({ kind: "hash_mismatch", expected: record.self_hash })
    expect(edited!.found).toBe(self_hash)
  })
})

describe("signatures", () => {
  const pq: Envelope = { algoId: "ml-dsa-44", keyId: stranger.keyId, sig: new Uint8Array(2420) }
  const pqAnchor: TrustKey = {
    algoId: "ml-dsa-44",
    publicKey: new Uint8Array(1312),
    keyId: stranger.keyId,
    purposes: ["root"],
  }

  it("cover if any is valid, in any order, beside unknown and unsupported ones [A-182]", () => {
    const unknown = envelope(testKey(new Uint8Array(32).fill(5)), contexts.record, own)
    const three = [pq, unknown, ...recordSigned(root).signatures!]
    const both = trusting(anchor(root, ["root"]), pqAnchor)
    for (const [a, b, c] of [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ] as const) {
      const signatures = [three[a]!, three[b]!, three[c]!]
      const report = verify({ ...batchSigned(root), signatures }, { trust: both })
      expect(report.verdict).toBe("valid")
      expect(report.findings).toEqual([])
      expect(report.notes.join("\n")).toMatch(/ml-dsa-44 signature .* not supported here/)
      expect(report.notes.join("\n")).toMatch(/key_unknown: /)
    }
  })

  it("that are only unsupported or unknown leave the receipt unknown", () => {
    const only = { logId, record, signatures: [pq] }
    expect(said(only, { trust: trusting(pqAnchor) })).toBe("unknown")
    expect(said(only)).toBe("unknown key_unknown")
  })

  it("that are wrong are a finding, whatever else covers [A-191]", () => {
    const wrong = { ...envelope(root, contexts.record, own), sig: new Uint8Array(64) }
    expect(said({ ...good, signatures: [wrong] })).toBe("invalid sig_invalid")
    const crossed = [envelope(root, contexts.batch, own)]
    expect(said({ ...good, signatures: crossed })).toBe("invalid sig_invalid")
    const forged = { ...good.checkpoint!, sig: toBase64(new Uint8Array(64)) }
    expect(said({ ...good, checkpoint: forged })).toBe("invalid sig_invalid")
    const cosignature = { ...envelope(root, contexts.manifest, b3(signedBytes(good.checkpoint!))) }
    expect(said({ ...good, cosignatures: [cosignature] })).toBe("invalid sig_invalid")
  })

  it("that were stripped leave nothing covered [A-191]", () => {
    expect(said({ logId, record })).toBe("invalid sig_missing")
    expect(said({ logId, record, signatures: [] })).toBe("invalid sig_missing")
    const batch = { ...good.batch!, signatures: [] }
    expect(said({ logId, record, batch })).toBe("invalid sig_missing")
    expect(said({ ...good, batch })).toBe("valid")
  })

  it("need a key of the right purpose", () => {
    const cases: ReadonlyArray<readonly [Receipt, Purpose]> = [
      [batchSigned(root), "record"],
      [checkpointSigned(root), "checkpoint"],
    ]
    for (const [receipt, purpose] of cases) {
      expect(said(receipt, { trust: trusting(anchor(root, [purpose])) })).toBe("valid")
      for (const other of ["record", "checkpoint", "certificate", "vote", "witness"] as const) {
        if (other === purpose) continue
        const trusted = trusting(anchor(root, [other]))
        expect(said(receipt, { trust: trusted }), `${purpose} by ${other}`).toBe(
          "invalid sig_invalid",
        )
      }
    }
  })

  it("of checkpoints alone cover where they are required", () => {
    expect(said(batchSigned(root), { require: "checkpointed" })).toBe("unknown")
    expect(said(batchSigned(root), { require: "signed" })).toBe("valid")
    expect(said(checkpointSigned(root), { require: "checkpointed" })).toBe("valid")
    const other = { ...batchSigned(root), ...checkpointSigned(stranger) }
    expect(said(other, { require: "checkpointed" })).toBe("unknown key_unknown")
    expect(said(other)).toBe("valid")
  })
})

describe("cosignatures", () => {
  it("cover a checkpoint whose own key is gone, its bytes unchanged [A-188]", () => {
    const receipt = checkpointSigned(root)
    const before = Buffer.from(format(receipt.checkpoint!)).toString("hex")
    const expired = trusting(
      anchor(root, ["root"], { toTsMs: nowMs - 1 }),
      anchor(stranger, ["checkpoint"], { fromTsMs: nowMs - 1 }),
    )
    expect(said(receipt, { trust: expired })).toBe("invalid key_expired")
    const saved = cosigned(receipt, stranger)
    expect(said(saved, { trust: expired })).toBe("valid")
    expect(verify(saved, { trust: expired }).notes.join()).toMatch(/key_expired: /)
    expect(Buffer.from(format(saved.checkpoint!)).toString("hex")).toBe(before)
  })

  it("of witnesses are noted, and cover nothing by themselves", () => {
    const witness = anchor(stranger, ["witness"])
    const seen = cosigned(checkpointSigned(root), stranger)
    const report = verify(seen, { trust: trusting(anchor(root, ["root"]), witness) })
    expect(report.verdict).toBe("valid")
    expect(report.notes).toContain(`witnessed by ${stranger.keyId}`)
    expect(report.covered_by.length).toBe(1)
    expect(said(seen, { trust: trusting(witness) })).toBe("unknown key_unknown")
    const asOwn = checkpointSigned(stranger)
    expect(said(asOwn, { trust: trusting(witness) })).toBe("invalid sig_invalid")
  })
})

describe("times", () => {
  const at = good.checkpoint!.ts_ms
  const revoking = (key: TestKey, fromTsMs: number): Trust => ({
    keys: [anchor(root, ["root"]), anchor(stranger, ["record"])],
    revoked: [{ keyId: key.keyId, fromTsMs }],
  })

  it("of a revoked anchor count only before it, by another key's word", () => {
    expect(said(checkpointSigned(root), { trust: revoking(root, at + 1) })).toBe(
      "invalid key_compromised",
    )
    const both = { ...batchSigned(stranger), ...checkpointSigned(root) }
    expect(said(both, { trust: revoking(stranger, at + 1) })).toBe("valid")
    expect(verify(both, { trust: revoking(stranger, at + 1) }).covered_by.length).toBe(2)
    expect(said(both, { trust: revoking(stranger, at) })).toBe("invalid key_compromised")
    expect(said(batchSigned(stranger), { trust: revoking(stranger, at + 1) })).toBe(
      "invalid key_compromised",
    )
  })

  it("of an expired anchor likewise", () => {
    const until = (toTsMs: number): Trust =>
      trusting(anchor(root, ["root"]), anchor(stranger, ["record"], { toTsMs }))
    const both = { ...batchSigned(stranger), ...checkpointSigned(root) }
    expect(said(both, { trust: until(at + 1) })).toBe("valid")
    expect(said(both, { trust: until(at) })).toBe("invalid key_expired")
    expect(said(batchSigned(stranger), { trust: until(at + 1) })).toBe("invalid key_expired")
    expect(said(batchSigned(stranger), { trust: until(nowMs) })).toBe("valid")
  })

  it("of a certified key: inside the window by the checkpoint's date, else by now", () => {
    const { notBeforeMs, notAfterMs } = good.certificates![0]!
    const alone = { ...batchSigned(leaf), certificates: good.certificates }
    expect(said(alone, { nowMs: notBeforeMs })).toBe("valid")
    expect(said(alone, { nowMs: notAfterMs })).toBe("valid")
    // It counts as absent, not as wrong.
    expect(said(alone, { nowMs: notAfterMs + 1 })).toBe("unknown")
    expect(said(alone, { nowMs: notBeforeMs - 1 })).toBe("unknown")
    const placed = { ...alone, ...checkpointSigned(root) }
    expect(said(placed, { nowMs: notAfterMs + 1 })).toBe("valid")
    expect(verify(placed, { nowMs: notAfterMs + 1 }).covered_by.length).toBe(2)
    const early = certified({ notBeforeMs: at + 1 })
    expect(said({ ...placed, certificates: [early] })).toBe("invalid key_expired")
  })

  it("of a certified key that was revoked, or whose issuer was", () => {
    const placed = { ...batchSigned(leaf), ...checkpointSigned(stranger) }
    const receipt = { ...placed, certificates: good.certificates }
    const keys = [anchor(root, ["certificate"]), anchor(stranger, ["checkpoint"])]
    const trusted = (keyId: string, fromTsMs: number): Trust => ({
      keys,
      revoked: [{ keyId, fromTsMs }],
    })
    expect(said(receipt, { trust: trusting(...keys) })).toBe("valid")
    for (const keyId of [leaf.keyId, root.keyId]) {
      expect(said(receipt, { trust: trusted(keyId, at) })).toBe("invalid key_compromised")
      expect(said(receipt, { trust: trusted(keyId, at + 1) })).toBe("valid")
    }
  })
})

describe("certificates", () => {
  it("that are not there leave a certified signature unknown", () => {
    expect(said({ ...batchSigned(leaf), certificates: [] })).toBe("unknown key_unknown")
    const noIssuer = trusting(anchor(stranger, ["root"]))
    const receipt = { ...batchSigned(leaf), certificates: good.certificates }
    expect(said(receipt, { trust: noIssuer })).toBe("unknown key_unknown")
  })

  it("do not make up for a wrong signature", () => {
    const wrong = batchSigned(stranger).batch!.signatures[0]!
    const signatures = [{ ...wrong, keyId: leaf.keyId }]
    const receipt = { ...good, batch: { ...good.batch!, signatures } }
    expect(said(receipt)).toBe("invalid sig_invalid")
  })
})
