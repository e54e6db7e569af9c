/**
 * Files that survive a crash.
 *
 * The one sequence for a new file, as system calls:
 *
 *     open(tmp, O_CREAT|O_EXCL|O_WRONLY, 0600)  write  fsync(tmp)  close
 *     rename(tmp, name)  open(dir)  fsync(dir)  close
 *
 * After a crash at any point either the whole new file is there under its name or nothing but a
 * `.tmp` that recovery removes. An append is `pwrite` at the end that we know, then `fdatasync`:
 * the data and the new size reach the disk, the modification time need not.
 *
 * An fsync error is never retried: the kernel may have dropped the dirty pages and answer the next
 * call with success (the "fsyncgate" of 2018), so the state is unknown from then on. Even who opens
 * the file again may read what is on no disk: recovery writes it once more (`syncFile`).
 *
 * Not protected against: a device that acknowledges a flush that it did not make.
 */
import {
  accessSync,
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  fsync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from "node:fs"
import { type FileHandle, open, unlink } from "node:fs/promises"
import { hostname } from "node:os"
import { dirname, join, resolve } from "node:path"
import { threadId } from "node:worker_threads"
import { closeFile, openRegular } from "./RegularFile.ts"
import { attempt, displaced, SinkError, sinkError, stateUnknown } from "./SinkError.ts"

const fileMode = 0o600
const directoryMode = 0o700
export const temporarySuffix = ".tmp"
const rewriteBytes = 1 << 20

/**
 * Makes the names in a directory durable, after a step that changes them where there is one.
 * Errors: SinkError, STATE_UNKNOWN when the fsync failed; without it the step was not done.
 */
export const syncDirectory = (path: string, change: () => void = () => undefined): void => {
  // Opened first: with no file to be had nothing has happened yet.
  const fd = attempt("open the directory", path, () => openSync(path, "r"))
  try {
    change()
    sync(fd, path)
  } finally {
    closeFile(fd)
  }
}

/** As `syncDirectory`, the fsync in libuv's pool: a device that hangs must not hold the thread. */
export const syncDirectoryLater = async (
  path: string,
  change: () => void = () => undefined,
): Promise<void> => {
  const fd = attempt("open the directory", path, () => openSync(path, "r"))
  try {
    change()
    await flush(fsync, fd, path)
  } finally {
    closeFile(fd)
  }
}

const flush = (call: typeof fsync, fd: number, path: string): Promise<void> =>
  new Promise((done, fail) => {
    call(fd, (cause) => {
      if (cause === null) done()
      else fail(stateUnknown("fsync of", path, cause))
    })
  })

const sync = (fd: number, path: string): void => {
  try {
    fsyncSync(fd)
  } catch (cause) {
    throw stateUnknown("fsync of", path, cause)
  }
}

/** Writes what is there over itself. */
const rewrite = (fd: number, from: number, to: number): void => {
  const buffer = new Uint8Array(Math.max(0, Math.min(rewriteBytes, to - from)))
  for (let at = from, got = 1; at < to && got > 0; at += got) {
    got = readSync(fd, buffer, 0, Math.min(buffer.length, to - at), at)
    writeAll(fd, buffer.subarray(0, got), at)
  }
}

/**
 * What is in a file, whoever wrote it, is durable after this; behind the first `head` bytes it is
 * known to be up to `from`. It is written once more: after an fsync that failed the system may keep
 * pages that can be read, count as clean and are on no disk, which an fsync alone does not write.
 * Errors: SinkError, STATE_UNKNOWN when the fsync failed.
 */
export const syncFile = (path: string, head = 0, from = head): void => {
  const fd = openRegular(path, { flags: constants.O_RDWR })
  try {
    attempt("write again", path, () => {
      const { size } = fstatSync(fd)
      rewrite(fd, 0, Math.min(head, size))
      rewrite(fd, from, size)
    })
    sync(fd, path)
  } finally {
    closeFile(fd)
  }
}

/** Creates `path` and what is missing above it, 0700, each entry fsynced into its parent. */
export const makeDirectory = (path: string): void => {
  const full = resolve(path)
  // Who made it may have been killed before its name was durable.
  if (isDirectory(path, full)) return syncParent(full)
  const parent = dirname(full)
  if (parent !== full) makeDirectory(parent)
  makeOne(path, full)
  syncDirectory(parent)
}

/** Errors: SinkError where something else is there. */
const isDirectory = (path: string, full: string): boolean => {
  const found = attempt("look for", path, () => statSync(full, { throwIfNoEntry: false }))
  if (found === undefined || found.isDirectory()) return found !== undefined
  throw new SinkError({ code: "IO", path, message: `${path} is not a directory` })
}

const makeOne = (path: string, full: string): void => {
  try {
    mkdirSync(full, { mode: directoryMode })
  } catch (cause) {
    const isThere = (cause as NodeJS.ErrnoException).code === "EEXIST"
    if (!isThere) throw sinkError("create the directory", path, cause)
  }
}

/** A parent that may not be read is not ours, so whoever owns it made the directory. */
const syncParent = (path: string): void => {
  if (isReadable(dirname(path))) syncDirectory(dirname(path))
}

const isReadable = (path: string): boolean => {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}

/** As `makeDirectory`, its fsyncs in libuv's pool. */
export const makeDirectoryLater = async (path: string): Promise<void> => {
  const full = resolve(path)
  const parent = dirname(full)
  if (isDirectory(path, full)) {
    if (isReadable(parent)) await syncDirectoryLater(parent)
    return
  }
  if (parent !== full) await makeDirectoryLater(parent)
  makeOne(path, full)
  await syncDirectoryLater(parent)
}

/** Refuses what others may read or write. FORMATS 4: directories 0700, files 0600. */
export const checkPrivate = (path: string): void => {
  const found = attempt("look at", path, () => statSync(path))
  if ((found.mode & 0o077) === 0) return
  const octal = (found.mode & 0o777).toString(8).padStart(4, "0")
  const wanted = found.isDirectory() ? "0700" : "0600"
  throw new SinkError({
    code: "MODE",
    path,
    message: `${path} has mode ${octal}, others can reach it; run: chmod ${wanted} ${path}`,
  })
}

/** FORMATS 4: names that differ only in case must not meet in one folder. */
export const checkCaseSensitive = (directory: string): void => {
  // Threads of one process probe at the same time, and so do containers that share a volume.
  const own = `${hostname()}-${process.pid}-${threadId}`
  const probe = join(directory, `~case-${own}${temporarySuffix}`)
  const other = join(directory, `~CASE-${own}${temporarySuffix.toUpperCase()}`)
  const isSensitive = attempt("write to the directory", directory, () => {
    closeSync(openSync(probe, "w", fileMode))
    try {
      return statSync(other, { throwIfNoEntry: false }) === undefined
    } finally {
      rmSync(probe, { force: true })
    }
  })
  if (isSensitive) return
  throw new SinkError({
    code: "CASE_INSENSITIVE",
    path: directory,
    message:
      `${directory} is on a case-insensitive file system, ` +
      "where two chains could share one folder",
  })
}

const writeAll = (fd: number, bytes: Uint8Array, position: number): void => {
  let done = 0
  while (done < bytes.length) {
    done += writeSync(fd, bytes, done, bytes.length - done, position + done)
  }
}

/**
 * A new file that takes the place of whatever lies under its name, a link or a FIFO too.
 * Errors: those of the system.
 */
export const createExclusive = async (path: string): Promise<FileHandle> => {
  await unlink(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "ENOENT") throw cause
  })
  return open(path, "wx", fileMode)
}

