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
 * With fsync=always at most 1 MiB of frames is ever without a durable signature entry, so that
 * recovery may sign what it finds without asking. An fsync that fails stops the writer for good.
 *
 * Source: FORMATS 4, 5.
 */
import { toBase64 } from "../base/Bytes.ts"
import type { Clock } from "../base/Clock.ts"
import { b3, formatHash } from "../base/Hash.ts"
import { batchRecordsMax, frameBytesMax, recordBytesMax, unsyncedBytesMax } from "../base/Limits.ts"
import * as Checkpoint from "../checkpoint/Checkpoint.ts"
import type {
  ChainContext,
  ChainState,
  Engine,
  EngineSigner,
  SealResult,
} from "../engine/Engine.ts"
import { type Batch, Mailbox } from "../ingress/Mailbox.ts"
import { RangeRoot } from "../merkle/Tree.ts"
import { Rejected, rejectCode } from "../record/Reject.ts"
import { contexts } from "../signing/Message.ts"
import type { Signer } from "../signing/Signer.ts"
import type { Sink } from "../sink/Sink.ts"
import { SinkError } from "../sink/SinkError.ts"
import { AuditError } from "./AuditError.ts"
import type { FsyncPolicy, Signing } from "./Declaration.ts"
import { AppendReceipt, type Level, Progress, type Unreachable } from "./Progress.ts"

/** The last checkpoint of a chain. */
export interface CheckpointHead {
  readonly number: number
  readonly lastSeq: number
  /** BLAKE3 of its signed bytes, `b3:0` before the first. */
  readonly digest: string
}

export interface WriterOptions {
  readonly chain: ChainContext
  readonly state: ChainState
  readonly engine: Engine
  readonly sink: Sink
  readonly clock: Clock
  readonly signing: Signing
  /** `ram` for a sink that never reaches a disk. */
  readonly fsync: FsyncPolicy | "ram"
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

interface HeldSignatures {
  readonly entries: Uint8Array
  readonly lastSeq: number
  /** Frame bytes written when the last of its records was. */
  readonly written: number
}

// Six characters of JSON for each byte of a record is more than any accepted draft needs.
const draftCharactersMax = recordBytesMax * 6
const batchBytesMax = batchRecordsMax * 2048 + draftCharactersMax * 3 + 1
// Two group commits of full batches share one fsync of the signature file.
const signatureSyncBytes = unsyncedBytesMax / 2

const unreachable = (options: WriterOptions): Unreachable => ({
  ...(options.fsync === "ram" ? { durable: "the ram sink keeps nothing on disk" } : {}),
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
  readonly #tasks: Array<() => Promise<void>> = []
  #state: ChainState
  #running = false
  #failed: unknown
  #demanded = false

  // Owned by the loop and its group commits. Bytes of frames since the start: written, fsynced,
  // with their signature entry written, with it fsynced. They only rise, so commits may overlap.
  #written = 0
  #synced = 0
  #signatureWritten = 0
  #signatureSynced = 0
  readonly #held: Array<HeldSignatures> = []
  #syncing: Promise<void> | undefined

  // Owned by the checkpoint in progress, fed by the loop.
  #head: CheckpointHead
  #range: RangeRoot
  #behind: RangeRoot | undefined
  /** Hashes of our own records while those before them are still being read. */
  #early: Array<Uint8Array> | undefined = []
  readonly #caughtUp: Promise<void>
  #checkpointing: Promise<void> = Promise.resolve()
  #checkpointDue = false

  constructor(options: WriterOptions) {
    this.#options = options
    this.#state = options.state
    this.#head = options.checkpoint
    this.#range = new RangeRoot(options.engine.merkleRoot)
    this.#caughtUp = options.pending.then((hashes) => this.#catchUp(hashes))
    // Whoever needs it awaits it; a failure must not end the process before.
    this.#caughtUp.catch(() => undefined)
    const { state, checkpoint } = options
    this.progress = new Progress(state.seq, checkpoint.lastSeq, unreachable(options), (level) =>
      this.#demand(level),
    )
    this.#mailbox = new Mailbox({
      depthMax: options.queueDepth,
      recordsMax: batchRecordsMax,
      bytesMax: batchBytesMax,
      onWork: () => this.#wake(),
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
    return (
      this.#mailbox.offer(text) ??
      Promise.reject(
        AuditError.of("BUSY", `the queue of ${this.#options.chain.stream} is full, try again`),
      )
    )
  }

  /** Everything accepted so far is sealed, written and, unless fsync=never, durable. */
  flush(): Promise<void> {
    return this.#task(() => this.#settle())
  }

  /** Flushes and seals the open segment, so that it never changes again. */
  seal(): Promise<void> {
    return this.#task(async () => {
      await this.#settle()
      await this.#options.sink.rotate("wait")
    })
  }

