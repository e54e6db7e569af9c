/**
 * An Ed25519 key in a file, its seed sealed at rest (SealedKey).
 *
 * - `<dir>/<alias>@1.key.json`, 0600 in a folder 0700; anything a group or the world may read is
 *   refused. Written under a temporary name, fsynced, linked into place, the folder fsynced: there
 *   is never half a key, and never a second one in place of the first.
 * - Without a passphrase the seed is sealed under `<dir>/unseal.key`, made when it is missing, so
 *   that a service starts unattended: `unsealKeyWarning` says what that is worth.
 * - The seed exists as bytes only while `use` runs, then it is wiped. It is in no string, error or
 *   log.
 *
 * Does not protect against root, against a copy of the whole folder when there is no passphrase,
 * nor against who can read this process's memory.
 * Source: LEDGER A-204; FORMATS 6 for the key's id.
 */
import { createPrivateKey, createPublicKey } from "node:crypto"
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  type Stats,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs"
import { dirname, join, resolve } from "node:path"
import * as Data from "effect/Data"
import { concat, equal, fromHex, toHex } from "../../base/Bytes.ts"
import { invariant } from "../../base/Invariant.ts"
import { type KeyId, keyIdOf } from "../../signing/Algorithm.ts"
import { DocumentError } from "../../signing/Document.ts"
import {
  formatSealedKey,
  openSeed,
  parseSealedKey,
  type SealedKey,
  sealSeed,
  seedBytes,
} from "./SealedKey.ts"

/** Stable codes; what each means: docs/reference/errors.md. */
export type KeyFileErrorCode =
  | "KEY_ALIAS"
  | "KEY_EXISTS"
  | "KEY_MISSING"
  | "KEY_MODE"
  | "KEY_DAMAGED"
  | "KEY_PASSPHRASE"
  | "KEY_UNSEAL_MISSING"
  | "KEY_UNSEAL_WRONG"
  | "KEY_IO"

/** Why a key file was not made or opened: one sentence that names the file, never its content. */
export class KeyFileError extends Data.TaggedError("KeyFileError")<{
  readonly code: KeyFileErrorCode
  readonly message: string
}> {
  /** The error with a sentence of its own. */
  static of(code: KeyFileErrorCode, message: string): KeyFileError {
    return new KeyFileError({ code, message })
  }
  get isRetryable(): boolean {
    return this.code === "KEY_IO"
  }
}

/** Said, word for word and loudly, whenever a key is sealed without a passphrase. */
export const unsealKeyWarning = [
  "WARNING: the signing key is sealed with unseal.key, which lies in the same folder.",
  "This protects the key in a copy, a backup or a log that holds the key file alone.",
  "It does NOT protect it from anyone who can read the whole folder: who has both files can sign",
  "as this log, unnoticed. Keep unseal.key out of backups, or use a passphrase, an HSM, a TPM or",
  "a KMS.",
].join("\n")

export interface FileKeyPlace {
  readonly dir: string
  /** Shape: 1 to 64 of `a-z 0-9 . _ -`, a letter or digit first. */
  readonly alias: string
  /** UTF-8; without it the folder's unseal.key unseals. Duty: the caller wipes it. */
  readonly passphrase?: Uint8Array | undefined
}

export interface FileKey {
  readonly path: string
  readonly keyId: KeyId
  /** Shape: 32 bytes. */
  readonly publicKey: Uint8Array
}

const version = 1
const unsealBytes = 32

const keyPath = ({ dir, alias }: FileKeyPlace): string => {
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(alias)) {
    throw KeyFileError.of("KEY_ALIAS", "a key alias is 1 to 64 of a-z 0-9 . _ -, not a sign first")
  }
  return join(dir, `${alias}@${version}.key.json`)
}

const unsealPath = (dir: string): string => join(dir, "unseal.key")

/**
 * Makes a new key and seals it. `random` gives that many random bytes.
 * Errors: KeyFileError. Cost: some tenths of a second with a passphrase.
 */
