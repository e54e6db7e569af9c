/**
 * Making one chain durable, many records at a time.
 *
 * With fsync=always a signature entry is written after the fsync of its frames (FORMATS 4), and
 * frames without a durable signature entry never exceed 1 MiB, so that recovery may sign what it
 * finds without asking. While frames keep coming, entries are gathered and written together: every
 * write to the second file makes the next fsync of the first one dearer. They are written at once
 * when the disk falls idle or somebody waits for `signed`.
 *
 * With the other policies entries are written at once and an fsync happens when a checkpoint, a
 * rotation, a flush or a waiting caller asks for it.
 *
 * Bytes of frames are counted from the start and only rise, so overlapping fsyncs cannot count one
 * byte twice. An fsync that fails is never retried: it stops the writer.
 */
import { concat } from "../base/Bytes.ts"
import { unsyncedBytesMax } from "../base/Limits.ts"
import type { ChainState } from "../engine/Engine.ts"
import type { Sink } from "../sink/Sink.ts"
import { isStateUnknown } from "../sink/SinkError.ts"
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

// Frames whose entries are written, and then fsynced, together.
const signatureSyncBytes = unsyncedBytesMax / 2

export class GroupCommit {
  readonly #sink: Sink
  readonly #policy: CommitPolicy
  readonly #progress: Progress
  readonly #stop: (error: unknown) => unknown
  /** Entries whose frames are not durable yet, then those whose frames are. */
  readonly #held: Array<Held> = []
  #ready: Array<Held> = []
  #isSignedAwaited = false
  #isIdleCheckDue = false
  #lastSeq: number
  /** The chain as it was written, and as an fsync made it durable, since it was opened. */
  #head: ChainState | undefined
  #durableHead: ChainState | undefined
  #written = 0
  #synced = 0
  #signatureWritten = 0
  #signatureSynced = 0
  /** Nothing on disk says yet what the chain declares. */
  #isUndeclared: boolean
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
    this.#isUndeclared = options.lastSeq === 0 && options.policy === "on_checkpoint"
    this.#stop = (error) => {
      this.#stopped = true
      return options.stop(error)
    }
  }

  /** Units: bytes of frames that may be written now. */
  get room(): number {
    if (this.#policy === "always") {
      return unsyncedBytesMax - (this.#written - this.#signatureSynced)
    }
    // Unbounded, but for entries that found no space: they come first.
    return this.#ready.length === 0 ? Number.POSITIVE_INFINITY : 0
  }

  /** The chain up to where an fsync made it durable; `undefined` before the first. */
  get durableHead(): ChainState | undefined {
    return this.#durableHead
  }

  /** Whether the disk has nothing to do although each group is fsynced. */
  get isIdle(): boolean {
    return this.#policy === "always" && this.#syncing === undefined
  }

  /** Waits for room: the fsync under way, or one that is begun for it. Errors: SinkError. */
  async wait(): Promise<void> {
    if (this.#policy !== "always") return this.#storeReady()
    await (this.#syncing ?? this.#begin())
  }

  /** Frames up to `head` were written, with their signature entries (copied where kept). */
  wrote(frameBytes: number, entries: Uint8Array, head: ChainState): void {
    const lastSeq = head.seq
    this.#written += frameBytes
    this.#lastSeq = lastSeq
    this.#head = head
    const held = { entries, lastSeq, written: this.#written }
    if (this.#policy === "always") {
      this.#held.push({ ...held, entries: entries.slice() })
      if (this.#syncing === undefined) this.#begin().catch(() => undefined)
    } else if (this.#isUndeclared) this.#held.push({ ...held, entries: entries.slice() })
    else if (entries.length > 0) this.#storeNow(held)
  }

  /** Somebody waits for `signed`: entries are not gathered any longer than they must. */
  hurrySignatures(): void {
    this.#isSignedAwaited = true
    this.#tryStore()
  }

  /** All frames and signature entries written so far are durable. */
  async makeDurable(): Promise<void> {
    if (this.#policy === "ram") return
    // The first makes the held entries ready, the second makes them durable.
    if (this.#written > this.#synced) await this.#fsync(false)
    this.#storeReady()
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
    if (!framesWait) this.#storeReady()
    const signaturesWait = this.#signatureWritten - this.#signatureSynced
    await this.#fsync(!framesWait || signaturesWait >= signatureSyncBytes)
  }

  /** Fsyncs frames, signature entries beside them if asked, and settles what that reaches. */
  async #fsync(withSignatures: boolean): Promise<void> {
    const seq = this.#lastSeq
    const head = this.#head
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
    if (head !== undefined && head.seq > (this.#durableHead?.seq ?? 0)) this.#durableHead = head
    this.#progress.reach("durable", seq)
    this.#release(seq)
  }

  /** Frames up to `seq` are durable: their entries may be written. */
  #release(seq: number): void {
    while (this.#held[0] !== undefined && this.#held[0].lastSeq <= seq) {
      this.#ready.push(this.#held[0])
      this.#held.shift()
      this.#isUndeclared = false
    }
    const last = this.#ready.at(-1)
    if (last === undefined) return
    const gathered = last.written - this.#signatureWritten
    if (this.#isSignedAwaited || gathered >= signatureSyncBytes) this.#storeReady()
    else this.#storeWhenIdle()
  }

  /** In one turn callers resume and append, in the next the writer writes: else it is idle. */
  #storeWhenIdle(): void {
    if (this.#isIdleCheckDue) return
    this.#isIdleCheckDue = true
    const nextTurn = (check: () => void) => setImmediate(() => setImmediate(check))
    nextTurn(() => {
      this.#isIdleCheckDue = false
      if (this.#written <= this.#synced && !this.#stopped) this.#tryStore()
    })
  }

  #tryStore(): void {
    try {
      this.#storeReady()
    } catch {
      // Either the writer is stopped and its callers are told, or the next group tries again.
    }
  }

  #storeReady(): void {
    const last = this.#ready.at(-1)
    if (last === undefined) return
    const entries = concat(...this.#ready.map((held) => held.entries))
    if (entries.length > 0) this.#store(entries, last.lastSeq)
    this.#ready = []
    this.#isSignedAwaited = false
    this.#signatureWritten = last.written
    // Nothing to fsync where the chain has no record or batch signatures.
    if (entries.length === 0) this.#signatureSynced = last.written
  }

  /** The frames are there and their callers are answered: entries that find no space are kept. */
  #storeNow(held: Held): void {
    try {
      this.#store(held.entries, held.lastSeq)
    } catch (error) {
      if (isStateUnknown(error)) throw error
      this.#ready.push({ ...held, entries: held.entries.slice() })
    }
  }

  /** All of the entries or none. Errors: SinkError; the writer is stopped if nobody knows which. */
  #store(entries: Uint8Array, lastSeq: number): void {
    try {
      this.#sink.writeSignatures(entries)
    } catch (error) {
      throw isStateUnknown(error) ? this.#stop(error) : error
    }
    this.#progress.reach("signed", lastSeq)
  }
}
