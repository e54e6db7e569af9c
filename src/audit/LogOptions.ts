/** What an audit log is opened with, and what it tells meanwhile. */
import type { Clock } from "../base/Clock.ts"
import type { Bus } from "../bus/Bus.ts"
import type { Engine, EngineSigner } from "../engine/Engine.ts"
import type { BatchPool } from "../ingress/Mailbox.ts"
import type { RecordLimits } from "../record/Record.ts"
import type { Signer } from "../signing/Signer.ts"
import type { Trust } from "../signing/Trust.ts"
import type { FsyncPolicy, Signing } from "./Declaration.ts"
import type { DiskSpace } from "./DiskSpace.ts"
import type { Finding } from "./Finding.ts"
import type { AppendReceipt } from "./Progress.ts"
import type { ScrubTerms } from "./RollingScrub.ts"
import type { ScrubLane } from "./Scrub.ts"
import type { ExpectedPosition } from "./Verify.ts"
import type { Tuning } from "./WriterOptions.ts"

/** Something that people should know and that stops nothing. */
export type Notice =
  | {
      readonly event: "frozen"
      readonly writerId: string
      readonly stream: string
      readonly finding: Finding
    }
  | {
      readonly event: "recovered"
      readonly writerId: string
      readonly stream: string
      readonly cutBytes: number
      readonly unsigned: number
    }
  | { readonly event: "trouble"; readonly stream: string; readonly error: unknown }

export interface WalPlace {
  readonly kind: "wal"
  readonly dir: string
  readonly rotateBytes: number
  readonly exportDir: string | undefined
}

export interface AuditLogOptions {
  readonly writerId: string
  readonly sink: { readonly kind: "ram"; readonly bytesMax: number } | WalPlace
  readonly signing: Signing
  readonly fsync: FsyncPolicy
  readonly limits: RecordLimits
  readonly engine: Engine
  readonly clock: Clock
  /** 32 lower-case hex digits, used when the log is new. */
  readonly newLogId: () => string
  readonly recordSigner: EngineSigner | undefined
  readonly signer: Signer | undefined
  /** The keys that recovery may check signatures with. */
  readonly trust: Trust | undefined
  readonly tuningOf: (stream: string) => Tuning
  /** Of the disk that the WAL lies on. */
  readonly space?: DiskSpace | undefined
  /** How chains on disk are read back; absent: not at all. */
  readonly scrub?: { readonly lane: ScrubLane; readonly terms: ScrubTerms } | undefined
  readonly pool: BatchPool<AppendReceipt>
  readonly bus: Bus
  /** Positions that chains must have reached, from receipts kept elsewhere. */
  readonly expectHeads: ReadonlyArray<ExpectedPosition>
  readonly notice: (notice: Notice) => void
}
