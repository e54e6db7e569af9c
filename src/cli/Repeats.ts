/**
 * Which receipts are of records that were in the log before their draft came: a draft with an
 * op_id that was used before gets the first record's receipt. Source: FORMATS 2, op_id.
 */
import type { AppendReceipt } from "../audit/Progress.ts"
import { opIdWindow } from "../base/Limits.ts"
import type { Draft } from "../record/Draft.ts"

export interface Head {
  readonly stream: string
  readonly seq: number
}

/** Two generations: the older one is forgotten whole, since a set's oldest is slow to find. */
interface Appended {
  older: Set<number>
  newer: Set<number>
}

/** As many records as the log remembers op_ids of, and more than are under way. */
const generationMax = opIdWindow * 2

export class Repeats {
  readonly #heads: ReadonlyMap<string, number>
  /** Records of op_ids that were appended since, by stream. */
  readonly #appended = new Map<string, Appended>()

  /** `heads`: of every chain of the writer, before the first draft. */
  constructor(heads: ReadonlyArray<Head>) {
    this.#heads = new Map(heads.map(({ stream, seq }) => [stream, seq]))
  }

  /** Duty: asked once for each receipt. */
  isRepeat({ attrs }: Draft, { stream, seq }: AppendReceipt): boolean {
    if (attrs.op_id === undefined) return false
    if (seq <= (this.#heads.get(stream) ?? 0)) return true
    let appended = this.#appended.get(stream)
    if (appended === undefined) {
      appended = { older: new Set(), newer: new Set() }
      this.#appended.set(stream, appended)
    }
    if (appended.newer.has(seq) || appended.older.has(seq)) return true
    if (appended.newer.size === generationMax) {
      appended.older = appended.newer
      appended.newer = new Set()
    }
    appended.newer.add(seq)
    return false
  }
}
