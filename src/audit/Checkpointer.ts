/**
 * The checkpoints of one chain: the root of what is behind the last one, signed and stored.
 *
 * While one is being signed the chain goes on; what comes in then belongs to the next. A checkpoint
 * covers only records that this process wrote, or read and verified since it opened the chain.
 *
 * Source: FORMATS 4 (fsync before signing) and 5.
 */
import { toBase64 } from "../base/Bytes.ts"
import type { Clock } from "../base/Clock.ts"
import { b3, formatHash } from "../base/Hash.ts"
import * as Checkpoint from "../checkpoint/Checkpoint.ts"
import type { ChainContext, ChainState, Engine } from "../engine/Engine.ts"
import { RangeRoot } from "../merkle/Tree.ts"
import { contexts } from "../signing/Message.ts"
import type { Signer } from "../signing/Signer.ts"
import type { Sink } from "../sink/Sink.ts"

/** The last checkpoint of a chain. */
export interface CheckpointHead {
  readonly number: number
  readonly lastSeq: number
  /** BLAKE3 of its signed bytes, `b3:0` before the first. */
  readonly digest: string
}

/** What a checkpoint that was signed and stored says. */
export type SignedCheckpoint = Pick<Checkpoint.CheckpointBody, "range" | "root" | "signer_key_id">

export interface CheckpointerOptions {
  readonly chain: ChainContext
  readonly engine: Engine
  readonly sink: Sink
  readonly clock: Clock
  readonly head: CheckpointHead
  /** self_hash of the records behind the last checkpoint, as recovery read them. */
  readonly pending: Promise<Uint8Array>
}

export class Checkpointer {
  readonly #options: CheckpointerOptions
  #head: CheckpointHead
  #range: RangeRoot
  /** Fed beside `#range` while a checkpoint over what was there before is being signed. */
  #next: RangeRoot | undefined
  /** Hashes of our own records while those before them are still being read. */
  #early: Array<Uint8Array> | undefined = []
  readonly #caughtUp: Promise<void>

  constructor(options: CheckpointerOptions) {
    this.#options = options
    this.#head = options.head
    this.#range = new RangeRoot(options.engine.merkleRoot)
    this.#caughtUp = options.pending.then((hashes) => this.#catchUp(hashes))
    // Whoever needs it awaits it; a failure must not end the process before.
    this.#caughtUp.catch(() => undefined)
  }

  get lastSeq(): number {
    return this.#head.lastSeq
  }

  /** Records were written. Shape: 32 bytes of self_hash a record. */
  add(hashes: Uint8Array): void {
    if (this.#early === undefined) this.#range.add(hashes)
    else this.#early.push(hashes)
    this.#next?.add(hashes)
  }

  /**
   * Signs and stores a checkpoint up to the chain's state at the time; `undefined` when nothing is
   * behind the last one. Never two at a time.
   * Errors: AuditError TAMPER from what was pending; SignerError; SinkError.
   */
  async sign(
    signer: Signer,
    stateNow: () => ChainState,
    makeDurable: () => Promise<void>,
  ): Promise<SignedCheckpoint | undefined> {
    await this.#caughtUp
    const first = this.#head.lastSeq + 1
    const { seq: last, tsMs } = stateNow()
    if (last < first) return undefined
    const root = this.#range.root()
    this.#next = new RangeRoot(this.#options.engine.merkleRoot)
    try {
      // Whatever the policy, what a checkpoint covers is durable before it is signed.
      await makeDurable()
      const signed = await this.#store(signer, [first, last], root, tsMs)
      this.#range = this.#next
      return signed
    } finally {
      this.#next = undefined
    }
  }

  async #store(
    signer: Signer,
    range: readonly [number, number],
    root: Uint8Array,
    tsMs: number,
  ): Promise<SignedCheckpoint> {
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
    return checkpoint
  }

  /** Puts what lies between the last checkpoint and our first record before our own. */
  #catchUp(hashes: Uint8Array): void {
    this.#range.add(hashes)
    for (const early of this.#early ?? []) this.#range.add(early)
    this.#early = undefined
  }
}