/** What is to be written: bytes, or who writes them piece by piece. */
type Content = Uint8Array | ((file: FileHandle) => Promise<void>)

/** Puts `content` under `path`, replacing what was there, by the sequence above. */
export const writeFileDurably = async (path: string, content: Content): Promise<void> => {
  const temporary = path + temporarySuffix
  try {
    const file = await createExclusive(temporary)
    try {
      await (typeof content === "function" ? content(file) : file.writeFile(content))
      await file.sync()
    } finally {
      // It is fsynced, or the first error is the one to tell.
      await file.close().catch(() => undefined)
    }
    await syncDirectoryLater(dirname(path), () => renameSync(temporary, path))
  } catch (cause) {
    // It may never have been created, or the disk is gone: the first error is the one to tell.
    await unlink(temporary).catch(() => undefined)
    throw cause instanceof SinkError ? cause : sinkError("write", path, cause)
  }
}

/** A file that only grows, plus one patch of its head when it is sealed. */
export class AppendFile {
  readonly path: string
  /** Units: bytes known to be handed to the operating system. */
  size: number
  /** Number of the device that it lies on. */
  readonly device: number
  readonly #fd: number
  readonly #inode: string
  #flushed: Promise<void> = Promise.resolve()

  private constructor(path: string, fd: number, { size, dev, ino }: Stats) {
    this.path = path
    this.size = size
    this.#fd = fd
    this.device = dev
    this.#inode = `${dev} ${ino}`
  }

