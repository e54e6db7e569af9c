import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { rootModel } from "../../models/TreeModel.ts"
import { concat, toHex } from "../../src/base/Bytes.ts"
import { b3 } from "../../src/base/Hash.ts"
import { leafHash, nodeHash, RangeRoot, root } from "../../src/merkle/Tree.ts"
import { merkle } from "./Merkle.ts"

const leaf = (seed: number): Uint8Array => b3(Uint8Array.of(seed & 255, (seed >> 8) & 255, 7))
const leavesMax = 5000
const all = Array.from({ length: leavesMax }, (_, i) => leaf(i))
const data = concat(...all)
const first = (count: number): Uint8Array => data.subarray(0, count * 32)

describe("root", () => {
  it("is that of the model for every size to 70", () => {
    for (let size = 1; size <= 70; size++) {
      expect(toHex(root(first(size))), `size ${size}`).toBe(toHex(rootModel(all.slice(0, size))))
    }
  })

  it("refuses an empty tree and half a hash, as broken invariants", () => {
    expect(() => root(new Uint8Array())).toThrow(/empty tree/)
    expect(() => root(new Uint8Array(33))).toThrow(/multiple of 32/)
  })

  it("keeps leaves and nodes apart", () => {
    const two = concat(all[0]!, all[1]!)
    expect(toHex(leafHash(two))).not.toBe(toHex(nodeHash(all[0]!, all[1]!)))
  })
})

describe("RangeRoot", () => {
  it("is that of the reference around every boundary of its buffer", () => {
    for (const size of [1, 2, 1023, 1024, 1025, 2047, 2048, 2049, 3071, 3072, 3073, 4095, 4097]) {
      const range = new RangeRoot(merkle)
      range.add(first(size))
      expect(toHex(range.root()), `size ${size}`).toBe(toHex(root(first(size))))
      expect(range.count).toBe(size)
    }
  })

  it("does not depend on how the leaves come, nor on who asks in between", () => {
    const parts = fc.array(fc.integer({ min: 0, max: 1500 }), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(parts, fc.boolean(), (sizes, asksBetween) => {
        const range = new RangeRoot(merkle)
        let size = 0
        for (const part of sizes) {
          const to = Math.min(size + part, leavesMax)
          range.add(data.subarray(size * 32, to * 32))
          size = to
          if (asksBetween && size > 0) range.root()
        }
        if (size === 0) expect(() => range.root()).toThrow(/empty tree/)
        else expect(toHex(range.root())).toBe(toHex(root(first(size))))
      }),
      { numRuns: 20 },
    )
  })

  it("clones into two that know nothing of each other", () => {
    for (const size of [1, 1024, 1500, 3000]) {
      const range = new RangeRoot(merkle)
      range.add(first(size))
      const copy = range.clone()
      copy.add(data.subarray(size * 32, (size + 600) * 32))
      expect(toHex(range.root())).toBe(toHex(root(first(size))))
      expect(toHex(copy.root())).toBe(toHex(root(first(size + 600))))
      range.add(data.subarray(0, 32))
      expect(toHex(copy.root())).toBe(toHex(root(first(size + 600))))
    }
  })

  it("keeps no memory of the caller's or the engine's", () => {
    const answer = new Uint8Array(32)
    const reusing = (hashes: Uint8Array, level: "leaves" | "nodes"): Uint8Array => {
      answer.set(merkle(hashes, level))
      return answer
    }
    const range = new RangeRoot(reusing)
    const mine = first(3000).slice()
    range.add(mine)
    mine.fill(0)
    expect(toHex(range.root())).toBe(toHex(root(first(3000))))
  })

  it("reduces its buffer at once: 4 million leaves leave one hash, not a list", () => {
    let calls = 0
    const counting = (hashes: Uint8Array, level: "leaves" | "nodes"): Uint8Array => {
      calls++
      expect(hashes.length).toBeLessThanOrEqual(1024 * 32)
      return level === "leaves" ? hashes.slice(0, 32) : merkle(hashes, level)
    }
    const range = new RangeRoot(counting)
    const chunk = first(1024)
    for (let i = 0; i < 4096; i++) range.add(chunk)
    expect(calls).toBe(4096 + 4095)
    range.root()
    expect(calls).toBe(4096 + 4095)
  })
})
