/**
 * Strongroom as a library: open a log, append what is worth proving, close it.
 *
 * The defaults need nothing else installed: a sealed key file signs batches and checkpoints, and
 * trust.json beside the log names it for verifiers. Nothing runs before a log is opened.
 */

export type { NamedOptions, OpenOptions } from "../supervisors/Setup.ts"
export { Strongroom } from "../supervisors/Strongroom.ts"
export { AuditError, type AuditErrorCode } from "./audit/AuditError.ts"
export type { ChainHead, Notice } from "./audit/AuditLog.ts"
export type { FsyncPolicy, Signing } from "./audit/Declaration.ts"
export type { Exported } from "./audit/Export.ts"
export type { AppendReceipt, Level } from "./audit/Progress.ts"
export type { EngineChoice } from "./engine/Select.ts"
export type { Draft } from "./record/Draft.ts"
export type { AuditRecord } from "./record/Record.ts"
export { type RejectCode, Rejected } from "./record/Reject.ts"
export { SinkError, type SinkErrorCode } from "./sink/SinkError.ts"
