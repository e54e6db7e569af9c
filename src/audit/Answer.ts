/** What the callers of one sealed batch are told. */
import type { SealResult } from "../engine/Engine.ts"
import type { Batch } from "../ingress/Mailbox.ts"
import { Rejected, rejectCode, rejectNumber } from "../record/Reject.ts"
import { AuditError } from "./AuditError.ts"
import { AppendReceipt, type Sealed } from "./Progress.ts"

const piiBlocked = rejectNumber("pii_blocked")

interface Caller {
  readonly resolve: ((receipt: AppendReceipt) => void) | undefined
  readonly reject: ((error: unknown) => void) | undefined
}

/**
 * Answers the drafts that `result` consumed from `from` on; how many were refused as secrets.
 * With `safe` the accepted ones are answered once it settles, and are told where it fails.
 */
export const answer = (
  batch: Batch<AppendReceipt>,
  from: number,
  result: SealResult,
  sealed: Sealed,
  safe?: Promise<void>,
): number => {
  const waiting: Array<Caller> = []
  let index = 0
  let blocked = 0
  for (let i = 0; i < result.consumed; i++) {
    const status = result.statuses[i] as number
    const at = from + i
    if (status !== 0) {
      if (status === piiBlocked) blocked += 1
      batch.reject[at]?.(Rejected.of(rejectCode(status) ?? "json"))
    } else if (safe === undefined) batch.resolve[at]?.(new AppendReceipt(sealed, index++))
    // The batch is used again meanwhile.
    else waiting.push({ resolve: batch.resolve[at], reject: batch.reject[at] })
  }
  safe?.then(
    () => {
      for (const [i, { resolve }] of waiting.entries()) resolve?.(new AppendReceipt(sealed, i))
    },
    (error: unknown) => {
      for (const [i, { reject }] of waiting.entries()) {
        reject?.(error === unconfirmed ? timeout(new AppendReceipt(sealed, i)) : error)
      }
    },
  )
  return blocked
}

/** Why callers are told without knowing: the disk stands still. */
const unconfirmed = Symbol("unconfirmed")

const timeout = (receipt: AppendReceipt): AuditError => {
  const where = `${receipt.writerId} / ${receipt.stream}, seq ${receipt.seq}`
  const message = `the disk does not confirm ${where}; the record may be there all the same`
  return new AuditError({ code: "TIMEOUT", message, receipt })
}

/** Callers whose records are written and not durable yet, where they are told only then. */
export class Unanswered {
  readonly #waiting = new Map<(reason: unknown) => void, number>()

  /** Settles with `durable`, unless it is given up before. */
  until(durable: Promise<void>, records: number): Promise<void> {
    return new Promise((done, fail) => {
      this.#waiting.set(fail, records)
      durable.then(done, fail).finally(() => this.#waiting.delete(fail))
    })
  }

  /** Units: records. */
  get count(): number {
    return [...this.#waiting.values()].reduce((sum, records) => sum + records, 0)
  }

  /** Nobody knows whether what was written will be there. */
  giveUp(): void {
    for (const fail of this.#waiting.keys()) fail(unconfirmed)
    this.#waiting.clear()
  }
}