export const createFileKey = async (
  place: FileKeyPlace & { readonly random: (bytes: number) => Uint8Array },
): Promise<FileKey> => {
  const path = keyPath(place)
  const { alias, dir, random, passphrase } = place
  if (passphrase?.length === 0) throw KeyFileError.of("KEY_PASSPHRASE", "the passphrase is empty")
  makeFolder(dir)
  if (existsSync(path)) throw KeyFileError.of("KEY_EXISTS", `${path} exists already`)
  const unsealing = passphrase === undefined ? "unseal-key" : "scrypt"
  const secret = passphrase ?? readUnsealKey(dir) ?? makeUnsealKey(dir, random)
  const seed = random(seedBytes)
  try {
    const publicKey = publicKeyOf(seed)
    const key = { alias, version, publicKey, unsealing } as const
    const sealed = await sealSeed(key, seed, secret, random)
    writeNew(path, formatSealedKey(sealed), random)
    return { path, keyId: keyIdOf(publicKey), publicKey }
  } finally {
    seed.fill(0)
    if (secret !== passphrase) secret.fill(0)
  }
}

/**
 * Opens a sealed key for as long as `use` runs; the seed is wiped after it.
 * Errors: KeyFileError, and those of `use`.
 */
export const openFileKey = async <A>(
  place: FileKeyPlace,
  use: (seed: Uint8Array) => A | Promise<A>,
): Promise<A> => {
  const path = keyPath(place)
  checkFolder(place.dir)
  const sealed = readSealedKey(path, place.alias)
  // Who made it may have been killed before its name was durable, and from now on it signs.
  syncFolder(place.dir)
  const secret = secretFor(path, sealed, place)
  let seed: Uint8Array | undefined
  try {
    seed = await openSeed(sealed, secret)
    if (seed === undefined) throw wrongSecret(path, sealed)
    if (!equal(publicKeyOf(seed), sealed.publicKey)) {
      throw KeyFileError.of("KEY_DAMAGED", `${path}: the seed is not that of its public key`)
    }
    return await use(seed)
  } finally {
    seed?.fill(0)
    if (secret !== place.passphrase) secret.fill(0)
  }
}

const secretFor = (path: string, sealed: SealedKey, place: FileKeyPlace): Uint8Array => {
  const { dir, passphrase } = place
  if (sealed.unsealing === "scrypt") {
    if (passphrase !== undefined) return passphrase
    throw KeyFileError.of("KEY_PASSPHRASE", `${path} is sealed with a passphrase, none was given`)
  }
  if (passphrase !== undefined) {
    const message = `${path} is sealed with unseal.key, not with a passphrase`
    throw KeyFileError.of("KEY_PASSPHRASE", message)
  }
  const secret = readUnsealKey(dir)
  if (secret !== undefined) return secret
  const message = `${unsealPath(dir)} is missing, and without it ${path} cannot be opened`
  throw KeyFileError.of("KEY_UNSEAL_MISSING", message)
}

const wrongSecret = (path: string, sealed: SealedKey): KeyFileError =>
  sealed.unsealing === "scrypt"
    ? KeyFileError.of("KEY_PASSPHRASE", `${path}: wrong passphrase, or the file was altered`)
    : KeyFileError.of("KEY_UNSEAL_WRONG", `${path}: not sealed with this unseal.key, or altered`)

const readSealedKey = (path: string, alias: string): SealedKey => {
  const bytes = readPrivate(path)
  if (bytes === undefined) throw KeyFileError.of("KEY_MISSING", `${path} does not exist`)
  let sealed: SealedKey
  try {
    sealed = parseSealedKey(bytes)
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error
    throw KeyFileError.of("KEY_DAMAGED", `${path} is damaged: ${error.message}`)
  }
  if (sealed.alias !== alias || sealed.version !== version) {
    throw KeyFileError.of("KEY_DAMAGED", `${path} holds the key of another alias or version`)
  }
  return sealed
}

const readUnsealKey = (dir: string): Uint8Array | undefined => {
  const path = unsealPath(dir)
  const bytes = readPrivate(path)
  if (bytes === undefined || bytes.length === unsealBytes) return bytes
  throw KeyFileError.of("KEY_DAMAGED", `${path} is damaged: it has not ${unsealBytes} bytes`)
}

