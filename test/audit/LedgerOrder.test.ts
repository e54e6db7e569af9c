/** Order: seq inside a chain, never time; across chains a view with one key. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import fc from "fast-check"
import { afterEach, describe, expect, it, vi } from "vitest"
import { formatDeclaration } from "../../src/audit/Declaration.ts"
import { concat } from "../../src/base/Bytes.ts"
import { emptyChain, verifyChain } from "../../src/chain/Chain.ts"
import { mergedMax, mergeRecords } from "../../src/cli/Merge.ts"
import { flagTimeFell, frameInfoBytes } from "../../src/engine/Engine.ts"
import { encodeDraft } from "../../src/record/Draft.ts"
import { formatHeader } from "../../src/record/Frame.ts"
import type { AuditRecord } from "../../src/record/Record.ts"
import { chainDirectory } from "../../src/sink/Segment.ts"
import { requestOf } from "../conformance/EngineInput.ts"
import { engines } from "../engine/Both.ts"
import {
  cleanUp,
  draft,
  engine,
  makePlace,
  openRoom,
  recordsOf,
  stream,
  verify,
  writerId,
} from "./Room.ts"

cleanUp()
afterEach(() => void vi.restoreAllMocks())

interface Name {
  readonly writerId: string
  readonly stream: string
}

const limits = { attrsBytesMax: 1024, recordBytesMax: 4096 }
const logId = "a75e72aaf01d6331dd8c22950dfe1c76"
const declared = {
  logId,
  signing: "checkpoint",
  algs: [],
  checkpointAlgs: [],
  fsync: "never",
} as const

/** Frames whose records have just these times, falling ones too. */
const framesOf = (name: Name, times: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  let state = emptyChain
  return times.map((tsMs, index) => {
    const kind = index === 0 ? "StreamOpened" : "GetServed"
    const attrs = index === 0 ? formatDeclaration(declared) : { index }
    const text = encodeDraft(draft(0, { stream: name.stream, kind, attrs }))
    const chain = { logId, ...name, ...limits }
    // The state's own time would raise one that fell.
    const sealed = engine.sealBatch(
      requestOf([text], { chain, state: { ...state, tsMs: 0 }, tsMs }),
    )
    state = sealed.state
    return sealed.frames.slice()
  })
}

const layChain = (wal: string, name: Name, frames: ReadonlyArray<Uint8Array>): void => {
  const folder = chainDirectory(wal, name.writerId, name.stream)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  writeFileSync(join(folder, "wal-000001.seg"), concat(formatHeader(0), ...frames), { mode: 0o600 })
}

const times = [5_000, 4_000, 9_000, 3_000, 3_000, 8_000]

describe("ts_ms", () => {
  it("is advisory: a chain whose time falls is whole, in the order of seq [A-004, A-043]", () => {
    const place = makePlace()
    layChain(place.wal, { writerId, stream }, framesOf({ writerId, stream }, times))
    const { verdict, streams, notes } = verify(place, { trust: undefined, integrity: true })
    expect([verdict, streams[0]?.findings]).toEqual(["intact", []])
    expect(notes.join()).toMatch(/ts_ms falls 2 times/)
    const records = recordsOf(place)
    expect(records.map(({ seq, ts_ms }) => [seq, ts_ms])).toEqual(
      times.map((ts_ms, index) => [index + 1, ts_ms]),
    )
    expect(verifyChain(records)).toBe("ok")
    const frames = concat(...framesOf({ writerId, stream }, times))
    for (const one of engines) {
      const chain = { logId, writerId, stream, ...limits }
      const { stop, count, infos } = one.verifyBatch({ chain, state: emptyChain, frames })
      expect([stop, count]).toEqual(["end", times.length])
      const falls = times.map((_, i) => (infos[i * frameInfoBytes + 4]! & flagTimeFell) !== 0)
      expect(falls).toEqual([false, true, false, true, false, false])
    }
  })

  it("gives no order: the same records by time are no chain [A-004, A-043]", () => {
    const place = makePlace()
    const frames = framesOf({ writerId, stream }, times)
    const byTime = frames
      .map((frame, index) => ({ frame, ts: times[index]! }))
      .sort((a, b) => a.ts - b.ts)
      .map(({ frame }) => frame)
    layChain(place.wal, { writerId, stream }, byTime)
    const { verdict, streams } = verify(place, { trust: undefined, integrity: true })
    expect(verdict).toBe("invalid")
    expect(streams[0]?.findings.map(({ kind }) => kind)).toContain("seq_gap")
    for (const one of engines) {
      const chain = { logId, writerId, stream, ...limits }
      const request = { chain, state: emptyChain, frames: concat(...byTime) }
      expect(one.verifyBatch(request)).toMatchObject({ stop: "bad", count: 0 })
    }
  })

  it("of a writer whose clock went back stays, and seq goes on [A-004, A-006, A-043]", async () => {
    const place = makePlace()
    const room = await openRoom(place)
    const clock = vi.spyOn(Date, "now")
    const begun = 4_000_000_000_000
    for (const [index, at] of [0, 1000, -90_000, -1, 1001].entries()) {
      clock.mockReturnValue(begun + at)
      await room.append(draft(index))
    }
    clock.mockRestore()
    await room.close()
    const written = recordsOf(place).slice(1)
    expect(written.map(({ seq }) => seq)).toEqual([2, 3, 4, 5, 6])
    const offsets = written.map(({ ts_ms }) => ts_ms - begun)
    expect(offsets).toEqual([0, 1000, 1000, 1000, 1001])
    expect(written.map(({ attrs }) => attrs.index)).toEqual([0, 1, 2, 3, 4])
    expect(verify(place).verdict).toBe("valid")
  })
})

