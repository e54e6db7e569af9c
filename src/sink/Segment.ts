/**
 * The files of a chain's folder: names, listing, and reading frames in pieces of bounded size.
 *
 * Listing takes sizes in the order that makes a reader beside a live writer see a consistent
 * state: checkpoints first, then `.sig`, then segments (FORMATS 4). Reading never goes beyond the
 * sizes taken then, and takes the newest segment as open where it was open then.
 */
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs"
import { join } from "node:path"
import { equal } from "../base/Bytes.ts"
import { frameBytesMax, jsonFileBytesMax, segmentHeaderBytes } from "../base/Limits.ts"
import { parseHeader } from "../record/Frame.ts"
import { decodeName, encodeName } from "../record/Name.ts"
import { SinkError, sinkError } from "./SinkError.ts"

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

const numberOf = (name: string, prefix: string, suffix: string): number | undefined => {
  if (!name.startsWith(prefix) || !name.endsWith(suffix)) return undefined
  const digits = name.slice(prefix.length, name.length - suffix.length)
  return /^(\d{6}|[1-9]\d{6,})$/.test(digits) ? Number(digits) : undefined
}

const pad = (number: number): string => String(number).padStart(6, "0")

export const segmentName = (number: number): string => `wal-${pad(number)}.seg`
/** The number in a segment's file name, else `undefined`. */
export const segmentNumber = (file: string): number | undefined => numberOf(file, "wal-", ".seg")
export const signaturesName = (number: number): string => `wal-${pad(number)}.sig`
export const checkpointName = (number: number): string => `checkpoint-${pad(number)}.json`
export const cosignaturesName = (number: number): string => `checkpoint-${pad(number)}.cosig`
export const manifestName = (number: number): string => `manifest-${pad(number)}.json`
export const manifestSignatureName = (number: number): string => `manifest-${pad(number)}.sig`
export const tornName = (base: string, k: number): string => `${base}.torn-${k}`

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
        const size = statSync(path, { throwIfNoEntry: false })?.size
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

/** Up to `length` bytes at `position`. Errors: SinkError. */
export const readAt = (path: string, position: number, length: number): Uint8Array => {
  let fd: number | undefined
  try {
    fd = openSync(path, "r")
    const buffer = new Uint8Array(length)
    return buffer.subarray(0, fill(fd, buffer, 0, position))
  } catch (cause) {
    throw sinkError("read", path, cause)
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

const fill = (fd: number, buffer: Uint8Array, from: number, position: number): number => {
  let at = from
  while (at < buffer.length) {
    const got = readSync(fd, buffer, at, buffer.length - at, position + at - from)
    if (got === 0) break
    at += got
  }
  return at
}

/** The count in a segment's header, or what is wrong with the header. Errors: SinkError. */
export const readHeader = (segment: Numbered): ReturnType<typeof parseHeader> =>
  parseHeader(
    segment.header ?? readAt(segment.path, 0, Math.min(segment.size, segmentHeaderBytes)),
  )

const chunkBytes = 4 << 20

/**
 * A file read front to back in chunks, keeping what was not consumed for the next one.
 * Units: chunks of 4 MiB, far above the largest frame and the largest `.sig` entry.
 */
export class ChunkReader {
  /** Offset in the file of the first byte of `bytes`. */
  offset: number
  bytes: Uint8Array = new Uint8Array(0)
  readonly #fd: number
  readonly #path: string
  readonly #end: number
  readonly #buffer: Uint8Array

  /** Errors: SinkError. */
  constructor(file: { readonly path: string; readonly size: number }, from: number) {
    this.#path = file.path
    this.#end = file.size
    this.offset = Math.min(from, file.size)
    this.#buffer = new Uint8Array(
      Math.min(chunkBytes, Math.max(frameBytesMax, this.#end - this.offset)),
    )
    try {
      this.#fd = openSync(file.path, "r")
    } catch (cause) {
      throw sinkError("read", file.path, cause)
    }
  }

  /** True when `bytes` reaches the end of what is to be read. */
  get atEnd(): boolean {
    return this.offset + this.bytes.length >= this.#end
  }

  /** Drops `consumed` bytes and reads on behind the rest. Errors: SinkError. */
  advance(consumed: number): void {
    const rest = this.bytes.subarray(consumed)
    this.offset += consumed
    this.#buffer.set(rest)
    const want = Math.min(this.#buffer.length, this.#end - this.offset)
    try {
      const position = this.offset + rest.length
      const at = fill(this.#fd, this.#buffer.subarray(0, want), rest.length, position)
      this.bytes = this.#buffer.subarray(0, at)
    } catch (cause) {
      throw sinkError("read", this.#path, cause)
    }
  }

  close(): void {
    closeSync(this.#fd)
  }
}