const makeUnsealKey = (dir: string, random: (bytes: number) => Uint8Array): Uint8Array => {
  const secret = random(unsealBytes)
  try {
    writeNew(unsealPath(dir), secret, random)
    return secret
  } catch (error) {
    secret.fill(0)
    // Another process made one at the same moment: that one holds.
    const made = isCode(error, "KEY_EXISTS") ? readUnsealKey(dir) : undefined
    if (made === undefined) throw error
    return made
  }
}

const pkcs8Head = "302e020100300506032b657004220420"

/** The public key of a seed, by way of DER, so that the seed is never a string. */
const publicKeyOf = (seed: Uint8Array): Uint8Array => {
  const head = fromHex(pkcs8Head)
  invariant(head !== undefined && seed.length === seedBytes, "a seed has 32 bytes")
  const der = Buffer.from(concat(head, seed).buffer)
  try {
    const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" })
    const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" })
    return new Uint8Array(spki.subarray(-32))
  } finally {
    der.fill(0)
  }
}

const isCode = (error: unknown, code: KeyFileErrorCode): boolean =>
  error instanceof KeyFileError && error.code === code

const errnoOf = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error ? String(error.code) : undefined

/** Runs file calls; what the system refuses is told with the path. */
const attempt = <A>(what: string, path: string, run: () => A): A => {
  try {
    return run()
  } catch (error) {
    const errno = errnoOf(error)
    if (error instanceof KeyFileError || errno === undefined) throw error
    throw KeyFileError.of("KEY_IO", `cannot ${what} ${path}: ${errno}`)
  }
}

const checkMode = (path: string, stats: Stats, wanted: string): void => {
  if ((stats.mode & 0o077) !== 0) {
    const mode = (stats.mode & 0o777).toString(8)
    throw KeyFileError.of("KEY_MODE", `${path} has mode ${mode}, a key needs ${wanted}`)
  }
  if (process.getuid !== undefined && stats.uid !== process.getuid()) {
    throw KeyFileError.of("KEY_MODE", `${path} belongs to another user`)
  }
}

const checkFolder = (dir: string): void => {
  const stats = attempt("read", dir, () => statSync(dir, { throwIfNoEntry: false }))
  if (stats === undefined) throw KeyFileError.of("KEY_MISSING", `${dir} does not exist`)
  if (!stats.isDirectory()) throw KeyFileError.of("KEY_MODE", `${dir} is not a folder`)
  checkMode(dir, stats, "700")
}

const makeFolder = (dir: string): void => {
  const made = attempt("make", dir, () => mkdirSync(dir, { recursive: true, mode: 0o700 }))
  if (made !== undefined) {
    const top = resolve(made)
    for (let at = resolve(dir); at.length >= top.length; at = dirname(at)) syncFolder(dirname(at))
  }
  checkFolder(dir)
}

const syncFolder = (dir: string): void => {
  attempt("sync", dir, () => {
    const fd = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  })
}

/** The file's bytes, `undefined` without one. The mode checked is that of the file read. */
const readPrivate = (path: string): Uint8Array | undefined =>
  attempt("read", path, () => {
    let fd: number
    try {
      fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
    } catch (error) {
      const errno = errnoOf(error)
      if (errno === "ENOENT") return undefined
      if (errno !== "ELOOP") throw error
      throw KeyFileError.of("KEY_MODE", `${path} is a symbolic link, a key is a file`)
    }
    try {
      const stats = fstatSync(fd)
      if (!stats.isFile()) throw KeyFileError.of("KEY_MODE", `${path} is not a file`)
      checkMode(path, stats, "600")
      return new Uint8Array(readFileSync(fd))
    } finally {
      closeSync(fd)
    }
  })

/** Errors: KeyFileError `KEY_EXISTS` where the name is taken, which then stays as it is. */
const writeNew = (path: string, bytes: Uint8Array, random: (bytes: number) => Uint8Array): void => {
  const temporary = `${path}.${toHex(random(8))}.tmp`
  attempt("write", path, () => {
    const fd = openSync(temporary, "wx", 0o600)
    try {
      try {
        for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
        fsyncSync(fd)
      } finally {
        closeSync(fd)
      }
      // A rename would put this key in place of one that another process made meanwhile.
      linkSync(temporary, path)
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error
      throw KeyFileError.of("KEY_EXISTS", `${path} exists already`)
    } finally {
      unlinkSync(temporary)
    }
  })
  syncFolder(dirname(path))
}
