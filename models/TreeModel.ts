/**
 * The record tree as a tree: every node is an object, every proof a walk over them.
 *
 * Slow and obvious on purpose. Source: RFC 9162 section 2.1, FORMATS 3.1.
 */
import { concat } from "../src/base/Bytes.ts"
import { b3 } from "../src/base/Hash.ts"

interface Node {
  readonly hash: Uint8Array
  readonly size: number
  readonly left?: Node
  readonly right?: Node
}

/** The tree over leaf data, at least one. */
export const treeModel = (data: ReadonlyArray<Uint8Array>): Node => {
  const [only] = data
  if (only === undefined) throw new Error("an empty tree")
  if (data.length === 1) return { hash: b3(concat(Uint8Array.of(0), only)), size: 1 }
  const powers = [1]
  while (powers[0]! * 2 < data.length) powers.unshift(powers[0]! * 2)
  const left = treeModel(data.slice(0, powers[0]))
  const right = treeModel(data.slice(powers[0]))
  const hash = b3(concat(Uint8Array.of(1), left.hash, right.hash))
  return { hash, size: data.length, left, right }
}

export const rootModel = (data: ReadonlyArray<Uint8Array>): Uint8Array => treeModel(data).hash

/** Siblings on the way from leaf `index` to the root, the leaf's first. */
export const inclusionModel = (node: Node, index: number): ReadonlyArray<Uint8Array> => {
  const { left, right } = node
  if (left === undefined || right === undefined) return []
  return index < left.size
    ? [...inclusionModel(left, index), right.hash]
    : [...inclusionModel(right, index - left.size), left.hash]
}

/** Whole subtrees that the first `from` leaves fill, the largest first. */
const filled = (node: Node, from: number): ReadonlyArray<Node> => {
  if (from === 0) return []
  const { left, right } = node
  if (from >= node.size || left === undefined || right === undefined) return [node]
  return [...filled(left, from), ...filled(right, Math.max(0, from - left.size))]
}

/**
 * The last of the filled subtrees, then its siblings up to the root; without that subtree where it
 * is the old tree itself, which the verifier has.
 */
export const consistencyModel = (node: Node, from: number): ReadonlyArray<Uint8Array> => {
  const parts = filled(node, from)
  const last = parts[parts.length - 1]!
  if (last === node) return []
  const siblings = (at: Node): ReadonlyArray<Uint8Array> | undefined => {
    if (at === last) return []
    const { left, right } = at
    if (left === undefined || right === undefined) return undefined
    const below = siblings(left)
    if (below !== undefined) return [...below, right.hash]
    const other = siblings(right)
    return other === undefined ? undefined : [...other, left.hash]
  }
  const path = siblings(node) ?? []
  return parts.length === 1 ? path : [last.hash, ...path]
}
