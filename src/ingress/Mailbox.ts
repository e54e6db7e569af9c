/**
 * The bounded mailbox of one chain: encoded drafts wait here, packed in batches, for its writer.
 *
 * - accepted = taken + waiting, at most `depthMax` waiting; a full mailbox answers at once.
 * - Order out is order in.
 * - A draft is copied to bytes when it is offered: what the caller does to it later has no effect.
 */
import { invariant } from "../base/Invariant.ts"
import { recordBytesMax } from "../base/Limits.ts"
import { type Draft, encodeDraft } from "../record/Draft.ts"
import { Rejected } from "../record/Reject.ts"
import { Shapes, shapeValuesMax } from "../record/Shape.ts"

/** Node's own fast path below `Buffer.write`, which its types leave out. */
type Utf8Buffer = Buffer & { utf8Write(text: string, offset: number): number }

/** Six characters of JSON for each byte of a record is more than any accepted draft needs. */
export const draftCharactersMax = recordBytesMax * 6
// More than that is for `encodeDraft` to look at.
const valuesCharactersMax = recordBytesMax
const valuesBytesMax = valuesCharactersMax * 3
const markWordsMax = 1 + shapeValuesMax
const markWordsMean = 32

/** Drafts that are sealed together, and how to answer their callers. */
export class Batch<Answer> {
  count = 0
  used = 0
  readonly bytes: Utf8Buffer
  /** Where each draft's text ends, newline included, or its values do. */
  readonly ends: Uint32Array
  /** What each draft is (record/Shape). */
  readonly marks: Uint32Array
  readonly markEnds: Uint32Array
  marked = 0
  readonly resolve: Array<(answer: Answer) => void>
  readonly reject: Array<(error: unknown) => void>

  constructor(recordsMax: number, bytesMax: number) {
    this.bytes = Buffer.allocUnsafeSlow(bytesMax) as Utf8Buffer
    this.ends = new Uint32Array(recordsMax)
    this.marks = new Uint32Array(recordsMax * markWordsMean + markWordsMax)
    this.markEnds = new Uint32Array(recordsMax)
    this.resolve = new Array(recordsMax)
    this.reject = new Array(recordsMax)
  }
}

/** Batches that nobody uses: idle mailboxes hold no memory, and busy ones make no garbage. */
export class BatchPool<Answer> {
  readonly #recordsMax: number
  readonly #bytesMax: number
  readonly #spare: Array<Batch<Answer>> = []

  /** `bytesMax`: of text a batch holds, at least three times the largest draft's characters. */
  constructor(recordsMax: number, bytesMax: number) {
    this.#recordsMax = recordsMax
    this.#bytesMax = bytesMax
  }

  get(): Batch<Answer> {
    return this.#spare.pop() ?? new Batch(this.#recordsMax, this.#bytesMax)
  }

  put(batch: Batch<Answer>): void {
    batch.count = 0
    batch.used = 0
    batch.marked = 0
    // A burst must not pin its buffers for good.
    if (this.#spare.length < spareMax) this.#spare.push(batch)
  }
}

const spareMax = 8

// One executor for all promises: a closure for each costs 7 % of the append path.
let lastResolve: (value: never) => void
let lastReject: (error: unknown) => void
const capture = (resolve: (value: never) => void, reject: (error: unknown) => void): void => {
  lastResolve = resolve
  lastReject = reject
}

export class Mailbox<Answer> {
  #depthMax: number
  readonly #pool: BatchPool<Answer>
  readonly #groupRecords: number
  readonly #onWork: () => void
  readonly #onGroup: () => void
  #open: Batch<Answer> | undefined
  readonly #full: Array<Batch<Answer>> = []
  readonly #shapes = new Shapes()
  #waiting = 0

  /**
   * `onWork` runs whenever a draft was put into a mailbox that had none waiting, `onGroup` when
   * `groupRecords` wait.
   */
  constructor(options: {
    readonly depthMax: number
    readonly pool: BatchPool<Answer>
    readonly groupRecords: number
    readonly onWork: () => void
    readonly onGroup: () => void
  }) {
    this.#depthMax = options.depthMax
    this.#pool = options.pool
    this.#groupRecords = options.groupRecords
    this.#onWork = options.onWork
    this.#onGroup = options.onGroup
  }

