import { describe, expect, it } from "vitest"
import { formatHash } from "../../src/base/Hash.ts"
import {
  checkConsistency,
  foldInclusion,
  proveConsistency,
  proveInclusion,
} from "../../src/merkle/Proof.ts"
import { bytesOf, cases, firstLeaves, selfHashes } from "./Vectors.ts"

const count = (of: "inclusion" | "consistency"): number =>
  cases.reduce((sum, one) => sum + one[of].length, 0)

describe("merkle.json", () => {
  it("has proofs of both kinds", () => {
    expect(count("inclusion")).toBeGreaterThan(50)
    expect(count("consistency")).toBeGreaterThan(50)
  })

  it("gives every inclusion path and folds it to the root", () => {
    for (const { size, root, inclusion } of cases) {
      for (const { index, path } of inclusion) {
        const proof = proveInclusion(firstLeaves(size), index)
        expect(proof.map(formatHash), `${index} of ${size}`).toEqual(path)
        const folded = foldInclusion(selfHashes[index]!, index, size, path.map(bytesOf))
        expect(formatHash(folded!)).toBe(root)
      }
    }
  })

  it("gives every consistency path and checks it", () => {
    const roots = new Map(cases.map(({ size, root }) => [size, root]))
    let checked = 0
    for (const { size, root, consistency } of cases) {
      for (const { from, path } of consistency) {
        const proof = proveConsistency(firstLeaves(size), from)
        expect(proof.map(formatHash), `${from} of ${size}`).toEqual(path)
        const fromRoot = roots.get(from)
        if (fromRoot === undefined) continue
        const hashes = path.map(bytesOf)
        expect(checkConsistency(from, size, bytesOf(fromRoot), bytesOf(root), hashes)).toBe(true)
        checked++
      }
    }
    expect(checked).toBeGreaterThan(30)
  })
})
