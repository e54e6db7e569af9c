/**
 * One chain under replay: frames that are sealed already, their signatures by this log's key, and
 * checkpoints.
 *
 * The duties are those of the live writer (Writer, GroupCommit): a signature entry spans no
 * segments, with fsync=always it follows the fsync of its frames, and a ConfigUpdated is the first
 * frame of a segment, because recovery reads what a chain declares from first frames only.
 *
 * Source: FORMATS 4 and 5.
 */
import { concat } from "../base/Bytes.ts"
import { formatHash, genesis, hashBytes } from "../base/Hash.ts"
import { invariant } from "../base/Invariant.ts"
import { batchRecordsMax, unsyncedBytesMax } from "../base/Limits.ts"
import { emptyChain } from "../chain/Chain.ts"
import type { ChainContext, ChainState } from "../engine/Engine.ts"
import type { RecordBody } from "../record/Record.ts"
import { formatSigEntry } from "../signing/Envelope.ts"
import { batchDigest, contexts } from "../signing/Message.ts"
import { makeDirectory } from "../sink/Durable.ts"
import type { Lock } from "../sink/Lock.ts"
import { SinkWal } from "../sink/SinkWal.ts"
import { AuditError } from "./AuditError.ts"
import { Checkpointer } from "./Checkpointer.ts"
import { type Declaration, parseDeclaration, updateDeclaration } from "./Declaration.ts"
import { GroupCommit } from "./GroupCommit.ts"
import type { AuditLogOptions, WalPlace } from "./LogOptions.ts"
import { Progress } from "./Progress.ts"
import type { FreshChain, RecoveredChain } from "./Recovery.ts"

export interface SealedFrame {
  readonly body: RecordBody
  readonly frame: Uint8Array
}

interface Name {
  readonly writerId: string
  readonly stream: string
  readonly logId: string
  readonly directory: string
  readonly lock: Lock
}

type Found = RecoveredChain | FreshChain

const noRecords = new Uint8Array(0)

/** Declares something anew, so it begins a group, and a segment. */
const declares = ({ kind }: RecordBody): boolean => kind === "ConfigUpdated"

/** Cuts before whatever changes what the chain declares, and where a piece would be too large. */
const groupsOf = (items: ReadonlyArray<SealedFrame>): Array<Array<SealedFrame>> => {
  const groups: Array<Array<SealedFrame>> = []
  let bytes = 0
  for (const item of items) {
    const group = groups.at(-1)
    const isFull =
      group === undefined ||
      group.length === batchRecordsMax ||
      bytes + item.frame.length > unsyncedBytesMax / 2
    if (isFull || declares(item.body)) {
      groups.push([item])
      bytes = 0
    } else group.push(item)
    bytes += item.frame.length
  }
  return groups
}

export class ReplayChain {
  readonly writerId: string
  readonly stream: string
  readonly #options: AuditLogOptions
  readonly #name: Name
  readonly #context: ChainContext
  readonly #sink: SinkWal
  readonly #checkpointer: Checkpointer
  #commit: GroupCommit
  #declared: Declaration | undefined
  #state: ChainState
  #failed: unknown

