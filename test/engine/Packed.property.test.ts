/** Drafts that cross as values of shapes are sealed as their texts are, by every engine. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Engine, SealRequest } from "../../src/engine/Engine.ts"
import { type Batch, BatchPool, Mailbox } from "../../src/ingress/Mailbox.ts"
import { type Draft, encodeDraft } from "../../src/record/Draft.ts"
import { rejectCode } from "../../src/record/Reject.ts"
import { Shapes, shapeValuesMax } from "../../src/record/Shape.ts"
import { keep, requestOf } from "../conformance/EngineInput.ts"
import { draft, runs } from "../record/Arbitrary.ts"
import { engines } from "./Both.ts"

const mailboxOf = () =>
  new Mailbox<unknown>({
    depthMax: 1000,
    pool: new BatchPool(256, 1 << 20),
    groupRecords: 64,
    onWork: () => undefined,
    onGroup: () => undefined,
  })

const plain: Draft = {
  stream: "s",
  kind: "GetServed",
  actor: { cap_id: "c1" },
  subject: { name: "n" },
  reason: "ok",
  attrs: { z: "last", a: [1, true, null, { b: "x" }, []], e: {}, n: 12 },
}
const withAttrs = (attrs: Draft["attrs"]): Draft => ({ ...plain, attrs })

/** The drafts as a batch of values, in a mailbox that knows their shapes from before. */
const packed = (drafts: ReadonlyArray<Draft>, from = 0): SealRequest => {
  const mailbox = mailboxOf()
  for (let round = 0; round < 2; round++) for (const each of drafts) mailbox.offerDraft(each)
  const { bytes, ends, markEnds, marks, used, marked } = mailbox.take() as Batch<unknown>
  const first = drafts.length + from
  return {
    ...requestOf([]),
    input: bytes.subarray(ends[first - 1], used),
    packed: { table: mailbox.table, marks: marks.subarray(markEnds[first - 1], marked) },
    count: drafts.length - from,
  }
}

const expectSame = (drafts: ReadonlyArray<Draft>): void => {
  for (const engine of engines) {
    const wanted = keep(engine.sealBatch(requestOf(drafts.map(encodeDraft))))
    expect(keep(engine.sealBatch(packed(drafts)))).toEqual(wanted)
  }
}

const codesOf = (engine: Engine, drafts: ReadonlyArray<Draft>) =>
  [...engine.sealBatch(packed(drafts)).statuses].map((status) => rejectCode(status) ?? "sealed")

