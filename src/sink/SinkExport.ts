/**
 * Copies of files that leave the log: written once, whole and durably, digested on the way.
 *
 * Source: FORMATS 5 (export layout).
 */
import { createReadStream } from "node:fs"
import { rename, unlink } from "node:fs/promises"
import { dirname } from "node:path"
import type { Hasher } from "../base/Hash.ts"
import { createExclusive, syncDirectoryLater, temporarySuffix } from "./Durable.ts"
import { openRegular } from "./RegularFile.ts"
import { SinkError, sinkError } from "./SinkError.ts"

export interface Copied {
  /** Units: bytes of the whole file. */
  readonly bytes: number
  /** Shape: 32 bytes, BLAKE3 of the whole file. */
  readonly digest: Uint8Array
}

const pieceBytes = 1 << 20

/** Copies a file by the durable sequence of Durable; tells of each piece. Errors: SinkError. */
export const copyDurably = async (
  from: string,
  to: string,
  hasher: Hasher,
  onPiece: () => void = () => undefined,
): Promise<Copied> => {
  const temporary = to + temporarySuffix
  let bytes = 0
  try {
    const file = await createExclusive(temporary)
    try {
      const source = { fd: openRegular(from), highWaterMark: pieceBytes }
      for await (const piece of createReadStream("", source)) {
        hasher.update(piece as Uint8Array)
        await file.writeFile(piece as Uint8Array)
        bytes += (piece as Uint8Array).length
        onPiece()
      }
      await file.sync()
    } finally {
      // It is fsynced, or the first error is the one to tell.
      await file.close().catch(() => undefined)
    }
    await rename(temporary, to)
  } catch (cause) {
    // It may never have been created: the first error is the one to tell.
    await unlink(temporary).catch(() => undefined)
    throw cause instanceof SinkError ? cause : sinkError(`copy ${from} to`, to, cause)
  }
  await syncDirectoryLater(dirname(to))
  return { bytes, digest: hasher.digest() }
}
