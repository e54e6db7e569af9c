/**
 * Inclusion and consistency proofs of the record tree.
 *
 * - `prove…` walks the recursive definition of the RFC, `fold…` and `check…` its iterative
 *   verification, so that each checks the other.
 * - `fold…` and `check…` take only values, never throw, and refuse a path of any other length.
 *
 * Does not protect against a root nobody signed.
 * Source: FORMATS 3.1; RFC 9162 sections 2.1.3 and 2.1.4.
 */
import { equal } from "../base/Bytes.ts"
import { hashBytes } from "../base/Hash.ts"
import { invariant } from "../base/Invariant.ts"
import { leafCount, leafHash, nodeHash, root } from "./Tree.ts"

/** The largest power of two smaller than n, n >= 2. */
const split = (n: number): number => {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}

const leaves = (leafData: Uint8Array, from: number, to?: number): Uint8Array =>
  leafData.subarray(from * hashBytes, to === undefined ? undefined : to * hashBytes)

/**
 * The path from leaf `index` to the root, nearest sibling first.
 * Shape: leafData n * 32 bytes, index < n. Cost: 2n hashes.
 * Source: RFC 9162 section 2.1.3.1.
 */
export const proveInclusion = (
  leafData: Uint8Array,
  index: number,
  rootOf: (leafData: Uint8Array) => Uint8Array = root,
): Uint8Array[] => {
  const size = leafCount(leafData)
  invariant(Number.isInteger(index) && index >= 0 && index < size, "index < size")
  if (size === 1) return []
  const k = split(size)
  return index < k
    ? [...proveInclusion(leaves(leafData, 0, k), index, rootOf), rootOf(leaves(leafData, k))]
    : [...proveInclusion(leaves(leafData, k), index - k, rootOf), rootOf(leaves(leafData, 0, k))]
}

/**
 * The root that leaf data at `index` of `size` leaves leads to; `undefined` where no tree of that
 * size has such a path.
 * Source: RFC 9162 section 2.1.3.2. Halving instead of shifts: sizes go beyond 32 bits.
 */
export const foldInclusion = (
  leafData: Uint8Array,
  index: number,
  size: number,
  path: ReadonlyArray<Uint8Array>,
): Uint8Array | undefined => {
  if (!isIndex(index) || !isIndex(size) || index >= size) return undefined
  let fn = index
  let sn = size - 1
  let hash = leafHash(leafData)
  for (const sibling of path) {
    if (sn === 0) return undefined
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(sibling, hash)
      while (fn % 2 === 0 && fn !== 0) {
        fn = half(fn)
        sn = half(sn)
      }
    } else {
      hash = nodeHash(hash, sibling)
    }
    fn = half(fn)
    sn = half(sn)
  }
  return sn === 0 ? hash : undefined
}

/**
 * The proof that the tree of the first `from` leaves is a prefix of the whole.
 * Shape: 1 <= from <= n. Cost: 2n hashes. Source: RFC 9162 section 2.1.4.1.
 */
export const proveConsistency = (leafData: Uint8Array, from: number): Uint8Array[] => {
  invariant(Number.isInteger(from) && from >= 1 && from <= leafCount(leafData), "1 <= from <= size")
  return subproof(leafData, from, true)
}

const subproof = (leafData: Uint8Array, from: number, isComplete: boolean): Uint8Array[] => {
  const size = leafCount(leafData)
  if (from === size) return isComplete ? [] : [root(leafData)]
  const k = split(size)
  return from <= k
    ? [...subproof(leaves(leafData, 0, k), from, isComplete), root(leaves(leafData, k))]
    : [...subproof(leaves(leafData, k), from - k, false), root(leaves(leafData, 0, k))]
}

/**
 * Whether `path` shows that the tree of `size` leaves under `root` begins with the `from` leaves
 * under `fromRoot`.
 * Source: RFC 9162 section 2.1.4.2.
 */
export const checkConsistency = (
  from: number,
  size: number,
  fromRoot: Uint8Array,
  sizeRoot: Uint8Array,
  path: ReadonlyArray<Uint8Array>,
): boolean => {
  if (!isIndex(from) || !isIndex(size) || from < 1 || from > size) return false
  if (from === size) return path.length === 0 && equal(fromRoot, sizeRoot)
  const isPowerOfTwo = split(from + 1) === from
  const hashes = isPowerOfTwo ? [fromRoot, ...path] : path
  const first = hashes[0]
  if (path.length === 0 || first === undefined) return false
  let fn = from - 1
  let sn = size - 1
  while (fn % 2 === 1) {
    fn = half(fn)
    sn = half(sn)
  }
  let fr = first
  let sr = first
  for (const hash of hashes.slice(1)) {
    if (sn === 0) return false
    if (fn % 2 === 1 || fn === sn) {
      fr = nodeHash(hash, fr)
      sr = nodeHash(hash, sr)
      while (fn % 2 === 0 && fn !== 0) {
        fn = half(fn)
        sn = half(sn)
      }
    } else {
      sr = nodeHash(sr, hash)
    }
    fn = half(fn)
    sn = half(sn)
  }
  return sn === 0 && equal(fr, fromRoot) && equal(sr, sizeRoot)
}

const half = (n: number): number => Math.floor(n / 2)

const isIndex = (n: number): boolean => Number.isSafeInteger(n) && n >= 0
