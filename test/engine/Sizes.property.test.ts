/** Bounds under fuzzing: one answer for every size, and no more memory for a larger bomb. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { utf8 } from "../../src/base/Bytes.ts"
import * as Limits from "../../src/base/Limits.ts"
import { emptyChain } from "../../src/chain/Chain.ts"
import { format, type Json, parse } from "../../src/record/Canonical.ts"
import { type Draft, encodeDraft } from "../../src/record/Draft.ts"
import { formatHeader, readFrame } from "../../src/record/Frame.ts"
import { parseBody } from "../../src/record/Record.ts"
import { Rejected, rejectCode } from "../../src/record/Reject.ts"
import { readSigEntry } from "../../src/signing/Envelope.ts"
import { chain, good, requestOf } from "../conformance/EngineInput.ts"
import { key, text } from "../record/Arbitrary.ts"
import { engines } from "./Both.ts"

const sealOne = (engine: (typeof engines)[number], draft: string) => {
  const { statuses, frames, state } = engine.sealBatch(requestOf([draft]))
  return { code: rejectCode(statuses[0]!) ?? "ok", bytes: frames.length, seq: state.seq }
}

/** A text of about so many canonical bytes, one to four a character. */
const sized = (most: number) =>
  fc
    .tuple(
      fc.oneof(fc.nat(most), fc.integer({ min: 900, max: 1100 })),
      fc.constantFrom("x", "\u00e9", "\u20ac", "\u{1f600}", '"', "\u0001", "e\u0301"),
    )
    .map(([bytes, char]) => char.repeat(bytes / utf8(char).length))

const ids = fc.oneof(
  fc.constant('"'.repeat(512)),
  fc.constantFrom("i", '"').chain((char) => fc.nat(511).map((n) => char.repeat(n + 1))),
)
const drafts: fc.Arbitrary<Draft> = fc.record({
  stream: fc.constant(chain.stream),
  kind: fc.constant("GetServed"),
  actor: fc.record({ cap_id: ids, key_fpr: ids, passport_id: ids }).map((actor) => ({
    cap_id: actor.cap_id.slice(0, 256),
    key_fpr: actor.key_fpr.slice(0, 256),
    passport_id: actor.passport_id.slice(0, 256),
  })),
  subject: fc.record({
    ledger_txid: ids,
    name: fc.constantFrom('"', '"', "n").map((char) => char.repeat(512)),
  }),
  reason: fc.constant("ok"),
  attrs: fc
    .dictionary(
      key.map((name) => name.normalize("NFC")),
      fc.oneof(sized(2000), fc.array(text, { maxLength: 60 }), fc.maxSafeInteger()),
      { maxKeys: 3 },
    )
    .map((attrs) => attrs as { [name: string]: Json }),
})

/** What the bounds say, counted on the canonical text. */
const expectedOf = (draft: Draft): { code: string; bytes: number } => {
  const value = (part: unknown) => format(parse(utf8(JSON.stringify(part))))
  const { kind, actor, subject, reason, attrs } = draft
  const head = `{"v":1,"ts_ms":1730246400000,"writer_id":"${chain.writerId}","seq":1,"stream":"`
  const record =
    `${head}${chain.stream}","kind":"${kind}","actor":${value(actor)},` +
    `"subject":${value(subject)},"reason":"${reason}","attrs":${value(attrs)},"prev":"b3:0"}`
  const bytes = utf8(record).length
  if (utf8(value(attrs)).length > Limits.attrsBytesMax) return { code: "attrs_size", bytes: 0 }
  if (bytes > Limits.recordBytesMax) return { code: "record_size", bytes: 0 }
  return { code: "ok", bytes: bytes + Limits.frameOverheadBytes }
}

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void

/** Bytes that are still held. */
const memory = (): number => {
  collect()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return arrayBuffers + heapUsed
}

/** Waits until no more than this is held; what is freed late is no leak. */
const demandMemory = async (most: number): Promise<void> => {
  for (let i = 0; i < 50 && memory() >= most; i++) await sleep(20)
  expect(memory()).toBeLessThan(most)
}

describe("sizes of any draft", () => {
  it("are refused by the byte, with the code of the bound alone [A-072, A-074]", () => {
    const seen = new Map<string, number>()
    fc.assert(
      fc.property(drafts, (draft) => {
        const expected = expectedOf(draft)
        seen.set(expected.code, (seen.get(expected.code) ?? 0) + 1)
        const text = encodeDraft(draft)
        for (const engine of engines) {
          const { code, bytes, seq } = sealOne(engine, text)
          expect({ code, bytes }).toEqual(expected)
          expect(seq).toBe(expected.code === "ok" ? 1 : 0)
        }
      }),
      { numRuns: 1000 },
    )
    // Every answer was among them, or the generator proves nothing.
    for (const code of ["ok", "attrs_size", "record_size"]) {
      expect(seen.get(code) ?? 0, code).toBeGreaterThan(4)
    }
  })
})

