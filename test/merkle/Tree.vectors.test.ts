import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { concat } from "../../src/base/Bytes.ts"
import { b3, formatHash } from "../../src/base/Hash.ts"
import { RangeRoot, root } from "../../src/merkle/Tree.ts"
import { chain } from "../record/Vectors.ts"
import { merkle } from "./Merkle.ts"
import { cases, firstLeaves, leafData, selfHashes } from "./Vectors.ts"

describe("merkle.json", () => {
  it("has its 18 sizes", () => {
    expect(cases.length).toBe(18)
    expect(new Set(cases.map(({ size }) => size)).size).toBe(18)
  })

  it("gives the root of every size [A-155]", () => {
    for (const { size, root: expected } of cases) {
      expect(formatHash(root(firstLeaves(size))), `size ${size}`).toBe(expected)
    }
  })

  it("gives the same root leaf by leaf", () => {
    for (const { size, root: expected } of cases) {
      const range = new RangeRoot(merkle)
      for (let i = 0; i < size; i++) range.add(selfHashes[i]!)
      expect(range.count).toBe(size)
      expect(formatHash(range.root()), `size ${size}`).toBe(expected)
    }
  })
})

describe("chain.json", () => {
  const [first, last] = chain.range
  const range = leafData.subarray((first - 1) * 32, last * 32)

  it("gives the root over seq 100 to 200, from canonical bytes [A-155, A-328]", () => {
    expect(chain.records.length).toBe(200)
    expect([first, last]).toEqual([100, 200])
    expect(formatHash(root(range))).toBe(chain.root)
  })

  it("gives another root when one record differs, the expected one [A-165, A-328]", () => {
    const at = chain.tampered_seq - first
    const tampered = concat(
      range.subarray(0, at * 32),
      b3(range.subarray(at * 32, at * 32 + 32)),
      range.subarray(at * 32 + 32),
    )
    expect(formatHash(root(tampered))).toBe(chain.tampered_root)
    expect(chain.tampered_root).not.toBe(chain.root)
  })

  it("gives another root for each single flipped bit of each leaf's first byte [A-165]", () => {
    const roots = new Set([chain.root])
    for (let at = 0; at < range.length; at += 32) {
      const flipped = range.slice()
      flipped[at]! ^= 1
      roots.add(formatHash(root(flipped)))
    }
    expect(roots.size).toBe(1 + range.length / 32)
  })
})

describe("the vectors of the seeds: canonical form, records, chain, tree", () => {
  const files = ["canonical", "records", "chain", "merkle"] as const
  const read = (name: string): unknown =>
    JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), "utf8"))

  /** Every member and text in a value, by the way to it. */
  const walk = (value: unknown, path: string): Array<readonly [string, string]> => {
    if (typeof value === "string") return [[path, value]]
    if (value === null || typeof value !== "object") return []
    return Object.entries(value).flatMap(([key, held]) => [
      [`${path}.${key}`, key] as const,
      ...walk(held, `${path}.${key}`),
    ])
  }

  const isSignature = (text: string): boolean =>
    /^(sigs?|signatures?|cosignatures|envelopes?)$/.test(text) ||
    // 64 bytes of Ed25519 in base64 or hex, alone or inside.
    /(^|[^A-Za-z0-9+/])[A-Za-z0-9+/]{86}==/.test(text) ||
    /(^|[^0-9a-f])[0-9a-f]{128,}/.test(text)

  it.each(files)("%s.json holds no signature bytes [A-329]", (name) => {
    const found = walk(read(name), name)
    expect(found.length).toBeGreaterThan(100)
    expect(found.filter(([, text]) => isSignature(text))).toEqual([])
  })

  it.each(["signatures", "wal"])("and %s.json, which is about signatures, does", (name) => {
    expect(walk(read(name), name).some(([, text]) => isSignature(text))).toBe(true)
  })
})
