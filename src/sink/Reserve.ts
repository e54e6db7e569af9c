/**
 * The reserve: a file that does nothing but take up space, so that a full disk still has some to
 * say why.
 *
 * Its bytes are noise, so that no file system stores them in less than their size. While it is
 * made it is twice as large: a disk that would be full again at once counts as full.
 *
 * Not protected against: a file system that needs space to delete; others who take what is given
 * up.
 */
import { constants, fstatSync, unlinkSync } from "node:fs"
import { rename, unlink } from "node:fs/promises"
import { join } from "node:path"
import { createExclusive, syncDirectoryLater, temporarySuffix } from "./Durable.ts"
import { reserveName } from "./FileName.ts"
import { closeFile, openRegular } from "./RegularFile.ts"
import { SinkError, sinkError } from "./SinkError.ts"

const pieceBytes = 1 << 18
/** Units: bytes of a block, as stat counts them. */
const blockBytes = 512

const hasReserve = (path: string, bytes: number): boolean => {
  try {
    const fd = openRegular(path, { flags: constants.O_RDONLY })
    try {
      const { size, blocks } = fstatSync(fd)
      return size >= bytes && blocks * blockBytes >= bytes
    } finally {
      closeFile(fd)
    }
  } catch {
    return false
  }
}

/** Xorshift: nothing secret, only nothing that can be made smaller. The state to go on from. */
const fillWithNoise = (bytes: Uint8Array, seed: number): number => {
  const words = new Uint32Array(bytes.buffer)
  let state = seed
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return state
}

/** Makes the reserve where it is not there. Errors: SinkError NO_SPACE and others. */
export const makeReserve = async (walDir: string, bytes: number): Promise<void> => {
  const path = join(walDir, reserveName)
  if (hasReserve(path, bytes)) return
  const temporary = path + temporarySuffix
  const piece = new Uint8Array(pieceBytes)
  let seed = 1
  try {
    const file = await createExclusive(temporary)
    try {
      for (let left = bytes * 2; left > 0; left -= pieceBytes) {
        seed = fillWithNoise(piece, seed)
        await file.writeFile(piece.subarray(0, Math.min(left, pieceBytes)))
      }
      await file.sync()
      await file.truncate(bytes)
    } finally {
      await file.close().catch(() => undefined)
    }
    await rename(temporary, path)
  } catch (cause) {
    // It must not be what fills the disk.
    await unlink(temporary).catch(() => undefined)
    throw cause instanceof SinkError ? cause : sinkError("set a reserve aside in", path, cause)
  }
  await syncDirectoryLater(walDir)
}

/** Whether there was one. */
export const giveUpReserve = (walDir: string): boolean => {
  try {
    unlinkSync(join(walDir, reserveName))
    return true
  } catch {
    return false
  }
}
