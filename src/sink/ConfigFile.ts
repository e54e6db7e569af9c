/**
 * What configuration asks of the file system: the text of a file, and what lies at the paths that
 * it names. Source: LEDGER.
 */
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  readSync,
  realpathSync,
  statSync,
} from "node:fs"
import { configFileBytesMax } from "../config/FileText.ts"
import type { Probe } from "../config/Rule.ts"
import { openRegular } from "./RegularFile.ts"
import { attempt } from "./SinkError.ts"

/**
 * Bytes of a configuration file, one more than allowed where it is too large. A link is followed.
 * Errors: SinkError NOT_FOUND, NOT_REGULAR, IO.
 */
export const readConfigFile = (path: string): Uint8Array => {
  const fd = openRegular(path, { follow: true })
  try {
    return attempt("read", path, () => {
      const size = Math.min(fstatSync(fd).size, configFileBytesMax + 1)
      const bytes = new Uint8Array(size)
      let used = 0
      for (let read = -1; read !== 0 && used < size; used += read) {
        read = readSync(fd, bytes, used, size - used, used)
      }
      return bytes.subarray(0, used)
    })
  } finally {
    closeSync(fd)
  }
}

const canWrite = (path: string): boolean => {
  try {
    accessSync(path, constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** What lies at a path, links followed; what cannot be looked at is as good as not there. */
export const probeFile: Probe = (path) => {
  try {
    const stats = statSync(path)
    return {
      kind: stats.isFile() ? "file" : stats.isDirectory() ? "directory" : "other",
      mode: stats.mode & 0o777,
      size: stats.size,
      isOwn: process.getuid === undefined || stats.uid === process.getuid(),
      isWritable: canWrite(path),
      realPath: realpathSync(path),
    }
  } catch {
    return undefined
  }
}
