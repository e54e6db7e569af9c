/**
 * The single writer of one chain.
 *
 * One loop takes batches and tasks in turn; nothing else changes the chain. A batch goes:
 *
 * 1. take from the mailbox
 * 2. seal: canonical bytes, chain, hashes, signatures (engine, one crossing)
 * 3. write the frames; the state advances only now     crash before: nothing was acknowledged
 * 4. answer the callers (always: after 5)              crash after: the OS has the frames
 * 5. fsync (always)                                    crash before: a torn tail, never `durable`
 * 6. write the signature entries                       crash before: recovery signs what it finds
 *
 * A full disk refuses the batch; whatever else goes wrong with a file ends the writer.
 * Source: FORMATS 4, 5.
 */
import { setImmediate as turn } from "node:timers/promises"
import { frameBytesMax } from "../base/Limits.ts"
import type { ChainState, SealResult } from "../engine/Engine.ts"
import { Admission } from "../ingress/Admission.ts"
import { type Batch, Mailbox } from "../ingress/Mailbox.ts"
import { type Draft, encodeDraft } from "../record/Draft.ts"
import { defaultPrivacy, type PrivacyPolicy } from "../record/Privacy.ts"
import { isDisplaced, isFull, isStateUnknown } from "../sink/SinkError.ts"
import { answer, Unanswered } from "./Answer.ts"
import { AuditError } from "./AuditError.ts"
import { CheckpointDuty } from "./CheckpointDuty.ts"
import { Checkpointer } from "./Checkpointer.ts"
import { GroupCommit } from "./GroupCommit.ts"
import { type AppendReceipt, type Level, Progress } from "./Progress.ts"
import {
  busy,
  type PrivacyCounts,
  type Tuning,
  unreachable,
  type WriterOptions,
} from "./WriterOptions.ts"

// Enough records that an fsync pays, few enough that the disk starts while more are appended.
const groupRecords = 64

export class Writer {
  readonly progress: Progress
  readonly #options: WriterOptions
  readonly #mailbox: Mailbox<AppendReceipt>
  readonly #admission: Admission<AppendReceipt>
  readonly #commit: GroupCommit
  readonly #checkpointer: Checkpointer
  readonly #duty: CheckpointDuty
  readonly #unanswered = new Unanswered()
  readonly #tasks: Array<() => Promise<void>> = []
  #tuning: Tuning
  readonly #counts = { redacted: 0, values: 0, blocked: 0 }
  #state: ChainState
  #running = false
  /** A batch is between the mailbox and the sink. */
  #taking = false
  /** A task runs: until it ends nothing is written beside it. */
  #atTask = false
  #failed: unknown
  #isClosing = false
  #durableDemanded = false

