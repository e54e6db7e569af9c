import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isReserved, reservedKinds } from "../../src/record/Kind.ts"
import * as Name from "../../src/record/Name.ts"
import { Rejected, rejectCode, rejectNumber, rejects } from "../../src/record/Reject.ts"
import { runs, text } from "./Arbitrary.ts"

const folderText = fc
  .array(
    fc.constantFrom("%", "2", "F", "E", "e", "%2E", ".", "a", "~", "/", "%C3", "%A9", "\u0141"),
  )
  .map((parts) => parts.join(""))

describe("encodeName", () => {
  it.each([
    ["svc-gateway@inst-1", "svc-gateway@inst-1"],
    ["t/acme/gateway", "t%2Facme%2Fgateway"],
    ["a b", "a%20b"],
    ["s\u00e9rver", "s%C3%A9rver"],
    ["w+1", "w%2B1"],
    ["~keys", "%7Ekeys"],
    ["%", "%25"],
    [".", "%2E"],
    ["..", "%2E%2E"],
    [".a", ".a"],
    ["\u{1f600}", "%F0%9F%98%80"],
  ])("%s is the folder %s", (name, folder) => {
    expect(Name.encodeName(name)).toBe(folder)
    expect(Name.decodeName(folder)).toBe(name)
  })

  it("refuses a folder name over 255 bytes", () => {
    expect(Name.encodeName("w".repeat(255)).length).toBe(255)
    expect(() => Name.encodeName("w".repeat(256))).toThrow(Rejected)
    expect(() => Name.encodeName("/".repeat(86))).toThrow(Rejected)
    expect(() => Name.encodeName("\ud800")).toThrow(Rejected)
  })

  it("is undone by decodeName and by nothing else", () => {
    fc.assert(
      fc.property(text, folderText, (name, folder) => {
        if (name !== "") expect(Name.decodeName(Name.encodeName(name))).toBe(name)
        const decoded = Name.decodeName(folder)
        if (decoded !== undefined) expect(Name.encodeName(decoded)).toBe(folder)
      }),
      runs,
    )
  })

  it.each(["", "%", "%2", "%2f", "%41", "a/b", "..", ".", "~keys", "a b", "%FF", "\u0141", "%2E"])(
    "does not take %s for one of its own, but for the one of a dot",
    (folder) => {
      expect(Name.decodeName(folder)).toBe(folder === "%2E" ? "." : undefined)
    },
  )

  it("answers long foreign folders, too", () => {
    expect(Name.decodeName("~".repeat(255))).toBeUndefined()
    expect(Name.decodeName("a".repeat(256))).toBeUndefined()
  })
})

describe("names", () => {
  it("of writers have 1 to 128 bytes, no control character, no slash [A-005]", () => {
    for (const name of ["a", "svc-gateway@inst-1", "w".repeat(128), "\u{1f600}"]) {
      Name.checkWriterId(name)
    }
    for (const name of ["", "w".repeat(129), "a/b", "a\u0000", "\u009f", "\ud800", "e\u0301"]) {
      expect(() => Name.checkWriterId(name), name).toThrow(Rejected)
    }
  })

  it("of streams have 1 to 64 bytes and no control character [A-007]", () => {
    for (const name of ["ingress", "t/acme/gateway", "s".repeat(64)]) Name.checkStream(name)
    for (const name of ["", "s".repeat(65), "a\n", "\u0378"]) {
      expect(() => Name.checkStream(name), name).toThrow(Rejected)
    }
  })

  it.each([
    ["t/acme/gateway", "acme"],
    ["t/a-1_b/x/y", "a-1_b"],
    [`t/${"a".repeat(36)}/x`, "a".repeat(36)],
    ["t/Acme/gateway", undefined],
    [`t/${"a".repeat(37)}/x`, undefined],
    ["t/acme/", undefined],
    ["t/acme", undefined],
    ["t//x", undefined],
    ["x/t/acme/gateway", undefined],
    ["ingress", undefined],
  ])("%s belongs to the tenant %s", (stream, tenant) => {
    expect(Name.tenantOf(stream)).toBe(tenant)
  })
})

describe("closed lists", () => {
  it("knows the runtime's kinds", () => {
    expect(new Set(reservedKinds).size).toBe(20)
    for (const kind of reservedKinds) expect(isReserved(kind)).toBe(true)
    for (const kind of ["GetServed", "Votes", "vote", "constructor"]) {
      expect(isReserved(kind)).toBe(false)
    }
  })

  it("gives every reject one number and back", () => {
    const codes = Object.keys(rejects) as Array<keyof typeof rejects>
    expect(new Set(codes.map(rejectNumber)).size).toBe(codes.length)
    for (const code of codes) expect(rejectCode(rejectNumber(code))).toBe(code)
    expect(rejectCode(0)).toBeUndefined()
    expect(Rejected.of("json").isRetryable).toBe(false)
  })
})
