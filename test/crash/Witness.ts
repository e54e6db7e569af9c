/**
 * What was acknowledged, held against what is on disk. Knows nothing of the writer: it reads the
 * folder with the verifier and compares every acknowledged (stream, seq, self_hash).
 */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { type Finding, weightOf } from "../../src/audit/Finding.ts"
import {
  examineStream,
  finish,
  joinReports,
  type StreamReport,
  type VerifyOptions,
} from "../../src/audit/Verify.ts"
import { formatHash } from "../../src/base/Hash.ts"
import { selectEngine } from "../../src/engine/Select.ts"
import { parseTrust } from "../../src/signing/Trust.ts"
import { listChains } from "../../src/sink/Segment.ts"
import type { Ack } from "./Offspring.ts"

export const engine = selectEngine("auto", () => undefined)

export interface Seen {
  readonly verdict: string
  /** Findings other than torn_tail and recovered, one sentence each. */
  readonly tampers: ReadonlyArray<string>
  /** Acknowledged records that are gone or changed. */
  readonly lost: ReadonlyArray<string>
  readonly records: number
  readonly tornTails: number
  /** Recovered records in the chains. */
  readonly recovered: number
}

const sentence = (stream: string, found: Finding): string =>
  `${stream}: ${found.kind} at seq ${found.seq} (${found.file}, byte ${found.offset}): ` +
  `expected ${found.expected}, found ${found.found}`

/** Without a trust file every key is unknown. */
const isTamper = ({ kind }: Finding, hasTrust: boolean): boolean =>
  weightOf(kind) !== "harmless" && (hasTrust || kind !== "key_unknown")

const namesOf = (chains: ReadonlyMap<string, ReadonlyMap<number, string>>): Array<string> =>
  [...chains].flatMap(([name, left]) => [...left.keys()].map((seq) => `${name}: ${seq}`))

export class Witness {
  /** Hashes by `writer / stream`, then seq. */
  readonly #acked = new Map<string, Map<number, string>>()
  count = 0

  /** Two acknowledgements of one position must agree; the sentence that says so where not. */
  add(acks: ReadonlyArray<Ack>): ReadonlyArray<string> {
    const forks: Array<string> = []
    for (const { writer_id, stream, seq, self_hash } of acks) {
      const name = `${writer_id} / ${stream}`
      const chain = this.#acked.get(name) ?? new Map<number, string>()
      this.#acked.set(name, chain)
      const before = chain.get(seq)
      if (before === undefined) this.count += 1
      else if (before !== self_hash) forks.push(`${name}: seq ${seq} was acknowledged twice`)
      chain.set(seq, self_hash)
    }
    return forks
  }

  /** Verifies the log in `folder` of a data directory, and looks for what was acknowledged. */
  look(dir: string, folder = "wal"): Seen {
    try {
      return this.#look(dir, folder)
    } catch (error) {
      const tampers = [String(error)]
      return { verdict: "", tampers, lost: [], records: 0, tornTails: 0, recovered: 0 }
    }
  }

  /** What is seen of a log that is not there. */
  get #nothing(): Seen {
    const lost = namesOf(this.#acked)
    return { verdict: "unknown", tampers: [], lost, records: 0, tornTails: 0, recovered: 0 }
  }

  #look(dir: string, folder: string): Seen {
    const root = join(dir, folder)
    if (!existsSync(root)) return this.#nothing
    const trustPath = join(dir, "trust.json")
    const trust = existsSync(trustPath) ? parseTrust(readFileSync(trustPath)) : undefined
    const options: VerifyOptions = {
      root,
      trust,
      // A first start that was cut short has no trust file yet.
      integrity: trust === undefined,
      require: "signed",
      expectHeads: [],
      nowMs: Date.now(),
    }
    const reports: Array<StreamReport> = []
    const missing = new Map([...this.#acked].map(([name, acked]) => [name, new Map(acked)]))
    for (const name of listChains(root)) {
      const wanted = missing.get(`${name.writerId} / ${name.stream}`)
      const examined = examineStream(engine, options, name, ({ firstSeq, result }) => {
        for (let i = 0; wanted !== undefined && i < result.count; i++) {
          const hash = wanted.get(firstSeq + i)
          if (hash === undefined) continue
          const stored = formatHash(result.hashes.subarray(i * 32, i * 32 + 32))
          if (stored === hash) wanted.delete(firstSeq + i)
        }
      })
      reports.push(finish(examined).stream)
    }
    const report = joinReports(reports, options)
    const findings = report.streams.flatMap(({ stream, findings }) =>
      findings.map((finding) => ({ stream, finding })),
    )
    const count = (kind: Finding["kind"]): number =>
      findings.filter(({ finding }) => finding.kind === kind).length
    return {
      verdict: report.verdict,
      tampers: findings
        .filter(({ finding }) => isTamper(finding, trust !== undefined))
        .map(({ stream, finding }) => sentence(stream, finding)),
      lost: namesOf(missing),
      records: report.records,
      tornTails: count("torn_tail"),
      recovered: count("recovered"),
    }
  }
}
