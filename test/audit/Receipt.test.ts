import { describe, expect, it } from "vitest"
import {
  buildReceipt,
  formatReceipt,
  parseReceipt,
  type Receipt,
  type ReceiptParts,
} from "../../src/audit/Receipt.ts"
import { fromUtf8, toBase64, toHex, utf8 } from "../../src/base/Bytes.ts"
import { genesis } from "../../src/base/Hash.ts"
import type { JsonObject } from "../../src/record/Canonical.ts"
import type { AuditRecord } from "../../src/record/Record.ts"
import { leafData } from "../merkle/Vectors.ts"
import { chain } from "../record/Vectors.ts"
import { changed, refusal } from "../signing/Mutations.ts"
import { canonical, vectors } from "../signing/Vectors.ts"

const json = vectors.receipt
const text = fromUtf8(canonical(json))!
const receipt = parseReceipt(utf8(text))
const parsing = (value: unknown) => refusal(parseReceipt, utf8(JSON.stringify(value)))
const parsingText = (value: string) => refusal(parseReceipt, utf8(value))

const { signatures: _, batch: __, checkpoint: ___, path: ____, certificates: _____, ...bare } = json

describe("parseReceipt", () => {
  it("reads the receipt of signatures.json and writes its canonical bytes", () => {
    expect(toHex(formatReceipt(receipt))).toBe(toHex(utf8(text)))
    expect(receipt.record).toEqual(json.record)
    expect(parseReceipt(formatReceipt(receipt))).toEqual(receipt)
  })

  it("takes any member order and white space", () => {
    const reversed = (value: unknown): unknown =>
      value !== null && typeof value === "object" && !Array.isArray(value)
        ? Object.fromEntries(
            Object.entries(value)
              .toReversed()
              .map(([key, member]) => [key, reversed(member)]),
          )
        : value
    const other = JSON.stringify(reversed(json), null, 2)
    expect(other.startsWith('{\n  "certificates"')).toBe(true)
    expect(parseReceipt(utf8(other))).toEqual(receipt)
  })

  it("refuses duplicate members, floats and what is no JSON", () => {
    expect(parsingText(text.replace('"first":65', '"first":65,"first":65'))).toBe("DOCUMENT_JSON")
    expect(parsingText(text.replace('"first":65', '"first":65.0'))).toBe("DOCUMENT_JSON")
    expect(parsingText(text.replace('"first":65', '"first":6.5e1'))).toBe("DOCUMENT_JSON")
    for (const broken of ["", "{", text.slice(0, -1), `${text}x`, "\ufeff{}", "[]", "null"]) {
      expect(parsingText(broken), broken.slice(0, 20)).toBeDefined()
    }
    expect(refusal(parseReceipt, Uint8Array.of(0x7b, 0xff, 0x7d))).toBe("DOCUMENT_JSON")
    expect(() => parseReceipt(utf8(text.slice(0, 500)))).toThrow(/^receipt: /)
  })

  it("refuses a string that is not in NFC, however it is spelled", () => {
    const withNote = (note: string): string =>
      text.replace(/"note":"(?:[^"\\]|\\.)*"/, `"note":"${note}"`)
    for (const note of ["e\u0301", "e\\u0301", "\\u0065\u0301", "\\u0065\\u0301", "\u212b"]) {
      expect(parsingText(withNote(note)), note).toBe("DOCUMENT_JSON")
    }
    for (const note of [
      "\u00e9",
      "\\u00e9",
      "\\u003e\u0301",
      "\\\\u0301",
      '\\"\u0301',
      "\\n\u0301",
    ]) {
      expect(parsingText(withNote(note)), note).toBeUndefined()
    }
  })

  it("refuses unknown and missing members at every level", () => {
    const places: ReadonlyArray<ReadonlyArray<string | number>> = [
      [],
      ["record"],
      ["signatures", 0],
      ["batch"],
      ["batch", "signatures", 0],
      ["checkpoint"],
      ["certificates", 0],
    ]
    for (const place of places) {
      expect(parsing(changed(json, [...place, "more"], 1)), place.join(".")).toBeDefined()
    }
    for (const at of [
      ["type"],
      ["log_id"],
      ["record"],
      ["record", "self_hash"],
      ["record", "kind"],
      ["batch", "root"],
      ["batch", "signatures"],
      ["checkpoint", "sig"],
    ]) {
      expect(parsing(changed(json, at, undefined)), at.join(".")).toBeDefined()
    }
  })

  it("wants a checkpoint and its path together, and cosignatures only with them", () => {
    expect(parsing(changed(json, ["path"], undefined))).toBe("MEMBER_MISSING")
    expect(parsing(changed(json, ["checkpoint"], undefined))).toBe("MEMBER_MISSING")
    expect(parsing({ ...bare, cosignatures: [] })).toBe("MEMBER_MISSING")
    expect(parsing(bare)).toBeUndefined()
  })

  it("refuses what goes beyond its bounds", () => {
    const hash = String((json.path as ReadonlyArray<string>)[0])
    const path = (length: number) => changed(json, ["path"], Array(length).fill(hash))
    expect(parsing(path(64))).toBeUndefined()
    expect(parsing(path(65))).toBe("MEMBER_VALUE")
    expect(parsing(changed(json, ["batch", "path"], Array(65).fill(hash)))).toBe("MEMBER_VALUE")
    const [certificate] = json.certificates as ReadonlyArray<JsonObject>
    const certificates = (count: number) =>
      changed(json, ["certificates"], Array(count).fill(certificate))
    expect(parsing(certificates(8))).toBeUndefined()
    expect(parsing(certificates(9))).toBe("MEMBER_VALUE")
    expect(refusal(parseReceipt, new Uint8Array(8 << 20))).toBe("DOCUMENT_SIZE")
  })

  it("refuses every value that breaks its rule", () => {
    const wrong: ReadonlyArray<readonly [ReadonlyArray<string | number>, unknown]> = [
      [["type"], "strongroom/receipt/v2"],
      [["log_id"], "x"],
      [["record"], []],
      [["record", "self_hash"], genesis],
      [["record", "v"], 2],
      [["record", "seq"], 0],
      [["record", "kind"], "lower"],
      [["record", "prev"], genesis],
      [["record", "attrs", "big"], "x".repeat(1100)],
      [["signatures"], {}],
      [["signatures", 0, "sig"], toBase64(new Uint8Array(24 * 1024 + 1))],
      [["batch"], null],
      [["batch", "first"], 0],
      [["batch", "last"], 64],
      [["batch", "root"], genesis],
      [["batch", "path", 0], "b3:0"],
      [["path", 0], 5],
      [
        ["checkpoint", "range"],
        [2, 1],
      ],
      [["certificates", 0, "sig"], "x"],
    ]
    for (const [at, value] of wrong) {
      const code = parsing(changed(json, at, value))
      expect(code, `${at.join(".")} ${value}`).toMatch(/^MEMBER_/)
    }
  })
})

