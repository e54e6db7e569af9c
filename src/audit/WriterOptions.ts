/** What a writer is made of, and what of it may change while it runs. */
import type { Clock } from "../base/Clock.ts"
import { batchRecordsMax } from "../base/Limits.ts"
import type { ChainContext, ChainState, Engine, EngineSigner } from "../engine/Engine.ts"
import type { ShedReason } from "../ingress/Admission.ts"
import { BatchPool, draftCharactersMax } from "../ingress/Mailbox.ts"
import type { PrivacyPolicy } from "../record/Privacy.ts"
import type { Signer } from "../signing/Signer.ts"
import type { Sink } from "../sink/Sink.ts"
import { AuditError } from "./AuditError.ts"
import type { CheckpointHead, SignedCheckpoint } from "./Checkpointer.ts"
import type { Signing } from "./Declaration.ts"
import type { CommitPolicy } from "./GroupCommit.ts"
import type { AppendReceipt, Unreachable } from "./Progress.ts"

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
  readonly pool: BatchPool<AppendReceipt>
  readonly tuning: Tuning
  /** Told how many drafts were refused for want of room, and which part of it was wanting. */
  readonly onShed: (reason: ShedReason, count: number) => void
  /** Told when nothing waits any more. */
  readonly onRoom: () => void
  readonly onCheckpoint: (checkpoint: SignedCheckpoint) => void
  /** Told of a checkpoint that failed, and of the error that stopped the writer. */
  readonly onTrouble: (error: unknown) => void
  /** Told once of what ended the writer before it was closed. */
  readonly onStop: (error: unknown) => void
}

/** What may change while the writer runs. */
export interface Tuning {
  readonly queueDepth: number
  readonly checkpointEvery: number
  /** Units: milliseconds that drafts may wait while the sink has no room for them. */
  readonly enqueueMs: number
  /** Units: milliseconds that a step of the sink may take for each MiB. */
  readonly walMs: number
  /** Deadlines that one step may outlast before nothing more is let in. */
  readonly walStrikes: number
  /** Default: addresses are dropped. */
  readonly privacy?: PrivacyPolicy | undefined
}

/** What privacy did to the drafts of a writer. */
export interface PrivacyCounts {
  /** Records that were changed, and the values in them. */
  readonly redacted: number
  readonly values: number
  /** Drafts that were refused as `pii_blocked`. */
  readonly blocked: number
}

/** Levels that a chain with these settings never reaches. */
export const unreachable = (options: WriterOptions): Unreachable => ({
  ...(options.policy === "ram" ? { durable: "the ram sink keeps nothing on disk" } : {}),
  ...(options.signing === "checkpoint" || options.recordSigner === undefined
    ? { signed: "records are covered by checkpoints only (signing=checkpoint)" }
    : {}),
  ...(options.signer === undefined ? { checkpointed: "no checkpoint signer is configured" } : {}),
})

const batchBytesMax = batchRecordsMax * 2048 + draftCharactersMax * 3 + 1

/** The batches of one log's writers. */
export const openPool = (): BatchPool<AppendReceipt> =>
  new BatchPool(batchRecordsMax, batchBytesMax)

/** What those are told who find no place in a queue. */
export const busy = (stream: string, reason: ShedReason): AuditError => {
  const why = reason === "io_backpressure" ? "waits for its sink" : "is full"
  return AuditError.of("BUSY", `the queue of ${stream} ${why}, try again`)
}
