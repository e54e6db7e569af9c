/**
 * How far a chain has got, level by level, and who waits for it.
 *
 * Levels settle independently: `accepted` (the operating system has the frame), `durable` (its
 * frame is fsynced), `signed` (its signature is stored), `checkpointed` (a signed checkpoint covers
 * it). A level only rises. Source: INTERFACES, Embedding.
 */
import { formatHash, type HashText } from "../base/Hash.ts"
import { AuditError } from "./AuditError.ts"

/** How far a record has got: docs/concepts/durability.md. */
export type Level = "accepted" | "durable" | "signed" | "checkpointed"

/** Levels that a chain's settings can never reach, with the reason. */
export type Unreachable = Partial<Record<Level, string>>

interface Waiter {
  readonly seq: number
  readonly done: () => void
  readonly fail: (error: unknown) => void
}

export class Progress {
  readonly #openedAt: number
  readonly #reached: Record<Level, number>
  readonly #waiters: Record<Level, Array<Waiter>> = {
    accepted: [],
    durable: [],
    signed: [],
    checkpointed: [],
  }
  readonly #unreachable: Unreachable
  readonly #onWait: (level: Level) => void
  #failed: unknown

  /** `onWait` is told that somebody waits for a level that is not reached yet. */
  constructor(
    seq: number,
    checkpointed: number,
    unreachable: Unreachable,
    onWait: (level: Level) => void,
  ) {
    this.#onWait = onWait
    this.#openedAt = seq
    this.#reached = { accepted: seq, durable: seq, signed: seq, checkpointed }
    this.#unreachable = unreachable
  }

  /** The last seq at a level. */
  at(level: Level): number {
    return this.#reached[level]
  }

  /** Records that reached a level since the chain was opened. */
  since(level: Level): number {
    return Math.max(0, this.#reached[level] - this.#openedAt)
  }

  reach(level: Level, seq: number): void {
    if (seq <= this.#reached[level]) return
    this.#reached[level] = seq
    const waiting = this.#waiters[level]
    if (waiting.length === 0) return
    this.#waiters[level] = waiting.filter((waiter) => waiter.seq > seq)
    for (const waiter of waiting) if (waiter.seq <= seq) waiter.done()
  }

  /** Errors: AuditError UNREACHABLE at once; what stopped the writer. */
  wait(level: Level, seq: number): Promise<void> {
    const never = this.#unreachable[level]
    if (never !== undefined) {
      return Promise.reject(
        AuditError.of("UNREACHABLE", `level ${level} is never reached: ${never}`),
      )
    }
    if (seq <= this.#reached[level]) return Promise.resolve()
    if (this.#failed !== undefined) return Promise.reject(this.#failed)
    return new Promise((done, fail) => {
      this.#waiters[level].push({ seq, done, fail })
      this.#onWait(level)
    })
  }

  /** Nothing rises any more: everybody who waits is told why. */
  fail(error: unknown): void {
    this.#failed = error
    for (const level of Object.keys(this.#waiters) as Array<Level>) {
      const waiting = this.#waiters[level]
      this.#waiters[level] = []
      for (const waiter of waiting) waiter.fail(error)
    }
  }
}

/** What the receipts of one batch share, so that a kept receipt costs little. */
export interface Sealed {
  readonly writerId: string
  readonly stream: string
  readonly firstSeq: number
  /** Its records are written together, so that they reach each level together. */
  readonly lastSeq: number
  readonly waits: Partial<Record<Level, Promise<void>>>
  /** Shape: 32 bytes a record. */
  readonly hashes: Uint8Array
  readonly progress: Progress
}

/** Answer to one `append`. */
export class AppendReceipt {
  readonly #sealed: Sealed
  readonly #index: number

  constructor(sealed: Sealed, index: number) {
    this.#sealed = sealed
    this.#index = index
  }
  get writerId(): string {
    return this.#sealed.writerId
  }
  get stream(): string {
    return this.#sealed.stream
  }
  get seq(): number {
    return this.#sealed.firstSeq + this.#index
  }
  get selfHash(): HashText {
    const at = this.#index * 32
    return formatHash(this.#sealed.hashes.subarray(at, at + 32))
  }
  /**
   * Resolves when the record is at `level`.
   * Errors: AuditError UNREACHABLE, CANCELED, CLOSED; SinkError.
   */
  reached(level: Level): Promise<void> {
    const { progress, lastSeq, waits } = this.#sealed
    // One promise for all who wait for a level of the batch.
    waits[level] ??= progress.wait(level, lastSeq)
    return waits[level]
  }
}
