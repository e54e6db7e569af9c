import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { concat, toBase64, toHex, utf8 } from "../../src/base/Bytes.ts"
import { type AlgoId, algorithms } from "../../src/signing/Algorithm.ts"
import * as Cbor from "../../src/signing/Cbor.ts"
import { DocumentError, Field } from "../../src/signing/Document.ts"
import {
  type Envelope,
  envelopesFromJson,
  envelopesToJson,
  formatEnvelopes,
  formatSigEntry,
  parseEnvelopes,
  parseSigEntry,
  readSigEntry,
} from "../../src/signing/Envelope.ts"

const keyId = (n: number): string => `b3:${n.toString(16).padStart(32, "0")}`
const sig = (size: number): Uint8Array => new Uint8Array(size).fill(7)
const one: Envelope = { algoId: "ed25519", keyId: keyId(1), sig: sig(64) }
const two: Envelope = { algoId: "ed25519", keyId: keyId(2), sig: sig(64) }
const pq: Envelope = { algoId: "ml-dsa-44", keyId: keyId(1), sig: sig(2420) }

const anyEnvelopes = fc.uniqueArray(
  fc.record({
    algoId: fc.constantFrom(...(Object.keys(algorithms) as ReadonlyArray<AlgoId>)),
    keyId: fc.integer({ min: 0, max: 5 }).map(keyId),
    sig: fc.uint8Array({ maxLength: 80 }),
  }),
  { maxLength: 8, selector: (envelope) => `${envelope.algoId} ${envelope.keyId}` },
)

/** Envelopes exactly as given, where `formatEnvelopes` would put them in order. */
const raw = (envelopes: ReadonlyArray<Envelope>): Uint8Array =>
  concat(
    Cbor.head(Cbor.array, envelopes.length),
    ...envelopes.flatMap((envelope) => [
      Cbor.head(Cbor.map, 3),
      Cbor.head(Cbor.unsigned, 1),
      Cbor.text(envelope.algoId),
      Cbor.head(Cbor.unsigned, 2),
      Cbor.bytes(envelope.sig),
      Cbor.head(Cbor.unsigned, 3),
      Cbor.text(envelope.keyId),
    ]),
  )

const fault = (input: Uint8Array): string | undefined => {
  const found = parseEnvelopes(input)
  return "what" in found ? found.what : undefined
}

/** Replaces one piece of an encoding by another spelling of it. */
const respelled = (input: Uint8Array, from: string, to: string): Uint8Array => {
  const hex = toHex(input)
  expect(hex).toContain(from)
  return new Uint8Array(Buffer.from(hex.replace(from, to), "hex"))
}

