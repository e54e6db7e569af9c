/**
 * Folders that appear whole or not at all: filled under a temporary name, fsynced file by file and
 * folder by folder, renamed into place.
 *
 * A stage that a crash left behind is removed by the next one for the same place.
 *
 * Not protected against: two processes that fill the same place at the same time.
 */
import { createReadStream, lstatSync, readdirSync, renameSync } from "node:fs"
import { rm } from "node:fs/promises"
import { dirname, join } from "node:path"
import { createExclusive, makeDirectory, syncDirectory, temporarySuffix } from "./Durable.ts"
import { kindOf, openRegular } from "./RegularFile.ts"
import { attempt, SinkError, sinkError } from "./SinkError.ts"

const pieceBytes = 1 << 20

/** Whether nothing is at a path, or an empty folder. Errors: SinkError. */
export const isVacant = (path: string): boolean => {
  const found = attempt("look for", path, () => lstatSync(path, { throwIfNoEntry: false }))
  if (found === undefined) return true
  if (!found.isDirectory()) return false
  return attempt("read the directory", path, () => readdirSync(path)).length === 0
}

/** A file to be copied, and how much of it. */
export interface Part {
  readonly from: string
  readonly to: string
  /** Units: bytes that are taken; default: all. */
  readonly size?: number
  /** What stands in the place of the first bytes. */
  readonly head?: Uint8Array
}

/**
 * Copies a file, or the first bytes of it, and fsyncs the copy; its bytes.
 * Errors: SinkError, CHANGED where the file is shorter by now.
 */
export const copyPart = async ({ from, to, size, head }: Part): Promise<number> => {
  let bytes = 0
  try {
    const file = await createExclusive(to)
    try {
      if (size !== 0) {
        const end = size === undefined ? {} : { end: size - 1 }
        const source = { fd: openRegular(from), start: 0, highWaterMark: pieceBytes, ...end }
        for await (const piece of createReadStream("", source)) {
          await file.writeFile(piece as Uint8Array)
          bytes += (piece as Uint8Array).length
        }
      }
      if (head !== undefined && bytes >= head.length) await file.write(head, 0, head.length, 0)
      await file.sync()
    } finally {
      // It is fsynced, or the first error is the one to tell.
      await file.close().catch(() => undefined)
    }
  } catch (cause) {
    throw cause instanceof SinkError ? cause : sinkError(`copy ${from} to`, to, cause)
  }
  if (size === undefined || bytes === size) return bytes
  const message = `${from} was ${size} bytes long and has ${bytes} now`
  throw new SinkError({ code: "CHANGED", path: from, message })
}

export interface CopiedTree {
  readonly files: number
  /** Units: bytes of all files. */
  readonly bytes: number
}

/**
 * Copies all that is in a folder, as it is. Errors: SinkError, NOT_REGULAR for what is neither file
 * nor folder.
 */
export const copyTree = async (from: string, to: string): Promise<CopiedTree> => {
  makeDirectory(to)
  let files = 0
  let bytes = 0
  const entries = attempt("read the directory", from, () =>
    readdirSync(from, { withFileTypes: true }),
  )
  for (const entry of entries) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) {
      const inner = await copyTree(source, target)
      files += inner.files
      bytes += inner.bytes
      continue
    }
    if (!entry.isFile()) {
      const found = kindOf(attempt("look at", source, () => lstatSync(source)))
      const message = `${source} is ${found}, not a regular file`
      throw new SinkError({ code: "NOT_REGULAR", path: source, message })
    }
    bytes += await copyPart({ from: source, to: target })
    files += 1
  }
  return { files, bytes }
}

const stageOf = (to: string): string => to + temporarySuffix

/** An empty folder that will be `to`. Errors: SinkError. */
export const openStage = async (to: string): Promise<string> => {
  const stage = stageOf(to)
  await dropStage(to)
  makeDirectory(stage)
  return stage
}

/** Takes away what was staged for `to`. Errors: SinkError. */
export const dropStage = async (to: string): Promise<void> => {
  const stage = stageOf(to)
  try {
    await rm(stage, { recursive: true, force: true })
  } catch (cause) {
    throw sinkError("remove", stage, cause)
  }
}

/** Makes durable what was staged and puts it in its place. Errors: SinkError. */
export const settleStage = (to: string): void => {
  const stage = stageOf(to)
  syncFolders(stage)
  syncDirectory(dirname(to), () => {
    attempt("put in place", to, () => renameSync(stage, to))
  })
}

const syncFolders = (path: string): void => {
  const entries = attempt("read the directory", path, () =>
    readdirSync(path, { withFileTypes: true }),
  )
  for (const entry of entries) if (entry.isDirectory()) syncFolders(join(path, entry.name))
  syncDirectory(path)
}
