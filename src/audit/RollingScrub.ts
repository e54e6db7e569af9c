/**
 * The scrub of an open chain, pass after pass until damage is found.
 *
 * - What was written since the last look is read back within `newestEveryMs`, segments that were
 *   sealed meanwhile included: twice in the 60 s that LEDGER C-85 gives.
 * - All of it is read again `fullEveryMs` after the last whole pass, and at once where opening left
 *   out older segments.
 *
 * Not protected against: more data than a tenth of the thread can read in that time.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { listChain } from "../sink/Segment.ts"
import type { Finding } from "./Finding.ts"
import { type Scrub, type ScrubInput, type ScrubLane, startScrub } from "./Scrub.ts"

/** Units: milliseconds. */
export interface ScrubTerms {
  readonly newestEveryMs: number
  readonly fullEveryMs: number
}

export const scrubTerms: ScrubTerms = { newestEveryMs: 25_000, fullEveryMs: 60 * 60_000 }

export interface RollingOptions {
  readonly directory: string
  /** For each pass anew: keys may have been certified meanwhile. */
  readonly input: () => ScrubInput
  readonly lane: ScrubLane
  readonly terms: ScrubTerms
  /** Newest segment, and the last seq, that opening read. */
  readonly opened: { readonly number: number; readonly seq: number }
  /** The last seq that is written. */
  readonly seqNow: () => number
  /** Told of a pass that could not read the files; the next one is tried all the same. */
  readonly onTrouble: (error: unknown) => void
}

export const rollScrub = (options: RollingOptions): Scrub => {
  const { directory, input, lane, terms, opened, seqNow, onTrouble } = options
  const isWhole = opened.number <= 1
  let readTo = isWhole ? opened.seq : 0
  const passes = new Set<Scrub>()
  const abort = new AbortController()
  const rest = (ms: number): Promise<boolean> =>
    sleep(ms, true, { signal: abort.signal, ref: false }).catch(() => false)

  const pass = async (first: number): Promise<Finding | undefined> => {
    let running: Scrub | undefined
    try {
      running = startScrub(directory, input(), lane, first)
      passes.add(running)
      const found = await running.done
      // A pass that leaves out the beginning says nothing of it.
      const isJoined = first === 1 || readTo > 0
      if (found === undefined && isJoined) readTo = Math.max(readTo, running.position())
      return found
    } catch (error) {
      if (!abort.signal.aborted) onTrouble(error)
      return undefined
    } finally {
      if (running !== undefined) passes.delete(running)
    }
  }

  const all = async (): Promise<Finding | undefined> => {
    let isDue = !isWhole || (await rest(terms.fullEveryMs))
    while (isDue) {
      const found = await pass(1)
      if (found !== undefined) return found
      isDue = await rest(terms.fullEveryMs)
    }
    return undefined
  }

  const newest = async (): Promise<Finding | undefined> => {
    let { number, seq } = opened
    while (await rest(terms.newestEveryMs)) {
      const written = seqNow()
      if (written === seq) continue
      const next = newestNumber(directory) ?? number
      const found = await pass(Math.max(1, number))
      if (found !== undefined) return found
      seq = written
      number = next
    }
    return undefined
  }

  return {
    position: () => Math.max(readTo, isWhole ? 0 : firstPosition(passes, readTo)),
    done: Promise.race([all(), newest()]),
    stop: () => {
      abort.abort()
      for (const running of passes) running.stop()
    },
  }
}

/** While nothing was read to its end: how far the pass over all has come. */
const firstPosition = (passes: ReadonlySet<Scrub>, readTo: number): number => {
  const [first] = passes
  return readTo === 0 && first !== undefined ? first.position() : 0
}

const newestNumber = (directory: string): number | undefined => {
  try {
    return listChain(directory).segments.at(-1)?.number
  } catch {
    return undefined
  }
}