describe("formatEnvelopes and parseEnvelopes", () => {
  it("round-trip, in one order however they are given [A-181, A-203]", () => {
    fc.assert(
      fc.property(anyEnvelopes, (envelopes) => {
        const bytes = formatEnvelopes(envelopes)
        const reversed = envelopes.toReversed()
        expect(toHex(formatEnvelopes(reversed))).toBe(toHex(bytes))
        const parsed = parseEnvelopes(bytes)
        expect("what" in parsed).toBe(false)
        expect(parsed).toHaveLength(envelopes.length)
        expect(toHex(formatEnvelopes(parsed as ReadonlyArray<Envelope>))).toBe(toHex(bytes))
        const json = new Field("test", "", envelopesToJson(envelopes))
        expect(envelopesFromJson(json)).toEqual(parsed)
      }),
      { numRuns: 100 },
    )
  })

  it("take one encoding only: any change is refused or another value [A-191, A-203]", () => {
    const bytes = formatEnvelopes([one, pq])
    const anyByte = fc.integer({ min: 0, max: 255 })
    fc.assert(
      fc.property(fc.integer({ min: 0, max: bytes.length - 1 }), anyByte, (at, byte) => {
        const changed = bytes.with(at, byte)
        const parsed = parseEnvelopes(changed)
        if (!("what" in parsed)) expect(toHex(formatEnvelopes(parsed))).toBe(toHex(changed))
      }),
      { numRuns: 400 },
    )
  })

  it("survive any bytes without an exception [A-191]", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (input) => {
        const parsed = parseEnvelopes(input)
        if (!("what" in parsed)) expect(toHex(formatEnvelopes(parsed))).toBe(toHex(input))
        parseSigEntry(input)
        readSigEntry(input, 0)
      }),
      { numRuns: 1000 },
    )
  })

  it("refuse duplicates, a wrong order and more than eight [A-191]", () => {
    expect(fault(raw([one, two, pq]))).toBeUndefined()
    expect(fault(raw([one, one]))).toMatch(/two envelopes of one key/)
    expect(fault(raw([one, { ...one, sig: sig(63) }]))).toMatch(/two envelopes of one key/)
    expect(fault(raw([two, one]))).toMatch(/out of order/)
    expect(fault(raw([pq, one]))).toMatch(/out of order/)
    const nine = Array.from({ length: 9 }, (_, i) => ({ ...one, keyId: keyId(i) }))
    expect(fault(raw(nine))).toMatch(/more than 8/)
    expect(fault(raw(nine.slice(1)))).toBeUndefined()
    expect(() => formatEnvelopes(nine)).toThrow(/more than 8/)
    expect(() => formatEnvelopes([one, one])).toThrow(/two envelopes/)
  })

  it("refuse trailing bytes and every early end [A-191]", () => {
    const bytes = formatEnvelopes([one, pq])
    expect(fault(concat(bytes, Uint8Array.of(0)))).toMatch(/behind the last item/)
    for (let size = 0; size < bytes.length; size += 7) {
      expect(fault(bytes.subarray(0, size))).toMatch(/early end/)
    }
  })

  it("refuse every longer or looser spelling of the same value [A-191, A-203]", () => {
    const bytes = formatEnvelopes([one])
    const refusals: ReadonlyArray<readonly [string, string, RegExp]> = [
      ["81a3", "9801a3", /shortest/],
      ["81a3", "990001a3", /shortest/],
      ["81a3", "9fa3", /definite/],
      ["81a3", "81b803", /shortest/],
      ["81a3", "81bf", /definite/],
      ["a301", "a31801", /shortest/],
      ["025840", "02590040", /shortest/],
      ["025840", "025f5840", /definite/],
      ["025840", "027840", /another type/],
      ["0167", "017807", /shortest/],
      ["a301", "c0a301", /another type/],
      ["a301", "a303", /out of place/],
      ["a301", "a401", /three entries/],
      ["a301", "a201", /three entries/],
      ["81a3", "80a3", /behind the last item/],
      ["81a3", "82a3", /early end/],
    ]
    for (const [from, to, what] of refusals) {
      expect(fault(respelled(bytes, from, to)), to).toMatch(what)
    }
  })

  it("refuse unknown algorithms, key ids that are none, and text that is none", () => {
    const spell = (algoId: string, id: string): string | undefined =>
      fault(raw([{ algoId: algoId as AlgoId, keyId: id, sig: sig(64) }]))
    expect(spell("ed25519", keyId(1))).toBeUndefined()
    expect(spell("ed448", keyId(1))).toMatch(/unknown algorithm/)
    expect(spell("constructor", keyId(1))).toMatch(/unknown algorithm/)
    expect(spell("x".repeat(65), keyId(1))).toMatch(/beyond its bound/)
    expect(spell("ed25519", keyId(1).toUpperCase())).toMatch(/pubkey_id/)
    expect(spell("ed25519", "b3:0")).toMatch(/pubkey_id/)
    const broken = respelled(raw([one]), toHex(utf8("ed25519")), "ff643235353139")
    expect(fault(broken)).toMatch(/UTF-8/)
  })

  it("bound a signature before they copy it", () => {
    expect(fault(raw([{ ...one, sig: sig(24 * 1024) }]))).toBeUndefined()
    expect(fault(raw([{ ...one, sig: sig(24 * 1024 + 1) }]))).toMatch(/beyond its bound/)
    const huge = respelled(raw([one]), "025840", "025b001fffffffffffff")
    expect(fault(huge)).toMatch(/beyond its bound/)
    const unsafe = respelled(raw([one]), "025840", "025b0020000000000000")
    expect(fault(unsafe)).toMatch(/2\^53-1/)
  })
})

