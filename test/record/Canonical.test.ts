import { describe, expect, it } from "vitest"
import { fromUtf8, utf8 } from "../../src/base/Bytes.ts"
import * as Canonical from "../../src/record/Canonical.ts"
import { type RejectCode, Rejected } from "../../src/record/Reject.ts"

const refusal = (run: () => unknown): Rejected => {
  try {
    run()
  } catch (error) {
    if (error instanceof Rejected) return error
    throw error
  }
  throw new Error("not refused")
}

const ingress = (text: string) => fromUtf8(Canonical.canonicalize(utf8(text)))
const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels)

const texts: ReadonlyArray<readonly [RejectCode, string, string]> = [
  ["json", "", ""],
  ["json", "", "{"],
  ["json", "a", '{"a"'],
  ["json", "a", '{"a":1'],
  ["json", "[0]", "[1"],
  ["json", "", "\ufeff{}"],
  ["json", "", "{} {}"],
  ["json", "", "nul"],
  ["json", "", '"a'],
  ["json", "", '"\u001f"'],
  ["json", "", '"\\u00g0"'],
  ["json", "", '"\\u00'],
  ["json", "", '"\\'],
  ["json", "", "\u00a01"],
  ["json", "a", '{"a":}'],
  ["json", "a", '{"a":01}'],
  ["json", "a", '{"a":-}'],
  ["float", "", "2.0"],
  ["float", "a[1]", '{"a":[1,1e3]}'],
  ["float", "", "-0.0"],
  ["negative_zero", "a", '{"a":-0}'],
  ["integer_range", "", "9007199254740992"],
  ["integer_range", "", "-9007199254740993"],
  ["integer_range", "", "9".repeat(400)],
  ["duplicate_key", "a", '{"a":1,"b":2,"a":3}'],
  ["duplicate_key", '["\u00e9"]', '{"\u00e9":1,"e\u0301":2}'],
  ["duplicate_key", "__proto__", '{"__proto__":1,"__proto__":2}'],
  ["surrogate", "", '"\\ud800"'],
  ["surrogate", "a.b", '{"a":{"b":"\\udc00\\ud800"}}'],
  ["surrogate", "", '"\\ud83d\u{1f600}"'],
  ["unassigned", "", '"\u0378"'],
  ["unassigned", "", '"\\u0378"'],
  ["depth", "[0]".repeat(16), nested(17)],
]

describe("canonicalize", () => {
  it.each(texts)("refuses as %s at '%s': %s [A-035]", (code, path, text) => {
    expect(refusal(() => Canonical.parse(utf8(text)))).toMatchObject({ code, path })
  })

  it("refuses floats, integral ones too, and integers in other spellings [A-026, A-027]", () => {
    for (const number of ["2.0", "0.5", "1e3", "1E0", "-1.0", "1e400", "01", "-01", "+1", "0x1"]) {
      expect(() => Canonical.parse(utf8(`{"n":${number}}`)), number).toThrow(Rejected)
    }
    expect(ingress('{"n":10}')).toBe('{"n":10}')
  })

  it("refuses bytes that are not UTF-8 [A-035]", () => {
    for (const hex of ["22ff22", "22c08022", "22eda08022", "22f4908080 22", "22e282"]) {
      const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex")
      expect(refusal(() => Canonical.parse(bytes)).code).toBe("utf8")
    }
  })

  it("sorts keys by UTF-16 code units, integer-like ones too [A-028, A-030]", () => {
    const sorted = '{"":0,"10":1,"2":2,"a":3,"\u20ac":4,"\u{1f600}":5,"\ue000":6}'
    const shuffled = '{"\ue000":6,"2":2,"\u{1f600}":5,"a":3,"\u20ac":4,"10":1,"":0}'
    expect(ingress(shuffled)).toBe(sorted)
  })

  it("escapes as RFC 8785 does and no further", () => {
    expect(
      ingress('"\\u0008\\u0009\\u000a\\u000c\\u000d\\u0022\\u005c\\u001f\\u007f\\/\\u2028"'),
    ).toBe('"\\b\\t\\n\\f\\r\\"\\\\\\u001f\u007f/\u2028"')
  })

  it("takes 16 levels, integers up to 2^53-1 and all white space [A-027]", () => {
    expect(ingress(nested(16))).toBe(nested(16))
    expect(ingress(" [ 9007199254740991 ,\t-9007199254740991\r\n, 0 ] ")).toBe(
      "[9007199254740991,-9007199254740991,0]",
    )
  })

  it("keeps keys that JavaScript objects treat specially", () => {
    const text = '{"__proto__":{"x":1},"constructor":null,"hasOwnProperty":2,"toString":3}'
    expect(ingress(text)).toBe(text)
    const value = Canonical.parse(utf8(text)) as Canonical.JsonObject
    expect(Object.keys(value)).toContain("__proto__")
    expect("valueOf" in value).toBe(false)
  })

  it("normalizes NFD in keys and values to the bytes of NFC [A-025, A-031]", () => {
    expect(ingress('{"s\\u0065\\u0301":"e\u0301"}')).toBe('{"s\u00e9":"\u00e9"}')
    // New in Unicode 16.0: Todhri.
    expect(ingress('"\u{105d2}\u0307"')).toBe('"\u{105c9}"')
  })
})