  /**
   * Signs a checkpoint over what is behind the last one; nothing to do when that is nothing.
   * Errors: AuditError NO_SIGNER; SignerError; SinkError.
   */
  checkpoint(): Promise<void> {
    const next = this.#checkpointing.then(() => this.#checkpoint())
    this.#checkpointing = next.catch(() => undefined)
    return next
  }

  /** Drains, fsyncs and closes the sink. The caller has stopped the intake. */
  async close(): Promise<void> {
    await this.#checkpointing
    await this.#task(async () => {
      await this.#settle()
      await this.#options.sink.close()
    })
    this.#failed = AuditError.of("CLOSED", "the log is closed")
    this.progress.fail(this.#failed)
  }

  /** Between checkpoints on_checkpoint fsyncs when somebody waits for it, once for all who do. */
  #demand(level: Level): void {
    const isOnDemand = level === "durable" && this.#options.fsync === "on_checkpoint"
    if (!isOnDemand || this.#demanded) return
    this.#demanded = true
    this.#task(async () => {
      this.#demanded = false
      await this.#makeDurable()
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
      if (batch !== undefined) await this.#commit(batch)
      else {
        const task = this.#tasks.shift()
        if (task === undefined) break
        await task()
      }
      if (this.#mailbox.waiting > 0) await turn()
    }
    this.#running = false
  }

  async #commit(batch: Batch<AppendReceipt>): Promise<void> {
    let done = 0
    try {
      if (this.#failed !== undefined) throw this.#failed
      while (done < batch.count) {
        const room = await this.#room()
        const result = this.#seal(batch, done, room)
        if (result.consumed === 0) await this.#rotate()
        else this.#put(batch, done, result)
        done += result.consumed
      }
    } catch (error) {
      this.#refuse(batch, done, error)
    }
    this.#mailbox.recycle(batch)
  }

  get #unsignedRoom(): number {
    return unsyncedBytesMax - (this.#written - this.#signatureSynced)
  }

  /** Bytes of frames that may be written now. */
  async #room(): Promise<number> {
    const { sink, fsync } = this.#options
    if (sink.room() === 0) await this.#rotate()
    if (fsync !== "always") return sink.room()
    while (this.#unsignedRoom < frameBytesMax) await (this.#syncing ?? this.#sync())
    return Math.min(sink.room(), this.#unsignedRoom)
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

  /** Steps 3 and 4, and 6 where it need not wait for an fsync. */
  #put(batch: Batch<AppendReceipt>, from: number, result: SealResult): void {
    const firstSeq = this.#state.seq + 1
    const sealed = result.state.seq - this.#state.seq
    if (sealed > 0) this.#write(result, firstSeq, sealed)
    const { chain } = this.#options
    const shared = {
      writerId: chain.writerId,
      stream: chain.stream,
      firstSeq,
      hashes: result.hashes,
      progress: this.progress,
    }
    let index = 0
    for (let i = 0; i < result.consumed; i++) {
      const status = result.statuses[i] as number
      if (status === 0) batch.resolve[from + i]?.(new AppendReceipt(shared, index++))
      else batch.reject[from + i]?.(Rejected.of(rejectCode(status) ?? "json"))
    }
  }

  #write(result: SealResult, firstSeq: number, sealed: number): void {
    const { sink, fsync } = this.#options
    sink.write(result.frames, firstSeq, sealed)
    this.#state = result.state
    const lastSeq = result.state.seq
    if (this.#early === undefined) this.#range.add(result.hashes)
    else this.#early.push(result.hashes)
    this.#behind?.add(result.hashes)
    this.progress.reach("accepted", lastSeq)
    this.#written += result.frames.length
    if (fsync === "always") {
      const entries = result.signatures.slice()
      this.#held.push({ entries, lastSeq, written: this.#written })
      if (this.#syncing === undefined) this.#sync().catch(() => undefined)
    } else if (result.signatures.length > 0) {
      this.#storeSignatures(result.signatures, lastSeq)
    }
    this.#checkpointWhenDue(lastSeq)
  }

  #checkpointWhenDue(lastSeq: number): void {
    const due = lastSeq - this.#head.lastSeq >= this.#options.checkpointEvery
    if (due && !this.#checkpointDue && this.#options.signer !== undefined) {
      this.#checkpointDue = true
      this.checkpoint()
        .catch(this.#options.onTrouble)
        .finally(() => {
          this.#checkpointDue = false
        })
    }
  }

  #storeSignatures(entries: Uint8Array, lastSeq: number): void {
    try {
      this.#options.sink.writeSignatures(entries)
    } catch (error) {
      // The frames are there and a caller may hold their receipts: go on only through recovery.
      throw this.#stop(error)
    }
    this.progress.reach("signed", lastSeq)
  }

  /** One group commit: frames, and the signature file when enough has gathered there. */
  #sync(): Promise<void> {
    const commit = this.#groupCommit().finally(() => {
      this.#syncing = undefined
      if (this.#written > this.#synced && this.#failed === undefined) {
        this.#sync().catch(() => undefined)
      }
    })
    this.#syncing = commit
    return commit
  }

  async #groupCommit(): Promise<void> {
    const framesWait = this.#written > this.#synced
    const signaturesWait = this.#signatureWritten - this.#signatureSynced
    await this.#fsync(!framesWait || signaturesWait >= signatureSyncBytes)
  }

  /** Fsyncs frames, signature entries beside them if asked, and settles what that reaches. */
  async #fsync(withSignatures: boolean): Promise<void> {
    const { sink } = this.#options
    const seq = this.#state.seq
    const written = this.#written
    const signatures = this.#signatureWritten
    try {
      await Promise.all([
        sink.sync("frames"),
        withSignatures ? sink.sync("signatures") : Promise.resolve(),
      ])
    } catch (error) {
      throw this.#stop(error)
    }
    this.#synced = Math.max(this.#synced, written)
    if (withSignatures) this.#signatureSynced = Math.max(this.#signatureSynced, signatures)
    this.progress.reach("durable", seq)
    this.#releaseHeld(seq)
  }

  /** FORMATS 4: with always a signature entry is written after the fsync of its frames. */
  #releaseHeld(seq: number): void {
    while (this.#held[0] !== undefined && this.#held[0].lastSeq <= seq) {
      const { entries, lastSeq, written } = this.#held[0]
      this.#held.shift()
      if (entries.length > 0) this.#storeSignatures(entries, lastSeq)
      this.#signatureWritten = written
      // Nothing to fsync where the chain has no record or batch signatures.
      if (entries.length === 0) this.#signatureSynced = written
    }
  }

  /** All frames and signature entries written so far are durable, unless the policy is never. */
  async #settle(): Promise<void> {
    const { fsync } = this.#options
    if (fsync === "ram" || fsync === "never") return
    await this.#makeDurable()
  }

  async #makeDurable(): Promise<void> {
    // The first releases the held signature entries, the second makes them durable.
    if (this.#written > this.#synced) await this.#fsync(false)
    await this.#fsync(true)
  }

  async #rotate(): Promise<void> {
    await this.#settle()
    const seq = this.#state.seq
    try {
      await this.#options.sink.rotate("begin")
    } catch (error) {
      const fatal = error instanceof SinkError && error.code === "STATE_UNKNOWN"
      throw fatal ? this.#stop(error) : error
    }
    if (this.#options.fsync !== "ram") this.progress.reach("durable", seq)
  }

  async #checkpoint(): Promise<void> {
    const { engine, signer, fsync } = this.#options
    if (signer === undefined) {
      throw AuditError.of("NO_SIGNER", "a checkpoint needs a signer, none is configured")
    }
    await this.#caughtUp
    if (this.#failed !== undefined) throw this.#failed
    const first = this.#head.lastSeq + 1
    const { seq: last, tsMs } = this.#state
    if (last < first) return
    const root = this.#range.root()
    this.#behind = new RangeRoot(engine.merkleRoot)
    try {
      // Whatever the policy, what a checkpoint covers is durable before it is signed.
      if (fsync !== "ram") await this.#makeDurable()
      await this.#signCheckpoint(signer, [first, last], root, tsMs)
      this.#range = this.#behind
    } finally {
      this.#behind = undefined
    }
    this.progress.reach("checkpointed", last)
  }

  async #signCheckpoint(
    signer: Signer,
    range: readonly [number, number],
    root: Uint8Array,
    tsMs: number,
  ): Promise<void> {
    const { chain, sink, clock } = this.#options
    const body = {
      version: 1 as const,
      log_id: chain.logId,
      writer_id: chain.writerId,
      stream: chain.stream,
      range,
      root: formatHash(root),
      prev: this.#head.digest,
      ts_ms: Math.max(clock.nowMs(), tsMs),
      signer_key_id: signer.keyId,
      alg: signer.algoId,
    }
    const sig = await signer.sign(contexts.checkpoint, b3(Checkpoint.signedBytes(body)))
    const checkpoint = { ...body, sig: toBase64(sig) }
    const number = this.#head.number + 1
    await sink.writeCheckpoint(number, Checkpoint.format(checkpoint))
    this.#head = { number, lastSeq: range[1], digest: Checkpoint.digestOf(checkpoint) }
  }

  /** Puts what lies between the last checkpoint and our first record before our own. */
  #catchUp(hashes: Uint8Array): void {
    this.#range.add(hashes)
    for (const early of this.#early ?? []) this.#range.add(early)
    this.#early = undefined
  }

  #refuse(batch: Batch<AppendReceipt>, from: number, error: unknown): void {
    for (let i = from; i < batch.count; i++) batch.reject[i]?.(error)
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
