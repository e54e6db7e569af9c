/**
 * The files of a chain's folder, listed.
 *
 * Listing takes sizes in the order that makes a reader beside a live writer see a consistent
 * state: checkpoints first, then `.sig`, then segments (FORMATS 4). Reading never goes beyond the
 * sizes taken then, and takes the newest segment as open where it was open then.
 *
 * What is no regular file is listed under its name all the same, so that nothing hides behind it.
 */
import { type Dirent, fstatSync, lstatSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { equal } from "../base/Bytes.ts"
import { jsonFileBytesMax, segmentHeaderBytes } from "../base/Limits.ts"
import { parseHeader } from "../record/Frame.ts"
import { decodeName, encodeName } from "../record/Name.ts"
import { readAt } from "./ChunkReader.ts"
import { temporarySuffix } from "./Durable.ts"
import { numberOf, reserveName, segmentName, segmentNumber } from "./FileName.ts"
import { closeFile, demandFolder, kindOf, openRegular } from "./RegularFile.ts"
import { attempt, insteadOf, SinkError, sinkError } from "./SinkError.ts"

/** A numbered file, its size at the time of listing. */
export interface Numbered {
  readonly number: number
  readonly file: string
  readonly path: string
  /** Units: bytes; 0 for what is no regular file. */
  readonly size: number
  /** What it is where it is no regular file, as `a FIFO`. */
  readonly instead?: string
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
  /** Names that no file of a chain has. */
  readonly foreign: ReadonlyArray<string>
}

export const chainDirectory = (root: string, writerId: string, stream: string): string =>
  join(root, encodeName(writerId), encodeName(stream))

/** Folders of ours below wal.dir and export.dir begin with `~`; enc never yields it. */
export const keysDirectory = (root: string): string => join(root, "~keys")

export interface ChainName {
  readonly writerId: string
  readonly stream: string
}

const entriesOf = (path: string): Array<Dirent> => {
  try {
    return readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  } catch (cause) {
    throw sinkError("read the directory", path, cause)
  }
}

/** Names of the folders in one, ours and those that no name encodes to left out. */
const folders = (path: string): Array<{ folder: string; name: string }> =>
  entriesOf(path).flatMap((entry) => {
    const name = entry.isDirectory() ? decodeName(entry.name) : undefined
    return name === undefined ? [] : [{ folder: entry.name, name }]
  })

/** Every chain below a WAL or export directory. Errors: SinkError NOT_FOUND, IO. */
export const listChains = (root: string): Array<ChainName> =>
  folders(root).flatMap((writer) =>
    folders(join(root, writer.folder)).map((stream) => ({
      writerId: writer.name,
      stream: stream.name,
    })),
  )

/** Whether a link stands where a chain's folder could: nobody follows it, so it is unread. */
export const hasLinkedChain = (root: string): boolean => {
  const isLink = (entry: Dirent): boolean =>
    entry.isSymbolicLink() && decodeName(entry.name) !== undefined
  return (
    entriesOf(root).some(isLink) ||
    folders(root).some(({ folder }) => entriesOf(join(root, folder)).some(isLink))
  )
}

const ours = new Set(["~keys", "~locks", "~objects"])

/** What stands among the folders of one and is none of a log, one text each. */
const foreignIn = (path: string, prefix: string): Array<string> =>
  entriesOf(path).flatMap((entry) => {
    const shown = JSON.stringify(prefix + entry.name)
    const isOurs = prefix === "" && ours.has(entry.name)
    if (prefix === "" && entry.name === reserveName && entry.isFile()) return []
    // A writer's probe of the file system.
    if (entry.name.startsWith("~") && entry.name.endsWith(temporarySuffix)) return []
    if (entry.isDirectory()) {
      const isNamed = isOurs || decodeName(entry.name) !== undefined
      return isNamed ? [] : [`${shown}, a folder whose name is not in the encoding of FORMATS 4`]
    }
    const full = join(path, entry.name)
    const stats = attempt("look at", full, () => lstatSync(full, { throwIfNoEntry: false }))
    return stats === undefined ? [] : [`${shown}, ${kindOf(stats)}`]
  })

const foreignKeys = (root: string): Array<string> => {
  const path = keysDirectory(root)
  const look = (at: string) =>
    attempt("look at", at, () => lstatSync(at, { throwIfNoEntry: false }))
  if (look(path)?.isDirectory() !== true) return []
  const names = attempt("read the directory", path, () => readdirSync(path))
  return names.flatMap((file) => {
    const stats = look(join(path, file))
    const isFile = stats === undefined || stats.isFile()
    return isFile ? [] : [`${JSON.stringify(`~keys/${file}`)}, ${kindOf(stats)}`]
  })
}

/** What lies where the folders of chains are and belongs to no log. Errors: SinkError. */
export const listForeign = (root: string): Array<string> => [
  ...foreignIn(root, ""),
  ...foreignKeys(root),
  ...folders(root).flatMap(({ folder }) => foreignIn(join(root, folder), `${folder}/`)),
]

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
    // Reading a directory is no one moment: of two files made meanwhile it may show the second.
    const isGapFree = files.segments.every(({ number }, index) => number === index + 1)
    if ((isSame && isGapFree) || listings === listingsMax) return files
  }
}

