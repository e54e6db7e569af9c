/**
 * Public `append` on one core: closed-loop async callers and a paced load, their cost included.
 *
 * Not measured: the disk (see `wal`, `chains`), more than one stream.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { invariant } from "../src/base/Invariant.ts"
import type { Engine } from "../src/engine/Engine.ts"
import { type OpenOptions, Strongroom } from "../src/index.ts"
import { handmade } from "./HandMade.ts"
import {
  calibrate,
  engines,
  type Figure,
  payload,
  publish,
  quantile,
  race,
  say,
  summarize,
} from "./Harness.ts"

const drafts = payload(4096)
const engine = engines()[0] as Engine
const callers = 1024
const samples = Number(process.env.BENCH_ROUNDS ?? 50)
const sampleMs = 100
const pacedRate = 90_000
const pacedMs = 5_000

const open = (changes: Partial<OpenOptions> = {}): Promise<Strongroom> =>
  Strongroom.open({
    writerId: "svc-bench@host-1",
    sink: "ram",
    engine: engine.name,
    notice: () => undefined,
    ...changes,
  })

/** Rates of 100 ms samples while `callers` append without a pause. */
const closedLoop = async (room: Strongroom): Promise<Array<number>> => {
  const rates: Array<number> = []
  let count = 0
  let isDone = false
  let sum = 0
  const caller = async (first: number): Promise<void> => {
    for (let at = first; !isDone; at = (at + callers) & 4095) {
      const receipt = await room.append(drafts[at]!)
      sum += receipt.seq
      count += 1
    }
  }
  let begun = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    if (now - begun < sampleMs) return
    rates.push((count * 1000) / (now - begun))
    count = 0
    begun = now
    isDone = rates.length > samples
  }, 1)
  await Promise.all(Array.from({ length: callers }, (_, i) => caller(i)))
  clearInterval(timer)
  invariant(sum > 0, "receipts carry a seq")
  return rates.slice(1)
}

/** Milliseconds from when a record was due to its answer, at a steady rate, and what was shed. */
const paced = async (room: Strongroom) => {
  const latencies: Array<number> = []
  let shed = 0
  const begun = performance.now()
  let sent = 0
  while (performance.now() - begun < pacedMs) {
    const due = Math.floor(((performance.now() - begun) * pacedRate) / 1000)
    while (sent < due) {
      const dueMs = begun + (sent * 1000) / pacedRate
      room.append(drafts[sent++ & 4095]!).then(
        () => void latencies.push(performance.now() - dueMs),
        () => void shed++,
      )
    }
    // The generator shares the core; it gives the loop a turn after each burst.
    await new Promise((done) => setImmediate(done))
  }
  await room.flush()
  await sleep(1)
  return { latencies: latencies.sort((a, b) => a - b), shed, sent }
}

/** Heap that one record in flight holds. Units: bytes. */
const heapInFlight = async (): Promise<number> => {
  const count = 200_000
  const room = await open({ queueDepth: count })
  const collect = Reflect.get(globalThis, "gc") as () => void
  collect()
  const before = process.memoryUsage()
  const waiting = Array.from({ length: count }, (_, i) => room.append(drafts[i & 4095]!))
  const after = process.memoryUsage()
  await Promise.all(waiting)
  await room.close()
  return (after.heapUsed - before.heapUsed + after.arrayBuffers - before.arrayBuffers) / count
}

const openMs = async (): Promise<Array<number>> => {
  const times: Array<number> = []
  for (let i = 0; i < 30; i++) {
    const begun = performance.now()
    const room = await open()
    times.push(performance.now() - begun)
    await room.close()
  }
  return times.slice(5)
}

const figures: Array<Figure> = []
const add = (name: string, unit: string, values: ReadonlyArray<number>): void =>
  void figures.push(summarize("append", name, unit, values))
say(`engine ${engine.name} (${engine.signing}); ${callers} async callers, ram sink, one stream`)
const calibration = calibrate(engine)
const hand = handmade(drafts, 1)
const base = await race([calibration, hand], 5)
add(calibration.name, "a second", base.get(calibration.name) ?? [])
const peer = summarize("append", hand.name, "records/s", base.get(hand.name) ?? [])
figures.push(peer)
for (const signing of ["batch", "checkpoint"] as const) {
  const room = await open({ signing })
  await closedLoop(room)
  const name = `append, ram sink, signing=${signing}, ${callers} callers`
  const held = { reference: hand.name, median: peer.median }
  figures.push(summarize("append", name, "records/s", await closedLoop(room), held))
  await room.close()
}
const room = await open({ queueDepth: 8192 })
await closedLoop(room)
const { latencies, shed, sent } = await paced(room)
await room.close()
for (const q of [0.5, 0.95, 0.99, 0.999]) {
  add(`paced at ${pacedRate}/s: p${q * 100} from due to answered`, "ms", [quantile(latencies, q)])
}
add(`paced at ${pacedRate}/s: shed`, "%", [(shed * 100) / sent])
add("heap and buffers of a record in flight", "bytes", [await heapInFlight()])
add("open, ram sink, key made in memory", "ms", await openMs())
publish("append", figures)
