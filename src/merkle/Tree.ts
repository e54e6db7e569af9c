/**
 * The record tree: RFC 9162 section 2.1.1 with BLAKE3-256 over the 32 bytes of each self_hash.
 *
 * - leaf = BLAKE3(0x00 || data), node = BLAKE3(0x01 || left || right), split at the largest power
 *   of two below n, a lone node moves up unchanged, an empty tree has no root.
 * - `root` is the plain reference; the engine's `merkleRoot` answers the same, faster.
 * - `RangeRoot` holds at most one buffer and one hash a level, however long the range is.
 *
 * Does not protect against a record left out before the root was taken: the chain does.
 * Source: FORMATS 3.1; RFC 9162 section 2.1.1.
 */
import { concat } from "../base/Bytes.ts"
import { b3, hashBytes } from "../base/Hash.ts"
import { invariant } from "../base/Invariant.ts"

const leafTag = Uint8Array.of(0)
const nodeTag = Uint8Array.of(1)

/** BLAKE3(0x00 || data). */
export const leafHash = (data: Uint8Array): Uint8Array => b3(concat(leafTag, data))

/** BLAKE3(0x01 || left || right). */
export const nodeHash = (left: Uint8Array, right: Uint8Array): Uint8Array =>
  b3(concat(nodeTag, left, right))

/** Leaves in a buffer of whole 32-byte hashes. */
export const leafCount = (leafData: Uint8Array): number => {
  invariant(leafData.length % hashBytes === 0, "leaf data is a multiple of 32 bytes")
  return leafData.length / hashBytes
}

/**
 * Root over leaf data.
 * Shape: n * 32 bytes, n >= 1. Cost: 2n - 1 hashes.
 */
export const root = (leafData: Uint8Array): Uint8Array => {
  const count = leafCount(leafData)
  invariant(count > 0, "an empty tree has no root")
  let level: Uint8Array[] = []
  for (let i = 0; i < count; i++) {
    level.push(leafHash(leafData.subarray(i * hashBytes, (i + 1) * hashBytes)))
  }
  while (level.length > 1) {
    const above: Uint8Array[] = []
    for (let i = 0; i + 1 < level.length; i += 2) above.push(nodeHash(level[i]!, level[i + 1]!))
    if (level.length % 2 === 1) above.push(level[level.length - 1]!)
    level = above
  }
  return level[0]!
}

/** The engine's `merkleRoot`. */
export type MerkleRoot = (hashes: Uint8Array, level: "leaves" | "nodes") => Uint8Array

/** Leaves reduced in one call; a power of two, so that its root is a node of the tree. */
const chunkLeaves = 1024
const chunkBytes = chunkLeaves * hashBytes

/** Grows the root of a range leaf by leaf, like a binary counter over whole chunks. */
export class RangeRoot {
  readonly #merkle: MerkleRoot
  readonly #buffer = new Uint8Array(chunkBytes)
  #bufferedBytes = 0
  #chunks = 0
  /** One root for each set bit of `#chunks`, the largest subtree first. */
  #peaks: Uint8Array[] = []

  constructor(merkle: MerkleRoot) {
    this.#merkle = merkle
  }

  /** Leaves added so far. */
  get count(): number {
    return this.#chunks * chunkLeaves + this.#bufferedBytes / hashBytes
  }

  /** Adds leaves behind those already there. Shape: k * 32 bytes, copied. */
  add(selfHashes: Uint8Array): void {
    leafCount(selfHashes)
    let rest = selfHashes
    while (rest.length > 0) {
      if (this.#bufferedBytes === 0 && rest.length >= chunkBytes) {
        this.#push(rest.subarray(0, chunkBytes))
        rest = rest.subarray(chunkBytes)
        continue
      }
      const part = rest.subarray(0, chunkBytes - this.#bufferedBytes)
      this.#buffer.set(part, this.#bufferedBytes)
      this.#bufferedBytes += part.length
      rest = rest.subarray(part.length)
      if (this.#bufferedBytes === chunkBytes) {
        this.#bufferedBytes = 0
        this.#push(this.#buffer)
      }
    }
  }

  /** Root of all leaves so far, of which there must be one. Changes nothing. */
  root(): Uint8Array {
    invariant(this.count > 0, "an empty tree has no root")
    const peaks = [...this.#peaks]
    if (this.#bufferedBytes > 0) {
      peaks.push(this.#merkle(this.#buffer.subarray(0, this.#bufferedBytes), "leaves"))
    }
    return peaks.reduceRight((right, left) => this.#merkle(concat(left, right), "nodes")).slice()
  }

  /** An independent copy. */
  clone(): RangeRoot {
    const copy = new RangeRoot(this.#merkle)
    copy.#buffer.set(this.#buffer.subarray(0, this.#bufferedBytes))
    copy.#bufferedBytes = this.#bufferedBytes
    copy.#chunks = this.#chunks
    copy.#peaks = [...this.#peaks]
    return copy
  }

  #push(leafData: Uint8Array): void {
    // The engine may reuse its answer's memory, so every kept hash is a copy.
    let peak = this.#merkle(leafData, "leaves").slice()
    for (let bits = this.#chunks; bits % 2 === 1; bits = (bits - 1) / 2) {
      const left = this.#peaks.pop()
      invariant(left !== undefined, "one peak for each set bit of the chunk count")
      peak = this.#merkle(concat(left, peak), "nodes").slice()
    }
    this.#peaks.push(peak)
    this.#chunks++
  }
}
