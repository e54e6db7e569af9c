import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { equal, toHex } from "../../src/base/Bytes.ts"
import { dedupeKey } from "../../src/chain/Link.ts"
import { parse } from "../../src/record/Canonical.ts"
import { formatBody, normalize, parseBody, type RecordBody, seal } from "../../src/record/Record.ts"
import { Rejected } from "../../src/record/Reject.ts"
import { body, mutate, runs } from "./Arbitrary.ts"

const attempt = <A>(run: () => A): A | undefined => {
  try {
    return run()
  } catch (error) {
    if (error instanceof Rejected) return undefined
    throw error
  }
}

/** Keys of attrs, nested ones as well, may be equal after NFC; such a body is refused. */
const bytesOf = (record: RecordBody): Uint8Array => {
  const bytes = attempt(() => formatBody(record))
  fc.pre(bytes !== undefined)
  return bytes!
}

describe("records", () => {
  it("are read back from their bytes as they were written [A-032, A-512, A-520]", () => {
    fc.assert(
      fc.property(body, (record) => {
        const bytes = bytesOf(record)
        expect(formatBody(parseBody(bytes))).toEqual(bytes)
        expect(formatBody(normalize(parse(bytes)).body)).toEqual(bytes)
        expect(seal(parseBody(bytes)).self_hash).toBe(`b3:${toHex(dedupeKey(record))}`)
      }),
      runs,
    )
  })

  it("keep their dedupe key in any key order, and change it with any change [A-062, A-515]", () => {
    const reversed = (value: unknown): unknown => {
      if (typeof value !== "object" || value === null) return value
      if (Array.isArray(value)) return value.map(reversed)
      return Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([key, member]) => [key, reversed(member)]),
      )
    }
    fc.assert(
      fc.property(body, (record) => {
        bytesOf(record)
        const key = dedupeKey(record)
        expect(key.length).toBe(32)
        expect(dedupeKey(reversed(record) as RecordBody)).toEqual(key)
        expect(dedupeKey({ ...record, ts_ms: record.ts_ms + 1 })).not.toEqual(key)
        expect(dedupeKey({ ...record, reason: `${record.reason}x` })).not.toEqual(key)
      }),
      runs,
    )
  })

  it("read from damaged bytes are refused or are other canonical bytes [A-035, A-520]", () => {
    const damaged = body.chain((record) => {
      const bytes = attempt(() => formatBody(record)) ?? new Uint8Array(2)
      return fc.tuple(fc.constant(bytes), mutate(bytes))
    })
    let refused = 0
    fc.assert(
      fc.property(damaged, ([bytes, other]) => {
        const read = attempt(() => parseBody(other))
        if (read === undefined) refused++
        else expect(equal(formatBody(read), other)).toBe(true)
        if (!equal(bytes, other) && read !== undefined) {
          expect(dedupeKey(read)).not.toEqual(dedupeKey(parseBody(bytes)))
        }
        attempt(() => normalize(parse(other)))
      }),
      runs,
    )
    expect(refused).toBeGreaterThan(runs.numRuns / 4)
  })
})
