/** The Merkle vectors and the leaf data they are over. A file without cases stops its reader. */
import { readFileSync } from "node:fs"
import { concat } from "../../src/base/Bytes.ts"
import { b3, parseHash } from "../../src/base/Hash.ts"
import { formatBody } from "../../src/record/Record.ts"
import { chain } from "../record/Vectors.ts"

interface MerkleCase {
  readonly size: number
  readonly root: string
  readonly inclusion: ReadonlyArray<{ readonly index: number; readonly path: string[] }>
  readonly consistency: ReadonlyArray<{ readonly from: number; readonly path: string[] }>
}

const file = new URL("../vectors/merkle.json", import.meta.url)

export const cases = (JSON.parse(readFileSync(file, "utf8")) as { cases: MerkleCase[] }).cases
if (cases.length === 0) throw new Error("merkle.json has no cases")

export const bytesOf = (hash: string): Uint8Array => {
  const bytes = parseHash(hash)
  if (bytes === undefined) throw new Error(`no hash: ${hash}`)
  return bytes
}

/** BLAKE3 of the canonical bytes of each record of chain.json, in order. */
export const selfHashes = chain.records.map(({ self_hash: _, ...body }) => b3(formatBody(body)))

export const leafData = concat(...selfHashes)

export const firstLeaves = (count: number): Uint8Array => leafData.subarray(0, count * 32)
