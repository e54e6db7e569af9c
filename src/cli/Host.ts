/**
 * What the commands ask of the program that starts them: the log as a library, the words of the
 * invocation. supervisors/main hands it in, so that this room stays below the public surface.
 */
import type { ChainHead, CloseReport, Notice } from "../audit/AuditLog.ts"
import type { Continued } from "../audit/Continue.ts"
import type { FsyncPolicy, Signing } from "../audit/Declaration.ts"
import type { Exported } from "../audit/Export.ts"
import type { AppendReceipt } from "../audit/Progress.ts"
import type { Replay } from "../audit/Replay.ts"
import type { EngineChoice } from "../engine/Select.ts"
import type { Draft } from "../record/Draft.ts"

export type RoomNotice = Notice | { readonly event: "warning"; readonly message: string }

export interface RoomOptions {
  readonly writerId: string
  readonly wal: { readonly dir: string; readonly fsync?: FsyncPolicy }
  readonly export: { readonly dir: string }
  readonly dataDir: string
  readonly queueDepth?: number
  readonly deadlines?: { readonly enqueueMs: number }
  readonly signing?: Signing
  readonly engine: EngineChoice
  /** UTF-8. Duty: the caller wipes it. */
  readonly passphrase?: Uint8Array
  readonly notice: (notice: RoomNotice) => void
}

export type RoomReport = CloseReport & { readonly abandoned: ReadonlyArray<string> }

/** An open log; see the library's Strongroom for the errors. */
export interface Room {
  readonly logId: string
  readonly keyId: string
  readonly engine: { readonly name: string }
  readonly trustPath: string | undefined
  readonly append: (draft: Draft) => Promise<AppendReceipt>
  readonly flush: () => Promise<void>
  readonly checkpoint: () => Promise<void>
  readonly heads: () => ReadonlyArray<ChainHead>
  readonly export: () => Promise<ReadonlyArray<Exported>>
  readonly close: () => Promise<RoomReport>
}

export interface Host {
  readonly openRoom: (options: RoomOptions) => Promise<Room>
  readonly continueChain: (options: RoomOptions, stream: string) => Promise<Continued>
  /** `logId` is used where the data directory does not say which log it holds. */
  readonly openReplay: (options: RoomOptions, logId: string | undefined) => Promise<Replay>
  /** From now on `act` is called for each SIGINT and SIGTERM, and nothing else is done. */
  readonly takeSignals: (act: () => void) => void
  /** Arguments behind the program's name. */
  readonly args: ReadonlyArray<string>
  /** How the user calls this program, for commands that are to be copied. */
  readonly program: string
  /** `strongroom`, `ronctl` or `stella`. */
  readonly name: string
  readonly version: string
}
