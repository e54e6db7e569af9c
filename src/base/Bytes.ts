/**
 * Byte strings: hex, base64, comparison, little-endian integers.
 *
 * Decoders here are strict: what is not the one encoding of a value is `undefined`, never repaired.
 */

const encoder = new TextEncoder()
const fatal = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

export const utf8 = (text: string): Uint8Array => encoder.encode(text)

/** Decodes UTF-8; `undefined` where the bytes are not valid UTF-8. */
export const fromUtf8 = (bytes: Uint8Array): string | undefined => {
  try {
    return fatal.decode(bytes)
  } catch {
    return undefined
  }
}

const view = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Lower-case hex. */
export const toHex = (bytes: Uint8Array): string => view(bytes).toString("hex")

/** Bytes of lower-case hex of even length, else `undefined`. */
export const fromHex = (hex: string): Uint8Array | undefined =>
  hex.length % 2 === 0 && /^[0-9a-f]*$/.test(hex)
    ? new Uint8Array(Buffer.from(hex, "hex"))
    : undefined

/** RFC 4648 section 4, with padding. */
export const toBase64 = (bytes: Uint8Array): string => view(bytes).toString("base64")

/** Bytes of RFC 4648 base64 with padding and zero unused bits, else `undefined`. */
export const fromBase64 = (text: string): Uint8Array | undefined => {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined
  const bytes = Buffer.from(text, "base64")
  return bytes.toString("base64") === text ? new Uint8Array(bytes) : undefined
}

export const equal = (a: Uint8Array, b: Uint8Array): boolean => view(a).equals(b)

/** Order by unsigned bytes, a prefix first. */
export const compare = (a: Uint8Array, b: Uint8Array): number => view(a).compare(b)

export const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  let size = 0
  for (const part of parts) size += part.length
  const out = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

export const dataView = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