// By UTF-8 bytes the first of the last two is the lesser, by UTF-16 code units the second is.
const writers = ["b", "a", "A", "a@2", "a-2", "\u{ff5e}", "\u{1f600}"]
const streams = ["s", "t", "S", "\u{ff5e}", "\u{1f600}"]

/** The order of FORMATS 2, written down once more. */
const expectedOrder = (a: AuditRecord, b: AuditRecord): number =>
  Math.sign(a.ts_ms - b.ts_ms) ||
  Buffer.compare(Buffer.from(a.writer_id), Buffer.from(b.writer_id)) ||
  Math.sign(a.seq - b.seq) ||
  Buffer.compare(Buffer.from(a.stream), Buffer.from(b.stream))

const titles = (records: Iterable<AuditRecord>): Array<string> =>
  [...records].map(({ ts_ms, writer_id, seq, stream: of }) => [ts_ms, writer_id, seq, of].join(" "))

describe("records of many writers and streams", () => {
  const chains = fc.uniqueArray(
    fc.record({
      name: fc.record({
        writerId: fc.constantFrom(...writers),
        stream: fc.constantFrom(...streams),
      }),
      // Few different times, so that ties are the rule.
      times: fc
        .array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 5 })
        .map((given) => given.sort((a, b) => a - b)),
      rank: fc.nat(),
    }),
    {
      selector: ({ name }) => `${name.writerId} ${name.stream}`,
      minLength: 2,
      maxLength: mergedMax,
      size: "max",
    },
  )

  it("are merged by ts_ms, writer_id, seq, then stream, however they lie [A-044]", () => {
    fc.assert(
      fc.property(chains, (given) => {
        const place = makePlace()
        for (const { name, times: at } of given) {
          layChain(place.wal, name, framesOf(name, at))
        }
        const names = given.map(({ name }) => name)
        const merged = [...mergeRecords(engine, place.wal, names, 1)]
        expect(merged.length).toBe(given.reduce((sum, { times: at }) => sum + at.length, 0))
        expect(titles(merged)).toEqual(titles(merged.toSorted(expectedOrder)))
        const shuffled = given.toSorted((a, b) => a.rank - b.rank).map(({ name }) => name)
        expect(titles(mergeRecords(engine, place.wal, shuffled, 1))).toEqual(titles(merged))
      }),
      { numRuns: 30 },
    )
  })

  it("resolve every tie by the next part of the key [A-044]", () => {
    const place = makePlace()
    const at = (of: string, in_: string, ...given: ReadonlyArray<number>) => {
      const name = { writerId: of, stream: in_ }
      layChain(place.wal, name, framesOf(name, given))
      return name
    }
    const names = [
      at("\u{1f600}", "s", 7),
      at("b", "t", 7, 7),
      at("\u{ff5e}", "s", 7),
      at("b", "s", 6, 7, 8),
      at("a", "t", 7, 7),
    ]
    expect(titles(mergeRecords(engine, place.wal, names, 1))).toEqual([
      "6 b 1 s",
      "7 a 1 t",
      "7 a 2 t",
      "7 b 1 t",
      "7 b 2 s",
      "7 b 2 t",
      "7 \u{ff5e} 1 s",
      "7 \u{1f600} 1 s",
      "8 b 3 s",
    ])
  })
})
