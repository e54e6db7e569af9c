/**
 * Public `append` on one core: ram sink, closed-loop async callers, their cost included.
 *
 * Not measured: the disk (see `wal`), more than one stream.
 */
import { invariant } from "../src/base/Invariant.ts"
import type { Engine } from "../src/engine/Engine.ts"
import { Strongroom } from "../src/index.ts"
import {
  calibrate,
  engines,
  type Figure,
  payload,
  publish,
  race,
  say,
  summarize,
} from "./Harness.ts"

const drafts = payload(4096)
const engine = engines()[0] as Engine
const callers = 1024
const samples = Number(process.env.BENCH_ROUNDS ?? 50)
const sampleMs = 100

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

const figures: Array<Figure> = []
say(`engine ${engine.name} (${engine.signing}); ${callers} async callers, ram sink, one stream`)
const calibration = calibrate(engine)
const base = await race([calibration], 5)
figures.push(summarize("append", calibration.name, "a second", base.get(calibration.name) ?? []))
for (const signing of ["batch", "checkpoint"] as const) {
  const room = await Strongroom.open({
    writerId: "svc-bench@host-1",
    sink: "ram",
    signing,
    engine: engine.name,
    notice: () => undefined,
  })
  await closedLoop(room)
  const name = `append, ram sink, signing=${signing}, ${callers} callers`
  figures.push(summarize("append", name, "records/s", await closedLoop(room)))
  await room.close()
}
publish("append", figures)
