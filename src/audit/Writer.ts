/**
 * The single writer of one chain.
 *
 * One loop takes batches and tasks in turn; nothing else changes the chain. A batch goes:
 *
 * 1. take from the mailbox
 * 2. seal: canonical bytes, chain, hashes, signatures (engine, one crossing)
 * 3. write the frames; the state advances only now     crash before: nothing was acknowledged
 * 4. answer the callers: accepted                      crash after: the OS has the frames
 * 5. fsync (always)                                    crash before: a torn tail, never `durable`
 * 6. write the signature entries                       crash before: recovery signs what it finds
 *
 * A write that fails is taken back and refuses its batch; anything that leaves the disk's state
 * unknown stops the writer for good.
 *
 * Source: FORMATS 4, 5.
 */
import type { Clock } from "../base/Clock.ts"
import { batchRecordsMax, frameBytesMax, recordBytesMax } from "../base/Limits.ts"
import type {
  ChainContext,
  ChainState,
  Engine,
  EngineSigner,
  SealResult,
} from "../engine/Engine.ts"
import { type Batch, Mailbox } from "../ingress/Mailbox.ts"
import { Rejected, rejectCode } from "../record/Reject.ts"
import type { Signer } from "../signing/Signer.ts"
import type { Sink } from "../sink/Sink.ts"
import { isStateUnknown } from "../sink/SinkError.ts"
import { AuditError } from "./AuditError.ts"
import { Checkpointer, type CheckpointHead } from "./Checkpointer.ts"
import type { Signing } from "./Declaration.ts"
import { type CommitPolicy, GroupCommit } from "./GroupCommit.ts"
import { AppendReceipt, type Level, Progress, type Unreachable } from "./Progress.ts"

export interface WriterOptions {
  readonly chain: ChainContext
  readonly state: ChainState
  readonly engine: Engine
  readonly sink: Sink
  readonly clock: Clock
  readonly signing: Signing
  readonly policy: CommitPolicy
  /** Signs records and batches. */
  readonly recordSigner: EngineSigner | undefined
  /** Signs checkpoints. */
  readonly signer: Signer | undefined
  readonly checkpoint: CheckpointHead
  /** self_hash of the records behind the last checkpoint; awaited before the next one. */
  readonly pending: Promise<Uint8Array>
  readonly checkpointEvery: number
  readonly queueDepth: number
  /** Told of a checkpoint that failed, and of the error that stopped the writer. */
  readonly onTrouble: (error: unknown) => void
}

// Six characters of JSON for each byte of a record is more than any accepted draft needs.
const draftCharactersMax = recordBytesMax * 6
const batchBytesMax = batchRecordsMax * 2048 + draftCharactersMax * 3 + 1

// Enough records that an fsync pays, few enough that the disk starts while more are appended.
const groupRecords = 64

const unreachable = (options: WriterOptions): Unreachable => ({
  ...(options.policy === "ram" ? { durable: "the ram sink keeps nothing on disk" } : {}),
  ...(options.signing === "checkpoint" || options.recordSigner === undefined
    ? { signed: "records are covered by checkpoints only (signing=checkpoint)" }
    : {}),
  ...(options.signer === undefined ? { checkpointed: "no checkpoint signer is configured" } : {}),
})

const turn = (): Promise<void> => new Promise((done) => setImmediate(done))

export class Writer {
  readonly progress: Progress
  readonly #options: WriterOptions
  readonly #mailbox: Mailbox<AppendReceipt>
  readonly #commit: GroupCommit
  readonly #checkpointer: Checkpointer
  readonly #tasks: Array<() => Promise<void>> = []
  #state: ChainState
  #running = false
  /** A batch is between the mailbox and the sink. */
  #taking = false
  /** A task runs: until it ends nothing is written beside it. */
  #atTask = false
  #failed: unknown
  #durableDemanded = false
  #checkpointDue = false
  #checkpointing: Promise<void> = Promise.resolve()