  private constructor(options: AuditLogOptions, place: WalPlace, name: Name, found: Found) {
    const { writerId, stream, logId, directory } = name
    const isReady = found.kind === "ready"
    this.writerId = writerId
    this.stream = stream
    this.#options = options
    this.#name = name
    this.#context = { logId, writerId, stream, ...options.limits }
    this.#state = isReady ? found.state : emptyChain
    this.#declared = isReady ? found.declared : undefined
    const { newest } = found
    this.#sink = new SinkWal({ directory, rotateBytes: place.rotateBytes, newest })
    this.#commit = this.#newCommit()
    const { engine, clock } = options
    this.#checkpointer = new Checkpointer({
      chain: this.#context,
      engine,
      sink: this.#sink,
      clock,
      head: isReady ? found.checkpoint : { number: 0, lastSeq: 0, digest: genesis },
      pending: Promise.resolve(isReady ? found.pending() : noRecords),
    })
  }

  /** Takes over a chain as recovery left it; what it found unsigned is signed. */
  static open(options: AuditLogOptions, place: WalPlace, name: Name, found: Found): ReplayChain {
    const chain = new ReplayChain(options, place, name, found)
    if (found.kind === "ready" && found.unsigned !== undefined) {
      const { first, hashes } = found.unsigned
      chain.#sink.writeSignatures(chain.#sign(first, hashes))
    }
    return chain
  }

  get state(): ChainState {
    return this.#state
  }

  /**
   * Writes frames that continue the chain.
   * Errors: SinkError; AuditError NO_SIGNER; TAMPER for frames that do not continue it.
   */
  async append(items: ReadonlyArray<SealedFrame>): Promise<void> {
    if (this.#failed !== undefined) throw this.#failed
    makeDirectory(this.#name.directory)
    for (const group of groupsOf(items)) {
      await this.#declare(group[0]?.body)
      for (let done = 0; done < group.length; ) done += await this.#put(group, done)
    }
    const { signer, tuningOf } = this.#options
    const { checkpointEvery } = tuningOf(this.#name.stream)
    const waiting = this.#state.seq - this.#checkpointer.lastSeq
    if (signer !== undefined && waiting >= checkpointEvery) await this.#checkpoint()
  }

  /** Everything written is on disk as the chain declares. Errors: SinkError. */
  flush(): Promise<void> {
    return this.#commit.flush()
  }

  /** Checkpoints, closes the files and releases the lock. Errors: SinkError, SignerError. */
  async close(): Promise<void> {
    try {
      if (this.#failed === undefined) {
        await this.#commit.flush()
        if (this.#state.seq > 0) await this.#checkpoint()
      }
    } finally {
      await this.#sink.close()
      this.#name.lock.release()
    }
  }

  async #declare(body: RecordBody | undefined): Promise<void> {
    if (body?.seq === 1) {
      this.#declared = parseDeclaration(body.attrs)
    } else if (body !== undefined && declares(body)) {
      await this.#commit.makeDurable()
      await this.#sink.rotate("wait")
      const declared = this.#declared && updateDeclaration(this.#declared, body.attrs)
      this.#declared = declared ?? this.#declared
    } else return
    this.#commit = this.#newCommit()
  }

  /** Writes as many of a group's frames as the segment has room for; at least one. */
  async #put(group: ReadonlyArray<SealedFrame>, from: number): Promise<number> {
    const needed = group[from]?.frame.length ?? 0
    if (this.#sink.room() < needed) {
      await this.#commit.flush()
      await this.#sink.rotate("begin")
    }
    while (this.#commit.room < needed) await this.#commit.wait()
    const room = Math.min(this.#sink.room(), this.#commit.room)
    const frames: Array<Uint8Array> = []
    let bytes = 0
    for (const { frame } of group.slice(from)) {
      if (bytes + frame.length > room) break
      frames.push(frame)
      bytes += frame.length
    }
    this.#write(concat(...frames), frames.length)
    return frames.length
  }

  #write(frames: Uint8Array, count: number): void {
    const firstSeq = this.#state.seq + 1
    const { engine } = this.#options
    const result = engine.verifyBatch({ chain: this.#context, state: this.#state, frames })
    if (result.count !== count) {
      const place = `${this.writerId} / ${this.stream}`
      throw AuditError.of(
        "TAMPER",
        `${place}: record ${result.state.seq + 1} is not as it was sealed`,
      )
    }
    const signatures = this.#sign(firstSeq, result.hashes)
    this.#sink.write(frames, firstSeq, count)
    this.#state = result.state
    this.#checkpointer.add(result.hashes)
    this.#commit.wrote(frames.length, signatures, result.state)
    if (this.#failed !== undefined) throw this.#failed
  }

  /** `.sig` entries over records, as the chain declares. Errors: AuditError NO_SIGNER. */
  #sign(first: number, hashes: Uint8Array): Uint8Array {
    const { recordSigner, engine } = this.#options
    const signing = this.#declared?.signing
    invariant(signing !== undefined, "a chain that has records declares its signing")
    if (signing === "checkpoint") return noRecords
    if (recordSigner === undefined) {
      const place = `${this.writerId} / ${this.stream}`
      throw AuditError.of("NO_SIGNER", `${place} declares signatures and no key is configured`)
    }
    const envelopes = (context: string, digest: Uint8Array) => [
      {
        algoId: "ed25519" as const,
        keyId: recordSigner.keyId,
        sig: recordSigner.sign(context, digest),
      },
    ]
    const count = hashes.length / hashBytes
    if (signing === "record") {
      const entries = Array.from({ length: count }, (_, i) => {
        const hash = hashes.subarray(i * hashBytes, (i + 1) * hashBytes)
        const [seq, signed] = [first + i, envelopes(contexts.record, hash)]
        return formatSigEntry({ first: seq, last: seq, root: null, envelopes: signed })
      })
      return concat(...entries)
    }
    const root = engine.merkleRoot(hashes, "leaves").slice()
    const last = first + count - 1
    const { logId, writerId, stream } = this.#context
    const digest = batchDigest({ first, last, logId, root: formatHash(root), stream, writerId })
    return formatSigEntry({ first, last, root, envelopes: envelopes(contexts.batch, digest) })
  }

  #newCommit(): GroupCommit {
    const { seq } = this.#state
    return new GroupCommit({
      sink: this.#sink,
      policy: this.#declared?.fsync ?? this.#options.fsync,
      progress: new Progress(seq, 0, {}, () => undefined),
      lastSeq: seq,
      stop: (error) => {
        this.#failed ??= error
        return error
      },
    })
  }

  async #checkpoint(): Promise<void> {
    const { signer } = this.#options
    if (signer === undefined) return
    await this.#checkpointer.sign(
      signer,
      () => this.#state,
      () => this.#commit.makeDurable(),
    )
  }
}
