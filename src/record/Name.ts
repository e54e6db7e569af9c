/**
 * Names of writers and streams, and the folder names made of them.
 *
 * Invariants: `encodeName` is one to one; `decodeName` takes only what it gives. An encoded name
 * has no `~`, `/` or leading-dot-only form, so it can neither leave its folder nor meet ours.
 * Does not protect against a case-insensitive file system; who opens the folder does.
 *
 * Source: FORMATS 2 (writer_id, stream), FORMATS 4 (enc).
 */
import { fromUtf8, utf8 } from "../base/Bytes.ts"
import { nameBytesMax } from "../base/Limits.ts"
import { Rejected } from "./Reject.ts"
import { allAssigned, nfc } from "./Unicode.ts"

const writerIdBytesMax = 128
const streamBytesMax = 64

/** General category Cc. */
const control = /[\u0000-\u001f\u007f-\u009f]/

const fault = (name: string, bytesMax: number): string | undefined => {
  const bytes = utf8(name).length
  if (bytes < 1 || bytes > bytesMax) return `${bytes} bytes, allowed are 1 to ${bytesMax}`
  if (control.test(name)) return "has a control character"
  if (!name.isWellFormed()) return "has a lone surrogate"
  return allAssigned(name) && nfc(name) === name ? undefined : "is not in NFC of Unicode 16.0"
}

/** Errors: Rejected `writer_id`. */
export const checkWriterId = (writerId: string): void => {
  const wrong =
    fault(writerId, writerIdBytesMax) ?? (writerId.includes("/") ? "has a /" : undefined)
  if (wrong !== undefined) throw Rejected.of("writer_id", "writer_id", wrong)
}

/** Errors: Rejected `stream`. */
export const checkStream = (stream: string): void => {
  const wrong = fault(stream, streamBytesMax)
  if (wrong !== undefined) throw Rejected.of("stream", "stream", wrong)
}

/**
 * The tenant of a stream `t/<tenant>/<plane>`, else `undefined`.
 *
 * Duty: a stream that begins with `t/` and has no tenant belongs to nobody; it is not the
 * deployment's own.
 */
export const tenantOf = (stream: string): string | undefined =>
  /^t\/([a-z0-9][a-z0-9_-]{0,35})\/./su.exec(stream)?.[1]

const percentEncode = (name: string): string => {
  const isOnlyDots = /^\.*$/.test(name)
  let folder = ""
  for (const byte of utf8(name)) {
    const char = String.fromCharCode(byte)
    folder +=
      /[A-Za-z0-9._@-]/.test(char) && !isOnlyDots
        ? char
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`
  }
  return folder
}

/**
 * The folder name of a writer or stream.
 * Errors: Rejected `surrogate`; `writer_id` beyond 255 bytes, which no stream reaches.
 */
export const encodeName = (name: string): string => {
  if (!name.isWellFormed()) throw Rejected.of("surrogate")
  const folder = percentEncode(name)
  if (folder.length > nameBytesMax) {
    const detail = `its folder name is longer than ${nameBytesMax} bytes`
    throw Rejected.of("writer_id", "writer_id", detail)
  }
  return folder
}

/** The name of a folder that `encodeName` gives, else `undefined`. */
export const decodeName = (folder: string): string | undefined => {
  if (folder.length > nameBytesMax) return undefined
  const codes: Array<number> = []
  for (const [unit] of folder.matchAll(/%[0-9A-F]{2}|[\s\S]/g)) {
    codes.push(unit.length === 3 ? Number.parseInt(unit.slice(1), 16) : unit.charCodeAt(0))
  }
  // A unit beyond a byte is cut here, and does not come back below.
  const name = fromUtf8(Uint8Array.from(codes))
  const isName = name !== undefined && name !== "" && percentEncode(name) === folder
  return isName ? name : undefined
}
