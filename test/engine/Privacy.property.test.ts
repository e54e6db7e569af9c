/** Privacy in both engines and in a model, over drafts with addresses and secrets sprinkled in. */
import { readFileSync } from "node:fs"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type ModelPolicy, privacyModel } from "../../models/PrivacyModel.ts"
import { fromUtf8, utf8 } from "../../src/base/Bytes.ts"
import type { Engine } from "../../src/engine/Engine.ts"
import * as Canonical from "../../src/record/Canonical.ts"
import { type Json, type JsonObject, parse } from "../../src/record/Canonical.ts"
import { readFrame } from "../../src/record/Frame.ts"
import { addressKeys, type PrivacyPolicy } from "../../src/record/Privacy.ts"
import { parseBody } from "../../src/record/Record.ts"
import { rejectCode } from "../../src/record/Reject.ts"
import { secretKeyEnds, secretKeys, secretMasks, secretPatterns } from "../../src/record/Secret.ts"
import { Shapes } from "../../src/record/Shape.ts"
import { chain, requestOf } from "../conformance/EngineInput.ts"
import { runs } from "../record/Arbitrary.ts"
import { engines } from "./Both.ts"
import { addressLike, secretLike } from "./Sprinkle.ts"

const lists = {
  address: addressKeys,
  secret: secretKeys,
  secretEnds: secretKeyEnds,
  masks: secretMasks,
}
const key = Uint8Array.from({ length: 32 }, (_, i) => i)
const policies: ReadonlyArray<readonly [PrivacyPolicy, ModelPolicy]> = [
  [{ ipMode: "drop" }, { mode: "drop", epoch: 0, key }],
  [{ ipMode: "prefix" }, { mode: "prefix", epoch: 0, key }],
  [
    { ipMode: "hash", salt: { epoch: 7, key } },
    { mode: "hash", epoch: 7, key },
  ],
]

const keys = fc.oneof(
  fc.constantFrom(...addressKeys, ...secretKeys, ...secretKeyEnds, "a", "b", "region", "xip", "op"),
  fc.constantFrom(
    "IP",
    "Client_Ip",
    "dbPassword",
    "PASSWORD",
    "x\ntoken",
    'a"secret',
    "pass\u0001word",
  ),
  fc.constantFrom("api\u212aey", "é", "nextToken", "Key", "1.2.3.4"),
  secretLike,
)
const leaf = fc.oneof(
  { weight: 3, arbitrary: addressLike },
  { weight: 2, arbitrary: secretLike },
  { weight: 1, arbitrary: fc.string({ maxLength: 12, unit: "binary" }).filter(isSendable) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Json>(null, true, 5, -1, "", "[secret]", "***", "REDACTED"),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom("AKIAIOSFODNN7EXAMPLE", `wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY`),
  },
)
function isSendable(text: string): boolean {
  return (
    text.isWellFormed() &&
    Canonical.canonicalizeValue !== undefined &&
    /^[\x00-\u02ff]*$/.test(text)
  )
}
const tree: fc.Arbitrary<Json> = fc.letrec<{ value: Json; object: JsonObject }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    leaf,
    tie("object"),
    fc.array(tie("value"), { maxLength: 4 }),
  ),
  object: fc.dictionary(keys, tie("value"), { maxKeys: 5 }),
})).object

interface Given {
  readonly kind: string
  readonly actor: JsonObject
  readonly subject: JsonObject
  readonly reason: string
  readonly attrs: JsonObject
}