  static open(path: string): AppendFile {
    return AppendFile.#opened(path, openRegular(path, { flags: constants.O_RDWR }))
  }

  /** For a file whose missing or empty state means the same; the caller fsyncs the directory. */
  static openOrCreate(path: string): AppendFile {
    const flags = constants.O_RDWR | constants.O_CREAT
    return AppendFile.#opened(path, openRegular(path, { flags, mode: fileMode }))
  }

  static #opened(path: string, fd: number): AppendFile {
    try {
      return new AppendFile(path, fd, fstatSync(fd))
    } catch (cause) {
      closeFile(fd)
      throw sinkError("open", path, cause)
    }
  }

  /** Creates the file durably with its first bytes. */
  static async create(path: string, head: Uint8Array): Promise<AppendFile> {
    await writeFileDurably(path, head)
    return AppendFile.open(path)
  }

  /**
   * Appends all of `bytes` or nothing.
   * Errors: SinkError; STATE_UNKNOWN when a part could not be taken back, DISPLACED when the file
   * does not end where it was left: a write there would hide it.
   */
  append(bytes: Uint8Array): void {
    const { size } = attempt("look at", this.path, () => fstatSync(this.#fd))
    if (size !== this.size) throw this.#resized(size)
    try {
      writeAll(this.#fd, bytes, this.size)
    } catch (cause) {
      try {
        ftruncateSync(this.#fd, this.size)
      } catch (second) {
        throw stateUnknown("taking back a half-written append to", this.path, second)
      }
      throw sinkError("append to", this.path, cause)
    }
    this.size += bytes.length
  }

  patch(bytes: Uint8Array, position: number): void {
    try {
      writeAll(this.#fd, bytes, position)
    } catch (cause) {
      throw stateUnknown("patching", this.path, cause)
    }
  }

  /**
   * Refuses where its name does not lead to it any more, or it is longer or shorter than it was
   * written. Errors: SinkError DISPLACED, STATE_UNKNOWN. Cost: one lstat.
   */
  demandInPlace(): void {
    let found: Stats | undefined
    try {
      found = lstatSync(this.path, { throwIfNoEntry: false })
    } catch (cause) {
      throw stateUnknown("looking at", this.path, cause)
    }
    if (found === undefined) throw displaced(this.path, "was moved or deleted")
    if (`${found.dev} ${found.ino}` !== this.#inode) throw displaced(this.path, "was replaced")
    if (found.size !== this.size) throw this.#resized(found.size)
  }

  #resized(size: number): SinkError {
    return displaced(this.path, `got ${size} bytes instead of ${this.size}`)
  }

  /** Data and size durable. Cost: one fdatasync in libuv's pool. */
  sync(): Promise<void> {
    return this.#flush(fdatasync)
  }

  /** Data and all metadata durable. */
  syncAll(): Promise<void> {
    return this.#flush(fsync)
  }

  /** One at a time: a system tells of a failed write once, to any fsync that is under way. */
  #flush(call: typeof fsync): Promise<void> {
    this.#flushed = this.#flushed.then(() => flush(call, this.#fd, this.path))
    return this.#flushed
  }

  close(): void {
    closeFile(this.#fd)
  }
}