describe("the last byte of a bound", () => {
  const quotes = '"'.repeat(256)
  const wide: Draft = {
    stream: chain.stream,
    kind: "GetServed",
    actor: { cap_id: quotes, key_fpr: quotes, passport_id: quotes },
    subject: { ledger_txid: "", name: '"'.repeat(512) },
    reason: "ok",
    attrs: { k: "x".repeat(900) },
  }
  const withAttrs = (draft: Draft, more: number): Draft => {
    const used = utf8(format(parse(utf8(JSON.stringify(draft.attrs))))).length
    const text = `${draft.attrs.k}${"y".repeat(Limits.attrsBytesMax - used + more)}`
    return { ...draft, attrs: { k: text } }
  }
  const withRecord = (draft: Draft, more: number): Draft => {
    const { bytes } = expectedOf(draft)
    const left = Limits.recordBytesMax + Limits.frameOverheadBytes - bytes + more
    return { ...draft, subject: { ...draft.subject, ledger_txid: "t".repeat(left) } }
  }

  it("decides, by either bound, whatever the characters are [A-072, A-074]", () => {
    for (const char of ["x", "\u00e9", "\u20ac", "\u{1f600}", '"', "\u0001", "e\u0301"]) {
      const small = { ...wide, actor: {}, subject: {}, attrs: { k: char.repeat(60) } }
      const width = utf8(format(char.normalize("NFC"))).length - 2
      const full = { ...wide, attrs: { k: char.repeat(900 / width) } }
      for (const [draft, code] of [
        [withAttrs(small, -1), "ok"],
        [withAttrs(small, 0), "ok"],
        [withAttrs(small, 1), "attrs_size"],
        [withRecord(full, -1), "ok"],
        [withRecord(full, 0), "ok"],
        [withRecord(full, 1), "record_size"],
      ] as const) {
        const expected = expectedOf(draft)
        expect(expected.code).toBe(code)
        for (const engine of engines) {
          const { code: said, bytes } = sealOne(engine, encodeDraft(draft))
          expect({ code: said, bytes }).toEqual(expected)
        }
      }
    }
  })
})

describe("bombs", () => {
  const huge = 4 << 20

  it.each([
    ["attrs_size", "one long string", good(`{"k":"${"x".repeat(huge)}"}`)],
    ["attrs_size", "one long key", good(`{"${"k".repeat(huge)}":1}`)],
    ["attrs_size", "many keys", good(`{${Array.from({ length: 1e5 }, (_, i) => `"${i}":0`)}}`)],
    ["attrs_size", "many items", good(`{"k":[${"0,".repeat(1e6)}0]}`)],
    ["attrs_size", "escapes", good(`{"k":"${"\\u0001".repeat(1e6)}"}`)],
    ["attrs_size", "marks that NFC sorts", good(`{"k":"a${"\u0301\u0323".repeat(1e5)}"}`)],
    ["attrs_size", "characters that NFC cannot shrink", good(`{"k":"${"\ufb2c".repeat(1e5)}"}`)],
    ["integer_range", "a long integer", good(`{"k":${"9".repeat(huge)}}`)],
    ["float", "a long fraction", good(`{"k":0.${"1".repeat(huge)}}`)],
    ["float", "a large exponent", good('{"k":1e999999999}')],
    ["depth", "deep arrays", good(`{"k":${"[".repeat(huge)}`)],
    ["depth", "deep objects", good('{"k":'.repeat(1e6))],
    ["actor", "a long id", `["GetServed",{"cap_id":"${"x".repeat(huge)}"},{},"ok",{}]`],
    ["kind", "a long kind", `["K${"k".repeat(huge)}",{},{},"ok",{}]`],
  ])("are refused as %s: %s [A-074, A-075]", async (code, _, draft) => {
    for (const engine of engines) {
      const request = requestOf([draft, good()])
      engine.sealBatch(request)
      const before = memory()
      for (let i = 0; i < 3; i++) engine.sealBatch(request)
      const begun = performance.now()
      const result = engine.sealBatch(request)
      // Milliseconds, or a tenth of a second: quadratic work would take minutes.
      expect(performance.now() - begun).toBeLessThan(5000)
      expect([...result.statuses].map((status) => rejectCode(status) ?? "ok")).toEqual([code, "ok"])
      expect(result.frames.length).toBeLessThan(Limits.frameBytesMax)
      // Four more of them leave less behind than two of them are large.
      await demandMemory(before + 2 * draft.length + (2 << 20))
    }
  })

  it("in stored bytes are refused before they are read [A-074, A-075]", async () => {
    const long = new Uint8Array(huge).fill(0x5b)
    const before = memory()
    expect(() => parseBody(long)).toThrow(Rejected)
    expect(() => parseBody(long)).toThrow(/record larger/)
    for (const len of [Limits.recordBytesMax + 1, 2 ** 31, 2 ** 32 - 1]) {
      const frame = new Uint8Array(Limits.frameBytesMax)
      new DataView(frame.buffer).setUint32(0, len, true)
      expect(readFrame(frame, 0)).toMatchObject({ what: "len" })
      for (const engine of engines) {
        const { stop } = engine.verifyBatch({ chain, state: emptyChain, frames: frame })
        expect(stop).toBe("bad")
      }
      const entry = new Uint8Array(4)
      new DataView(entry.buffer).setUint32(0, Math.max(len, 2 ** 20), true)
      expect(readSigEntry(entry, 0)).toHaveProperty("what")
    }
    await demandMemory(before + (2 << 20))
  })

  it("cannot be packed: nothing is ever decompressed [A-075]", () => {
    const root = join(import.meta.dirname, "../../src")
    const files = readdirSync(root, { recursive: true, encoding: "utf8" })
    const sources = files.filter((name) => name.endsWith(".ts"))
    expect(sources.length).toBeGreaterThan(90)
    for (const name of sources) {
      const source = readFileSync(join(root, name), "utf8")
      const unpacks = /zlib|DecompressionStream|gunzipSync|inflateSync|brotli|zstd|lz4|pako/i
      expect(unpacks.test(source), name).toBe(false)
    }
    const crates = readFileSync(join(root, "../Cargo.lock"), "utf8")
    expect(crates).toContain('name = "blake3"')
    expect(/name = "(flate2|miniz_oxide|brotli|zstd|lz4|snap)/.test(crates)).toBe(false)
    expect(formatHeader(0).length).toBe(Limits.segmentHeaderBytes)
  })
})
