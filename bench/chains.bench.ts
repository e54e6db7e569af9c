/**
 * Many chains of one writer at once: throughput, memory and fairness; fsync=always over 16 of them.
 *
 * Not measured: one process a chain, more than one disk.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs"
import { join } from "node:path"
import { invariant } from "../src/base/Invariant.ts"
import type { Engine } from "../src/engine/Engine.ts"
import { type OpenOptions, Strongroom } from "../src/index.ts"
import { engines, type Figure, payload, publish, quantile, say, summarize } from "./Harness.ts"

const drafts = payload(1024)
const engine = engines()[0] as Engine
const rounds = Number(process.env.BENCH_ROUNDS ?? 10)
const inFlight = 1024
const figures: Array<Figure> = []

const open = (changes: Partial<OpenOptions>): Promise<Strongroom> =>
  Strongroom.open({
    writerId: "svc-bench@host-1",
    engine: engine.name,
    notice: () => undefined,
    deadlines: { enqueueMs: 60_000, walMs: 60_000 },
    ...changes,
  })

/** Appends to `chains`, waiting for a level; rates of half seconds, fairness between chains. */
const load = async (room: Strongroom, chains: number, level: "accepted" | "durable") => {
  const counts = new Array<number>(chains).fill(0)
  const rates: Array<number> = []
  let done = 0
  let isOver = false
  const streams = Array.from({ length: chains }, (_, i) => `s${i}`)
  await Promise.all(streams.map((stream) => room.append({ ...drafts[0]!, stream })))
  const caller = async (first: number): Promise<void> => {
    const at = first % chains
    const own = { ...drafts[first & 1023]!, stream: streams[at] as string }
    while (!isOver) {
      const receipt = await room.append(own)
      if (level === "durable") await receipt.reached("durable")
      counts[at]! += 1
      done += 1
    }
  }
  let begun = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    rates.push((done * 1000) / (now - begun))
    begun = now
    done = 0
    isOver = rates.length > rounds
  }, 500)
  await Promise.all(Array.from({ length: Math.max(inFlight, chains) }, (_, i) => caller(i)))
  clearInterval(timer)
  const sorted = counts.toSorted((a, b) => a - b)
  invariant((sorted[0] ?? 0) > 0, "every chain was written")
  return { rates: rates.slice(1), fairness: (sorted[0] ?? 0) / quantile(sorted, 0.5) }
}

const add = (name: string, unit: string, values: ReadonlyArray<number>): void =>
  void figures.push(summarize("chains", name, unit, values))

say(`engine ${engine.name}; ${inFlight} callers over the chains`)
for (const chains of [1, 100, 1000]) {
  const before = process.memoryUsage().rss
  const room = await open({ sink: "ram", ramBytesMax: 64 << 10 })
  const { rates, fairness } = await load(room, chains, "accepted")
  const rss = (process.memoryUsage().rss - before) / 2 ** 20
  await room.close()
  add(`ram sink, ${chains} chains`, "records/s", rates)
  add(`ram sink, ${chains} chains: slowest chain to the median one`, "ratio", [fairness])
  add(`ram sink, ${chains} chains: memory beyond the start`, "MiB", [rss])
}

/** The same bytes and groups, without a log: a file a chain, an fdatasync a group. */
const bare = (dir: string, chains: number): Array<number> => {
  const group = Buffer.alloc((inFlight / chains) * 1105, 7)
  const files = Array.from({ length: chains }, (_, i) => openSync(join(dir, `bare-${i}`), "w"))
  const rates: Array<number> = []
  for (let round = 0; round < rounds; round++) {
    const begun = performance.now()
    let records = 0
    while (performance.now() - begun < 300) {
      for (const file of files) {
        writeSync(file, group)
        fdatasyncSync(file)
        records += inFlight / chains
      }
    }
    rates.push((records * 1000) / (performance.now() - begun))
  }
  for (const file of files) closeSync(file)
  return rates
}

const dir = mkdtempSync(join(process.cwd(), ".bench-chains-"))
try {
  const floor = summarize("chains", "bare fdatasync, 16 files", "records/s", bare(dir, 16))
  figures.push(floor)
  const room = await open({ wal: { dir: join(dir, "wal"), fsync: "always" } })
  const { rates, fairness } = await load(room, 16, "durable")
  await room.close()
  const held = { reference: "bare fdatasync, 16 files", median: floor.median }
  const name = `wal, fsync=always, 16 chains, ${inFlight} in flight, to durable`
  figures.push(summarize("chains", name, "records/s", rates, held))
  add("wal, fsync=always, 16 chains: slowest chain to the median one", "ratio", [fairness])
} finally {
  rmSync(dir, { recursive: true, force: true })
}
publish("chains", figures)
