/**
 * Why the audit log did not do what it was asked.
 *
 * Pushback: BUSY, UNAVAILABLE. State unknown: FATAL. The rest are refusals. A draft or record that breaks a
 * rule of the formats is refused with `Rejected`, a failing disk with `SinkError`.
 */
import * as Data from "effect/Data"

export type AuditErrorCode =
  | "BUSY"
  | "CANCELED"
  | "CLOSED"
  | "FATAL"
  | "FROZEN"
  | "NOT_FOUND"
  | "NO_SIGNER"
  | "OP_ID_CONFLICT"
  | "SETTINGS"
  | "TAMPER"
  | "TIMEOUT"
  | "UNAVAILABLE"
  | "UNREACHABLE"
  | "WRONG_LOG"

export class AuditError extends Data.TaggedError("AuditError")<{
  readonly code: AuditErrorCode
  readonly message: string
}> {
  static of(code: AuditErrorCode, message: string): AuditError {
    return new AuditError({ code, message })
  }
  get isRetryable(): boolean {
    return this.code === "BUSY" || this.code === "UNAVAILABLE"
  }
}