  get waiting(): number {
    return this.#waiting
  }

  /** A smaller depth takes effect as drafts leave: what waits already stays. */
  set depthMax(depthMax: number) {
    this.#depthMax = depthMax
  }

  /** Templates of the drafts that wait, beside their batches' marks. */
  get table(): Uint8Array {
    return this.#shapes.table
  }

  /** As `offer`, from the draft itself. Errors: Rejected. */
  offerDraft(draft: Draft): Promise<Answer> | undefined {
    if (this.#waiting >= this.#depthMax) return undefined
    const place = this.#shapes.match(draft)
    const batch = place === 0 ? undefined : this.#putValues(place)
    if (batch !== undefined) return this.#enter(batch)
    const text = encodeDraft(draft)
    if (text.length > draftCharactersMax) throw Rejected.of("record_size")
    return this.#enter(this.#putText(text))
  }

  /** Promise of the answer, or `undefined` when the mailbox is full. */
  offer(text: string): Promise<Answer> | undefined {
    if (this.#waiting >= this.#depthMax) return undefined
    return this.#enter(this.#putText(text))
  }

  /** For the few records of the runtime's own, which tell that the mailbox was full: they fit. */
  offerOwn(text: string): Promise<Answer> {
    return this.#enter(this.#putText(text))
  }

  /** Takes out all that waits and tells each caller `error`; how many they were. */
  shed(error: unknown): number {
    let count = 0
    for (let batch = this.take(); batch !== undefined; batch = this.take()) {
      for (let i = 0; i < batch.count; i++) batch.reject[i]?.(error)
      count += batch.count
      this.recycle(batch)
    }
    return count
  }

  /** Values of the shape just matched; `undefined` where they are not well-formed. */
  #putValues(place: number): Batch<Answer> | undefined {
    const { values, count } = this.#shapes
    const batch = this.#roomFor(valuesBytesMax)
    const { bytes, marks, marked, used } = batch
    let at = used
    for (let i = 0; i < count; i++) {
      const value = values[i] as string
      if (value.length > valuesCharactersMax - (at - used)) return undefined
      const written = bytes.utf8Write(value, at)
      // A lone surrogate would become another character.
      if (written !== value.length && !value.isWellFormed()) return undefined
      at += written
      marks[marked + 1 + i] = at - used
    }
    marks[marked] = place
    batch.marked = marked + 1 + count
    batch.used = at
    return batch
  }

  #putText(text: string): Batch<Answer> {
    const batch = this.#roomFor(text.length * 3 + 1)
    const { bytes, marks, marked, used } = batch
    const end = used + bytes.utf8Write(text, used)
    bytes[end] = 0x0a
    marks[marked] = 0
    marks[marked + 1] = end + 1 - used
    batch.marked = marked + 2
    batch.used = end + 1
    return batch
  }

  /** utf8Write cuts silently at the end of the buffer: `room` is for the worst case. */
  #roomFor(room: number): Batch<Answer> {
    this.#open ??= this.#pool.get()
    const batch = this.#open
    const isFull =
      batch.count === batch.ends.length ||
      batch.used + room > batch.bytes.length ||
      batch.marked + markWordsMax > batch.marks.length
    if (!isFull) return batch
    invariant(room <= batch.bytes.length, "a draft fits in an empty batch")
    this.#full.push(batch)
    this.#open = this.#pool.get()
    return this.#open
  }

  #enter(batch: Batch<Answer>): Promise<Answer> {
    const promise = new Promise<Answer>(capture as never)
    const { count } = batch
    batch.resolve[count] = lastResolve as (answer: Answer) => void
    batch.reject[count] = lastReject
    batch.ends[count] = batch.used
    batch.markEnds[count] = batch.marked
    batch.count = count + 1
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
    this.#pool.put(batch)
  }

  #takeOpen(): Batch<Answer> | undefined {
    const batch = this.#open
    if (batch === undefined || batch.count === 0) return undefined
    this.#open = undefined
    return batch
  }
}
