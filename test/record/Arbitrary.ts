/** Generators for property tests: JSON texts of every shape, drafts and records within bounds. */
import fc from "fast-check"
import type { Draft } from "../../src/record/Draft.ts"
import type { JsonObject } from "../../src/record/Json.ts"
import type { RecordBody } from "../../src/record/Record.ts"

/** What the properties of one room run; a failing seed is printed and can be run again. */
export const runs = { numRuns: 512 } as const

/** Characters on which canonical forms go wrong; all are assigned in Unicode 16.0. */
const difficult = [
  '"',
  "\\",
  "/",
  "\b",
  "\f",
  "\n",
  "\r",
  "\t",
  "\u0000",
  "\u001f",
  "\u007f",
  "\u0085",
  "e\u0301",
  "\u00e9",
  "s\u0323\u0307",
  "\u0307\u0323",
  "\u1100\u1161\u11a8",
  "\uac00",
  "\u212b",
  "\u2028",
  "\ufb01",
  "\ufeff",
  "\uffff",
  "\ue000",
  "\u{1f600}",
  "\u{105d2}\u0307",
  "\u{1d15e}",
  "\u{10fffd}",
]

const char = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0x20, max: 0x7e }).map((p) => String.fromCharCode(p)) },
  { weight: 2, arbitrary: fc.constantFrom(...difficult) },
)

/** Well-formed and assigned, not always in NFC. */
export const text = fc.array(char, { maxLength: 12 }).map((chars) => chars.join(""))

const hostile = [
  "__proto__",
  "constructor",
  "toString",
  "toJSON",
  "length",
  "",
  "0",
  "10",
  "2",
  "-1",
  "4294967295",
  "\\",
  "\n",
  '"',
  "\ue000",
  "\u{1f600}",
]

export const key = fc.oneof(text, fc.constantFrom(...hostile))

const integer = fc.oneof(
  fc.integer({ min: -1000, max: 1000 }),
  fc.maxSafeInteger(),
  fc.constantFrom(Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER, 0),
)

/** A value in memory. */
export const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthIdentifier: "json" },
    text,
    integer,
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 5, depthIdentifier: "json" }),
    fc.dictionary(key, tie("value"), { maxKeys: 6, depthIdentifier: "json" }),
  ),
})).value

/** NFC in keys, so that no two of them become equal. */
const attrs = fc
  .dictionary(
    key.map((name) => name.normalize("NFC")),
    json,
    { maxKeys: 32 },
  )
  .filter((value) => JSON.stringify(value).length <= 700) as fc.Arbitrary<JsonObject>

/** A draft that an engine seals, unless two keys inside attrs become equal under NFC. */
export const draft: fc.Arbitrary<Draft> = fc.record({
  stream: fc.constant("ingress"),
  kind: fc.constantFrom("GetServed", "QuotaReject", "IndexWrite", "X", "StreamOpened"),
  actor: fc.oneof(
    fc.constant({}),
    fc.constant({ anon: true }),
    fc.record({ cap_id: fc.constantFrom("c1", "e\u0301", '"\\') }),
  ),
  subject: fc.oneof(fc.constant({}), fc.record({ content_id: fc.constantFrom("b3:1", "b3:00ff") })),
  reason: fc.constantFrom("ok", "audit_backpressure", "a.b-c"),
  attrs,
})

export const body: fc.Arbitrary<RecordBody> = fc
  .tuple(draft, fc.integer({ min: 0, max: 2 ** 45 }), fc.integer({ min: 1, max: 2 ** 50 }))
  .map(([{ stream, kind, actor, subject, reason, attrs: given }, ts_ms, seq]) => ({
    v: 1,
    ts_ms,
    writer_id: "svc-gateway@inst-1",
    seq,
    stream,
    kind,
    actor,
    subject,
    reason,
    attrs: given,
    prev: seq === 1 ? "b3:0" : `b3:${"0123456789abcdef".repeat(4)}`,
  }))

const escapeUnit = (unit: string, upper: boolean): string => {
  const hex = unit.charCodeAt(0).toString(16).padStart(4, "0")
  return `\\u${upper ? hex.toUpperCase() : hex}`
}

/** One character of a JSON string in one of its spellings. */
const charText = fc.tuple(char, fc.constantFrom("literal", "escaped", "upper")).map(([c, how]) => {
  if (how !== "literal") return [...c.split("")].map((u) => escapeUnit(u, how === "upper")).join("")
  return c.replace(/["\\\u0000-\u001f]/g, (unit) =>
    '"\\'.includes(unit) ? `\\${unit}` : escapeUnit(unit, false),
  )
})

const rare = fc.constantFrom("\\ud800", "\\udc00\\ud800", "\\u0378", "\u0378", "\\x", "\\/", "\\b")

const stringText = fc
  .array(fc.oneof({ weight: 30, arbitrary: charText }, { weight: 1, arbitrary: rare }), {
    maxLength: 8,
  })
  .map((chars) => `"${chars.join("")}"`)

const keyText = fc.oneof(
  stringText,
  fc.constantFrom(...hostile).map((name) => JSON.stringify(name)),
)

const space = fc.constantFrom("", "", "", " ", "\n", "\t\r ")

const numberText = fc.oneof(
  { weight: 8, arbitrary: integer.map(String) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("-0", "1.0", "1e3", "01", "9007199254740992", "-", "1."),
  },
)

/** A JSON text in any spelling, right or nearly so. */
export const jsonText = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthIdentifier: "text" },
    stringText,
    numberText,
    fc.constantFrom("true", "false", "null"),
    fc
      .array(fc.tuple(space, tie("value"), space), { maxLength: 4, depthIdentifier: "text" })
      .map((items) => `[${items.map((item) => item.join("")).join(",")}]`),
    fc
      .array(fc.tuple(space, keyText, space, fc.constant(":"), space, tie("value"), space), {
        maxLength: 5,
        depthIdentifier: "text",
      })
      .map((items) => `{${items.map((item) => item.join("")).join(",")}}`),
  ),
})).value

/** Up to three bytes of a text changed, added or taken away. */
export const mutate = (bytes: Uint8Array): fc.Arbitrary<Uint8Array> =>
  fc
    .array(
      fc.tuple(
        fc.nat(),
        fc.oneof(
          fc.constantFrom(...Buffer.from('"\\{}[]:,0-.eu ')),
          fc.integer({ max: 255, min: 0 }),
        ),
        fc.constantFrom("set", "add", "cut"),
      ),
      { minLength: 1, maxLength: 3 },
    )
    .map((edits) => {
      const out = [...bytes]
      for (const [place, byte, edit] of edits) {
        const at = place % (out.length + 1)
        if (edit === "set") out[Math.min(at, Math.max(0, out.length - 1))] = byte
        else if (edit === "add") out.splice(at, 0, byte)
        else out.splice(at, 1)
      }
      return Uint8Array.from(out)
    })
