import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { finish, verifyLog } from "../../src/audit/Verify.ts"
import { fromBase64 } from "../../src/base/Bytes.ts"
import type { Engine } from "../../src/engine/Engine.ts"
import { openJs } from "../../src/engine/EngineJs.ts"
import { openNative } from "../../src/engine/EngineNative.ts"
import { parseTrust } from "../../src/signing/Trust.ts"
import { missing, python } from "../servers/Servers.ts"
import {
  type Corpus,
  type CorpusCase,
  formatCorpus,
  layOut,
  makeCorpus,
} from "../vectors/mutations/Corpus.ts"

const folder = join(import.meta.dirname, "../vectors/mutations")
const path = join(folder, "cases.json")
const corpus = JSON.parse(readFileSync(path, "utf8")) as Corpus

interface Said {
  readonly verdict: string
  readonly streams: ReadonlyArray<{
    readonly stream: string
    readonly findings: ReadonlyArray<{ readonly kind: string; readonly seq: number }>
  }>
}

interface Ack {
  readonly writer_id: string
  readonly stream: string
  readonly seq: number
  readonly self_hash: string
}

/** What both verifiers must say of a case. */
const judge = (one: CorpusCase, said: Said): string => {
  const all = said.streams.flatMap(({ stream, findings }) =>
    findings.map((found) => ({ ...found, stream })),
  )
  const seen = all.map(({ stream, kind, seq }) => `${kind}@${seq} of ${stream}`).join(", ")
  if (said.verdict !== one.verdict) return `${said.verdict}, not ${one.verdict}: ${seen}`
  if (one.open !== null) return "ok"
  if (one.finding === null) return all.length === 0 ? "ok" : `findings: ${seen}`
  const { kind, seq, stream } = one.finding
  const wanted = `${kind}@${seq} of ${stream}`
  return seen.split(", ").includes(wanted) ? "ok" : `no ${wanted} among: ${seen}`
}

const ours = (engine: Engine, one: CorpusCase): Said =>
  layOut(corpus, one, (root) =>
    finish(
      verifyLog(engine, {
        root,
        trust:
          one.trust === null
            ? undefined
            : parseTrust(fromBase64(corpus.blobs[one.trust] ?? "") ?? new Uint8Array()),
        integrity: one.options.integrity ?? false,
        require: one.options.require ?? "signed",
        expectHeads: ((one.options.expectHead ?? []) as ReadonlyArray<Ack>).map((ack) => ({
          writerId: ack.writer_id,
          stream: ack.stream,
          seq: ack.seq,
          selfHash: ack.self_hash,
          file: "heads",
        })),
        nowMs: Date.now(),
      }),
    ),
  )

const native = (): Engine | undefined => {
  try {
    return openNative()
  } catch {
    return undefined
  }
}

describe("mutation corpus", () => {
  it("is what its generator makes, and has cases of every group", () => {
    expect(readFileSync(path, "utf8")).toBe(formatCorpus(makeCorpus()))
    const groups = new Map<string, number>()
    for (const { group } of corpus.cases) groups.set(group, (groups.get(group) ?? 0) + 1)
    process.stdout.write(
      `mutation corpus: ${[...groups].map(([name, count]) => `${name} ${count}`).join(", ")}\n`,
    )
    expect(corpus.cases.length).toBeGreaterThan(390)
    expect(groups.size).toBe(15)
  })

  const addon = native()
  const engines = [openJs(), ...(addon === undefined ? [] : [addon])]
  describe.each(engines)("$name engine [A-049, A-050, A-164, A-165, A-168]", (engine) => {
    it.each(corpus.cases)("$group: $name", (one) => {
      expect(judge(one, ours(engine, one))).toBe("ok")
    })
  })

  const reason = missing("verifier")
  const skipped = reason === undefined ? "" : ` (skipped: ${reason})`
  it.skipIf(reason !== undefined)(
    `the stranger's verifier agrees on every case but those that wait [A-323, A-333]${skipped}`,
    () => {
      const verifier = join(import.meta.dirname, "../../docs/verify")
      const out = execFileSync(python, [join(folder, "check_python.py"), verifier, path], {
        encoding: "utf8",
        maxBuffer: 1 << 28,
      })
      const said = out
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as { readonly report: Said })
      expect(said).toHaveLength(corpus.cases.length)
      const wrong = corpus.cases.flatMap((one, index) => {
        const answer = judge(one, said[index]?.report as Said)
        const title = `${one.group}: ${one.name}`
        if (one.waits === null) return answer === "ok" ? [] : [`${title}: ${answer}`]
        process.stdout.write(`waits for the second verifier: ${title}: ${one.waits}\n`)
        return answer === "ok" ? [`${title}: waits no more`] : []
      })
      expect(wrong).toEqual([])
    },
    120_000,
  )
})
