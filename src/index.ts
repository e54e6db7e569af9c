/**
 * Strongroom as a library: open a log, append what is worth proving, close it.
 *
 * The defaults need nothing else installed: a sealed key file signs batches and checkpoints, and
 * trust.json beside the log names it for verifiers. Nothing runs before a log is opened.
 */

export {
  type AppendFailure,
  AuditLog,
  type AuditLogOperations,
  type OpenFailure,
} from "../supervisors/AuditLayer.ts"
export type { NamedOptions, OpenOptions } from "../supervisors/Setup.ts"
export { type ClosedReport, Strongroom } from "../supervisors/Strongroom.ts"
export { AuditError, type AuditErrorCode, type Unconfirmed } from "./audit/AuditError.ts"
export type { ChainHead, CloseReport, LogCounts, Notice } from "./audit/AuditLog.ts"
export type { FsyncPolicy, Signing } from "./audit/Declaration.ts"
export type { Exported } from "./audit/Export.ts"
export type { AppendReceipt, Level } from "./audit/Progress.ts"
export type { BusEvent, Subscription } from "./bus/Bus.ts"
export type { Topic } from "./bus/Topics.ts"
export { KeyFileError, type KeyFileErrorCode } from "./custody/backend/BackendFile.ts"
export { EngineError, type EngineErrorCode } from "./engine/EngineError.ts"
export type { EngineChoice } from "./engine/Select.ts"
export type { Draft } from "./record/Draft.ts"
export type { AuditRecord } from "./record/Record.ts"
export { type RejectCode, Rejected } from "./record/Reject.ts"
export { DocumentError, type DocumentErrorCode } from "./signing/Document.ts"
export { SignerError, type SignerErrorCode } from "./signing/Signer.ts"
export { SinkError, type SinkErrorCode } from "./sink/SinkError.ts"
