/** Conformance of engines: signatures, made and checked. */
import { createPublicKey, verify } from "node:crypto"
import { expect, it } from "vitest"
import { rootOf } from "../../models/ChainModel.ts"
import { concat, fromBase64, fromHex, utf8 } from "../../src/base/Bytes.ts"
import { b3, formatHash, parseHash } from "../../src/base/Hash.ts"
import type { Engine, EngineSigner, SealRequest } from "../../src/engine/Engine.ts"
import { EngineError } from "../../src/engine/EngineError.ts"
import * as Vectors from "../record/Vectors.ts"
import {
  chain,
  entriesOf,
  good,
  keep,
  positionOf,
  records,
  refusals,
  requestOf,
  seed,
} from "./EngineInput.ts"

const opensslVerifies = (publicKey: Uint8Array, message: Uint8Array, sig: Uint8Array): boolean => {
  const der = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), publicKey])
  return verify(null, message, createPublicKey({ key: der, format: "der", type: "spki" }), sig)
}

const messageOf = (context: string, digest: Uint8Array): Uint8Array =>
  concat(utf8(`${context}\0`), digest)

export const signingSuite = (open: () => Engine): void => {
  const texts = Array.from({ length: 37 }, (_, i) => good(`{"i":${i}}`))
  texts.splice(3, 0, refusals[0]![1])
  const sealed = (mode: SealRequest["mode"], engine: Engine, signer: EngineSigner) =>
    keep(engine.sealBatch(requestOf(texts, { mode, signer, state: positionOf(records[4]!) })))

  it("has the key of signatures.json and signs as its receipts say", () => {
    const engine = open()
    const signer = engine.openSigner(seed)
    expect(signer.keyId).toBe(Vectors.signatures.pubkey_id)
    const { receipt, batch_signed_bytes, leaf_private_key_hex } = Vectors.signatures
    const hash = parseHash(records[99]!.self_hash)!
    expect(signer.sign("strongroom/r1", hash)).toEqual(fromBase64(receipt.signatures[0]!.sig))
    const leaf = engine.openSigner(fromHex(leaf_private_key_hex)!)
    expect(leaf.sign("strongroom/batch/v1", b3(utf8(batch_signed_bytes)))).toEqual(
      fromBase64(receipt.batch.signatures[0]!.sig),
    )
  })

  it("leaves the records alone, however it signs [A-034]", () => {
    const engine = open()
    const signer = engine.openSigner(seed)
    const [unsigned, batch, record] = (["unsigned", "batch", "record"] as const).map((mode) =>
      sealed(mode, engine, signer),
    )
    expect(batch!.frames).toEqual(unsigned!.frames)
    expect(record!.frames).toEqual(unsigned!.frames)
    expect(unsigned!.signatures.length).toBe(0)
  })

  it("signs a batch once, over its root", () => {
    const engine = open()
    const signer = engine.openSigner(seed)
    const { signatures, hashes } = sealed("batch", engine, signer)
    const [entry, ...more] = entriesOf(signatures)
    expect(more).toEqual([])
    const leaves = Array.from({ length: 37 }, (_, i) => hashes.subarray(32 * i, 32 * i + 32))
    expect(entry).toMatchObject({ first: 6, last: 42, root: rootOf(leaves) })
    const root = formatHash(entry!.root!)
    const signed =
      `{"first":6,"last":42,"log_id":"${chain.logId}","root":"${root}",` +
      `"stream":"ingress","writer_id":"${chain.writerId}"}`
    const message = messageOf("strongroom/batch/v1", b3(utf8(signed)))
    const [envelope] = entry!.envelopes
    expect(envelope).toMatchObject({ algoId: "ed25519", keyId: signer.keyId })
    expect(opensslVerifies(signer.publicKey, message, envelope!.sig)).toBe(true)
  })

  it("signs each record over its hash", () => {
    const engine = open()
    const signer = engine.openSigner(seed)
    const { signatures, hashes } = sealed("record", engine, signer)
    const entries = entriesOf(signatures)
    expect(entries.length).toBe(37)
    entries.forEach((entry, index) => {
      expect(entry).toMatchObject({ first: 6 + index, last: 6 + index, root: null })
      const message = messageOf("strongroom/r1", hashes.subarray(32 * index, 32 * index + 32))
      expect(opensslVerifies(signer.publicKey, message, entry.envelopes[0]!.sig)).toBe(true)
    })
  })

  it("refuses to sign with a closed key, and to seal with it", () => {
    const engine = open()
    const signer = engine.openSigner(seed.slice())
    signer.close()
    signer.close()
    expect(() => signer.sign("strongroom/r1", new Uint8Array(32))).toThrow(EngineError)
    expect(() => sealed("batch", engine, signer)).toThrow(EngineError)
  })

  it("copies the seed", () => {
    const own = seed.slice()
    const signer = open().openSigner(own)
    own.fill(0)
    const again = open().openSigner(seed)
    const digest = new Uint8Array(32)
    expect(signer.sign("x", digest)).toEqual(again.sign("x", digest))
  })
}

