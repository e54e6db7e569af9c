/**
 * The lock of a chain: one process writes it, and the lock dies with that process.
 *
 * An SQLite transaction (`BEGIN IMMEDIATE` on an empty database) holds an fcntl lock of the
 * operating system; SQLite also keeps two handles of one process apart, which bare fcntl does not.
 * The holder's name lies beside it in a plain file, for people only: who has the lock is decided
 * by the operating system alone. See docs/decisions/0005-chain-lock.md.
 *
 * Not protected against: network file systems that lie about locks; a process that ignores it.
 */
import { closeSync, constants, linkSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { hostname } from "node:os"
import { dirname, join } from "node:path"
import type { DatabaseSync } from "node:sqlite"
import { setTimeout as sleep } from "node:timers/promises"
import { threadId } from "node:worker_threads"
import { encodeName } from "../record/Name.ts"
import { makeDirectory, temporarySuffix } from "./Durable.ts"
import { hasRegular, openRegular } from "./RegularFile.ts"
import { attempt, SinkError, sinkError } from "./SinkError.ts"

export interface Lock {
  readonly release: () => void
}

const folder = "~locks"
const firstStartPollMs = 20
/** Of a file that anyone may have written. */
const holderCharsMax = 200

type Open = (path: string) => DatabaseSync

// Loaded on first use: Node 22 prints a warning when it loads node:sqlite, and readers need none.
let openDatabase: Open | undefined
const sqlite = async (): Promise<Open> => {
  if (openDatabase === undefined) {
    const { DatabaseSync: Database } = await import("node:sqlite")
    openDatabase = (path) => new Database(path, { timeout: 0 })
  }
  return openDatabase
}

const holder = (path: string): string => {
  try {
    const fd = openRegular(`${path}.holder`)
    try {
      return readFileSync(fd, "utf8").trim().slice(0, holderCharsMax)
    } finally {
      closeSync(fd)
    }
  } catch {
    return "an unnamed process"
  }
}

/**
 * An empty file that no descriptor of ours was ever open on: closing one would drop the fcntl locks
 * that another thread of this process has on it.
 */
const createEmpty = (path: string): void => {
  const other = `${path}.${process.pid}-${threadId}${temporarySuffix}`
  writeFileSync(other, "", { mode: 0o600 })
  try {
    linkSync(other, path)
  } catch (cause) {
    const isThere = cause instanceof Error && "code" in cause && cause.code === "EEXIST"
    if (!isThere) throw cause
  } finally {
    rmSync(other, { force: true })
  }
}

/** The lock on one file; `undefined` while another connection holds it. Errors: SinkError. */
const lockFile = async (path: string, sinceText: string): Promise<Lock | undefined> => {
  makeDirectory(dirname(path))
  const open = await sqlite()
  const database = attempt("open the lock", path, () => {
    if (!hasRegular(path)) createEmpty(path)
    return open(path)
  })
  try {
    // Without it SQLite opens a journal, for which a full disk has no room.
    database.exec("PRAGMA journal_mode = MEMORY")
    database.exec("BEGIN IMMEDIATE")
    const text = `process ${process.pid} on ${hostname()} since ${sinceText}\n`
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC
    const fd = openRegular(`${path}.holder`, { flags, mode: 0o600 })
    try {
      writeFileSync(fd, text)
    } finally {
      closeSync(fd)
    }
    return { release: () => database.close() }
  } catch (cause) {
    database.close()
    if (!isBusy(cause)) throw sinkError("take the lock", path, cause)
    return undefined
  }
}

/**
 * Takes the lock of one chain below `walDir`.
 * Errors: SinkError LOCKED, its message says who holds it.
 */
export const acquireLock = async (
  walDir: string,
  writerId: string,
  stream: string,
  sinceText: string,
): Promise<Lock> => {
  const path = join(walDir, folder, encodeName(writerId), `${encodeName(stream)}.lock`)
  const lock = await lockFile(path, sinceText)
  if (lock !== undefined) return lock
  throw new SinkError({
    code: "LOCKED",
    path,
    message:
      `the chain ${writerId} / ${stream} is being written by ${holder(path)}; ` +
      "stop it first, or use another --writer",
  })
}

/**
 * Takes the lock under which a directory gets its key and its trust file, waiting for who has it.
 * Errors: SinkError LOCKED after `patienceMs`.
 */
export const acquireFirstStart = async (
  walDir: string,
  sinceText: string,
  patienceMs: number,
): Promise<Lock> => {
  const path = join(walDir, folder, "~first-start.lock")
  for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += firstStartPollMs) {
    const lock = await lockFile(path, sinceText)
    if (lock !== undefined) return lock
    await sleep(firstStartPollMs)
  }
  const message = `${walDir} is being set up by ${holder(path)}, for more than ${patienceMs} ms`
  throw new SinkError({ code: "LOCKED", path, message })
}

/** SQLITE_BUSY: another connection holds the lock. */
const isBusy = (cause: unknown): boolean =>
  cause instanceof Error && "errcode" in cause && cause.errcode === 5