describe("the JSON form", () => {
  const parse = (value: unknown): unknown =>
    envelopesFromJson(new Field("receipt", "signatures", value as never))
  const json = { algo_id: "ed25519", pubkey_id: keyId(1), sig: toBase64(sig(64)) }

  it("is as strict as the CBOR form", () => {
    expect(parse([json])).toEqual([one])
    expect(parse([])).toEqual([])
    const wrong: ReadonlyArray<unknown> = [
      {},
      null,
      "x",
      [json, json],
      [{ ...json, pubkey_id: keyId(2) }, json],
      Array.from({ length: 9 }, (_, i) => ({ ...json, pubkey_id: keyId(i) })),
      [{ ...json, more: 1 }],
      [{ algo_id: json.algo_id, sig: json.sig }],
      [{ ...json, algo_id: "ed448" }],
      [{ ...json, pubkey_id: "b3:00" }],
      [{ ...json, sig: 5 }],
      [{ ...json, sig: toBase64(sig(24 * 1024 + 1)) }],
      // No padding, unused bits that are not zero, URL alphabet, white space.
      [{ ...json, sig: "AA" }],
      [{ ...json, sig: "AB==" }],
      [{ ...json, sig: "-_8=" }],
      [{ ...json, sig: "AAAA\n" }],
    ]
    for (const value of wrong) {
      expect(() => parse(value), JSON.stringify(value)?.slice(0, 80)).toThrow(DocumentError)
    }
  })
})

describe("parseSigEntry", () => {
  const entry = { first: 5, last: 9, root: new Uint8Array(32).fill(1), envelopes: [one] }
  const body = (from: typeof entry | (Omit<typeof entry, "root"> & { root: null })) =>
    formatSigEntry(from).subarray(4)

  it("round-trips record and batch entries of any seq", () => {
    for (const first of [1, 23, 24, 255, 256, 65535, 65536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]) {
      const record = { first, last: first, root: null, envelopes: [one, pq] }
      expect(parseSigEntry(body(record))).toEqual(record)
      const batch = { ...entry, first: 1, last: first }
      const read = readSigEntry(concat(Uint8Array.of(9), formatSigEntry(batch)), 1)
      expect(read).toEqual({ entry: batch, next: 1 + 4 + body(batch).length })
    }
  })

  it("refuses ranges that are none and roots that do not fit [A-191]", () => {
    const root = `5820${"01".repeat(32)}`
    const rest = toHex(formatEnvelopes([one]))
    const whole = (hex: string): unknown => parseSigEntry(new Uint8Array(Buffer.from(hex, "hex")))
    expect(whole(`840509${root}${rest}`)).toEqual(entry)
    expect(whole(`840009${root}${rest}`)).toMatchObject({ what: expect.stringMatching(/range/) })
    expect(whole(`840905${root}${rest}`)).toMatchObject({ what: expect.stringMatching(/range/) })
    expect(whole(`840509f6${rest}`)).toMatchObject({ what: expect.stringMatching(/root/) })
    expect(whole(`840505f6${rest}`)).toMatchObject({ first: 5, last: 5, root: null })
    expect(whole(`840505${root}${rest}`)).toMatchObject({ first: 5, last: 5 })
    expect(whole(`840509f7${rest}`)).toHaveProperty("what")
    expect(whole(`840509581f${"01".repeat(31)}${rest}`)).toHaveProperty("what")
    expect(whole(`830509${root}`)).toHaveProperty("what")
    expect(whole(`840509${root}${rest}00`)).toHaveProperty("what")
    expect(() => formatSigEntry({ ...entry, first: 0 })).toThrow(/range/)
    expect(() => formatSigEntry({ ...entry, root: null })).toThrow(/root/)
  })

  it("bounds an entry by its length, before it looks for its bytes", () => {
    const length = (size: number): Uint8Array => {
      const bytes = new Uint8Array(4)
      new DataView(bytes.buffer).setUint32(0, size, true)
      return bytes
    }
    expect(readSigEntry(length(256 * 1024), 0)).toBe("incomplete")
    expect(readSigEntry(length(256 * 1024 + 1), 0)).toEqual({ what: "a length of 262145" })
    expect(readSigEntry(length(0), 0)).toEqual({ what: "a length of 0" })
  })
})
