import { describe, expect, it } from "vitest"
import { concat, toHex, utf8 } from "../../src/base/Bytes.ts"
import { b3, formatHash } from "../../src/base/Hash.ts"
import { root as rootOf } from "../../src/merkle/Tree.ts"
import { Field } from "../../src/signing/Document.ts"
import {
  type Envelope,
  envelopesFromJson,
  envelopesToJson,
  formatEnvelopes,
  formatSigEntry,
  parseEnvelopes,
  readSigEntry,
  type SigEntry,
} from "../../src/signing/Envelope.ts"
import { batchDigest, contexts, signedMessage } from "../../src/signing/Message.ts"
import { verifySignature } from "../../src/signing/Verifier.ts"
import { selfHashes } from "../merkle/Vectors.ts"
import { bytes, root, vectors, wal } from "./Vectors.ts"

const logId = String(vectors.receipt.log_id)

const readAll = (file: Uint8Array): ReadonlyArray<SigEntry> => {
  const entries: SigEntry[] = []
  for (let offset = 0; offset < file.length; ) {
    const found = readSigEntry(file, offset)
    if (found === "incomplete" || "what" in found) throw new Error(JSON.stringify(found))
    entries.push(found.entry)
    offset = found.next
  }
  return entries
}

describe("signatures.json", () => {
  const json = new Field("receipt", "signatures", vectors.receipt.signatures!)
  const encoded = bytes(vectors.envelopes_cbor_hex)

  it("gives the CBOR and the JSON form of an envelope array, both ways [A-181, A-203]", () => {
    const envelopes = envelopesFromJson(json)
    expect(toHex(formatEnvelopes(envelopes))).toBe(vectors.envelopes_cbor_hex)
    expect(parseEnvelopes(encoded)).toEqual(envelopes)
    expect(envelopesToJson(envelopes)).toEqual(vectors.receipt.signatures)
  })

  it("holds a record signature over the record's self_hash [A-177]", () => {
    const [envelope] = parseEnvelopes(encoded) as ReadonlyArray<Envelope>
    const { sig } = envelope!
    const hash = selfHashes[99]!
    expect(verifySignature("ed25519", root.publicKey, contexts.record, hash, sig)).toBe("valid")
  })

  it("gives the digest of a batch and the message that is signed", () => {
    const batch = {
      first: 65,
      last: 128,
      logId,
      root: "b3:28bf4f0f99f6d16e2c779377d8c8e20dfa7d2a50eccdf08d9b0912562d934ff9",
      stream: "ingress",
      writerId: "svc-gateway@inst-1",
    }
    const digest = b3(utf8(vectors.batch_signed_bytes))
    expect(toHex(batchDigest(batch))).toBe(toHex(digest))
    const message = concat(utf8("strongroom/batch/v1"), Uint8Array.of(0), digest)
    expect(toHex(signedMessage(contexts.batch, digest))).toBe(toHex(message))
  })
})

describe("wal.json", () => {
  const file = bytes(wal.sig_hex)
  const entries = readAll(file)

  it("holds a record entry and a batch entry, written back byte for byte", () => {
    expect(entries.map(({ first, last }) => [first, last])).toEqual([
      [1, 1],
      [2, 3],
    ])
    expect(toHex(concat(...entries.map(formatSigEntry)))).toBe(wal.sig_hex)
  })

  it("verifies both, the batch over its rebuilt root [A-177]", () => {
    const [record, batch] = entries
    const own = record!.envelopes[0]!
    expect(record!.root).toBeNull()
    expect(own.keyId).toBe(root.keyId)
    expect(
      verifySignature(own.algoId, root.publicKey, contexts.record, selfHashes[0]!, own.sig),
    ).toBe("valid")
    const rebuilt = rootOf(concat(selfHashes[1]!, selfHashes[2]!))
    expect(toHex(batch!.root!)).toBe(toHex(rebuilt))
    const digest = batchDigest({
      first: 2,
      last: 3,
      logId,
      root: formatHash(rebuilt),
      stream: "ingress",
      writerId: "svc-gateway@inst-1",
    })
    const { algoId, sig } = batch!.envelopes[0]!
    expect(verifySignature(algoId, root.publicKey, contexts.batch, digest, sig)).toBe("valid")
  })

  it("reads an entry cut anywhere as incomplete, never as another", () => {
    for (let size = 0; size < 124; size++) {
      expect(readSigEntry(file.subarray(0, size), 0)).toBe("incomplete")
    }
  })
})
