/**
 * From what went wrong to one sentence and an exit code. This is the one table: a code that is not
 * in it does not compile, and docs/reference/errors.md is made of it.
 *
 * Exit codes: 0 done, valid, intact; 1 wrong usage, configuration or input; 2 invalid; 3 unknown;
 * 4 busy or unavailable; 130 aborted by a signal. Source: INTERFACES, CLI.
 */
import * as Data from "effect/Data"
import type { AuditErrorCode } from "../audit/AuditError.ts"
import type { ConfigError } from "../config/Issue.ts"
import type { KeyFileErrorCode } from "../custody/backend/BackendFile.ts"
import type { EngineErrorCode } from "../engine/EngineError.ts"
import { type RejectCode, rejects } from "../record/Reject.ts"
import type { DocumentErrorCode } from "../signing/Document.ts"
import type { SignerErrorCode } from "../signing/Signer.ts"
import type { SinkErrorCode } from "../sink/SinkError.ts"

export const exits = { done: 0, usage: 1, invalid: 2, unknown: 3, unavailable: 4, aborted: 130 }

export type Exit = (typeof exits)[keyof typeof exits]

/** Wrong use, configuration or input that the command line itself finds. */
export class UsageError extends Data.TaggedError("UsageError")<{
  readonly code: "USAGE" | "CONFIG" | "INPUT"
  readonly message: string
  /** What to do about it, on a line of its own. */
  readonly hint?: string | undefined
}> {
  static of(code: "USAGE" | "CONFIG" | "INPUT", message: string, hint?: string): UsageError {
    return new UsageError({ code, message, hint })
  }
  get isRetryable(): boolean {
    return false
  }
}

const outputReasons: Readonly<Record<string, string>> = {
  ENOSPC: "no space left on device",
  EDQUOT: "the quota is full",
  EFBIG: "the file would become larger than is allowed",
  EIO: "the device answered with an error",
}

/** What was to go to stdout could not be written. */
export class OutputError extends Data.TaggedError("OutputError")<{
  readonly code: "OUTPUT"
  readonly message: string
}> {
  /** Names the reason that the system gave. */
  static of(error: Error): OutputError {
    const code = "code" in error ? String(error.code) : error.message
    const message = `cannot write the output: ${outputReasons[code] ?? code}`
    return new OutputError({ code: "OUTPUT", message })
  }
  get isRetryable(): boolean {
    return true
  }
}

/** The exit code, and what the code means. */
type Row = readonly [exit: Exit, meaning: string]

const { usage, invalid, unavailable } = exits

const cli: Record<UsageError["code"], Row> = {
  USAGE: [usage, "flags or arguments that make no command"],
  CONFIG: [usage, "a configuration file, directory or variable that cannot be used"],
  INPUT: [usage, "input that cannot be read or taken apart"],
}

const output: Record<OutputError["code"], Row> = {
  OUTPUT: [unavailable, "stdout could not be written, as on a full disk"],
}

const audit: Record<AuditErrorCode, Row> = {
  BUSY: [unavailable, "a queue is full: try again"],
  CANCELED: [unavailable, "the log was closed before the record was confirmed"],
  CLOSED: [unavailable, "the log is closed"],
  FROZEN: [invalid, "the chain was tampered with, nothing more is written to it"],
  NOT_FOUND: [usage, "no such record or chain"],
  NO_SIGNER: [usage, "a signature is needed and no key is configured"],
  OP_ID_CONFLICT: [usage, "attrs.op_id was used before for other content"],
  SETTINGS: [usage, "settings that do not go together"],
  TAMPER: [invalid, "what is stored is not what was written"],
  TIMEOUT: [unavailable, "a step took longer than its budget"],
  UNAVAILABLE: [4, "a chain stopped and is opened again; try again in a moment"],
  UNREACHABLE: [usage, "a level that the log's settings never reach"],
  WRONG_LOG: [usage, "records of another log"],
}

const sink: Record<SinkErrorCode, Row> = {
  CASE_INSENSITIVE: [usage, "a file system that does not tell upper from lower case"],
  CHANGED: [unavailable, "a file became shorter while it was copied: try again"],
  DISPLACED: [invalid, "a file was moved, replaced or cut while it was being written"],
  IO: [unavailable, "the operating system refused a file operation"],
  LOCKED: [unavailable, "another process writes this chain"],
  MODE: [usage, "a file or directory that others can reach"],
  NAME_TOO_LONG: [usage, "a folder name beyond 255 bytes"],
  NOT_FOUND: [usage, "no such file or directory"],
  NOT_REGULAR: [invalid, "something else stands where a regular file or a folder has to be"],
  NO_SPACE: [unavailable, "the disk or the quota is full"],
  SALT: [usage, "a salt file whose text is not one"],
  STATE_UNKNOWN: [unavailable, "an fsync failed: reopen the log to recover"],
  TOO_LARGE: [usage, "a file larger than its bound"],
}

