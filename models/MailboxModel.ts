/**
 * The mailbox as plain arrays: batches of texts, oldest first, the last one still open.
 *
 * Slow and obvious on purpose. Source: src/ingress/Mailbox.ts, its header.
 */
import { utf8 } from "../src/base/Bytes.ts"

export interface MailboxBounds {
  readonly depthMax: number
  readonly recordsMax: number
  readonly bytesMax: number
}

export class MailboxModel {
  readonly #bounds: MailboxBounds
  #batches: Array<ReadonlyArray<string>> = []
  accepted = 0
  taken = 0

  constructor(bounds: MailboxBounds) {
    this.#bounds = bounds
  }

  get waiting(): number {
    return this.#batches.flat().length
  }

  /** Whether there was room. */
  offer(text: string): boolean {
    if (this.waiting >= this.#bounds.depthMax) return false
    const open = this.#batches.at(-1)
    if (open !== undefined && this.#hasRoom(open, text)) {
      this.#batches[this.#batches.length - 1] = [...open, text]
    } else this.#batches.push([text])
    this.accepted += 1
    return true
  }

  /** The oldest batch, `undefined` when nothing waits. */
  take(): ReadonlyArray<string> | undefined {
    const oldest = this.#batches.shift()
    this.taken += oldest?.length ?? 0
    return oldest
  }

  /** Room is kept for the worst case: three bytes a character and the newline. */
  #hasRoom(batch: ReadonlyArray<string>, text: string): boolean {
    const used = batch.reduce((sum, one) => sum + utf8(one).length + 1, 0)
    return (
      batch.length < this.#bounds.recordsMax && used + text.length * 3 + 1 <= this.#bounds.bytesMax
    )
  }
}
