import { describe, expect, it } from "vitest"
import { consistencyModel, inclusionModel, treeModel } from "../../models/TreeModel.ts"
import { concat, toHex } from "../../src/base/Bytes.ts"
import { b3 } from "../../src/base/Hash.ts"
import {
  checkConsistency,
  foldInclusion,
  proveConsistency,
  proveInclusion,
} from "../../src/merkle/Proof.ts"
import { leafHash, nodeHash } from "../../src/merkle/Tree.ts"

const sizeMax = 33
const all = Array.from({ length: sizeMax }, (_, i) => b3(Uint8Array.of(i)))
const trees = all.map((_, i) => treeModel(all.slice(0, i + 1)))
const first = (count: number): Uint8Array => concat(...all.slice(0, count))
const hex = (path: ReadonlyArray<Uint8Array>): ReadonlyArray<string> => path.map(toHex)
const other = (hash: Uint8Array): Uint8Array => b3(hash)

/** Every way to be nearly that path: one hash changed, one left out, one more, two swapped. */
const spoiled = (path: ReadonlyArray<Uint8Array>): ReadonlyArray<ReadonlyArray<Uint8Array>> => [
  [...path, all[0]!],
  [all[0]!, ...path],
  ...path.flatMap((hash, i) => [
    path.with(i, other(hash)),
    path.toSpliced(i, 1),
    ...(i > 0 ? [path.with(i, path[i - 1]!).with(i - 1, hash)] : []),
  ]),
]

describe("inclusion", () => {
  it("is proven as by the model and folds to the root, for every leaf of every size", () => {
    for (let size = 1; size <= sizeMax; size++) {
      for (let index = 0; index < size; index++) {
        const path = proveInclusion(first(size), index)
        expect(hex(path)).toEqual(hex(inclusionModel(trees[size - 1]!, index)))
        const folded = foldInclusion(all[index]!, index, size, path)
        expect(toHex(folded!)).toBe(toHex(trees[size - 1]!.hash))
      }
    }
  })

  it("holds for no other path, leaf or index", () => {
    for (const size of [1, 2, 3, 4, 7, 8, 9, 16, 21, 32, 33]) {
      const root = toHex(trees[size - 1]!.hash)
      const folds = (leaf: Uint8Array, index: number, of: number, path: Uint8Array[]): boolean => {
        const folded = foldInclusion(leaf, index, of, path)
        return folded !== undefined && toHex(folded) === root
      }
      for (let index = 0; index < size; index++) {
        const path = proveInclusion(first(size), index)
        for (const wrong of spoiled(path)) {
          expect(folds(all[index]!, index, size, [...wrong])).toBe(false)
        }
        expect(folds(other(all[index]!), index, size, path)).toBe(false)
        for (let i = 0; i < size; i++) {
          if (i !== index) expect(folds(all[index]!, i, size, path)).toBe(false)
        }
      }
    }
  })

  it("answers undefined for a path of another length, whatever root it leads to", () => {
    for (let size = 1; size <= sizeMax; size++) {
      for (let index = 0; index < size; index++) {
        const path = proveInclusion(first(size), index)
        const longer = [...path, all[0]!]
        expect(foldInclusion(all[index]!, index, size, longer)).toBeUndefined()
        if (size === 1) continue
        expect(foldInclusion(all[index]!, index, size, path.slice(0, -1))).toBeUndefined()
      }
    }
  })

  it("answers undefined for what is no place in a tree", () => {
    const leaf = all[0]!
    for (const [index, size] of [
      [0, 0],
      [1, 1],
      [-1, 4],
      [0.5, 2],
      [0, 2 ** 53],
      [Number.NaN, 2],
    ]) {
      expect(foldInclusion(leaf, index!, size!, [leaf])).toBeUndefined()
    }
    expect(foldInclusion(leaf, 0, 2, [])).toBeUndefined()
  })

  it("holds beyond 32 bits", () => {
    const size = 2 ** 40
    for (const index of [0, 5, 2 ** 32, 2 ** 33 + 5, size - 1]) {
      const path = Array.from({ length: 40 }, (_, i) => b3(Uint8Array.of(i, 1)))
      const expected = path.reduce((hash, sibling, level) => {
        const isRight = (BigInt(index) >> BigInt(level)) & 1n
        return isRight === 1n ? nodeHash(sibling, hash) : nodeHash(hash, sibling)
      }, leafHash(all[0]!))
      expect(toHex(foldInclusion(all[0]!, index, size, path)!)).toBe(toHex(expected))
      expect(foldInclusion(all[0]!, index, size, path.slice(1))).toBeUndefined()
    }
  })
})

describe("consistency", () => {
  it("is proven as by the model and checks, for every pair of sizes", () => {
    for (let size = 1; size <= sizeMax; size++) {
      for (let from = 1; from <= size; from++) {
        const path = proveConsistency(first(size), from)
        const [old, whole] = [trees[from - 1]!.hash, trees[size - 1]!.hash]
        expect(hex(path), `${from} of ${size}`).toEqual(
          hex(consistencyModel(trees[size - 1]!, from)),
        )
        expect(checkConsistency(from, size, old, whole, path), `${from} of ${size}`).toBe(true)
      }
    }
  })

  it("holds for no other path, root or size", () => {
    for (const size of [1, 2, 3, 5, 8, 13, 16, 31, 33]) {
      for (let from = 1; from <= size; from++) {
        const path = proveConsistency(first(size), from)
        const [old, whole] = [trees[from - 1]!.hash, trees[size - 1]!.hash]
        const holds = (a: Uint8Array, b: Uint8Array, wrong: ReadonlyArray<Uint8Array>): boolean =>
          checkConsistency(from, size, a, b, wrong)
        for (const wrong of spoiled(path)) expect(holds(old, whole, wrong)).toBe(false)
        expect(holds(other(old), whole, path)).toBe(false)
        expect(holds(old, other(whole), path)).toBe(false)
        expect(checkConsistency(from, from - 1, old, whole, path)).toBe(false)
      }
    }
  })

  it("refuses a path of another length, though two roots can be made for it", () => {
    const [a, b, c, d] = all.slice(0, 4).map(leafHash)
    const ab = nodeHash(a!, b!)
    const cd = nodeHash(c!, d!)
    const check = (old: Uint8Array, whole: Uint8Array, path: ReadonlyArray<Uint8Array>): boolean =>
      checkConsistency(3, 4, old, whole, path)
    expect(check(nodeHash(ab, c!), nodeHash(ab, cd), [c!, d!, ab])).toBe(true)
    expect(check(c!, cd, [c!, d!])).toBe(false)
    const x = all[5]!
    const longer = [c!, d!, ab, x]
    expect(check(nodeHash(x, nodeHash(ab, c!)), nodeHash(x, nodeHash(ab, cd)), longer)).toBe(false)
  })

  it("refuses sizes that are none", () => {
    expect(checkConsistency(0, 3, all[0]!, trees[2]!.hash, [])).toBe(false)
    expect(checkConsistency(1, 2 ** 53, all[0]!, all[0]!, [])).toBe(false)
    expect(checkConsistency(1, 2, trees[0]!.hash, trees[1]!.hash, [])).toBe(false)
  })
})
