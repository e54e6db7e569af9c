/**
 * The files of a chain's folder, listed.
 *
 * Listing takes sizes in the order that makes a reader beside a live writer see a consistent
 * state: checkpoints first, then `.sig`, then segments (FORMATS 4). Reading never goes beyond the
 * sizes taken then, and takes the newest segment as open where it was open then.
 */
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { equal } from "../base/Bytes.ts"
import { jsonFileBytesMax, segmentHeaderBytes } from "../base/Limits.ts"
import { parseHeader } from "../record/Frame.ts"
import { decodeName, encodeName } from "../record/Name.ts"
import { readAt } from "./ChunkReader.ts"
import { numberOf, segmentName, segmentNumber } from "./FileName.ts"
import { attempt, SinkError, sinkError } from "./SinkError.ts"

/** A numbered file, its size at the time of listing. */
export interface Numbered {
  readonly number: number
  readonly file: string
  readonly path: string
  /** Units: bytes. */
  readonly size: number
  /** Header of the newest segment when its size was taken: a writer may seal it at any time. */
  readonly header?: Uint8Array
}

export interface ChainFiles {
  readonly directory: string
  readonly segments: ReadonlyArray<Numbered>
  readonly signatures: ReadonlyMap<number, Numbered>
  readonly checkpoints: ReadonlyArray<Numbered>
  readonly cosignatures: ReadonlyMap<number, Numbered>
  readonly manifests: ReadonlyArray<Numbered>
  readonly manifestSignatures: ReadonlyMap<number, Numbered>
  /** Names such as `wal-000002.torn-1`. */
  readonly torn: ReadonlyArray<string>
}

export const chainDirectory = (root: string, writerId: string, stream: string): string =>
  join(root, encodeName(writerId), encodeName(stream))

/** Folders of ours below wal.dir and export.dir begin with `~`; enc never yields it. */
export const keysDirectory = (root: string): string => join(root, "~keys")

export interface ChainName {
  readonly writerId: string
  readonly stream: string
}

const folders = (path: string): Array<string> =>
  readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith("~"))
    .map((entry) => entry.name)
    .sort()

/**
 * Every chain below a WAL or export directory.
 * Errors: SinkError NOT_FOUND; IO for a folder whose name is no encoding of a name.
 */
export const listChains = (root: string): Array<ChainName> => {
  const named = (path: string, folder: string): string => {
    const name = decodeName(folder)
    if (name !== undefined) return name
    const at = join(path, folder)
    throw new SinkError({
      code: "IO",
      path: at,
      message: `${at} is no folder of a log: its name is not in the percent-encoding of FORMATS 4`,
    })
  }
  try {
    return folders(root).flatMap((writer) => {
      const below = join(root, writer)
      const writerId = named(root, writer)
      return folders(below).map((stream) => ({ writerId, stream: named(below, stream) }))
    })
  } catch (cause) {
    throw cause instanceof SinkError ? cause : sinkError("read the directory", root, cause)
  }
}

const listingsMax = 8

/**
 * The files of a chain, their sizes at one moment of its life.
 * Errors: SinkError NOT_FOUND, IO.
 */
export const listChain = (directory: string): ChainFiles => {
  for (let listings = 1; ; listings++) {
    const before = newestSegment(directory, readNames(directory))
    const files = takeSizes(directory)
    const newest = files.segments.at(-1)
    // A segment that was sealed meanwhile has signatures beyond the size that was taken.
    const isSame = before?.path === newest?.path && isSameHeader(before?.header, newest?.header)
    if (isSame || listings === listingsMax) return files
  }
}

const isSameHeader = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && equal(a, b))

const readNames = (directory: string): Array<string> => {
  try {
    return readdirSync(directory)
  } catch (cause) {
    throw sinkError("read the directory", directory, cause)
  }
}

const newestSegment = (directory: string, names: ReadonlyArray<string>) => {
  const newest = names.reduce((max, file) => Math.max(max, segmentNumber(file) ?? 0), 0)
  if (newest === 0) return undefined
  const path = join(directory, segmentName(newest))
  return { path, header: readAt(path, 0, segmentHeaderBytes) }
}

const takeSizes = (directory: string): ChainFiles => {
  let names = readNames(directory)
  const pick = (prefix: string, suffix: string): Array<Numbered> =>
    names
      .flatMap((file) => {
        const number = numberOf(file, prefix, suffix)
        if (number === undefined) return []
        const path = join(directory, file)
        const found = attempt("look at", path, () => statSync(path, { throwIfNoEntry: false }))
        const size = found?.size
        return size === undefined ? [] : [{ number, file, path, size }]
      })
      .sort((a, b) => a.number - b.number)
  const map = (list: Array<Numbered>) => new Map(list.map((file) => [file.number, file]))
  const checkpoints = pick("checkpoint-", ".json")
  const cosignatures = map(pick("checkpoint-", ".cosig"))
  const manifests = pick("manifest-", ".json")
  const manifestSignatures = map(pick("manifest-", ".sig"))
  const signatures = map(pick("wal-", ".sig"))
  // A live writer may have begun a segment since `names` was read.
  names = readNames(directory)
  const segments = pick("wal-", ".seg")
  const newest = segments.pop()
  if (newest !== undefined) {
    segments.push({ ...newest, header: readAt(newest.path, 0, segmentHeaderBytes) })
  }
  return {
    directory,
    segments,
    signatures,
    checkpoints,
    cosignatures,
    manifests,
    manifestSignatures,
    torn: names.filter((name) => /\.torn-\d+$/.test(name)).sort(),
  }
}

/** The bytes of a JSON or envelope file, at most 64 MiB. Errors: SinkError. */
export const readSmallFile = (path: string): Uint8Array => {
  try {
    if (statSync(path).size > jsonFileBytesMax) {
      throw new SinkError({ code: "IO", path, message: `${path} is larger than 64 MiB` })
    }
    return readFileSync(path)
  } catch (cause) {
    throw cause instanceof SinkError ? cause : sinkError("read", path, cause)
  }
}

/** The count in a segment's header, or what is wrong with the header. Errors: SinkError. */
export const readHeader = (segment: Numbered): ReturnType<typeof parseHeader> =>
  parseHeader(segment.header ?? readAt(segment.path, 0, Math.min(segment.size, segmentHeaderBytes)))
