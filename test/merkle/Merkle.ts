/** The engine's `merkleRoot`, from the reference alone. */
import { nodeHash, root } from "../../src/merkle/Tree.ts"

export const merkle = (hashes: Uint8Array, level: "leaves" | "nodes"): Uint8Array => {
  if (level === "leaves") return root(hashes)
  let nodes = Array.from({ length: hashes.length / 32 }, (_, i) =>
    hashes.subarray(i * 32, i * 32 + 32),
  )
  while (nodes.length > 1) {
    nodes = Array.from({ length: Math.ceil(nodes.length / 2) }, (_, i) => {
      const right = nodes[2 * i + 1]
      return right === undefined ? nodes[2 * i]! : nodeHash(nodes[2 * i]!, right)
    })
  }
  return nodes[0]!
}