describe("buildReceipt", () => {
  const record = chain.records[99] as AuditRecord
  const range = (first: number, last: number): Uint8Array =>
    leafData.subarray((first - 1) * 32, last * 32)
  const parts: ReceiptParts = {
    logId: receipt.logId,
    record,
    signatures: receipt.signatures,
    batch: {
      first: 65,
      last: 128,
      hashes: range(65, 128),
      signatures: receipt.batch!.signatures,
    },
    checkpoint: { checkpoint: receipt.checkpoint!, hashes: range(1, 100) },
    certificates: receipt.certificates,
  }

  it("assembles the receipt of signatures.json byte for byte", () => {
    expect(toHex(formatReceipt(buildReceipt(parts)))).toBe(toHex(utf8(text)))
  })

  it("leaves out what a log does not have", () => {
    const built: Receipt = buildReceipt({ logId: receipt.logId, record, signatures: [] })
    expect(Object.keys(JSON.parse(fromUtf8(formatReceipt(built))!))).toEqual([
      "log_id",
      "record",
      "type",
    ])
  })

  it("stops at hashes that are not those of the range", () => {
    const batch = { ...parts.batch!, hashes: range(64, 127) }
    expect(() => buildReceipt({ ...parts, batch })).toThrow(/the range holds the record/)
    const short = { ...parts.batch!, hashes: range(65, 127) }
    expect(() => buildReceipt({ ...parts, batch: short })).toThrow(/one hash for each record/)
  })
})
