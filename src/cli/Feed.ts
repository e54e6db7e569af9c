/**
 * Appends drafts in order, a bounded number at a time, and keeps what was refused.
 *
 * A full queue is waited for. The first failure that is not about one draft stops the feed.
 */
import { AuditError } from "../audit/AuditError.ts"
import type { AppendReceipt } from "../audit/Progress.ts"
import type { Draft } from "../record/Draft.ts"
import { Rejected } from "../record/Reject.ts"

export interface FeedFailure {
  /** Line or event of the draft. */
  readonly at: number
  readonly error: unknown
}

/** Whether the draft is to blame, not the log. */
export const isRefusal = (error: unknown): error is Rejected | AuditError =>
  error instanceof Rejected || (error instanceof AuditError && error.code === "OP_ID_CONFLICT")

const inFlightMax = 1024

export class Feed {
  readonly #append: (draft: Draft) => Promise<AppendReceipt>
  readonly #onAccepted: (receipt: AppendReceipt, draft: Draft) => void
  readonly failures: Array<FeedFailure> = []
  accepted = 0
  /** Drafts behind the first failure that were accepted all the same. */
  acceptedBehind = 0
  #inFlight = 0
  #wake: (() => void) | undefined

  constructor(
    append: (draft: Draft) => Promise<AppendReceipt>,
    onAccepted: (receipt: AppendReceipt, draft: Draft) => void,
  ) {
    this.#append = append
    this.#onAccepted = onAccepted
  }

  get isFull(): boolean {
    return this.#inFlight >= inFlightMax
  }

  /** Resolves when there is room for a draft. */
  async room(): Promise<void> {
    while (this.isFull) await this.#settled()
  }

  /** Appends one draft. Duty: `isFull` is false. */
  push(draft: Draft, at: number): void {
    this.#inFlight += 1
    this.#try(draft, at)
  }

  /** Everything pushed so far is accepted or refused. */
  async drain(): Promise<void> {
    while (this.#inFlight > 0) await this.#settled()
  }

  #try(draft: Draft, at: number): void {
    this.#append(draft).then(
      (receipt) => {
        this.accepted += 1
        if (at > (this.failures[0]?.at ?? at)) this.acceptedBehind += 1
        this.#onAccepted(receipt, draft)
        this.#settle()
      },
      (error: unknown) => {
        if (error instanceof AuditError && error.code === "BUSY") {
          setTimeout(() => this.#try(draft, at), 1)
          return
        }
        this.failures.push({ at, error })
        this.#settle()
      },
    )
  }

  #settle(): void {
    this.#inFlight -= 1
    this.#wake?.()
    this.#wake = undefined
  }

  #settled(): Promise<void> {
    return new Promise((done) => {
      this.#wake = done
    })
  }
}
