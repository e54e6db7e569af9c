/**
 * The salt file of ip_mode hash: who holds it can tell which address a token stands for.
 *
 * Its text is that of record/Privacy.parseSalts: a line for each epoch, the last one in force,
 * older ones kept for auditors. It is used only while nobody else can reach it. The salt itself is
 * wiped once its key is known, and no error shows any of it. A changed file takes effect where it
 * is read again: the policy goes into every seal request.
 *
 * Not protected against: memory that the runtime copied meanwhile. Source: LEDGER.
 */
import { closeSync, fstatSync, readSync } from "node:fs"
import type { PrivacyCfg } from "../config/Config.ts"
import { type AddressSalt, type PrivacyPolicy, parseSalts } from "../record/Privacy.ts"
import { openRegular } from "./RegularFile.ts"
import { attempt, SinkError } from "./SinkError.ts"

/** Units: bytes. Hundreds of epochs. */
const saltFileBytesMax = 64 * 1024

const refuse = (code: "MODE" | "SALT" | "TOO_LARGE", path: string, what: string): SinkError =>
  new SinkError({ code, path, message: `${path} ${what}` })

const judge = (fd: number, path: string): number => {
  const { mode, size, uid } = attempt("look at", path, () => fstatSync(fd))
  const isOwn = process.getuid === undefined || uid === process.getuid()
  if ((mode & 0o577) !== 0o400 || !isOwn) {
    throw refuse("MODE", path, "is no file of this user with mode 0600, as a salt file has to be")
  }
  if (size > saltFileBytesMax) throw refuse("TOO_LARGE", path, "is larger than a salt file may be")
  return size
}

const readAll = (fd: number, path: string, size: number): Uint8Array =>
  attempt("read", path, () => {
    const bytes = Buffer.allocUnsafeSlow(size)
    let used = 0
    for (let read = -1; read !== 0 && used < size; used += read) {
      read = readSync(fd, bytes, used, size - used, used)
    }
    return bytes.subarray(0, used)
  })

/**
 * The salts of a file, oldest first, the last one in force. A link is followed.
 * Errors: SinkError MODE, SALT, TOO_LARGE, NOT_FOUND, NOT_REGULAR, IO.
 */
export const readSaltFile = (path: string): ReadonlyArray<AddressSalt> => {
  const fd = openRegular(path, { follow: true })
  let bytes: Uint8Array | undefined
  try {
    bytes = readAll(fd, path, judge(fd, path))
    const salts = parseSalts(bytes)
    if (salts !== undefined) return salts
    const wanted = "lines of an epoch and at least 32 hex digits, epochs ascending"
    throw refuse("SALT", path, `is no salt file: ${wanted}`)
  } finally {
    bytes?.fill(0)
    closeSync(fd)
  }
}

/** The policy of a configuration. Errors: as `readSaltFile`. */
export const privacyOf = ({ ipMode, hashSaltPath }: PrivacyCfg): PrivacyPolicy =>
  ipMode === "hash"
    ? { ipMode, salt: readSaltFile(hashSaltPath).at(-1) as AddressSalt }
    : { ipMode }
