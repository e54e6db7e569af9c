/**
 * Who is let into a mailbox, and who is told to come again.
 *
 * - A full mailbox refuses at once; nothing that waits is ever dropped for what comes later.
 * - While the sink has no room drafts may wait for `enqueueMs`; then they are refused, and so is
 *   what comes until the sink has caught up: a queue does not grow on a stalled device.
 * - While it is shut nobody is let in: a device stands still, or is full.
 * - Whoever was let in is answered once.
 *
 * Source: LEDGER, C-29, C-87.
 */
import type { Draft } from "../record/Draft.ts"
import { Rejected } from "../record/Reject.ts"
import { type Batch, draftCharactersMax, type Mailbox } from "./Mailbox.ts"

/** The queue was full, or the sink was so slow that the queue was closed. */
export type ShedReason = "audit_backpressure" | "io_backpressure"

/** The cause that is ours: drafts have waited too long for the sink. */
const waiting = "waiting"

export class Admission<Answer> {
  readonly #mailbox: Mailbox<Answer>
  readonly #busy: (reason: ShedReason) => unknown
  readonly #onShed: (reason: ShedReason, count: number) => void
  #enqueueMs: number
  /** The batch that waits for the sink, with what of it is still to be sealed. */
  #held: { readonly batch: Batch<Answer>; readonly from: number } | undefined
  readonly #shut = new Set<string>()

  constructor(options: {
    readonly mailbox: Mailbox<Answer>
    /** Units: milliseconds; infinite: nobody is refused for want of patience. */
    readonly enqueueMs: number
    /** What those are told who are refused. */
    readonly busy: (reason: ShedReason) => unknown
    /** Told of each refusal. */
    readonly onShed: (reason: ShedReason, count: number) => void
  }) {
    this.#mailbox = options.mailbox
    this.#enqueueMs = options.enqueueMs
    this.#busy = options.busy
    this.#onShed = options.onShed
  }

  set enqueueMs(enqueueMs: number) {
    this.#enqueueMs = enqueueMs
  }

  /** Shut until the last who had a `cause` to shut it opens it again. */
  setShut(cause: string, isShut: boolean): void {
    if (isShut) this.#shut.add(cause)
    else this.#shut.delete(cause)
  }

  /** Errors: Rejected; what `busy` gives. */
  draft(draft: Draft): Promise<Answer> {
    if (this.#shut.size > 0) return this.#refuse("io_backpressure")
    return this.#mailbox.offerDraft(draft) ?? this.#refuse("audit_backpressure")
  }

  /** As `draft`, of an encoded one. */
  text(text: string): Promise<Answer> {
    if (text.length > draftCharactersMax) return Promise.reject(Rejected.of("record_size"))
    if (this.#shut.size > 0) return this.#refuse("io_backpressure")
    return this.#mailbox.offer(text) ?? this.#refuse("audit_backpressure")
  }

  /** Waits for the sink, with `batch` from `from` on in hand. */
  async stall(batch: Batch<Answer>, from: number, step: () => Promise<void>): Promise<void> {
    this.#held = { batch, from }
    const close = (): void => {
      this.setShut(waiting, true)
      this.#onShed("io_backpressure", this.dismiss(this.#busy("io_backpressure")))
    }
    const isBounded = Number.isFinite(this.#enqueueMs)
    const timer = isBounded ? setTimeout(close, this.#enqueueMs) : undefined
    // A host that wants to end does not wait for the next draft.
    timer?.unref()
    try {
      await step()
    } finally {
      clearTimeout(timer)
      this.setShut(waiting, false)
      this.#held = undefined
    }
  }

  /** Tells all who wait `error`; how many they were. */
  dismiss(error: unknown): number {
    const shed = this.#mailbox.shed(error)
    if (this.#held === undefined) return shed
    const { batch, from } = this.#held
    const held = batch.count - from
    for (let i = from; i < batch.count; i++) batch.reject[i]?.(error)
    batch.count = from
    return shed + held
  }

  #refuse(reason: ShedReason): Promise<never> {
    this.#onShed(reason, 1)
    return Promise.reject(this.#busy(reason))
  }
}