describe("parseCanonical", () => {
  it.each([
    ["not_canonical", " 1"],
    ["not_canonical", "1\n"],
    ["not_canonical", '{"a" :1}'],
    ["not_canonical", "[1, 2]"],
    ["not_canonical", '"\\u0041"'],
    ["not_canonical", '"\\/"'],
    ["not_canonical", '"\\u000A"'],
    ["not_canonical", '"\\u001F"'],
    ["key_order", '{"b":1,"a":2}'],
    ["key_order", '{"\ue000":1,"\u{1f600}":2}'],
    ["duplicate_key", '{"a":1,"a":2}'],
    ["not_nfc", '"e\u0301"'],
    ["not_nfc", '{"e\u0301":1}'],
    ["not_nfc", '"\u212b"'],
    ["float", "1.0"],
    ["negative_zero", "-0"],
  ] as const)("refuses as %s: %s [A-284]", (code, text) => {
    expect(refusal(() => Canonical.parseCanonical(utf8(text))).code).toBe(code)
  })
})

describe("keys after an escaped key (nodejs/node#63785)", () => {
  const before = '{"x":1,"\\\\":2}'
  const after = ['{"x":1,"\\n":2}', '{"x":1,"\\"":2}']

  it("are read right whatever the platform's parser does", async ({ annotate }) => {
    JSON.parse(before)
    Canonical.parse(utf8(before))
    const platform = new Set<string>()
    for (const text of [...after, ...after, ...after]) {
      platform.add(
        Object.keys(JSON.parse(text) as object)[1] === JSON.parse(text.slice(7, -3))
          ? "right"
          : "wrong",
      )
      expect(Canonical.format(Canonical.parse(utf8(text)))).toBe(
        text === after[1] ? '{"\\"":2,"x":1}' : '{"\\n":2,"x":1}',
      )
    }
    await annotate(`JSON.parse on V8 ${process.versions.v8}: ${[...platform].join(" and ")} keys`)
    const inOne = '[{"x":1,"\\\\":2},{"x":1,"\\n":2},{"x":1,"\\"":2}]'
    const keys = (Canonical.parse(utf8(inOne)) as Canonical.JsonObject[]).map(
      (o) => Object.keys(o)[1],
    )
    expect(keys).toEqual(["\\", "\n", '"'])
  })
})

describe("canonicalizeValue", () => {
  const text = (value: unknown) => fromUtf8(Canonical.canonicalizeValue(value))
  const cycle: { self?: unknown } = {}
  cycle.self = cycle

  it.each<readonly [RejectCode, string, unknown]>([
    ["negative_zero", "a", { a: -0 }],
    ["float", "a", { a: 0.5 }],
    ["float", "[0]", [Number.NaN]],
    ["float", "", Number.POSITIVE_INFINITY],
    ["integer_range", "", 2 ** 53],
    ["type", "a", { a: () => 1 }],
    ["type", "a", { a: Symbol("x") }],
    ["type", "a", { a: 1n }],
    ["type", "[1]", [1, undefined]],
    ["type", "[0]", new Array(1)],
    ["type", "", undefined],
    ["type", "at", { at: new Date(0) }],
    ["type", "", new Map()],
    ["type", "", new (class Point {})()],
    ["type", "", Object.defineProperty({}, "toJSON", { value: () => 1 })],
    ["type", "", new Uint8Array(1)],
    ["surrogate", "a", { a: "\ud800" }],
    ["surrogate", '["\ufffd"]', { "\ud800": 1 }],
    ["unassigned", "", "\u0378"],
    ["duplicate_key", '["e\u0301"]', { "\u00e9": 1, "e\u0301": 2 }],
    ["depth", Array(16).fill("self").join("."), cycle],
  ])("refuses as %s at '%s'", (code, path, value) => {
    expect(refusal(() => Canonical.canonicalizeValue(value))).toMatchObject({ code, path })
  })

  it("counts undefined properties as absent and normalizes strings", () => {
    expect(text({ b: undefined, a: "e\u0301" })).toBe('{"a":"\u00e9"}')
    expect(text(Object.create(null))).toBe("{}")
    expect(text([null, true, 0, -1, ["x"]])).toBe('[null,true,0,-1,["x"]]')
  })

  it("names keys, never values, in what it says", () => {
    const { message } = refusal(() => Canonical.canonicalizeValue({ password: 0.25 }))
    expect(message).toBe("password: a number with a fraction or an exponent")
  })
})
