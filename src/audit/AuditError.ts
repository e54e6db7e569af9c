/**
 * Why the audit log did not do what it was asked.
 *
 * Pushback: BUSY, UNAVAILABLE. The rest are refusals. A draft or record that breaks a rule of the
 * formats is refused with `Rejected`, a failing disk with `SinkError`.
 */
import * as Data from "effect/Data"

/** Stable codes; what each means: docs/reference/errors.md. */
export type AuditErrorCode =
  | "BUSY"
  | "CANCELED"
  | "CLOSED"
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

/** A record that was written and not confirmed: the part of its receipt that can be waited for. */
export interface Unconfirmed {
  readonly writerId: string
  readonly stream: string
  readonly seq: number
  readonly reached: (level: "durable") => Promise<void>
}

/** Why the log did not do what it was asked; the sentence names what and where. */
export class AuditError extends Data.TaggedError("AuditError")<{
  readonly code: AuditErrorCode
  readonly message: string
  /** TIMEOUT of an append: the record as it was written; it may yet become durable. */
  readonly receipt?: Unconfirmed
}> {
  /** The error with a sentence of its own. */
  static of(code: AuditErrorCode, message: string): AuditError {
    return new AuditError({ code, message })
  }
  get isRetryable(): boolean {
    return this.code === "BUSY" || this.code === "UNAVAILABLE"
  }
}
