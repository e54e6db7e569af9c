import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isAssigned, nfc } from "../../src/record/Unicode.ts"
import { runs } from "./Arbitrary.ts"

const marks = Array.from({ length: 0x110000 }, (_, point) => point)
  .filter((point) => point < 0xd800 || point > 0xdfff)
  .map((point) => String.fromCodePoint(point))
  .filter((char) => /\p{M}/u.test(char) && isAssigned(char.codePointAt(0)!))

/** Marks of which some decompose, some have no class, and most change places. */
const difficult = ["\u0301", "\u0323", "\u0345", "\u0334", "\u0344", "\u0f73", "\u0903", "\u034f"]
const mark = fc.oneof(fc.constantFrom(...marks), fc.constantFrom(...difficult))
const base = fc.constantFrom("a", "\u00e9", "\u1f82", "\u1100", "\uac00", "\u{1d15e}", "", "\n")

describe("nfc", () => {
  it("of long runs of marks is what the runtime makes of them [A-025]", () => {
    expect(marks.length).toBeGreaterThan(2300)
    const run = fc.tuple(base, fc.array(mark, { maxLength: 90, size: "max" }))
    fc.assert(
      fc.property(fc.array(run, { maxLength: 3 }), (parts) => {
        const text = parts.flat(2).join("")
        expect(nfc(text)).toBe(text.normalize("NFC"))
      }),
      runs,
    )
    expect(nfc(marks.join(""))).toBe(marks.join("").normalize("NFC"))
    const backwards = marks.toReversed().join("")
    expect(nfc(backwards)).toBe(backwards.normalize("NFC"))
  })

  it("takes a time that grows with the text, not with its square", () => {
    const text = `a${"\u0301".repeat(1e5)}${"\u0323".repeat(1e5)}`
    const begun = performance.now()
    // As the runtime alone would need some 20 s.
    expect(nfc(text)).toBe(`\u1ea1${"\u0323".repeat(1e5 - 1)}${"\u0301".repeat(1e5)}`)
    expect(performance.now() - begun).toBeLessThan(2000)
  })
})
