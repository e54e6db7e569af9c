/**
 * The bounded mailbox of one chain: encoded drafts wait here, packed in batches, for its writer.
 *
 * - accepted = taken + waiting, at most `depthMax` waiting; a full mailbox answers at once.
 * - Order out is order in.
 * - A draft is copied to bytes when it is offered: what the caller does to it later has no effect.
 */
import { invariant } from "../base/Invariant.ts"

/** Node's own fast path below `Buffer.write`, which its types leave out. */
type Utf8Buffer = Buffer & { utf8Write(text: string, offset: number): number }

/** Drafts that are sealed together, and how to answer their callers. */
export class Batch<Answer> {
  count = 0
  used = 0
  readonly bytes: Utf8Buffer
  /** Where each draft's text ends, newline included. */
  readonly ends: Uint32Array
  readonly resolve: Array<(answer: Answer) => void>
  readonly reject: Array<(error: unknown) => void>

  constructor(recordsMax: number, bytesMax: number) {
    this.bytes = Buffer.allocUnsafeSlow(bytesMax) as Utf8Buffer
    this.ends = new Uint32Array(recordsMax)
    this.resolve = new Array(recordsMax)
    this.reject = new Array(recordsMax)
  }
}

// One executor for all promises: a closure for each costs 7 % of the append path.
let lastResolve: (value: never) => void
let lastReject: (error: unknown) => void
const capture = (resolve: (value: never) => void, reject: (error: unknown) => void): void => {
  lastResolve = resolve
  lastReject = reject
}

export class Mailbox<Answer> {
  readonly #depthMax: number
  readonly #recordsMax: number
  readonly #bytesMax: number
  readonly #groupRecords: number
  readonly #onWork: () => void
  readonly #onGroup: () => void
  #open: Batch<Answer>
  readonly #full: Array<Batch<Answer>> = []
  readonly #free: Array<Batch<Answer>> = []
  #waiting = 0

  /**
   * `onWork` runs whenever a draft was put into a mailbox that had none waiting, `onGroup` when
   * `groupRecords` wait.
   */
  constructor(options: {
    readonly depthMax: number
    readonly recordsMax: number
    /** Units: bytes of text a batch holds; at least three times the largest draft's characters. */
    readonly bytesMax: number
    readonly groupRecords: number
    readonly onWork: () => void
    readonly onGroup: () => void
  }) {
    this.#depthMax = options.depthMax
    this.#recordsMax = options.recordsMax
    this.#bytesMax = options.bytesMax
    this.#groupRecords = options.groupRecords
    this.#onWork = options.onWork
    this.#onGroup = options.onGroup
    this.#open = new Batch(this.#recordsMax, this.#bytesMax)
  }

  get waiting(): number {
    return this.#waiting
  }

  /** Promise of the answer, or `undefined` when the mailbox is full. */
  offer(text: string): Promise<Answer> | undefined {
    if (this.#waiting >= this.#depthMax) return undefined
    // utf8Write cuts silently at the end of the buffer: leave room for the worst case.
    const room = text.length * 3 + 1
    let batch = this.#open
    if (batch.count === this.#recordsMax || batch.used + room > batch.bytes.length) {
      invariant(room <= this.#bytesMax, "a draft fits in an empty batch")
      this.#full.push(batch)
      batch = this.#open = this.#free.pop() ?? new Batch(this.#recordsMax, this.#bytesMax)
    }
    const end = batch.used + batch.bytes.utf8Write(text, batch.used)
    batch.bytes[end] = 0x0a
    batch.used = end + 1
    const promise = new Promise<Answer>(capture as never)
    batch.resolve[batch.count] = lastResolve as (answer: Answer) => void
    batch.reject[batch.count] = lastReject
    batch.ends[batch.count] = batch.used
    batch.count += 1
    this.#waiting += 1
    if (this.#waiting === 1) this.#onWork()
    if (this.#waiting === this.#groupRecords) this.#onGroup()
    return promise
  }

  /** The oldest batch, `undefined` when nothing waits. Duty: hand it back with `recycle`. */
  take(): Batch<Answer> | undefined {
    const batch = this.#full.shift() ?? this.#takeOpen()
    if (batch !== undefined) this.#waiting -= batch.count
    return batch
  }

  recycle(batch: Batch<Answer>): void {
    batch.count = 0
    batch.used = 0
    // Keep one spare: a burst must not pin its buffers for good.
    if (this.#free.length === 0) this.#free.push(batch)
  }

  #takeOpen(): Batch<Answer> | undefined {
    if (this.#open.count === 0) return undefined
    const batch = this.#open
    this.#open = this.#free.pop() ?? new Batch(this.#recordsMax, this.#bytesMax)
    return batch
  }
}
