/** What only a new major may change: canonical form, hash, and the vectors that pin both. */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { blake3 } from "@noble/hashes/blake3.js"
import { describe, expect, it } from "vitest"
import { fromUtf8, toHex, utf8 } from "../../src/base/Bytes.ts"
import { b3, b3Text } from "../../src/base/Hash.ts"
import { emptyChain } from "../../src/chain/Chain.ts"
import { dedupeKey } from "../../src/chain/Link.ts"
import { readFrame } from "../../src/record/Frame.ts"
import { formatBody, parseBody, seal } from "../../src/record/Record.ts"
import { entriesOf, good, keep, records, requestOf, seed } from "../conformance/EngineInput.ts"
import * as Vectors from "../record/Vectors.ts"
import { engines } from "./Both.ts"

/** SHA-256 of the vectors of major 1: they change with another major only, and `v` with them. */
const pinned = {
  "canonical.json": "b6e1c2b294c317d790870350566b4e3d705beb12efd3b18ddc6690639d76c60f",
  "records.json": "d41749b8403bc60e76b13815401447e2119ecb5c4cb9c3affb56577a417a042c",
  "chain.json": "37a2eed26bf353f55df50c53254bae6da978c94dfb8a18734b89cdff80a66d1a",
  "unicode-16-unassigned.json": "95dbdda14fb2a3c8ad00ae8512b4201b7e00ff6e4c81b773448b8d0cf285088a",
} as const

const digestOf = (name: string): string =>
  createHash("sha256")
    .update(readFileSync(new URL(`../vectors/${name}`, import.meta.url)))
    .digest("hex")

describe("major 1", () => {
  it("has one set of vectors, and every engine keeps to them [A-033]", () => {
    const found = Object.fromEntries(Object.keys(pinned).map((name) => [name, digestOf(name)]))
    expect(found).toEqual(pinned)
    expect(seal(parseBody(formatBody(records[0]!))).v).toBe(1)
    for (const engine of engines) {
      for (const { text, canonical, reject } of Vectors.canonicalCases) {
        const said = engine.canonicalize(utf8(text))
        expect(said.ok ? fromUtf8(said.bytes) : undefined, text).toBe(canonical)
        expect(said.ok).toBe(reject === undefined)
      }
    }
    for (const record of records) expect(seal(record)).toEqual(record)
  })

  it("has this order of fields, this NFC, these numbers and this hash [A-033, A-061]", () => {
    // Written out by hand, hashed by Python's blake3: a change of any of them shows here.
    const text =
      '{"v":1,"ts_ms":1730246400000,"writer_id":"s\u00e9rver","seq":1,"stream":"ingress",' +
      '"kind":"GetServed","actor":{"anon":true},"subject":{"content_id":"b3:1111"},"reason":"ok",' +
      '"attrs":{"":-9007199254740991,"a":[null,"\\u001f/\\t"],"\u{1f600}":1,"\uffff":2},' +
      '"prev":"b3:0"}'
    const body = parseBody(utf8(text))
    expect(fromUtf8(formatBody({ ...body, writer_id: "se\u0301rver" }))).toBe(text)
    expect(toHex(dedupeKey(body))).toBe(
      "b7f8a80043b3984905cea2b4bf9ec8e69a575b36219a7bb8673e9abd9c2c6d70",
    )
  })
})

describe("the hash of a record", () => {
  const modes = ["unsigned", "batch", "record"] as const

  it("is BLAKE3 of 256 bits as its authors define it [A-037]", () => {
    // test_vectors.json of BLAKE3: input bytes 0, 1, 2, ... 250, 0, 1, ...
    const input = (length: number) => Uint8Array.from({ length }, (_, i) => i % 251)
    for (const [length, digest] of [
      [0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"],
      [1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"],
      [1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"],
      [1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444"],
    ] as const) {
      expect(toHex(b3(input(length)))).toBe(digest)
      for (const engine of engines) {
        const hasher = engine.openHasher()
        hasher.update(input(length))
        expect(toHex(hasher.digest())).toBe(digest)
      }
    }
  })

  it.each(modes)("stays that in mode %s, and so do the chain and its root [A-037]", (mode) => {
    const texts = Array.from({ length: 20 }, (_, i) =>
      good(`{"i":${i},"x":"${"y".repeat(i * 50)}"}`),
    )
    for (const engine of engines) {
      const signer = engine.openSigner(seed)
      const sealed = keep(engine.sealBatch(requestOf(texts, { mode, signer })))
      expect(sealed.hashes.length).toBe(20 * 32)
      let prev = "b3:0"
      for (let at = 0, i = 0; at < sealed.frames.length; i++) {
        const frame = readFrame(sealed.frames, at)
        if (frame === "incomplete" || "what" in frame) throw new Error("no frame")
        const digest = blake3(frame.body, { dkLen: 32 })
        expect(frame.selfHash).toBe(`b3:${toHex(digest)}`)
        expect(sealed.hashes.subarray(32 * i, 32 * i + 32)).toEqual(digest)
        expect(parseBody(frame.body).prev).toBe(prev)
        prev = frame.selfHash
        at = frame.next
      }
      const roots = entriesOf(sealed.signatures).map(({ root }) => root)
      expect(roots.length).toBe({ unsigned: 0, batch: 1, record: 20 }[mode])
      if (mode === "batch") expect(roots).toEqual([treeRoot(sealed.hashes)])
    }
  })

  it("names no algorithm, so none can be chosen: other text forms are refused [A-037]", () => {
    const { frames } = keep(engines[0]!.sealBatch(requestOf([good()])))
    const frame = readFrame(frames, 0)
    if (frame === "incomplete" || "what" in frame) throw new Error("no frame")
    const { chain } = requestOf([])
    const sha256 = createHash("sha256").update(frame.body).digest()
    for (const [text, stop] of [
      [b3Text(frame.body), "end"],
      [`b3:${toHex(sha256)}`, "bad"],
      [`s2:${toHex(sha256)}`, "bad"],
      [`s2:${b3Text(frame.body).slice(3)}`, "bad"],
    ] as const) {
      frames.set(utf8(text), frames.length - 67)
      for (const engine of engines) {
        expect(engine.verifyBatch({ chain, state: emptyChain, frames }).stop, text).toBe(stop)
      }
    }
  })
})

/** RFC 9162 section 2.1.1 with BLAKE3, as it is written there. */
const treeRoot = (leaves: Uint8Array): Uint8Array => {
  const count = leaves.length / 32
  if (count === 1) return blake3(Uint8Array.of(0, ...leaves))
  let split = 1
  while (split * 2 < count) split *= 2
  const [left, right] = [leaves.subarray(0, 32 * split), leaves.subarray(32 * split)]
  return blake3(Uint8Array.of(1, ...treeRoot(left), ...treeRoot(right)))
}
