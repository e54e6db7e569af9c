import { describe, expect, it } from "vitest"
import { canonicalizeModel } from "../../models/CanonicalModel.ts"
import { fromUtf8, utf8 } from "../../src/base/Bytes.ts"
import { b3Text } from "../../src/base/Hash.ts"
import { canonicalize, format, parse, parseCanonical } from "../../src/record/Canonical.ts"
import { formatBody, normalize, parseBody, seal } from "../../src/record/Record.ts"
import { Rejected } from "../../src/record/Reject.ts"
import { unassignedRanges } from "../../src/record/Unassigned.ts"
import { isAssigned } from "../../src/record/Unicode.ts"
import { canonicalCases, recordCases, unassigned } from "./Vectors.ts"

const accepted = canonicalCases.filter((one) => one.canonical !== undefined)
const refused = canonicalCases.filter((one) => one.reject !== undefined)

describe("canonical.json", () => {
  it("has its 208 cases, each of which accepts or refuses [A-324]", () => {
    expect(canonicalCases.length).toBe(208)
    expect(accepted.length + refused.length).toBe(208)
    expect(refused.length).toBeGreaterThan(20)
  })

  it("gives the canonical bytes and their hash [A-025, A-028, A-029, A-030, A-032]", () => {
    for (const { text, canonical, b3 } of accepted) {
      const bytes = canonicalize(utf8(text))
      expect(fromUtf8(bytes)).toBe(canonical)
      expect(b3Text(bytes)).toBe(b3)
    }
  })

  it("reads canonical bytes back as they are, and refuses every other spelling [A-032]", () => {
    let others = 0
    for (const { text, canonical } of accepted) {
      expect(format(parseCanonical(utf8(canonical!)))).toBe(canonical)
      if (text === canonical) continue
      others++
      expect(() => parseCanonical(utf8(text)), text).toThrow(Rejected)
    }
    expect(others).toBeGreaterThan(20)
  })

  it("refuses what is refused, with a typed error [A-026, A-035]", () => {
    for (const { text, reject } of refused) {
      expect(() => canonicalize(utf8(text)), `${reject}: ${text}`).toThrow(Rejected)
      expect(() => parseCanonical(utf8(text)), `${reject}: ${text}`).toThrow(Rejected)
    }
  })

  it("is answered alike by the model", () => {
    for (const { text, canonical } of canonicalCases) {
      expect(canonicalizeModel(utf8(text), unassigned)).toBe(canonical)
    }
  })
})

describe("records.json", () => {
  const bytesOf = (record: unknown) => utf8(JSON.stringify(record))

  it("has its 25 cases, both seed records among them [A-324, A-325, A-326, A-327]", () => {
    expect(recordCases.length).toBe(25)
    const names = recordCases.map(({ name }) => name).join("\n")
    for (const seed of ["5.1", "5.2", "5.3.1", "5.3.3", "5.3.4"]) expect(names).toContain(seed)
  })

  it.each(recordCases.filter(({ canonical }) => canonical !== undefined))(
    "hashes: $name [A-036, A-038]",
    ({ record, canonical, self_hash }) => {
      const { body } = normalize(parse(bytesOf(record)))
      expect(fromUtf8(formatBody(body))).toBe(canonical)
      expect(seal(body).self_hash).toBe(self_hash)
      expect(parseBody(utf8(canonical!))).toEqual(body)
      expect(normalize(parse(bytesOf({ ...record, self_hash }))).selfHash).toBe(self_hash)
    },
  )

  it.each(recordCases.filter(({ reject }) => reject !== undefined))(
    "refuses: $name",
    ({ record }) => {
      expect(() => normalize(parse(bytesOf(record)))).toThrow(Rejected)
    },
  )
})

describe("unicode-16-unassigned.json", () => {
  it("is the table in the source", () => {
    expect(unassigned.flat()).toEqual(unassignedRanges)
  })

  it("decides every code point", () => {
    const missing = new Set<number>()
    for (const [first, last] of unassigned) {
      for (let point = first; point <= last; point++) missing.add(point)
    }
    let wrong = 0
    for (let point = 0; point <= 0x10ffff; point++) {
      if (isAssigned(point) === missing.has(point)) wrong++
    }
    expect(wrong).toBe(0)
  })
})
