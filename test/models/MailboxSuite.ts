/** What every mailbox must do: the models' commands and interleavings against a real one. */
import { setImmediate as turn } from "node:timers/promises"
import fc from "fast-check"
import { expect } from "vitest"
import type { Actor, World } from "../../models/Actor.ts"
import { type MailboxBounds, MailboxModel } from "../../models/MailboxModel.ts"
import { fromUtf8 } from "../../src/base/Bytes.ts"
import { invariant } from "../../src/base/Invariant.ts"
import type { Batch, Mailbox } from "../../src/ingress/Mailbox.ts"

/** The module, or a copy of it with a bug. */
export type MailboxModule = typeof import("../../src/ingress/Mailbox.ts")

const textsOf = (batch: Batch<string>): ReadonlyArray<string> =>
  (fromUtf8(batch.bytes.subarray(0, batch.used)) ?? "not UTF-8").split("\n").slice(0, -1)

interface Calls {
  work: number
  group: number
}

const open = (
  module: MailboxModule,
  bounds: MailboxBounds,
  onWork: () => void = () => undefined,
) => {
  const calls: Calls = { work: 0, group: 0 }
  const { depthMax, recordsMax, bytesMax } = bounds
  const mailbox = new module.Mailbox<string>({
    depthMax,
    pool: new module.BatchPool(recordsMax, bytesMax),
    groupRecords: 2,
    onWork: () => {
      calls.work++
      onWork()
    },
    onGroup: () => void calls.group++,
  })
  return { mailbox, calls }
}

/**
 * Two producers that shed and one consumer that sleeps until it is rung for, as QueueModel has
 * them, around a real mailbox.
 */
export const mailboxWorld = (module: MailboxModule, depthMax: number): World => {
  const offered: Array<string> = []
  const answered: Array<string> = []
  let isAsleep = false
  let producing = 2
  let refused = 0
  const ring = (): void => {
    isAsleep = false
  }
  const { mailbox } = open(module, { depthMax, recordsMax: 2, bytesMax: 64 }, ring)

  function* producer(name: string): Actor {
    for (let k = 0; k < 3; k++) {
      yield undefined
      if (mailbox.offer(`${name}${k}`) === undefined) refused++
      else offered.push(`${name}${k}`)
    }
    producing--
  }

  function* consumer(): Actor {
    for (;;) {
      const batch = mailbox.take()
      if (batch === undefined) {
        isAsleep = true
        yield () => !isAsleep || (producing === 0 && mailbox.waiting === 0)
        if (isAsleep) return
        continue
      }
      yield undefined
      answered.push(...textsOf(batch))
      mailbox.recycle(batch)
    }
  }

  return {
    actors: [producer("a"), producer("b"), consumer()],
    check: () => invariant(mailbox.waiting <= depthMax, "no more wait than there is room"),
    finish: () => {
      invariant(mailbox.waiting === 0, "the queue drains")
      invariant(answered.join() === offered.join(), "each accepted item is taken once, in order")
      invariant(offered.length + refused === 6, "each offer is answered")
    },
  }
}

const answer = (batch: Batch<string>, texts: ReadonlyArray<string>): void => {
  for (const [i, text] of texts.entries()) batch.resolve[i]?.(`${text}, written`)
}

interface Real {
  readonly mailbox: Mailbox<string>
  readonly calls: Calls
  readonly expected: Calls
  readonly answers: Array<readonly [text: string, answer: Promise<string>]>
}

type Command = fc.AsyncCommand<MailboxModel, Real>

const offer = (text: string): Command => ({
  check: () => true,
  run: async (model, { mailbox, calls, expected, answers }) => {
    const promise = mailbox.offer(text)
    expect(promise !== undefined).toBe(model.offer(text))
    if (promise === undefined) return
    answers.push([text, promise])
    if (model.waiting === 1) expected.work++
    if (model.waiting === 2) expected.group++
    expect([mailbox.waiting, calls]).toEqual([model.waiting, expected])
  },
  toString: () => `offer(${JSON.stringify(text)})`,
})

const take = (waits: boolean): Command => ({
  check: () => true,
  run: async (model, { mailbox }) => {
    const batch = mailbox.take()
    const texts = model.take()
    expect(batch && textsOf(batch)).toEqual(texts)
    if (batch === undefined || texts === undefined) return
    expect(mailbox.waiting).toBe(model.waiting)
    // The batch is written: others offer and take meanwhile.
    if (waits) await turn()
    expect(textsOf(batch)).toEqual(texts)
    answer(batch, texts)
    mailbox.recycle(batch)
  },
  toString: () => (waits ? "take, wait, answer" : "take, answer"),
})

const commands = fc.commands(
  [
    fc.string({ maxLength: 8 }).map((text) => offer(text.replaceAll("\n", ""))),
    fc.constant(take(false)),
    fc.constant(take(true)),
  ],
  { maxCommands: 40 },
)

const boundsOf = fc.record({
  depthMax: fc.integer({ min: 1, max: 8 }),
  recordsMax: fc.integer({ min: 1, max: 4 }),
  bytesMax: fc.integer({ min: 25, max: 80 }),
})

const setup = (module: MailboxModule, bounds: MailboxBounds) => {
  const real: Real = {
    ...open(module, bounds),
    expected: { work: 0, group: 0 },
    answers: [],
  }
  return { model: new MailboxModel(bounds), real }
}

/** Everybody who was accepted is answered, by what he offered. */
const settle = async ({ mailbox, answers }: Real): Promise<void> => {
  // A broken one may go on giving out batches for ever.
  for (let left = answers.length; left >= 0; left--) {
    const batch = mailbox.take()
    if (batch === undefined) break
    answer(batch, textsOf(batch))
    mailbox.recycle(batch)
  }
  expect(mailbox.waiting).toBe(0)
  for (const [text, promise] of answers) {
    const late = turn().then(() => "no answer")
    expect(await Promise.race([promise, late])).toBe(`${text}, written`)
  }
}

/** Sequences of commands, each ended before the next. */
export const checkSequences = (
  module: MailboxModule,
  parameters: { readonly numRuns: number; readonly seed?: number },
): Promise<void> =>
  fc.assert(
    fc.asyncProperty(boundsOf, commands, async (bounds, sequence) => {
      let real: Real | undefined
      await fc.asyncModelRun(() => {
        const both = setup(module, bounds)
        real = both.real
        return both
      }, sequence)
      if (real !== undefined) await settle(real)
    }),
    parameters,
  )

/** The same commands, begun in any order that a scheduler picks. */
export const checkSchedules = (module: MailboxModule, numRuns: number): Promise<void> =>
  fc.assert(
    fc.asyncProperty(fc.scheduler(), boundsOf, commands, async (scheduler, bounds, sequence) => {
      let real: Real | undefined
      await fc.scheduledModelRun(
        scheduler,
        () => {
          const both = setup(module, bounds)
          real = both.real
          return both
        },
        sequence,
      )
      if (real !== undefined) await settle(real)
    }),
    { numRuns },
  )
