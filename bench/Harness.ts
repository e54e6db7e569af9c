/**
 * What every bench shares: the payload, the machine, the calibration loop, samples and their print.
 *
 * A figure is the median of samples of some 100 ms; variants take turns inside one process, so that
 * a noisy neighbour meets all of them; output is validated by the bench that made it.
 */
import { createHash, generateKeyPairSync, sign } from "node:crypto"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { cpus, release } from "node:os"
import { join } from "node:path"
import { Bench } from "tinybench"
import { invariant } from "../src/base/Invariant.ts"
import { cloudTrailDrafts } from "../src/cli/CloudTrail.ts"
import type { Engine } from "../src/engine/Engine.ts"
import { openJs } from "../src/engine/EngineJs.ts"
import { openNative } from "../src/engine/EngineNative.ts"
import { type Draft, encodeDraft } from "../src/record/Draft.ts"

export interface Figure {
  readonly bench: string
  readonly case: string
  readonly unit: string
  readonly median: number
  readonly p05: number
  readonly p95: number
  readonly samples: number
  /** What it is held against, and the ratio to it; empty and 0 where it stands alone. */
  readonly reference: string
  readonly ratio: number
  readonly machine: string
}

const machine = [
  cpus()[0]?.model.trim() ?? "unknown",
  `${cpus().length} cores`,
  `Linux ${release()}`,
  `Node ${process.versions.node}`,
].join(", ")

const dataDir = join(import.meta.dirname, "..", "test", "data", "cloudtrail")

/** `count` drafts from the real events, each with its own event id. */
export const payload = (count: number): Array<Draft> => {
  const drafts = readdirSync(dataDir)
    .filter((file) => file.endsWith(".json"))
    .flatMap((file) => cloudTrailDrafts(readFileSync(join(dataDir, file)), file).drafts)
    .map(({ draft }) => draft)
  return Array.from({ length: count }, (_, i) => {
    const draft = drafts[i % drafts.length] as Draft
    const id = createHash("sha256").update(`${i}`).digest("hex")
    const parts = [id.slice(0, 8), id.slice(8, 12), `4${id.slice(13, 16)}`, `a${id.slice(17, 20)}`]
    const event_id = [...parts, id.slice(20, 32)].join("-")
    const given = { ...draft, stream: "bench", attrs: { ...draft.attrs, event_id } }
    // Plain objects with shapes, as a host's code makes them.
    return JSON.parse(JSON.stringify(given)) as Draft
  })
}

/** Drafts as the engine takes them, packed in batches. */
export const batches = (drafts: ReadonlyArray<Draft>, size: number): Array<Uint8Array> => {
  const packed: Array<Uint8Array> = []
  for (let at = 0; at < drafts.length; at += size) {
    const lines = drafts.slice(at, at + size).map((draft) => `${encodeDraft(draft)}\n`)
    packed.push(Buffer.from(lines.join("")))
  }
  return packed
}

export const engines = (): Array<Engine> => {
  try {
    return [openNative(), openJs()]
  } catch (error) {
    process.stderr.write(`no native engine: ${String(error)}\n`)
    return [openJs()]
  }
}

export const quantile = (sorted: ReadonlyArray<number>, q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN

export const summarize = (
  bench: string,
  name: string,
  unit: string,
  samples: ReadonlyArray<number>,
  held?: { readonly reference: string; readonly median: number },
): Figure => {
  const sorted = [...samples].sort((a, b) => a - b)
  const median = quantile(sorted, 0.5)
  return {
    bench,
    case: name,
    unit,
    median: round(median),
    p05: round(quantile(sorted, 0.05)),
    p95: round(quantile(sorted, 0.95)),
    samples: sorted.length,
    reference: held?.reference ?? "",
    ratio: held === undefined ? 0 : round(median / held.median),
    machine,
  }
}

const round = (value: number): number => Number(value.toPrecision(4))

/** A variant: does some work and says how many units it did. */
export interface Variant {
  readonly name: string
  readonly step: () => number
}

/** Rates in units a second: samples of 100 ms, the variants taking turns. */
export const race = async (
  variants: ReadonlyArray<Variant>,
  rounds: number,
): Promise<Map<string, Array<number>>> => {
  const rates = new Map<string, Array<number>>(variants.map(({ name }) => [name, []]))
  for (let round = 0; round <= rounds; round++) {
    const units = new Map<string, number>()
    const bench = new Bench({ time: 100, iterations: 1, warmup: false })
    for (const { name, step } of variants) {
      bench.add(name, () => void units.set(name, (units.get(name) ?? 0) + step()))
    }
    for (const { name, result } of await bench.run()) {
      invariant("totalTime" in result, `${name} ran`)
      // The first round warms up.
      if (round > 0) rates.get(name)?.push(((units.get(name) ?? 0) * 1000) / result.totalTime)
    }
  }
  return rates
}

/** The committed rate of the calibration loop; a figure counts when this run's is within 15 %. */
export const calibrate = (engine: Engine): Variant => {
  const { privateKey } = generateKeyPairSync("ed25519")
  const block = Buffer.alloc(1024, 7)
  return {
    name: "calibration: bare BLAKE3 of 1 KiB x 16 + one Ed25519 (node:crypto)",
    step: () => {
      for (let i = 0; i < 16; i++) {
        const hasher = engine.openHasher()
        hasher.update(block)
        hasher.digest()
      }
      sign(null, block, privateKey)
      return 1
    },
  }
}

const wantsJson = process.argv.includes("--json")

/** Prints figures, as JSON Lines with --json, and writes them to bench/results/<bench>.json. */
export const publish = (bench: string, figures: ReadonlyArray<Figure>): void => {
  for (const figure of figures) {
    const { case: name, unit, median, p05, p95, samples, reference, ratio } = figure
    const held = reference === "" ? "" : `   ${ratio} x ${reference}`
    const [m, low, high] = [median, p05, p95].map((value) => value.toLocaleString("en"))
    const line = `${name.padEnd(64)} ${m} ${unit}  (p05 ${low}, p95 ${high}, n ${samples})${held}`
    process.stdout.write(`${wantsJson ? JSON.stringify(figure) : line}\n`)
  }
  if (!process.argv.includes("--save")) return
  const path = join(import.meta.dirname, "results", `${bench}.json`)
  writeFileSync(path, `${JSON.stringify(figures, null, 2)}\n`)
}

export const say = (line: string): void => void process.stderr.write(`${line}\n`)
