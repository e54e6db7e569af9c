/**
 * The one place that opens a file of a log.
 *
 * Whoever can write into a log's folders can put anything there: a FIFO that blocks who opens it, a
 * link to elsewhere, a device. So a file is opened without waiting and without following a link,
 * and is used only when what was opened is a regular file. Source: FORMATS 4 (one folder is one
 * chain, its files are ours).
 *
 * Not protected against: links among the folders above a log's root, which are the host's own.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, type Stats, statSync } from "node:fs"
import { attempt, SinkError, sinkError } from "./SinkError.ts"

/** What a file is that is no regular one, with its article. */
export const kindOf = (stats: Stats): string => {
  if (stats.isFile()) return "a regular file"
  if (stats.isDirectory()) return "a directory"
  if (stats.isSymbolicLink()) return "a symbolic link"
  if (stats.isFIFO()) return "a FIFO"
  if (stats.isSocket()) return "a socket"
  return "a device"
}

const wrongKind = (path: string, expected: string, stats: Stats): SinkError => {
  const found = kindOf(stats)
  const message = `${path} is ${found}, not ${expected}`
  return new SinkError({ code: "NOT_REGULAR", path, message, instead: { expected, found } })
}

const lookAt = (path: string): Stats | undefined => {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}

/**
 * Closes a descriptor. What its close reports says nothing of what was read, nor of what was
 * fsynced before it, and the descriptor is gone all the same.
 */
export const closeFile = (fd: number): void => {
  try {
    closeSync(fd)
  } catch {
    // As above.
  }
}

export interface Opening {
  /** Default: for reading. */
  readonly flags?: number
  /** Of a file that is created. */
  readonly mode?: number
  /** A link is followed; for files that an operator keeps, never for those of a chain. */
  readonly follow?: boolean
}

/**
 * A descriptor of a regular file; whoever asks closes it.
 * Errors: SinkError NOT_REGULAR and others.
 */
export const openRegular = (path: string, opening: Opening = {}): number => {
  const { flags = constants.O_RDONLY, mode, follow = false } = opening
  const link = follow ? 0 : constants.O_NOFOLLOW
  let fd: number
  try {
    fd = openSync(path, flags | link | constants.O_NONBLOCK, mode)
  } catch (cause) {
    // The errno of a socket or a link does not say what it is.
    const stats = lookAt(path)
    const isOther = stats !== undefined && !stats.isFile() && !(follow && stats.isSymbolicLink())
    throw isOther ? wrongKind(path, "a regular file", stats) : sinkError("open", path, cause)
  }
  try {
    const stats = fstatSync(fd)
    if (stats.isFile()) return fd
    throw wrongKind(path, "a regular file", stats)
  } catch (cause) {
    closeFile(fd)
    throw cause instanceof SinkError ? cause : sinkError("look at", path, cause)
  }
}

const absent = new Set(["ENAMETOOLONG", "ENOENT", "ENOTDIR"])

/**
 * Whether anything is at a path, behind a link too. What the system cannot say is an error: what is
 * taken for missing may be written anew.
 * Errors: SinkError.
 */
export const isThere = (path: string): boolean => {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined
  } catch (cause) {
    if (absent.has((cause as NodeJS.ErrnoException).code ?? "")) return false
    throw sinkError("look for", path, cause)
  }
}

/** Refuses what is no folder itself, as a link to one. Errors: SinkError NOT_REGULAR, NOT_FOUND. */
export const demandFolder = (path: string): void => {
  const stats = attempt("read the directory", path, () => lstatSync(path))
  if (!stats.isDirectory()) throw wrongKind(path, "a directory", stats)
}

/** Whether a regular file is there; anything else is refused. Errors: SinkError NOT_REGULAR. */
export const hasRegular = (path: string): boolean => {
  const stats = attempt("look for", path, () => lstatSync(path, { throwIfNoEntry: false }))
  if (stats !== undefined && !stats.isFile()) throw wrongKind(path, "a regular file", stats)
  return stats !== undefined
}
