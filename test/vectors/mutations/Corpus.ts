/**
 * The corpus as one document, `cases.json`, which needs no code of ours to be used: files by digest,
 * and for each case its files, trust file, options and what a verifier must say.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fromBase64, toBase64, toHex } from "../../../src/base/Bytes.ts"
import { b3 } from "../../../src/base/Hash.ts"
import type { Expected, Options } from "./Case.ts"
import { allCases } from "./Cases.ts"

export interface CorpusCase {
  readonly group: string
  readonly name: string
  /** Path to digest of the bytes in `blobs`. */
  readonly files: Readonly<Record<string, string>>
  /** Digest of the trust file; null: without anchors. */
  readonly trust: string | null
  readonly options: Options
  readonly verdict: "valid" | "invalid" | "unknown" | "intact"
  readonly finding: Required<Expected> | null
  /** Why only the verdict is expected. */
  readonly open: string | null
  /** What the second verifier says instead, while its author has not decided. */
  readonly waits: string | null
}

export interface Corpus {
  readonly about: string
  readonly blobs: Readonly<Record<string, string>>
  readonly cases: ReadonlyArray<CorpusCase>
}

export const makeCorpus = (): Corpus => {
  const blobs = new Map<string, string>()
  const keep = (bytes: Uint8Array): string => {
    const digest = toHex(b3(bytes)).slice(0, 16)
    blobs.set(digest, toBase64(bytes))
    return digest
  }
  const cases = allCases().map((one) => ({
    group: one.group,
    name: one.name,
    files: Object.fromEntries([...one.files].map(([path, bytes]) => [path, keep(bytes)])),
    trust: one.trust === undefined ? null : keep(one.trust),
    options: one.options ?? {},
    verdict: one.verdict,
    finding: one.finding === undefined ? null : { stream: "ingress", ...one.finding },
    open: one.open ?? null,
    waits: one.waits ?? null,
  }))
  const about =
    "Damaged logs and what a verifier must say of them: the verdict, and a finding of this kind about " +
    "this seq of this stream; finding null: none at all; open: why only the verdict is expected. " +
    "TEST keys, their seeds are public. blobs are base64."
  return { about, blobs: Object.fromEntries([...blobs].sort()), cases }
}

export const formatCorpus = (corpus: Corpus): string => `${JSON.stringify(corpus, null, 1)}\n`

/** Lays a case out in a folder of its own for as long as `use` runs. */
export const layOut = <A>(corpus: Corpus, one: CorpusCase, use: (dir: string) => A): A => {
  const dir = mkdtempSync(join(tmpdir(), "strongroom-mutation-"))
  try {
    for (const [path, digest] of Object.entries(one.files)) {
      const file = join(dir, path)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, fromBase64(corpus.blobs[digest] ?? "") ?? new Uint8Array())
    }
    return use(dir)
  } finally {
    rmSync(dir, { recursive: true })
  }
}