  constructor(options: WriterOptions) {
    const { chain, engine, sink, clock, state, policy, checkpoint: head, pending } = options
    this.#options = options
    this.#tuning = options.tuning
    this.#state = state
    this.progress = new Progress(state.seq, head.lastSeq, unreachable(options), (level) =>
      this.#demand(level),
    )
    const stop = (error: unknown) => this.#stop(error)
    const { progress } = this
    this.#commit = new GroupCommit({ sink, policy, progress, lastSeq: state.seq, stop })
    this.#checkpointer = new Checkpointer({ chain, engine, sink, clock, head, pending })
    this.#duty = new CheckpointDuty(() => this.#checkpointNow(), options.onTrouble)
    this.#mailbox = new Mailbox({
      depthMax: options.tuning.queueDepth,
      pool: options.pool,
      groupRecords,
      onWork: () => this.#wake(),
      onGroup: () => this.#startEarly(),
    })
    this.#admission = new Admission({
      mailbox: this.#mailbox,
      enqueueMs: options.tuning.enqueueMs,
      busy: (reason) => busy(chain.stream, reason),
      onShed: options.onShed,
    })
  }

  get state(): ChainState {
    return this.#state
  }
  get waiting(): number {
    return this.#mailbox.waiting
  }

  /**
   * The chain up to where opening it again must find it: as far as it was durable, and all of it
   * where its files were displaced under a system that had the whole.
   */
  get mustHave(): ChainState {
    if (isDisplaced(this.#failed)) return this.#state
    return this.#commit.durableHead ?? this.#options.state
  }

  /** Stops where what was written is not where it was put any more. */
  lookAfterFiles(): void {
    if (this.#failed !== undefined || this.#isClosing) return
    try {
      this.#options.sink.demandInPlace()
    } catch (error) {
      this.#stop(error)
    }
  }

  /** Errors: Rejected; AuditError BUSY at once; later Rejected, SinkError. */
  append(draft: Draft): Promise<AppendReceipt> {
    if (this.#failed !== undefined) return Promise.reject(this.#failed)
    return this.#admission.draft(draft)
  }

  /** A record of the runtime's own, for which there is always room. */
  appendOwn(draft: Draft): Promise<AppendReceipt> {
    if (this.#failed !== undefined) return Promise.reject(this.#failed)
    return this.#mailbox.offerOwn(encodeDraft(draft))
  }

  /**
   * Takes an encoded draft (record/Draft.encodeDraft).
   * Errors: AuditError BUSY at once; later Rejected, SinkError.
   */
  appendText(text: string): Promise<AppendReceipt> {
    if (this.#failed !== undefined) return Promise.reject(this.#failed)
    return this.#admission.text(text)
  }

  /** What is done to drafts that are sealed now. */
  get privacy(): PrivacyPolicy {
    return this.#tuning.privacy ?? defaultPrivacy
  }

  get privacyCounts(): PrivacyCounts {
    return this.#counts
  }

  /** Refuses drafts as `io_backpressure` until the last cause is gone; our own records never. */
  setShut(cause: "full" | "stalled", isShut: boolean): void {
    this.#admission.setShut(cause, isShut)
    if (cause === "stalled" && isShut) this.#unanswered.giveUp()
  }

  /** Takes effect for the drafts that come from now on. */
  tune(tuning: Tuning): void {
    this.#tuning = tuning
    this.#mailbox.depthMax = tuning.queueDepth
    this.#admission.enqueueMs = tuning.enqueueMs
  }

  /** Everything accepted so far is sealed, written and, unless fsync=never, durable. */
  flush(): Promise<void> {
    return this.#beside(() => this.#commit.flush())
  }

  /**
   * Gives up what nobody was answered for yet: its callers are told. How many drafts that were.
   * What is written stays, and is recovered when the chain is opened again.
   */
  abort(): number {
    const error = AuditError.of("CANCELED", "the log was closed before this record was confirmed")
    const unanswered = this.#unanswered.count
    this.#failed ??= error
    this.progress.fail(error)
    return unanswered + this.#admission.dismiss(error)
  }

  /** Flushes and seals the open segment, so that it never changes again. */
  seal(): Promise<void> {
    return this.#task(() => this.#rotate("wait"))
  }

  /**
   * Signs a checkpoint over what is behind the last one; nothing to do when that is nothing.
   * Errors: AuditError NO_SIGNER, TAMPER; SignerError; SinkError.
   */
  checkpoint(): Promise<void> {
    return this.#duty.checkpoint()
  }

  /** Drains, fsyncs and closes the sink. The caller has stopped the intake. */
  async close(): Promise<void> {
    await this.#duty.idle()
    this.#isClosing = true
    try {
      await this.#task(async () => {
        await this.#commit.flush().finally(() => this.#options.sink.close())
      })
    } finally {
      this.#failed ??= AuditError.of("CLOSED", "the log is closed")
      this.progress.fail(this.#failed)
    }
  }

  /**
   * Somebody waits for a level. Between checkpoints on_checkpoint fsyncs only then, once for all
   * who wait.
   */
  #demand(level: Level): void {
    if (level === "signed") this.#commit.hurrySignatures()
    const isOnDemand = level === "durable" && this.#options.policy === "on_checkpoint"
    if (!isOnDemand || this.#durableDemanded) return
    this.#durableDemanded = true
    this.#beside(async () => {
      this.#durableDemanded = false
      await this.#commit.makeDurable()
    }).catch(() => undefined)
  }

  /** As `#task`, but the chain is written on while it runs. */
  #beside(step: () => Promise<void>): Promise<void> {
    return this.#task(async () => ({ done: step() })).then(({ done }) => done)
  }

  #task<A>(step: () => Promise<A>): Promise<A> {
    return new Promise((done, fail) => {
      this.#tasks.push(() => step().then(done, fail))
      this.#wake()
    })
  }

  #wake(): void {
    if (this.#running) return
    this.#running = true
    // A macrotask, so that one turn of the host's code fills a batch and I/O is never starved.
    setImmediate(() => void this.#loop())
  }

  async #loop(): Promise<void> {
    for (;;) {
      const batch = this.#mailbox.take()
      if (batch !== undefined) await this.#take(batch)
      else {
        const task = this.#tasks.shift()
        if (task === undefined) break
        this.#atTask = true
        await task()
        this.#atTask = false
      }
      if (this.#mailbox.waiting > 0) await turn()
      else this.#options.onRoom()
    }
    this.#running = false
  }

  /**
   * The disk is idle and a group has gathered while the host's code is still appending: give the
   * disk its work now, so that it and this thread work at the same time.
   */
  #startEarly(): void {
    const bytes = groupRecords * frameBytesMax
    const isFree = !this.#taking && !this.#atTask && this.#tasks.length === 0
    if (!isFree || this.#failed !== undefined || !this.#commit.isIdle) return
    if (this.#room < bytes) return
    const batch = this.#mailbox.take()
    if (batch !== undefined) this.#take(batch)
  }

  async #take(batch: Batch<AppendReceipt>): Promise<void> {
    this.#taking = true
    let done = 0
    try {
      while (done < batch.count) {
        if (this.#failed !== undefined) throw this.#failed
        // Without a need to wait this must stay synchronous: `#startEarly` counts on it.
        if (this.#room < frameBytesMax) {
          await this.#admission.stall(batch, done, () => this.#makeRoom())
          // Whoever waited too long was refused meanwhile.
          if (done === batch.count) break
        }
        const result = this.#seal(batch, done, this.#room)
        if (result.consumed === 0) {
          await this.#admission.stall(batch, done, () => this.#rotate("begin"))
        } else this.#put(batch, done, result)
        done += result.consumed
      }
    } catch (error) {
      for (let i = done; i < batch.count; i++) batch.reject[i]?.(error)
      // Refused for want of room, whatever the words: a Gap will tell.
      if (isFull(error)) this.#options.onShed("io_backpressure", batch.count - done)
    }
    this.#mailbox.recycle(batch)
    this.#taking = false
  }

  /** Bytes of frames that may be written now. */
  get #room(): number {
    return Math.min(this.#options.sink.room(), this.#commit.room)
  }

  async #makeRoom(): Promise<void> {
    if (this.#options.sink.room() === 0) await this.#rotate("begin")
    while (this.#commit.room < frameBytesMax) await this.#commit.wait()
  }

  #seal(batch: Batch<AppendReceipt>, from: number, framesBytesMax: number): SealResult {
    const { engine, chain, clock, signing, recordSigner } = this.#options
    const start = from === 0 ? 0 : (batch.ends[from - 1] as number)
    const mark = from === 0 ? 0 : (batch.markEnds[from - 1] as number)
    return engine.sealBatch({
      chain,
      state: this.#state,
      input: batch.bytes.subarray(start, batch.used),
      packed: { table: this.#mailbox.table, marks: batch.marks.subarray(mark, batch.marked) },
      count: batch.count - from,
      tsMs: clock.nowMs(),
      mode: signing === "checkpoint" || recordSigner === undefined ? "unsigned" : signing,
      privacy: this.privacy,
      signer: recordSigner,
      framesBytesMax,
    })
  }

  /** Steps 3 and 4. */
  #put(batch: Batch<AppendReceipt>, from: number, result: SealResult): void {
    const firstSeq = this.#state.seq + 1
    const lastSeq = result.state.seq
    if (lastSeq >= firstSeq) {
      this.#write(result.frames, firstSeq, lastSeq - firstSeq + 1)
      this.#state = result.state
      this.#checkpointer.add(result.hashes)
      this.progress.reach("accepted", lastSeq)
      this.#commit.wrote(result.frames.length, result.signatures, result.state)
      if (this.#options.signer !== undefined) this.#duty.whenDue(() => this.#isDue)
    }
    const { writerId, stream } = this.#options.chain
    const place = { writerId, stream, firstSeq, lastSeq, hashes: result.hashes }
    const shared = { ...place, progress: this.progress, waits: {} }
    this.#counts.redacted += result.redacted.records
    this.#counts.values += result.redacted.values
    // INTERFACES: what append has answered survives a power cut, where each group is fsynced.
    const isLater = this.#options.policy === "always" && lastSeq >= firstSeq
    const durable = isLater ? this.progress.wait("durable", lastSeq) : undefined
    const safe = durable && this.#unanswered.until(durable, lastSeq - firstSeq + 1)
    this.#counts.blocked += answer(batch, from, result, shared, safe)
  }

  /** Only a full disk is waited for in place: what else there is, a cold start finds out. */
  #write(frames: Uint8Array, firstSeq: number, count: number): void {
    try {
      this.#options.sink.write(frames, firstSeq, count)
    } catch (error) {
      throw isFull(error) || this.#isClosing ? error : this.#stop(error)
    }
  }

  async #rotate(next: "begin" | "wait"): Promise<void> {
    await this.#commit.flush()
    const { seq } = this.#state
    try {
      await this.#options.sink.rotate(next)
    } catch (error) {
      throw isStateUnknown(error) ? this.#stop(error) : error
    }
    if (this.#options.policy !== "ram") this.progress.reach("durable", seq)
  }

  get #isDue(): boolean {
    return this.#state.seq - this.#checkpointer.lastSeq >= this.#tuning.checkpointEvery
  }

  async #checkpointNow(): Promise<void> {
    const { signer } = this.#options
    if (signer === undefined) {
      throw AuditError.of("NO_SIGNER", "a checkpoint needs a signer, none is configured")
    }
    if (this.#failed !== undefined) throw this.#failed
    const signing = this.#checkpointer.sign(
      signer,
      () => this.#state,
      () => this.#commit.makeDurable(),
    )
    const signed = await signing.catch((error: unknown) => {
      throw isStateUnknown(error) ? this.#stop(error) : error
    })
    if (signed === undefined) return
    this.progress.reach("checkpointed", signed.range[1])
    this.#options.onCheckpoint(signed)
  }

  /** Nobody knows what the disk holds: the writer ends, everybody who waits is told. */
  #stop(error: unknown): unknown {
    if (this.#failed === undefined) {
      this.#failed = error
      this.progress.fail(error)
      this.#options.onTrouble(error)
      this.#options.onStop(error)
    }
    return error
  }
}
