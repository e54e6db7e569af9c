/** The log that one would write oneself, for comparison. */
import { createHash, generateKeyPairSync, sign } from "node:crypto"
import canonicalize from "canonicalize"
import type { Draft } from "../src/record/Draft.ts"
import type { Variant } from "./Harness.ts"

/** What a Node team would write: npm canonicalize, a sha256 chain, node:crypto Ed25519 a record. */
export const handmade = (drafts: ReadonlyArray<Draft>, groups: number): Variant => {
  const { privateKey } = generateKeyPairSync("ed25519")
  let prev = "0"
  let seq = 0
  let at = 0
  return {
    name: `hand-made: canonicalize + sha256 chain + node:crypto Ed25519 every ${groups}`,
    step: () => {
      for (let i = 0; i < groups; i++) {
        const draft = drafts[at++ % drafts.length]
        const body = canonicalize({ ...draft, seq: ++seq, ts_ms: Date.now(), prev }) as string
        prev = createHash("sha256").update(body).digest("hex")
      }
      sign(null, Buffer.from(prev), privateKey)
      return groups
    },
  }
}
