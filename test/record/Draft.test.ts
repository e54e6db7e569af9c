import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { fromUtf8, utf8 } from "../../src/base/Bytes.ts"
import { canonicalize, format, fromMemory, parse } from "../../src/record/Canonical.ts"
import { type Draft, encodeDraft, opIdOf, parseDraft } from "../../src/record/Draft.ts"
import { type RejectCode, Rejected } from "../../src/record/Reject.ts"
import { draft as anyDraft, runs } from "./Arbitrary.ts"

const draft: Draft = {
  stream: "ingress",
  kind: "GetServed",
  actor: { cap_id: "c1" },
  subject: {},
  reason: "ok",
  attrs: { a: 1 },
}

const refusal = (run: () => unknown): Rejected => {
  try {
    run()
  } catch (error) {
    if (error instanceof Rejected) return error
    throw error
  }
  throw new Error("not refused")
}

const encode = (change: object) => encodeDraft({ ...draft, ...change } as Draft)
const cycle: { self?: unknown } = {}
cycle.self = cycle

describe("encodeDraft", () => {
  it("gives the text of kind, actor, subject, reason, attrs", () => {
    expect(encodeDraft(draft)).toBe('["GetServed",{"cap_id":"c1"},{},"ok",{"a":1}]')
    const undefinedProperty = { attrs: { a: undefined, b: { c: undefined } }, extra: undefined }
    expect(encode(undefinedProperty)).toBe('["GetServed",{"cap_id":"c1"},{},"ok",{"b":{}}]')
  })

  it.each<readonly [RejectCode, string, object]>([
    ["negative_zero", "attrs.a", { attrs: { a: -0 } }],
    ["float", "attrs.a.b[1]", { attrs: { a: { b: [1, 0.5] } } }],
    ["float", "attrs.a", { attrs: { a: Number.NaN } }],
    ["float", "attrs.a", { attrs: { a: Number.NEGATIVE_INFINITY } }],
    ["integer_range", "attrs.a", { attrs: { a: 2 ** 53 } }],
    ["type", "attrs.a", { attrs: { a: () => 1 } }],
    ["type", "attrs.a", { attrs: { a: Symbol("s") } }],
    ["type", "attrs.a", { attrs: { a: 1n } }],
    ["type", "attrs.a[0]", { attrs: { a: [undefined] } }],
    ["type", "attrs.a[0]", { attrs: { a: new Array(1) } }],
    ["type", "attrs.a", { attrs: { a: new Date(0) } }],
    ["type", "attrs.a", { attrs: { a: new Map([["k", 1]]) } }],
    ["type", "attrs.a", { attrs: { a: new String("x") } }],
    ["type", "attrs.a", { attrs: { a: Object.create({}) } }],
    ["type", "attrs", { attrs: { toJSON: () => 1 } }],
    ["type", "attrs", { attrs: Object.defineProperty({}, "toJSON", { value: () => 1 }) }],
    ["depth", `attrs${".self".repeat(15)}`, { attrs: cycle }],
    ["type", "actor.cap_id", { actor: { cap_id: new Date(0) } }],
    ["type", "subject.name", { subject: { name: () => 1 } }],
    ["field_type", "attrs", { attrs: [] }],
    ["field_type", "attrs", { attrs: null }],
    ["field_type", "actor", { actor: "x" }],
    ["field_type", "kind", { kind: 1 }],
    ["field_type", "reason", { reason: null }],
    ["field_type", "stream", { stream: {} }],
    ["field_missing", "subject", { subject: undefined }],
    ["field_unknown", "extra", { extra: 1 }],
  ])("refuses as %s at '%s' what the text would not show", (code, path, change) => {
    expect(refusal(() => encode(change))).toMatchObject({ code, path })
  })

  it("refuses what is no object", () => {
    for (const value of [null, undefined, 1, "x", []]) {
      expect(refusal(() => encodeDraft(value as unknown as Draft)).code).toBe("field_type")
    }
  })

  it("leaves lone surrogates visible, for the engine to refuse", () => {
    const text = encode({ attrs: { a: "\ud800" } })
    expect(refusal(() => canonicalize(utf8(text))).code).toBe("surrogate")
  })

  it("means what the draft means, whatever is in it", () => {
    fc.assert(
      fc.property(anyDraft, (given) => {
        const { kind, actor, subject, reason, attrs } = given
        const parts = [kind, actor, subject, reason, attrs]
        let expected: string | undefined
        try {
          expected = format(fromMemory(parts))
        } catch (error) {
          if (!(error instanceof Rejected)) throw error
        }
        // Keys that are equal after NFC are for the engine to refuse.
        fc.pre(expected !== undefined)
        expect(fromUtf8(canonicalize(utf8(encodeDraft(given))))).toBe(expected)
      }),
      runs,
    )
  })
})

describe("parseDraft", () => {
  const line = (value: object) => parseDraft(parse(utf8(JSON.stringify(value))))

  it("reads a line in any key order", () => {
    expect(line(Object.fromEntries(Object.entries(draft).reverse()))).toEqual(draft)
  })

  it.each<readonly [RejectCode, string, object]>([
    ["field_unknown", "seq", { ...draft, seq: 1 }],
    ["field_missing", "attrs", { ...draft, attrs: undefined }],
    ["field_type", "", [draft]],
    ["field_type", "stream", { ...draft, stream: 1 }],
    ["stream", "stream", { ...draft, stream: "" }],
    ["kind", "kind", { ...draft, kind: "x" }],
    ["actor", "actor.email", { ...draft, actor: { email: "x" } }],
    ["subject", "subject.x", { ...draft, subject: { x: "x" } }],
    ["reason", "reason", { ...draft, reason: "" }],
    ["field_type", "attrs", { ...draft, attrs: "x" }],
  ])("refuses as %s at '%s'", (code, path, value) => {
    expect(refusal(() => line(value))).toMatchObject({ code, path })
  })
})

describe("opIdOf", () => {
  const id = "0B6E7A52-1f2e-4c3d-9A8B-0123456789ab"

  it("gives the UUID in lower case, if there is one", () => {
    expect(opIdOf({ attrs: { op_id: id } })).toBe(id.toLowerCase())
    expect(opIdOf({ attrs: {} })).toBeUndefined()
  })

  it("refuses anything else by that name", () => {
    for (const op_id of ["x", "", `${id}0`, `{${id}}`, id.replaceAll("-", ""), 1, null, { id }]) {
      const error = refusal(() => opIdOf({ attrs: { op_id } }))
      expect(error).toMatchObject({ code: "op_id", path: "attrs.op_id" })
    }
  })
})
