import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { MailboxModel } from "../../models/MailboxModel.ts"
import { fromUtf8 } from "../../src/base/Bytes.ts"
import { type Batch, BatchPool, Mailbox } from "../../src/ingress/Mailbox.ts"

interface Counted {
  work: number
  group: number
}

const open = (depthMax: number, recordsMax = 4, bytesMax = 100, groupRecords = 3) => {
  const calls: Counted = { work: 0, group: 0 }
  const mailbox = new Mailbox<string>({
    depthMax,
    pool: new BatchPool(recordsMax, bytesMax),
    groupRecords,
    onWork: () => void calls.work++,
    onGroup: () => void calls.group++,
  })
  return { mailbox, calls }
}

/** The texts of a batch, by the ends that it tells. */
const textsOf = (batch: Batch<string>): Array<string> =>
  Array.from({ length: batch.count }, (_, i) => {
    const start = i === 0 ? 0 : (batch.ends[i - 1] as number)
    const line = fromUtf8(batch.bytes.subarray(start, batch.ends[i] as number)) ?? "not UTF-8"
    expect(line.endsWith("\n")).toBe(true)
    return line.slice(0, -1)
  })

describe("Mailbox", () => {
  it("gives out what came in, in order, and nothing when nothing waits", () => {
    const { mailbox } = open(10)
    expect(mailbox.take()).toBeUndefined()
    for (const text of ["a", "", "ä€😀", "d", "e"]) mailbox.offer(text)
    expect(textsOf(mailbox.take()!)).toEqual(["a", "", "ä€😀", "d"])
    expect(textsOf(mailbox.take()!)).toEqual(["e"])
    expect(mailbox.take()).toBeUndefined()
  })

  it("answers undefined at once when full, and takes again after a take [A-085]", () => {
    const { mailbox } = open(2)
    expect(mailbox.offer("a")).toBeInstanceOf(Promise)
    expect(mailbox.offer("b")).toBeInstanceOf(Promise)
    expect(mailbox.offer("c")).toBeUndefined()
    expect(mailbox.waiting).toBe(2)
    mailbox.take()
    expect(mailbox.waiting).toBe(0)
    expect(mailbox.offer("c")).toBeInstanceOf(Promise)
  })

  it("takes nothing with a depth of 0", () => {
    expect(open(0).mailbox.offer("a")).toBeUndefined()
  })

  it("tells of work at the first draft that waits and of a group once it waits", () => {
    const { mailbox, calls } = open(10)
    for (const text of ["a", "b"]) mailbox.offer(text)
    expect(calls).toEqual({ work: 1, group: 0 })
    for (const text of ["c", "d"]) mailbox.offer(text)
    expect(calls).toEqual({ work: 1, group: 1 })
    mailbox.take()
    mailbox.offer("e")
    expect(calls).toEqual({ work: 2, group: 1 })
  })

  it("answers each caller with its own answer, also from a recycled batch", async () => {
    const { mailbox } = open(10)
    for (const round of ["1", "2", "3"]) {
      const answers = ["a", "b", "c"].map((text) => mailbox.offer(text + round)!)
      const batch = mailbox.take()!
      const texts = textsOf(batch)
      expect(texts).toEqual([`a${round}`, `b${round}`, `c${round}`])
      batch.resolve[0]?.(texts[0]!)
      batch.reject[1]?.(new Error(texts[1]))
      batch.resolve[2]?.(texts[2]!)
      mailbox.recycle(batch)
      await expect(answers[0]).resolves.toBe(`a${round}`)
      await expect(answers[1]).rejects.toThrow(`b${round}`)
      await expect(answers[2]).resolves.toBe(`c${round}`)
    }
  })

  it("refuses as a defect a text that no batch could hold", () => {
    const { mailbox } = open(10, 4, 100)
    mailbox.offer("a")
    expect(() => mailbox.offer("x".repeat(34))).toThrow(/fits in an empty batch/)
  })

  it("behaves as the arrays do: order, bound, packing, accepted = taken + waiting", () => {
    const text = fc.string({ unit: "binary", maxLength: 12 }).map((one) => one.toWellFormed())
    const step = fc.oneof(
      { weight: 5, arbitrary: text.map((offered) => ({ offered })) },
      { weight: 1, arbitrary: fc.constant({ offered: undefined }) },
    )
    const bounds = fc.record({
      depthMax: fc.integer({ min: 1, max: 20 }),
      recordsMax: fc.integer({ min: 1, max: 6 }),
      bytesMax: fc.integer({ min: 80, max: 200 }),
    })
    const property = fc.property(bounds, fc.array(step, { maxLength: 60 }), (bound, steps) => {
      const { mailbox } = open(bound.depthMax, bound.recordsMax, bound.bytesMax)
      const model = new MailboxModel(bound)
      for (const { offered } of steps) {
        if (offered !== undefined) {
          expect(mailbox.offer(offered) !== undefined).toBe(model.offer(offered))
        } else {
          const batch = mailbox.take()
          expect(batch && textsOf(batch)).toEqual(model.take())
          if (batch === undefined) continue
          expect(batch.count).toBeLessThanOrEqual(bound.recordsMax)
          expect(batch.used).toBeLessThanOrEqual(bound.bytesMax)
          mailbox.recycle(batch)
        }
        expect(mailbox.waiting).toBe(model.waiting)
        expect(mailbox.waiting).toBeLessThanOrEqual(bound.depthMax)
        expect(model.accepted).toBe(model.taken + mailbox.waiting)
      }
    })
    fc.assert(property, { numRuns: 300 })
  })
})