const given: fc.Arbitrary<Given> = fc.record({
  kind: fc.constant("GetServed"),
  actor: fc.oneof(
    fc.constant<JsonObject>({ anon: true }),
    fc.oneof(addressLike, secretLike).map((cap_id) => ({ cap_id: cap_id === "" ? "x" : cap_id })),
  ),
  subject: fc.oneof(
    fc.constant<JsonObject>({}),
    secretLike.map((name) => ({ name: name || "x" })),
  ),
  reason: fc.constantFrom("ok", "hvs.aaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "denied"),
  attrs: tree as fc.Arbitrary<JsonObject>,
})

/** Written so that the text is not yet canonical: escapes where none need be. */
const obscure = (text: string, seed: number): string =>
  text.replace(/[a-z0-9.:]/g, (char, at: number) =>
    (at * 7 + seed) % 11 === 0 ? `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}` : char,
  )

const lineOf = ({ kind, actor, subject, reason, attrs }: Given): string =>
  JSON.stringify([kind, actor, subject, reason, attrs])

const storedOf = (engine: Engine, text: string, privacy: PrivacyPolicy | undefined) => {
  const { statuses, frames, redacted } = engine.sealBatch(requestOf([text], { privacy }))
  if (statuses[0] !== 0) return rejectCode(statuses[0] as number)
  const frame = readFrame(frames, 0)
  if (frame === "incomplete" || "what" in frame) throw new Error("no frame")
  const { attrs } = parseBody(frame.body)
  return { attrs: Canonical.format(attrs), redacted: redacted.values, records: redacted.records }
}

const modelOf = (draft: Given, policy: ModelPolicy) => {
  const told = privacyModel(draft as never, policy, lists)
  if (told === "blocked") return "pii_blocked"
  const attrs = Canonical.format(told.attrs as JsonObject)
  const tooLarge = [draft.attrs, told.attrs as JsonObject].some(
    (value) => utf8(Canonical.format(value)).length > chain.attrsBytesMax,
  )
  if (tooLarge) return "attrs_size"
  return { attrs, redacted: told.redacted, records: told.redacted > 0 ? 1 : 0 }
}

/** attrs_size comes before pii_blocked, which the model does not know. */
const isLarge = (draft: Given): boolean => utf8(Canonical.format(draft.attrs)).length > 600

describe("privacy", () => {
  it("native = JS = model over drafts with addresses and secrets [A-206, A-207, A-212]", () => {
    const seen = new Map<string, number>()
    fc.assert(
      fc.property(
        given,
        fc.nat(2),
        fc.option(fc.nat(10), { nil: undefined }),
        (made, mode, seed) => {
          // Strings in NFC, as behind every reader.
          const draft = parse(utf8(JSON.stringify(made))) as unknown as Given
          if (isLarge(draft)) return
          const [policy, model] = policies[mode] as (typeof policies)[number]
          const line = lineOf(made)
          const text = seed === undefined ? line : obscureStrings(line, seed)
          const want = modelOf(draft, model)
          seen.set(typeof want === "string" ? want : `${want?.records}`, 1)
          for (const engine of engines) {
            expect(storedOf(engine, text, policy), `${engine.name} ${text}`).toEqual(want)
          }
        },
      ),
      { numRuns: 20 * runs.numRuns },
    )
    expect([...seen.keys()].sort()).toEqual(["0", "1", "pii_blocked"])
  })

  it("changes nothing the second time [A-207]", () => {
    fc.assert(
      fc.property(given, fc.nat(2), (made, mode) => {
        const [policy] = policies[mode] as (typeof policies)[number]
        const once = storedOf(engines[0]!, lineOf(made), policy)
        if (typeof once !== "object") return
        const twice = storedOf(
          engines[0]!,
          lineOf({ ...made, attrs: JSON.parse(once.attrs) }),
          policy,
        )
        expect(twice).toEqual({ attrs: once.attrs, redacted: 0, records: 0 })
      }),
      runs,
    )
  })

  it("is the same for drafts that come as values of a shape [A-207]", () => {
    fc.assert(
      fc.property(fc.array(given, { maxLength: 6 }), fc.nat(2), (made, mode) => {
        const [privacy] = policies[mode] as (typeof policies)[number]
        for (const draft of made) {
          const shapes = new Shapes()
          const place = shapes.match({ stream: "s", ...draft } as never)
          if (place === 0) continue
          const values = shapes.values.slice(0, shapes.count).map(utf8)
          let end = 0
          const ends = values.map((value) => (end += value.length))
          const packed = { table: shapes.table, marks: Uint32Array.from([place, ...ends]) }
          const request = {
            ...requestOf([]),
            privacy,
            packed,
            count: 1,
            input: Buffer.concat(values),
          }
          for (const engine of engines) {
            const { frames, statuses, redacted } = engine.sealBatch(request)
            const lines = engine.sealBatch(requestOf([lineOf(draft)], { privacy }))
            expect([redacted, [...statuses]]).toEqual([lines.redacted, [...lines.statuses]])
            expect(fromUtf8(frames.slice(4))).toBe(fromUtf8(lines.frames.slice(4)))
          }
        }
      }),
      runs,
    )
  })

  it("has one set of lists: those of native/core/src/secret.rs", () => {
    const path = new URL("../../native/core/src/secret.rs", import.meta.url)
    const source = readFileSync(path, "utf8")
    const listOf = (name: string): ReadonlyArray<string> => {
      const body =
        new RegExp(`const ${name}: [^=]*=\\s*\\[([^;]*?)\\];`, "s").exec(source)?.[1] ?? ""
      return [...body.matchAll(/r"([^"]*)"|"((?:[^"\\]|\\.)*)"/g)].map(
        ([, raw, text]) => raw ?? JSON.parse(`"${text}"`),
      )
    }
    expect(listOf("PATTERNS")).toEqual(secretPatterns.map(([, pattern]) => pattern))
    expect(listOf("KEYS")).toEqual(secretKeys)
    expect(listOf("KEY_ENDS")).toEqual(secretKeyEnds)
    expect(listOf("MASKS")).toEqual(secretMasks)
  })
})

/** Obscures characters inside strings alone. */
function obscureStrings(line: string, seed: number): string {
  return line.replace(/"((?:[^"\\]|\\.)*)"/g, (_, inner: string) =>
    inner.includes("\\") ? `"${inner}"` : `"${obscure(inner, seed)}"`,
  )
}
