import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { canonicalizeModel } from "../../models/CanonicalModel.ts"
import { equal, fromUtf8, utf8 } from "../../src/base/Bytes.ts"
import * as Canonical from "../../src/record/Canonical.ts"
import { Rejected } from "../../src/record/Reject.ts"
import { json, jsonText, mutate, runs } from "./Arbitrary.ts"
import { unassigned } from "./Vectors.ts"

const attempt = (run: () => Uint8Array): string | undefined => {
  try {
    return fromUtf8(run())
  } catch (error) {
    if (error instanceof Rejected) return undefined
    throw error
  }
}

describe("canonical form", () => {
  it("is that of the model for texts in any spelling [A-032, A-512]", () => {
    let taken = 0
    fc.assert(
      fc.property(jsonText, (text) => {
        const bytes = utf8(text)
        const canonical = attempt(() => Canonical.canonicalize(bytes))
        if (canonical !== undefined) taken++
        expect(canonical).toBe(canonicalizeModel(bytes, unassigned))
      }),
      runs,
    )
    expect(taken).toBeGreaterThan(runs.numRuns / 4)
  })

  it("is that of the model for damaged texts [A-035, A-519]", () => {
    fc.assert(
      fc.property(
        jsonText.chain((text) => mutate(utf8(text))),
        (bytes) => {
          expect(attempt(() => Canonical.canonicalize(bytes))).toBe(
            canonicalizeModel(bytes, unassigned),
          )
        },
      ),
      runs,
    )
  })

  it("comes of arbitrary bytes, or a typed refusal does [A-035, A-519]", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(attempt(() => Canonical.canonicalize(bytes))).toBe(
          canonicalizeModel(bytes, unassigned),
        )
        attempt(() => utf8(Canonical.format(Canonical.parseCanonical(bytes))))
      }),
      runs,
    )
  })

  it("is a fixed point: canonicalize, parse, canonicalize [A-032, A-512]", () => {
    fc.assert(
      fc.property(json, (value) => {
        const once = attempt(() => Canonical.canonicalizeValue(value))
        // Two keys of one object may be equal after NFC.
        fc.pre(once !== undefined)
        const bytes = utf8(once!)
        expect(Canonical.format(Canonical.parseCanonical(bytes))).toBe(once)
        expect(attempt(() => Canonical.canonicalize(bytes))).toBe(once)
        expect(attempt(() => Canonical.canonicalizeValue(Canonical.parse(bytes)))).toBe(once)
      }),
      runs,
    )
  })

  it("is read strictly only from its own bytes [A-032]", () => {
    const property = (bytes: Uint8Array): void => {
      const strict = attempt(() => utf8(Canonical.format(Canonical.parseCanonical(bytes))))
      const canonical = canonicalizeModel(bytes, unassigned)
      const isCanonical = canonical !== undefined && equal(utf8(canonical), bytes)
      expect(strict).toBe(isCanonical ? canonical : undefined)
    }
    const canonical = json.map((value) => attempt(() => Canonical.canonicalizeValue(value)) ?? "[]")
    fc.assert(
      fc.property(jsonText, (text) => property(utf8(text))),
      runs,
    )
    fc.assert(
      fc.property(
        canonical.chain((text) => mutate(utf8(text))),
        property,
      ),
      runs,
    )
  })
})