describe("packed drafts", () => {
  it("have a shape, where they are plain", () => {
    const shapes = new Shapes()
    const place = shapes.match(plain)
    expect(place).toBeGreaterThan(0)
    expect(shapes.values.slice(0, shapes.count)).toEqual([
      ...["GetServed", "ok", "c1", "n", "last", "1", "x", "12"],
    ])
    expect(shapes.match({ ...plain, kind: "Other", attrs: { ...plain.attrs, n: 5 } })).toBe(place)
    expect(shapes.match(withAttrs({ ...plain.attrs, n: "5" }))).not.toBe(place)
  })

  it("are sealed as their texts", () => {
    fc.assert(
      fc.property(fc.array(draft, { minLength: 1, maxLength: 4 }), (drafts) => expectSame(drafts)),
      { numRuns: runs.numRuns / 2 },
    )
  })

  it("are sealed as their texts whatever characters the values hold", () => {
    const value = fc.oneof(
      fc.string({ unit: "binary", maxLength: 20 }),
      fc.constantFrom('"', "\\", "\n", "\u0000", "é", "e\u0301", "\u0378", "\u{1f600}", "\ud800"),
      fc.constantFrom('","x":"', "\u007f", "\u212b", "\ufb01", "ä".repeat(300)),
    )
    const drafts = fc.array(
      fc.tuple(value, value, value).map(([cap_id, name, a]) => ({
        ...plain,
        actor: { cap_id },
        subject: { name },
        attrs: { b: a, a: name, "": cap_id },
      })),
      { minLength: 1, maxLength: 4 },
    )
    fc.assert(fc.property(drafts, expectSame), runs)
  })

  it("are refused with the codes of their texts", () => {
    const drafts: Array<Draft> = [
      plain,
      { ...plain, kind: "lower" },
      { ...plain, kind: "", actor: { cap_id: "" } },
      { ...plain, actor: { other: "x" } as Draft["actor"] },
      { ...plain, actor: { anon: "yes" } as unknown as Draft["actor"] },
      { ...plain, subject: { content_id: "b3:xyz" } },
      { ...plain, subject: { name: "x".repeat(513) } },
      { ...plain, reason: "Not" },
      { ...plain, kind: "lower", attrs: { a: "\u0378" } },
      withAttrs({ a: "x".repeat(1025) }),
      withAttrs({ a: "x".repeat(5000) }),
      withAttrs({ a: `"${"\\".repeat(600)}` }),
    ]
    expectSame(drafts)
    for (const engine of engines) {
      expect(codesOf(engine, drafts)).toEqual([
        ...["sealed", "kind", "kind", "actor", "actor", "subject", "subject", "reason"],
        ...["unassigned", "attrs_size", "attrs_size", "attrs_size"],
      ])
    }
  })

  it("go on in the middle of a batch", () => {
    const drafts = [plain, withAttrs({ a: "é" }), withAttrs({ ä: 1 }), plain]
    for (const engine of engines) {
      for (let from = 0; from < drafts.length; from++) {
        const wanted = keep(engine.sealBatch(requestOf(drafts.slice(from).map(encodeDraft))))
        expect(keep(engine.sealBatch(packed(drafts, from)))).toEqual(wanted)
      }
    }
  })
})

describe("a shape", () => {
  const { match } = Shapes.prototype
  const place = (value: unknown): number => match.call(new Shapes(), value as Draft)

  it("is not given to what JSON.stringify would change", () => {
    const late = {
      get a() {
        this.calls += 1
        return this.calls > 1 ? '"' : 1
      },
      calls: 0,
    }
    const odd: ReadonlyArray<unknown> = [
      ...[-0, 1.5, Number.NaN, 2 ** 53, 1n, Symbol("s"), () => 1, new Date(0), new Map()],
      ...[
        new Array(1),
        [undefined],
        new String("s"),
        { toJSON: () => 1 },
        Object.create({ a: 1 }),
        late,
      ],
      class {},
    ]
    for (const a of odd) expect(place(withAttrs({ a } as never))).toBe(0)
    let deep: unknown = "x"
    for (let level = 0; level < 20; level++) deep = [deep]
    expect(place(withAttrs({ deep } as never))).toBe(0)
  })

  it("is not given to drafts with op_id, other keys than plain ones, or missing fields", () => {
    for (const attrs of [{ op_id: "x" }, { ä: 1 }, { '"': 1 }, { "\\": 1 }, { "\n": 1 }]) {
      expect(place(withAttrs(attrs))).toBe(0)
    }
    for (const given of [null, 5, [], {}, { ...plain, more: 1 }, { ...plain, reason: undefined }]) {
      expect(place(given)).toBe(0)
    }
    expect(place({ ...plain, attrs: [] })).toBe(0)
  })

  it("is not learned behind the bound, and those learned before are still known", () => {
    const shapes = new Shapes()
    const known = shapes.match(plain)
    let learned = 0
    for (let i = 0; i < 5000; i++) if (shapes.match(withAttrs({ [`k${i}`]: i })) > 0) learned += 1
    expect(learned).toBeGreaterThan(1000)
    expect(learned).toBeLessThan(4096)
    expect(shapes.match(plain)).toBe(known)
    const many = Object.fromEntries(
      Array.from({ length: shapeValuesMax }, (_, i) => [`k${i}`, "v"]),
    )
    expect(place(withAttrs(many))).toBe(0)
  })

  it("is not given where somebody put a member into every object", () => {
    const everything = Object.prototype as { polluted?: string }
    everything.polluted = "x"
    try {
      expect(place(plain)).toBe(0)
    } finally {
      delete everything.polluted
    }
  })
})
