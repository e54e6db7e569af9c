/**
 * One pass over a chain's files beside its writer, slowly.
 *
 * It reads in pieces. The passes of a log share one lane, which rests nine times as long as a piece
 * took, so that all of them together never take more than a tenth of the host's thread. A pass ends
 * at the files' state of its beginning. Source: FORMATS 4, Opening; LEDGER A-147, C-85.
 */
import type { Clock } from "../base/Clock.ts"
import { type ChainFiles, listChain } from "../sink/Segment.ts"
import { type ChainInput, verifyChain } from "./ChainVerify.ts"
import { type Finding, weightOf } from "./Finding.ts"
import { readHeads, stateBefore } from "./Seals.ts"

const restFactor = 9

/** One piece at a time, each followed by its rest. */
export class ScrubLane {
  readonly #clock: Clock
  #free: Promise<void> = Promise.resolve()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async turn<A>(step: () => A): Promise<A> {
    const before = this.#free
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#free = promise
    await before
    const begun = this.#clock.nowMs()
    try {
      return step()
    } finally {
      // A host that wants to end does not wait for a rest.
      setTimeout(resolve, (this.#clock.nowMs() - begun) * restFactor).unref()
    }
  }
}

export interface Scrub {
  /** Last seq that was read from the disk and verified since the chain was opened. */
  readonly position: () => number
  /** The first finding that freezes the chain, once all was read; `undefined` when stopped. */
  readonly done: Promise<Finding | undefined>
  readonly stop: () => void
}

export type ScrubInput = Omit<ChainInput, "files" | "from">

const isDamage = ({ kind }: Finding): boolean =>
  weightOf(kind) === "damning" || kind === "segment_missing"

/** Where a pass over the segments from `first` on begins; else what is wrong with those before. */
const beginning = (files: ChainFiles, first: number): Pick<ChainInput, "from"> | Finding => {
  const heads = readHeads(files)
  if (!Array.isArray(heads)) return heads
  const segment = Math.min(first, heads.length) - 1
  const state = segment > 0 ? stateBefore(heads, segment) : undefined
  const declared = heads[segment]?.declared
  return state === undefined || declared === undefined ? {} : { from: { segment, state, declared } }
}

/** Begins a pass over the segments from number `first` on. Errors of `done`: SinkError. */
export const startScrub = (
  directory: string,
  input: ScrubInput,
  lane: ScrubLane,
  first = 1,
): Scrub => {
  let position = 0
  const { promise: stopped, resolve: stop } = Promise.withResolvers<undefined>()
  let isStopped = false
  let run: ReturnType<typeof verifyChain> | undefined
  const scrub = async (): Promise<Finding | undefined> => {
    const files = listChain(directory)
    const begun = first > 1 ? beginning(files, first) : {}
    if ("kind" in begun) return begun
    position = begun.from?.state.seq ?? 0
    const pass = verifyChain({ ...input, ...begun, files })
    run = pass
    for (;;) {
      const step = await lane.turn(() => (isStopped ? undefined : pass.next()))
      if (step === undefined) return undefined
      if (step.done) {
        position = step.value.state.seq
        return step.value.findings.find(isDamage)
      }
      position += step.value.records
    }
  }
  const done = Promise.race([scrub(), stopped])
  // Whoever is told comes later, when the chain is open; a failure must not end the process before.
  done.catch(() => undefined)
  return {
    position: () => position,
    done,
    stop: () => {
      isStopped = true
      // It has a file open, and may not have its turn for long.
      run?.return(undefined as never)
      stop(undefined)
    },
  }
}
