/**
 * The background scrub: opening verified the newest segment only, this verifies the whole chain,
 * slowly, beside the writer.
 *
 * It reads in pieces and rests nine times as long as a piece took, so that it never takes more than
 * a tenth of the host's thread. It ends at the files' state of its beginning; what came in later
 * was written by this process. Source: FORMATS 4, Opening; LEDGER A-147, C-85.
 */
import { setTimeout as sleep } from "node:timers/promises"
import type { Clock } from "../base/Clock.ts"
import { listChain } from "../sink/Segment.ts"
import { type ChainInput, verifyChain } from "./ChainVerify.ts"
import { type Finding, weightOf } from "./Finding.ts"

const restFactor = 9

export interface Scrub {
  /** Last seq that was verified since the chain was opened. */
  readonly position: () => number
  /** The first finding that freezes the chain, once all was read; `undefined` when stopped. */
  readonly done: Promise<Finding | undefined>
  readonly stop: () => void
}

/** Begins to scrub the chain in a folder. Errors of `done`: SinkError. */
export const startScrub = (
  directory: string,
  input: Omit<ChainInput, "files">,
  clock: Clock,
): Scrub => {
  let position = 0
  const abort = new AbortController()
  const scrub = async (): Promise<Finding | undefined> => {
    const run = verifyChain({ ...input, files: listChain(directory) })
    for (;;) {
      const begun = clock.nowMs()
      const step = run.next()
      if (step.done) {
        position = step.value.state.seq
        return step.value.findings.find(({ kind }) => weightOf(kind) === "damning")
      }
      position += step.value.records
      const rest = (clock.nowMs() - begun) * restFactor
      const rested = await sleep(rest, true, { signal: abort.signal, ref: false }).catch(
        () => false,
      )
      if (rested) continue
      run.return(undefined as never)
      return undefined
    }
  }
  const done = scrub()
  // Whoever is told comes later, when the chain is open; a failure must not end the process before.
  done.catch(() => undefined)
  return { position: () => position, done, stop: () => abort.abort() }
}
