/**
 * Opening the log for a command: whose chains, with what settings, and what people are told of it.
 *
 * What neither a flag nor the configuration says is as the writer's control chain declares it: a
 * command without flags must not change a log's settings.
 */
import { accessSync, constants, existsSync, statSync } from "node:fs"
import { dirname } from "node:path"
import type { Declaration, FsyncPolicy, Signing } from "../audit/Declaration.ts"
import { currentWriterId } from "../audit/LiveChain.ts"
import { readHeads } from "../audit/Seals.ts"
import { checkPrivate } from "../sink/Durable.ts"
import { chainDirectory, listChain, listChains } from "../sink/Segment.ts"
import { failureOf, UsageError } from "./Exit.ts"
import type { Host, RoomNotice, RoomOptions } from "./Host.ts"
import type { Output } from "./Output.ts"
import { demandDirectory, readPassphrase, type Settings } from "./Settings.ts"

/** What a command works with. */
export interface Context {
  readonly host: Host
  readonly settings: Settings
  readonly output: Output
  /** Aborts on SIGINT, SIGTERM, and when nobody reads stdout any more. */
  readonly signal: AbortSignal
}

export interface Wishes {
  readonly writerId: string
  readonly signing?: Signing | undefined
  readonly fsync?: FsyncPolicy | undefined
}

const controlStream = "control"

const declaredOf = (walDir: string, writerId: string): Declaration | undefined => {
  const current = currentWriterId(walDir, writerId, controlStream)
  const directory = chainDirectory(walDir, current, controlStream)
  if (!existsSync(directory)) return undefined
  const heads = readHeads(listChain(directory))
  return Array.isArray(heads) ? heads.at(-1)?.declared : undefined
}

/** How the log will sign, `undefined` for the library's default. */
export const effectiveSigning = (settings: Settings, wishes: Wishes): Signing | undefined =>
  wishes.signing ?? settings.signing ?? declaredOf(settings.walDir, wishes.writerId)?.signing

const noticeText = (notice: RoomNotice): string => {
  switch (notice.event) {
    case "warning":
      return notice.message
    case "trouble":
      return `trouble in ${notice.stream}: ${failureOf(notice.error).message}`
    case "recovered": {
      const { writerId, stream, cutBytes, unsigned } = notice
      const cut = `${cutBytes} bytes of an unfinished write were set aside`
      return `recovered ${writerId} / ${stream}: ${cut}, ${unsigned} records were signed`
    }
    case "frozen": {
      const { kind, seq, file, offset } = notice.finding
      const place = `${notice.writerId} / ${notice.stream}`
      return `FROZEN ${place}: ${kind} at seq ${seq} (${file}, byte ${offset})`
    }
  }
}

/** Refuses a directory that is none, or cannot be made where it should be. */
const checkPlace = (path: string, what: string, isWritten: boolean): void => {
  let above = path
  while (!existsSync(above) && dirname(above) !== above) above = dirname(above)
  if (above === path) demandDirectory(path, what)
  else if (!statSync(above).isDirectory()) {
    const message = `the ${what} ${path} cannot be made: ${above} is not a directory`
    throw UsageError.of("INPUT", message)
  }
  try {
    if (isWritten) accessSync(above, constants.W_OK | constants.X_OK)
  } catch {
    throw UsageError.of("INPUT", `the ${what} ${path} cannot be written: permission denied`)
  }
}

/** A log must not begin where it cannot go on. Errors: UsageError; SinkError MODE. */
const checkPlaces = ({ dataDir, walDir, exportDir }: Settings): void => {
  checkPlace(dataDir, "data directory", true)
  checkPlace(walDir, "WAL directory", true)
  checkPlace(exportDir, "export directory", false)
  if (existsSync(walDir)) checkPrivate(walDir)
}

// More than a command ever has in flight.
const queueDepthMin = 2048
const patienceMs = 60_000

/** Runs `use` with options for the library; a passphrase that was read is wiped behind it. */
export const withRoomOptions = async <A>(
  { settings, output }: Context,
  wishes: Wishes,
  use: (options: RoomOptions) => Promise<A>,
): Promise<A> => {
  const { dataDir, walDir, exportDir, engine, passphraseFile } = settings
  checkPlaces(settings)
  const declared = declaredOf(walDir, wishes.writerId)
  const signing = effectiveSigning(settings, wishes)
  const fsync = wishes.fsync ?? settings.fsync ?? declared?.fsync
  const passphrase = passphraseFile === undefined ? undefined : readPassphrase(passphraseFile)
  try {
    return await use({
      writerId: wishes.writerId,
      wal: { dir: walDir, ...(fsync === undefined ? {} : { fsync }) },
      export: { dir: exportDir },
      dataDir,
      engine,
      // A command waits for its disk: nobody else is waiting, and nothing is to be shed.
      queueDepth: queueDepthMin,
      deadlines: { enqueueMs: patienceMs },
      ...(signing === undefined ? {} : { signing }),
      ...(passphrase === undefined ? {} : { passphrase }),
      notice: (notice) => output.note(noticeText(notice)),
    })
  } finally {
    passphrase?.fill(0)
  }
}

/** The writer that a chain's name comes from: `w` for `w+2` where `w` has that stream too. */
export const baseWriter = (walDir: string, writerId: string, stream: string): string => {
  const base = /^(.+)\+[1-9]\d*$/.exec(writerId)?.[1]
  const isSuccessor = base !== undefined && existsSync(chainDirectory(walDir, base, stream))
  return isSuccessor ? base : writerId
}

/** Every writer that has chains in a WAL directory, successors left out. Errors: SinkError. */
export const writersIn = (walDir: string): Array<string> => [
  ...new Set(
    listChains(walDir).map(({ writerId, stream }) => baseWriter(walDir, writerId, stream)),
  ),
]