const order = 2n ** 252n + 27742317777372353535851937790883648493n

export const signatureSuite = (open: () => Engine): void => {
  const digests = concat(...[1, 2, 3].map((i) => b3(Uint8Array.of(i))))
  const signed = (engine: Engine) => {
    const signer = engine.openSigner(seed)
    const one = (i: number) => signer.sign("c", digests.subarray(32 * i, 32 * i + 32))
    return { key: signer.publicKey, sigs: concat(one(0), one(1), one(2)) }
  }
  const flip = (bytes: Uint8Array, at: number): Uint8Array => {
    const copy = bytes.slice()
    copy[at]! ^= 1
    return copy
  }

  it("answers for each signature by itself [A-514]", () => {
    const engine = open()
    const { key, sigs } = signed(engine)
    const check = (...args: Parameters<Engine["verifySignatures"]>) => [
      ...engine.verifySignatures(...args),
    ]
    expect(check(key, "c", digests, sigs)).toEqual([1, 1, 1])
    for (const at of [64, 95, 96, 127]) {
      expect(check(key, "c", digests, flip(sigs, at))).toEqual([1, 0, 1])
    }
    expect(check(key, "c", flip(digests, 64), sigs)).toEqual([1, 1, 0])
    expect(check(key, "d", digests, sigs)).toEqual([0, 0, 0])
    expect(check(flip(key, 0), "c", digests, sigs)).toEqual([0, 0, 0])
    expect(check(key, "c", new Uint8Array(0), new Uint8Array(0))).toEqual([])
  })

  it("is strict: S below the order, no small-order key, no foreign length", () => {
    const engine = open()
    const { key, sigs } = signed(engine)
    const s = [...sigs.slice(32, 64)].reduceRight((value, byte) => value * 256n + BigInt(byte), 0n)
    const large = sigs.slice(0, 64)
    for (let i = 0, rest = s + order; i < 32; i++, rest >>= 8n) large[32 + i] = Number(rest & 255n)
    const one = digests.subarray(0, 32)
    expect([...engine.verifySignatures(key, "c", one, large)]).toEqual([0])
    const neutral = Uint8Array.of(1, ...new Uint8Array(31))
    // R neutral and S zero satisfy the equation under a small-order key.
    const zero = concat(neutral, new Uint8Array(32))
    expect([...engine.verifySignatures(neutral, "c", one, zero)]).toEqual([0])
    expect([...engine.verifySignatures(key.subarray(1), "c", one, sigs.slice(0, 64))]).toEqual([0])
    const notOnCurve = Uint8Array.of(2, ...new Uint8Array(31))
    expect([...engine.verifySignatures(notOnCurve, "c", one, sigs.slice(0, 64))]).toEqual([0])
  })
}
