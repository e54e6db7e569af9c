/**
 * Making one chain durable, many records at a time.
 *
 * With fsync=always a signature entry is written after the fsync of its frames (FORMATS 4), and
 * frames without a durable signature entry never exceed 1 MiB, so that recovery may sign what it
 * finds without asking. With the other policies entries are written at once and an fsync happens
 * when a checkpoint, a rotation, a flush or a waiting caller asks for it.
 *
 * Bytes of frames are counted from the start and only rise, so overlapping fsyncs cannot count one
 * byte twice. An fsync that fails is never retried: it stops the writer.
 */
import { unsyncedBytesMax } from "../base/Limits.ts"
import type { Sink } from "../sink/Sink.ts"
import type { FsyncPolicy } from "./Declaration.ts"
import type { Progress } from "./Progress.ts"

/** `ram` for a sink that never reaches a disk. */
export type CommitPolicy = FsyncPolicy | "ram"

interface Held {
  readonly entries: Uint8Array
  readonly lastSeq: number
  /** Frame bytes written when the last of its records was. */
  readonly written: number
}

// Two group commits of full batches share one fsync of the signature file.
const signatureSyncBytes = unsyncedBytesMax / 2

export class GroupCommit {
  readonly #sink: Sink
  readonly #policy: CommitPolicy
  readonly #progress: Progress
  readonly #stop: (error: unknown) => unknown
  readonly #held: Array<Held> = []
  #lastSeq: number
  #written = 0
  #synced = 0
  #signatureWritten = 0
  #signatureSynced = 0
  #syncing: Promise<void> | undefined
  #stopped = false

  /** `stop` is told of what ends the writer, once, and gives what its callers are told. */
  constructor(options: {
    readonly sink: Sink
    readonly policy: CommitPolicy
    readonly progress: Progress
    readonly lastSeq: number
    readonly stop: (error: unknown) => unknown
  }) {
    this.#sink = options.sink
    this.#policy = options.policy
    this.#progress = options.progress
    this.#lastSeq = options.lastSeq
    this.#stop = (error) => {
      this.#stopped = true
      return options.stop(error)
    }
  }

  /** Units: bytes of frames that may be written now; unbounded but for always. */
  get room(): number {
    return this.#policy === "always"
      ? unsyncedBytesMax - (this.#written - this.#signatureSynced)
      : Number.POSITIVE_INFINITY
  }

  /** Whether the disk has nothing to do although each group is fsynced. */
  get isIdle(): boolean {
    return this.#policy === "always" && this.#syncing === undefined
  }

  /** Waits for the fsync under way, or for one that is begun for it. */
  async wait(): Promise<void> {
    await (this.#syncing ?? this.#begin())
  }

  /** Frames up to `lastSeq` were written, with their signature entries (copied where kept). */
  wrote(frameBytes: number, entries: Uint8Array, lastSeq: number): void {
    this.#written += frameBytes
    this.#lastSeq = lastSeq
    if (this.#policy === "always") {
      this.#held.push({ entries: entries.slice(), lastSeq, written: this.#written })
      if (this.#syncing === undefined) this.#begin().catch(() => undefined)
    } else if (entries.length > 0) this.#store(entries, lastSeq)
  }

  /** All frames and signature entries written so far are durable. */
  async makeDurable(): Promise<void> {
    if (this.#policy === "ram") return
    // The first releases the signature entries that are held back, the second makes them durable.
    if (this.#written > this.#synced) await this.#fsync(false)
    await this.#fsync(true)
  }

  /** As the policy asks of a flush. */
  async flush(): Promise<void> {
    if (this.#policy !== "never") await this.makeDurable()
  }

  #begin(): Promise<void> {
    const commit = this.#commit().finally(() => {
      this.#syncing = undefined
      const isBehind = this.#written > this.#synced
      if (isBehind && !this.#stopped) this.#begin().catch(() => undefined)
    })
    this.#syncing = commit
    return commit
  }

  async #commit(): Promise<void> {
    const framesWait = this.#written > this.#synced
    const signaturesWait = this.#signatureWritten - this.#signatureSynced
    await this.#fsync(!framesWait || signaturesWait >= signatureSyncBytes)
  }

  /** Fsyncs frames, signature entries beside them if asked, and settles what that reaches. */
  async #fsync(withSignatures: boolean): Promise<void> {
    const seq = this.#lastSeq
    const written = this.#written
    const signatures = this.#signatureWritten
    try {
      await Promise.all([
        this.#sink.sync("frames"),
        withSignatures ? this.#sink.sync("signatures") : Promise.resolve(),
      ])
    } catch (error) {
      throw this.#stop(error)
    }
    this.#synced = Math.max(this.#synced, written)
    if (withSignatures) this.#signatureSynced = Math.max(this.#signatureSynced, signatures)
    this.#progress.reach("durable", seq)
    this.#release(seq)
  }

  #release(seq: number): void {
    while (this.#held[0] !== undefined && this.#held[0].lastSeq <= seq) {
      const { entries, lastSeq, written } = this.#held[0]
      this.#held.shift()
      if (entries.length > 0) this.#store(entries, lastSeq)
      this.#signatureWritten = written
      // Nothing to fsync where the chain has no record or batch signatures.
      if (entries.length === 0) this.#signatureSynced = written
    }
  }

  #store(entries: Uint8Array, lastSeq: number): void {
    try {
      this.#sink.writeSignatures(entries)
    } catch (error) {
      // The frames are there and a caller may hold their receipts: go on only through recovery.
      throw this.#stop(error)
    }
    this.#progress.reach("signed", lastSeq)
  }
}