  constructor(options: WriterOptions) {
    const { chain, engine, sink, clock, state, policy } = options
    this.#options = options
    this.#state = state
    const { checkpoint: head, pending } = options
    this.progress = new Progress(state.seq, head.lastSeq, unreachable(options), (level) =>
      this.#demand(level),
    )
    const stop = (error: unknown) => this.#stop(error)
    const { progress } = this
    this.#commit = new GroupCommit({ sink, policy, progress, lastSeq: state.seq, stop })
    this.#checkpointer = new Checkpointer({ chain, engine, sink, clock, head, pending })
    this.#mailbox = new Mailbox({
      depthMax: options.queueDepth,
      recordsMax: batchRecordsMax,
      bytesMax: batchBytesMax,
      groupRecords,
      onWork: () => this.#wake(),
      onGroup: () => this.#startEarly(),
    })
  }

  get state(): ChainState {
    return this.#state
  }

  get waiting(): number {
    return this.#mailbox.waiting
  }

  /**
   * Takes an encoded draft (record/Draft.encodeDraft).
   * Errors: AuditError BUSY at once, FATAL; later Rejected, SinkError.
   */
  append(text: string): Promise<AppendReceipt> {
    if (this.#failed !== undefined) return Promise.reject(this.#failed)
    if (text.length > draftCharactersMax) return Promise.reject(Rejected.of("record_size"))
    return this.#mailbox.offer(text) ?? Promise.reject(this.#busy())
  }

  /** Everything accepted so far is sealed, written and, unless fsync=never, durable. */
  flush(): Promise<void> {
    return this.#task(() => this.#commit.flush())
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
    const next = this.#checkpointing.then(() => this.#checkpointNow())
    this.#checkpointing = next.catch(() => undefined)
    return next
  }

  /** Drains, fsyncs and closes the sink. The caller has stopped the intake. */
  async close(): Promise<void> {
    await this.#checkpointing
    try {
      await this.#task(async () => {
        await this.#commit.flush().finally(() => this.#options.sink.close())
      })
    } finally {
      this.#failed ??= AuditError.of("CLOSED", "the log is closed")
      this.progress.fail(this.#failed)
    }
  }

  #busy(): AuditError {
    const { stream } = this.#options.chain
    return AuditError.of("BUSY", `the queue of ${stream} is full, try again`)
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
    this.#task(async () => {
      this.#durableDemanded = false
      await this.#commit.makeDurable()
    }).catch(() => undefined)
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
        if (this.#room < frameBytesMax) await this.#makeRoom()
        const result = this.#seal(batch, done, this.#room)
        if (result.consumed === 0) await this.#rotate("begin")
        else this.#put(batch, done, result)
        done += result.consumed
      }
    } catch (error) {
      for (let i = done; i < batch.count; i++) batch.reject[i]?.(error)
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
    return engine.sealBatch({
      chain,
      state: this.#state,
      input: batch.bytes.subarray(start, batch.used),
      count: batch.count - from,
      tsMs: clock.nowMs(),
      mode: signing === "checkpoint" || recordSigner === undefined ? "unsigned" : signing,
      signer: recordSigner,
      framesBytesMax,
    })
  }

  /** Steps 3 and 4. */
  #put(batch: Batch<AppendReceipt>, from: number, result: SealResult): void {
    const firstSeq = this.#state.seq + 1
    const lastSeq = result.state.seq
    const { chain, sink } = this.#options
    if (lastSeq >= firstSeq) {
      sink.write(result.frames, firstSeq, lastSeq - firstSeq + 1)
      this.#state = result.state
      this.#checkpointer.add(result.hashes)
      this.progress.reach("accepted", lastSeq)
      this.#commit.wrote(result.frames.length, result.signatures, lastSeq)
      this.#checkpointWhenDue(lastSeq)
    }
    const { writerId, stream } = chain
    const { hashes } = result
    const shared = { writerId, stream, firstSeq, hashes, progress: this.progress }
    let index = 0
    for (let i = 0; i < result.consumed; i++) {
      const status = result.statuses[i] as number
      if (status === 0) batch.resolve[from + i]?.(new AppendReceipt(shared, index++))
      else batch.reject[from + i]?.(Rejected.of(rejectCode(status) ?? "json"))
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

  #checkpointWhenDue(lastSeq: number): void {
    const { checkpointEvery, signer, onTrouble } = this.#options
    const isDue = lastSeq - this.#checkpointer.lastSeq >= checkpointEvery
    if (!isDue || this.#checkpointDue || signer === undefined) return
    this.#checkpointDue = true
    this.checkpoint().then(
      () => {
        this.#checkpointDue = false
        // What came in meanwhile may be due as well, and nothing else may follow.
        this.#checkpointWhenDue(this.#state.seq)
      },
      (error: unknown) => {
        this.#checkpointDue = false
        onTrouble(error)
      },
    )
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
    const last = await signing.catch((error: unknown) => {
      throw isStateUnknown(error) ? this.#stop(error) : error
    })
    if (last !== undefined) this.progress.reach("checkpointed", last)
  }

  /** Nobody knows what the disk holds: the writer ends, everybody who waits is told. */
  #stop(error: unknown): unknown {
    if (this.#failed === undefined) {
      this.#failed = error
      this.progress.fail(error)
      this.#options.onTrouble(error)
    }
    return error
  }
}
