import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { formatDuration, formatSize, parseDuration, parseSize } from "../../src/base/Units.ts"

const amount = fc.oneof(
  fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  fc
    .tuple(fc.nat(4000), fc.constantFrom(1000, 60_000, 3_600_000, 1 << 10, 1 << 20, 1 << 30))
    .map(([count, worth]) => count * worth),
)

describe("units", () => {
  it("read back what they write", () => {
    fc.assert(
      fc.property(amount, (value) => {
        expect(parseDuration(formatDuration(value))).toBe(value)
        expect(parseSize(formatSize(value))).toBe(value)
      }),
    )
  })

  it("write the largest unit that divides", () => {
    expect([0, 25, 2000, 900_000, 7_200_000].map(formatDuration)).toEqual([
      "0ms",
      "25ms",
      "2s",
      "15m",
      "2h",
    ])
    expect([0, 1000, 1024, 134_217_728, 1 << 30].map(formatSize)).toEqual([
      "0B",
      "1000B",
      "1KiB",
      "128MiB",
      "1GiB",
    ])
  })

  it("are ms s m h and B KB MB GB KiB MiB GiB [A-226]", () => {
    expect(["7ms", "7s", "7m", "7h"].map(parseDuration)).toEqual([7, 7000, 420_000, 25_200_000])
    expect(["7B", "7KB", "7MB", "7GB"].map(parseSize)).toEqual([7, 7e3, 7e6, 7e9])
    expect(["7KiB", "7MiB", "7GiB"].map(parseSize)).toEqual([7168, 7_340_032, 7_516_192_768])
  })

  it.each([
    ["no unit", "15"],
    ["no number", "m"],
    ["a unit that is decimal or binary", "4M"],
    ["a unit in another case", "4kb"],
    ["a unit of another kind", "4d"],
    ["a fraction", "1.5s"],
    ["a sum", "1h30m"],
    ["a space", "15 m"],
    ["a sign", "-5ms"],
    ["a leading zero", "010ms"],
    ["digits of another script", "١٥m"],
    ["more than can be counted", "9999999999999999h"],
    ["a line end", "15m\n"],
    ["nothing", ""],
  ])("refuse %s", (_, text) => {
    expect([parseDuration(text), parseSize(text)]).toEqual([undefined, undefined])
  })
})
