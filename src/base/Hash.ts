/**
 * BLAKE3-256 of single values (checkpoints, manifests, keys) and its text form.
 * Bulk hashing of records belongs to the engine.
 *
 * Source: FORMATS, introduction.
 */
import { blake3 } from "@noble/hashes/blake3.js"
import { fromHex, toHex } from "./Bytes.ts"

/** Shape: `b3:` and 64 lower-case hex digits, or `b3:0` as the head of an empty chain. */
export type HashText = string

export const hashBytes = 32

/** `prev` of seq 1, of the first checkpoint and of the first manifest. */
export const genesis: HashText = "b3:0"

export const b3 = (bytes: Uint8Array): Uint8Array => blake3(bytes)

export const formatHash = (digest: Uint8Array): HashText => `b3:${toHex(digest)}`

export const b3Text = (bytes: Uint8Array): HashText => formatHash(b3(bytes))

/** The 32 bytes of a full hash text, else `undefined` (also for `b3:0`). */
export const parseHash = (text: string): Uint8Array | undefined =>
  text.length === 67 && text.startsWith("b3:") ? fromHex(text.slice(3)) : undefined

/** BLAKE3-256 of a stream of bytes. */
export interface Hasher {
  readonly update: (bytes: Uint8Array) => void
  /** Shape: 32 bytes. Duty: nothing is added afterwards. */
  readonly digest: () => Uint8Array
}
