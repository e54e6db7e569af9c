/**
 * What can go wrong below a sink.
 *
 * `STATE_UNKNOWN` is the fatal kind: an fsync failed, or a half-written append could not be taken
 * back, so nobody knows what the disk holds. `DISPLACED` is as fatal: what was written is not where
 * it was put. The writer stops and only Recovery may go on.
 */
import * as Data from "effect/Data"

/** Stable codes; what each means: docs/reference/errors.md. */
export type SinkErrorCode =
  | "CASE_INSENSITIVE"
  | "CHANGED"
  | "DISPLACED"
  | "IO"
  | "LOCKED"
  | "MODE"
  | "NAME_TOO_LONG"
  | "NOT_FOUND"
  | "NOT_REGULAR"
  | "NO_SPACE"
  | "SALT"
  | "STATE_UNKNOWN"
  | "TOO_LARGE"

export interface Instead {
  readonly expected: string
  readonly found: string
}

/** Why files could not be read or written; the sentence names the path. */
export class SinkError extends Data.TaggedError("SinkError")<{
  readonly code: SinkErrorCode
  readonly path: string
  readonly message: string
  /** What stands in the place of a file that can be read; absent where the system failed. */
  readonly instead?: Instead | undefined
}> {
  get isRetryable(): boolean {
    return ["IO", "NO_SPACE", "LOCKED", "CHANGED"].includes(this.code)
  }
}

const spaceCodes = new Set(["ENOSPC", "EDQUOT", "EFBIG"])

const sentences: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EDQUOT: "the disk quota is used up",
  EFBIG: "the file would become too large",
  EIO: "the device reported an I/O error",
  EISDIR: "is a directory",
  ELOOP: "is a symbolic link",
  EMFILE: "too many open files",
  ENOENT: "no such file or directory",
  ENOSPC: "the disk is full",
  ENOTDIR: "is not a directory",
  EROFS: "the file system is read-only",
}

const errnoOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause ? String(cause.code) : "EIO"

/** One sentence for a failed system call; `what` is the verb phrase that was tried. */
export const sinkError = (what: string, path: string, cause: unknown): SinkError => {
  const errno = errnoOf(cause)
  const code = spaceCodes.has(errno) ? "NO_SPACE" : errno === "ENOENT" ? "NOT_FOUND" : "IO"
  const why = sentences[errno] ?? errno
  const isBarred = errno === "EACCES" || errno === "EPERM"
  const instead = isBarred ? { expected: "permission to read it", found: "none" } : undefined
  return new SinkError({ code, path, message: `cannot ${what} ${path}: ${why}`, instead })
}

/** What an error says stands where a file was to be read; `undefined` for any other failure. */
export const insteadOf = (error: unknown): Instead | undefined =>
  error instanceof SinkError ? error.instead : undefined

/** Whether only recovery may go on. */
export const isStateUnknown = (error: unknown): boolean =>
  error instanceof SinkError && (error.code === "STATE_UNKNOWN" || error.code === "DISPLACED")

/** Whether there was no space, and nothing else is wrong. */
export const isFull = (error: unknown): boolean =>
  error instanceof SinkError && error.code === "NO_SPACE"

/** Whether a file that was written lies elsewhere, or is another one, by now. */
export const isDisplaced = (error: unknown): boolean =>
  error instanceof SinkError && error.code === "DISPLACED"

export const displaced = (path: string, how: string): SinkError =>
  new SinkError({
    code: "DISPLACED",
    path,
    message: `${path} ${how} while it was being written; the chain goes through recovery`,
  })

/** Runs a system call. Errors: SinkError that says what was tried. */
export const attempt = <A>(what: string, path: string, call: () => A): A => {
  try {
    return call()
  } catch (cause) {
    throw cause instanceof SinkError ? cause : sinkError(what, path, cause)
  }
}

export const stateUnknown = (what: string, path: string, cause: unknown): SinkError =>
  new SinkError({
    code: "STATE_UNKNOWN",
    path,
    message:
      `${what} ${path} failed (${sentences[errnoOf(cause)] ?? errnoOf(cause)}), ` +
      "so what the disk holds is unknown; reopen the log to recover",
  })