const keyFile: Record<KeyFileErrorCode, Row> = {
  KEY_ALIAS: [usage, "a key alias that breaks its rule"],
  KEY_EXISTS: [usage, "the key file exists already"],
  KEY_MISSING: [usage, "the key file is not there"],
  KEY_MODE: [usage, "a key file that others can reach"],
  KEY_DAMAGED: [usage, "a key file that is damaged or was altered"],
  KEY_PASSPHRASE: [usage, "a wrong, missing or needless passphrase"],
  KEY_UNSEAL_MISSING: [usage, "the unseal.key is not there"],
  KEY_UNSEAL_WRONG: [usage, "the unseal.key is of another key"],
  KEY_IO: [unavailable, "the operating system refused an operation on a key file"],
}

const signer: Record<SignerErrorCode, Row> = {
  SIGNER_BUSY: [unavailable, "the key store is busy: try again"],
  SIGNER_UNAVAILABLE: [unavailable, "the key store does not answer"],
  SIGNER_REFUSED: [usage, "the key store refuses to sign"],
}

const engine: Record<EngineErrorCode, Row> = {
  ENGINE_UNAVAILABLE: [unavailable, "the engine that was asked for is not there"],
  SIGNING_UNAVAILABLE: [unavailable, "the engine cannot sign with this key"],
  ENGINE_FAILED: [unavailable, "a defect inside the engine"],
}

const documents: Record<DocumentErrorCode, Row> = {
  DOCUMENT_SIZE: [usage, "a document larger than its bound"],
  DOCUMENT_JSON: [usage, "a document that is not the JSON it has to be"],
  MEMBER_UNKNOWN: [usage, "a document with a member that its format does not know"],
  MEMBER_MISSING: [usage, "a document without a member that its format needs"],
  MEMBER_VALUE: [usage, "a document with a member of a wrong value"],
}

const config: Record<ConfigError["code"], Row> = {
  CONFIG_INVALID: [usage, "a configuration that breaks its rules; all that is wrong is told"],
  CONFIG_RESTART: [usage, "a reload that changes what only a restart can; nothing was changed"],
}

const rejected = Object.fromEntries(
  Object.entries(rejects).map(([code, [, meaning]]): [string, Row] => [code, [usage, meaning]]),
) as Record<RejectCode, Row>

/** Every error class that reaches a user, by the `_tag` of its errors. */
export const errorTable: Readonly<Record<string, Readonly<Record<string, Row>>>> = {
  UsageError: cli,
  OutputError: output,
  ConfigError: config,
  Rejected: rejected,
  DocumentError: documents,
  AuditError: audit,
  SinkError: sink,
  KeyFileError: keyFile,
  SignerError: signer,
  EngineError: engine,
}

/** What a user is told of an error. */
export interface Failure {
  readonly exit: Exit
  readonly code: string
  /** One sentence. */
  readonly message: string
  readonly hint: string | undefined
}

const oneLine = (text: string): string => text.replace(/\s*[\r\n]+\s*/g, " ").trim()

const textOf = (error: object, key: string): string | undefined => {
  const value: unknown = Reflect.get(error, key)
  return typeof value === "string" && value !== "" ? value : undefined
}

const systemFailure = (code: string, message: string): Failure => {
  const isInput = ["ENOENT", "EACCES", "EISDIR", "ENOTDIR", "EPERM", "ELOOP"].includes(code)
  return { exit: isInput ? usage : unavailable, code, message, hint: undefined }
}

/** The row of an error; a defect is told as one, without its stack. */
export const failureOf = (error: unknown): Failure => {
  const failure = (exit: Exit, code: string, message: string, hint?: string): Failure => ({
    exit,
    code,
    message: oneLine(message),
    hint,
  })
  if (typeof error !== "object" || error === null) {
    return failure(unavailable, "DEFECT", `internal error: ${String(error)}`)
  }
  const tag = textOf(error, "_tag")
  const code = textOf(error, "code")
  const message = textOf(error, "message") ?? "no reason was given"
  const row = tag === undefined ? undefined : errorTable[tag]?.[code ?? ""]
  if (row !== undefined) return failure(row[0], code ?? "", message, textOf(error, "hint"))
  if (code !== undefined && textOf(error, "syscall") !== undefined) {
    return systemFailure(code, oneLine(message))
  }
  return failure(unavailable, "DEFECT", `internal error: ${message}`)
}