const isSameHeader = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && equal(a, b))

const readNames = (directory: string): Array<string> => {
  // A link among them would lead a reader, and a writer, out of the log.
  demandFolder(dirname(directory))
  demandFolder(directory)
  return attempt("read the directory", directory, () => readdirSync(directory))
}

const newestSegment = (directory: string, names: ReadonlyArray<string>) => {
  const newest = names.reduce((max, file) => Math.max(max, segmentNumber(file) ?? 0), 0)
  if (newest === 0) return undefined
  const path = join(directory, segmentName(newest))
  return { path, header: headerAt(path) }
}

/** `undefined` where no file is there to be read: who reads it is told why. */
const headerAt = (path: string): Uint8Array | undefined => {
  try {
    return readAt(path, 0, segmentHeaderBytes)
  } catch (error) {
    if (insteadOf(error) === undefined) throw error
    return undefined
  }
}

const takeSize = (directory: string, file: string, number: number): Numbered | undefined => {
  const path = join(directory, file)
  const found = attempt("look at", path, () => lstatSync(path, { throwIfNoEntry: false }))
  if (found === undefined) return undefined
  return found.isFile()
    ? { number, file, path, size: found.size }
    : { number, file, path, size: 0, instead: kindOf(found) }
}

const tornPattern = /\.torn-\d+$/

const takeSizes = (directory: string): ChainFiles => {
  let names = readNames(directory)
  const taken = new Set<string>()
  const pick = (prefix: string, suffix: string): Array<Numbered> =>
    names
      .flatMap((file) => {
        const number = numberOf(file, prefix, suffix)
        if (number === undefined) return []
        taken.add(file)
        return takeSize(directory, file, number) ?? []
      })
      .sort((a, b) => a.number - b.number)
  const map = (list: Array<Numbered>) => new Map(list.map((file) => [file.number, file]))
  const checkpoints = pick("checkpoint-", ".json")
  const cosignatures = map(pick("checkpoint-", ".cosig"))
  const manifests = pick("manifest-", ".json")
  const manifestSignatures = map(pick("manifest-", ".sig"))
  const signatures = map(pick("wal-", ".sig"))
  const before = new Set(names)
  // A live writer may have begun a segment since `names` was read.
  names = readNames(directory)
  const segments = pick("wal-", ".seg")
  const newest = segments.pop()
  if (newest !== undefined) {
    const header = headerAt(newest.path)
    segments.push(header === undefined ? newest : { ...newest, header })
  }
  const isForeign = (name: string): boolean =>
    before.has(name) &&
    !taken.has(name) &&
    !tornPattern.test(name) &&
    !name.endsWith(temporarySuffix)
  return {
    directory,
    segments,
    signatures,
    checkpoints,
    cosignatures,
    manifests,
    manifestSignatures,
    torn: names.filter((name) => tornPattern.test(name)).sort(),
    foreign: names.filter(isForeign).sort(),
  }
}

/**
 * The bytes of a JSON or envelope file, at most 64 MiB; links are followed only for a file that an
 * operator keeps. Errors: SinkError NOT_REGULAR, TOO_LARGE and others.
 */
export const readSmallFile = (path: string, links?: "follow"): Uint8Array => {
  const fd = openRegular(path, { follow: links === "follow" })
  try {
    const { size } = attempt("look at", path, () => fstatSync(fd))
    if (size > jsonFileBytesMax) {
      const instead = { expected: "at most 64 MiB", found: `${size} bytes` }
      const message = `${path} is larger than 64 MiB`
      throw new SinkError({ code: "TOO_LARGE", path, message, instead })
    }
    return attempt("read", path, () => readFileSync(fd))
  } finally {
    closeFile(fd)
  }
}

/** The count in a segment's header, or what is wrong with the header. Errors: SinkError. */
export const readHeader = (segment: Numbered): ReturnType<typeof parseHeader> =>
  parseHeader(segment.header ?? readAt(segment.path, 0, Math.min(segment.size, segmentHeaderBytes)))
