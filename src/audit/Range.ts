/**
 * A window of a log, derived again: chain, links and roots of the records of some time, from the
 * stored bytes alone. Source: LEDGER A-574.
 */
import { dataView } from "../base/Bytes.ts"
import { formatHash, hashBytes } from "../base/Hash.ts"
import * as Checkpoint from "../checkpoint/Checkpoint.ts"
import { type Engine, frameInfoBytes } from "../engine/Engine.ts"
import { RangeRoot } from "../merkle/Tree.ts"
import { type ChainFiles, type ChainName, readSmallFile } from "../sink/Segment.ts"
import type { ChainReport, Step } from "./ChainVerify.ts"
import { examineStream, type StreamReport, type VerifyOptions } from "./Verify.ts"
import type { WalkedFrames } from "./Walk.ts"
import type { Window } from "./Window.ts"

export interface RangeCheckpoint {
  readonly range: readonly [number, number]
  readonly root: string
  /** The root was derived again from the records and is the same. */
  readonly rebuilt: boolean
  readonly signer_key_id: string
  readonly file: string
}

export interface RangeReport {
  /** First and last seq of the window; absent where no record falls into it. */
  readonly range: readonly [number, number] | null
  readonly records: number
  /** Root of FORMATS 3.1 over the window's records. */
  readonly root: string | null
  /** self_hash of the last record of the window. */
  readonly head: string | null
  readonly checkpoints: ReadonlyArray<RangeCheckpoint>
  readonly stream: StreamReport
}

/** Gathers the records of a window as a verification passes over them. */
class Gathered {
  readonly #window: Window
  readonly #root: RangeRoot
  first = 0
  last = 0
  head: string | null = null

  constructor(engine: Engine, window: Window) {
    this.#window = window
    this.#root = new RangeRoot(engine.merkleRoot)
  }

  readonly watch = ({ firstSeq, result }: WalkedFrames): void => {
    const { sinceMs, untilMs } = this.#window
    const infos = dataView(result.infos)
    for (let i = 0; i < result.count; i++) {
      const tsMs = infos.getFloat64(i * frameInfoBytes + 8, true)
      if (tsMs < sinceMs || tsMs > untilMs) continue
      const hash = result.hashes.subarray(i * hashBytes, (i + 1) * hashBytes)
      if (this.first === 0) this.first = firstSeq + i
      this.last = firstSeq + i
      this.head = formatHash(hash)
      this.#root.add(hash)
    }
  }

  get records(): number {
    return this.#root.count
  }

  get root(): string | null {
    return this.records === 0 ? null : formatHash(this.#root.root())
  }
}

const checkpointsOf = (
  chain: ChainReport,
  files: ChainFiles,
  first: number,
  last: number,
): Array<RangeCheckpoint> =>
  chain.tracked
    .filter((tracked) => tracked.first <= last && tracked.last >= first)
    .flatMap(({ number, file, isRebuilt }) => {
      const path = files.checkpoints.find((listed) => listed.number === number)?.path
      if (path === undefined) return []
      const { range, root, signer_key_id } = Checkpoint.parse(readSmallFile(path))
      return [{ range, root, rebuilt: isRebuilt, signer_key_id, file }]
    })

/** Derives one chain's part of a window again. Errors: SinkError. */
export function* rangeStream(
  engine: Engine,
  options: VerifyOptions & { readonly window: Window },
  name: ChainName,
): Generator<Step, RangeReport> {
  const gathered = new Gathered(engine, options.window)
  const { stream, chain, files } = yield* examineStream(engine, options, name, gathered.watch)
  const { first, last, records, root, head } = gathered
  return {
    range: records === 0 ? null : [first, last],
    records,
    root,
    head,
    checkpoints: records === 0 ? [] : checkpointsOf(chain, files, first, last),
    stream,
  }
}
