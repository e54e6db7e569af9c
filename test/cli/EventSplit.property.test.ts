import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { cloudTrailEvents } from "../../src/cli/CloudTrailEvents.ts"
import { EventSplit } from "../../src/cli/EventSplit.ts"
import { Rejected } from "../../src/record/Reject.ts"

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8")

interface Result {
  readonly events: ReadonlyArray<string>
  readonly isRefused: boolean
}

const gather = (run: () => Iterable<Uint8Array>): Result => {
  const events: Array<string> = []
  try {
    for (const event of run()) events.push(text(event))
    return { events, isRefused: false }
  } catch (error) {
    if (!(error instanceof Rejected)) throw error
    return { events, isRefused: true }
  }
}

const whole = (bytes: Uint8Array): Result => gather(() => cloudTrailEvents(bytes))

function* inPieces(bytes: Uint8Array, sizes: ReadonlyArray<number>): Generator<Uint8Array> {
  const split = new EventSplit()
  let at = 0
  for (let i = 0; at < bytes.length; i++) {
    const end = Math.min(bytes.length, at + (sizes[i % sizes.length] ?? 1))
    yield* split.take(bytes.subarray(at, end))
    at = end
  }
  yield* split.end()
}

const value = fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue({ maxDepth: 3 }))
const space = fc.constantFrom("", " ", "\n", "\r\n\t ")

const document = fc.oneof(
  fc.tuple(fc.array(value, { maxLength: 5 }), space).map(([events, gap]) => {
    const items = events.map((event) => JSON.stringify(event)).join(`${gap},${gap}`)
    return `[${gap}${items}${gap}]`
  }),
  fc.tuple(fc.array(value, { maxLength: 5 }), space).map(([events, gap]) => {
    const items = events.map((event) => JSON.stringify(event)).join(`,${gap}`)
    return `{${gap}"Records"${gap}:${gap}[${items}]${gap}}`
  }),
  value.map((event) => JSON.stringify(event)),
)

const documents = fc
  .tuple(fc.array(document, { minLength: 1, maxLength: 4 }), space, space)
  .map(([list, first, gap]) => first + list.join(`${gap}\n`) + gap)

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 })

describe("EventSplit", () => {
  it("finds in pieces what cloudTrailEvents finds in the whole text", () => {
    fc.assert(
      fc.property(documents, sizes, (joined, pieces) => {
        const bytes = Buffer.from(joined)
        const expected = whole(bytes)
        expect(expected.isRefused).toBe(false)
        expect(gather(() => inPieces(bytes, pieces))).toEqual(expected)
      }),
      { numRuns: 300 },
    )
  })

  it("refuses what cloudTrailEvents refuses, after the same objects", () => {
    const damaged = fc
      .tuple(documents, fc.nat(), fc.constantFrom("", "[", "]", "}", ",", '"', "x", "[ ,"))
      .map(([joined, at, put]) => {
        const place = at % (joined.length + 1)
        return joined.slice(0, place) + put + joined.slice(place + (put === "" ? 1 : 0))
      })
    fc.assert(
      fc.property(damaged, sizes, (joined, pieces) => {
        const bytes = Buffer.from(joined)
        const [found, expected] = [gather(() => inPieces(bytes, pieces)), whole(bytes)]
        // Where scalars stand for events the two may cut them otherwise: both are refused later.
        const isClear = [...found.events, ...expected.events].every((event) => event[0] === "{")
        if (isClear) expect(found).toEqual(expected)
      }),
      { numRuns: 600 },
    )
  })

  it("keeps one event in memory: an endless one is refused", () => {
    const split = new EventSplit()
    const piece = Buffer.alloc(1 << 20, 0x61)
    const feed = (): void => {
      for (const _ of split.take(Buffer.from('{"a":"'))) throw new Error("no event")
      for (let i = 0; i < 16; i++) for (const _ of split.take(piece)) throw new Error("no event")
    }
    expect(feed).toThrow(/an event beyond 8388608 bytes/)
  })
})
