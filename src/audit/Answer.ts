/** What the callers of one sealed batch are told. */
import type { SealResult } from "../engine/Engine.ts"
import type { Batch } from "../ingress/Mailbox.ts"
import { Rejected, rejectCode, rejectNumber } from "../record/Reject.ts"
import { AppendReceipt, type Sealed } from "./Progress.ts"

const piiBlocked = rejectNumber("pii_blocked")

/** Answers the drafts that `result` consumed from `from` on; how many were refused as secrets. */
export const answer = (
  batch: Batch<AppendReceipt>,
  from: number,
  result: SealResult,
  sealed: Sealed,
): number => {
  let index = 0
  let blocked = 0
  for (let i = 0; i < result.consumed; i++) {
    const status = result.statuses[i] as number
    if (status === 0) batch.resolve[from + i]?.(new AppendReceipt(sealed, index++))
    else {
      if (status === piiBlocked) blocked += 1
      batch.reject[from + i]?.(Rejected.of(rejectCode(status) ?? "json"))
    }
  }
  return blocked
}
