/**
 * The WAL with fsync=always: closed-loop callers that wait for `durable`, beside bare fdatasync of
 * the same bytes on the same disk, in turns; export and checkpoint; what a Node team would write.
 *
 * Not measured: a disk that is shared with other load, hours of running, power loss.
 */
import { createHash, generateKeyPairSync, sign } from "node:crypto"
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeSync,
} from "node:fs"
import { join } from "node:path"
import canonicalize from "canonicalize"
import { finish, verifyLog } from "../src/audit/Verify.ts"
import { invariant } from "../src/base/Invariant.ts"
import type { Engine } from "../src/engine/Engine.ts"
import { Strongroom } from "../src/index.ts"
import { parseTrust } from "../src/signing/Trust.ts"
import { readSmallFile } from "../src/sink/Segment.ts"
import { SinkWal } from "../src/sink/SinkWal.ts"
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
// On the disk that is to be measured: below the working directory, never a tmpfs /tmp.
const dir = mkdtempSync(join(process.env.BENCH_DIR ?? process.cwd(), ".bench-wal-"))
const rounds = Number(process.env.BENCH_ROUNDS ?? 10)
const roundMs = 500

interface Round {
  readonly rate: number
  readonly commitsPerS: number
  readonly latencies: Array<number>
}

/** `inFlight` callers, each: append, wait for durable, again. */
const closedLoop = async (room: Strongroom, inFlight: number): Promise<Round> => {
  const latencies: Array<number> = []
  const end = performance.now() + roundMs
  let count = 0
  const caller = async (first: number): Promise<void> => {
    for (let at = first; performance.now() < end; at += inFlight) {
      const begun = performance.now()
      const receipt = await room.append(drafts[at % drafts.length]!)
      await receipt.reached("durable")
      latencies.push(performance.now() - begun)
      count += 1
    }
  }
  const begun = performance.now()
  await Promise.all(Array.from({ length: inFlight }, (_, i) => caller(i)))
  const seconds = (performance.now() - begun) / 1000
  return { rate: count / seconds, commitsPerS: count / inFlight / seconds, latencies }
}

const frameBytes = 1_105

/** Time of each fsync of frames, taken around the product's own call. */
let fsyncs: Array<number> = []
const { sync } = SinkWal.prototype
SinkWal.prototype.sync = async function (what) {
  const begun = performance.now()
  await sync.call(this, what)
  if (what === "frames") fsyncs.push(performance.now() - begun)
}

type Flush = "fdatasync" | "fdatasyncSync"

/**
 * Bare append + fdatasync of the bytes of `records` frames, one after the other: by libuv's pool
 * with a callback, as the WAL does it, or on the main thread.
 */
const bare = async (records: number, path: string, flush: Flush): Promise<Round> => {
  const block = Buffer.alloc(records * frameBytes, 7)
  const fd = openSync(path, "w")
  const latencies: Array<number> = []
  const end = performance.now() + roundMs
  const begun = performance.now()
  let commits = 0
  let at = 0
  while (performance.now() < end) {
    writeSync(fd, block, 0, block.length, at)
    at += block.length
    const start = performance.now()
    if (flush === "fdatasyncSync") fdatasyncSync(fd)
    else {
      await new Promise<void>((done, fail) =>
        fdatasync(fd, (error) => (error === null ? done() : fail(error))),
      )
    }
    latencies.push(performance.now() - start)
    commits += 1
  }
  const seconds = (performance.now() - begun) / 1000
  closeSync(fd)
  rmSync(path)
  return { rate: (commits * records) / seconds, commitsPerS: commits / seconds, latencies }
}

/** What a Node team would write: canonicalize, sha256 chain, Ed25519 and fdatasync every 64. */
const handmade = (path: string): Round => {
  const { privateKey } = generateKeyPairSync("ed25519")
  const fd = openSync(path, "w")
  const latencies: Array<number> = []
  const end = performance.now() + roundMs
  const begun = performance.now()
  let prev = "0"
  let count = 0
  while (performance.now() < end) {
    const start = performance.now()
    let text = ""
    for (let i = 0; i < 64; i++, count++) {
      const draft = drafts[count % drafts.length]
      const body = canonicalize({ ...draft, seq: count, ts_ms: Date.now(), prev }) as string
      prev = createHash("sha256").update(body).digest("hex")
      text += `${body}\n`
    }
    const signature = sign(null, Buffer.from(prev), privateKey)
    writeSync(fd, `${text}${signature.toString("base64")}\n`)
    fdatasyncSync(fd)
    latencies.push(performance.now() - start)
  }
  const seconds = (performance.now() - begun) / 1000
  closeSync(fd)
  rmSync(path)
  return { rate: count / seconds, commitsPerS: count / 64 / seconds, latencies }
}

const open = (name: string, signing: "batch" | "checkpoint") =>
  Strongroom.open({
    writerId: "svc-bench@host-1",
    wal: { dir: join(dir, name, "wal"), fsync: "always" },
    export: { dir: join(dir, name, "export") },
    signing,
    engine: engine.name,
    notice: () => undefined,
  })

const figures: Array<Figure> = []
const timeFigures = (
  name: string,
  times: ReadonlyArray<number>,
  quantiles: ReadonlyArray<number>,
): void => {
  const all = [...times].sort((a, b) => a - b)
  for (const q of quantiles) {
    const figure = summarize("wal", `${name}: p${q * 100}`, "ms", [quantile(all, q)])
    figures.push({ ...figure, samples: all.length })
  }
}

const medianRate = (list: ReadonlyArray<Round>): number =>
  quantile(
    list.map(({ rate }) => rate).sort((a, b) => a - b),
    0.5,
  )

const compare = async (inFlight: number, signing: "batch" | "checkpoint"): Promise<void> => {
  const room = await open(`${signing}-${inFlight}`, signing)
  await closedLoop(room, inFlight)
  const ours: Array<Round> = []
  const plain: Record<Flush, Array<Round>> = { fdatasync: [], fdatasyncSync: [] }
  fsyncs = []
  for (let i = 0; i < rounds; i++) {
    ours.push(await closedLoop(room, inFlight))
    for (const flush of ["fdatasync", "fdatasyncSync"] as const) {
      plain[flush].push(await bare(inFlight, join(dir, "bare"), flush))
    }
  }
  await room.close()
  const isSyncFaster = medianRate(plain.fdatasyncSync) > medianRate(plain.fdatasync)
  const flush = isSyncFaster ? "fdatasyncSync" : "fdatasync"
  const name = `fsync=always, signing=${signing}, ${inFlight} in flight`
  const reference = `bare ${flush} of ${inFlight} frames (the faster way)`
  const rate = (list: ReadonlyArray<Round>) => list.map((round) => round.rate)
  const base = summarize("wal", reference, "records/s", rate(plain[flush]))
  const held = { reference, median: base.median }
  figures.push(base, summarize("wal", name, "records/s", rate(ours), held))
  const latencies = (list: ReadonlyArray<Round>) => list.flatMap((round) => round.latencies)
  timeFigures(`${name}: time to durable`, latencies(ours), [0.5, 0.95, 0.99, 0.999])
  const bareTimes = latencies(plain[flush]).sort((a, b) => a - b)
  timeFigures(`${reference}, the call`, bareTimes, [0.5, 0.95])
  timeFigures(`${name}: wal_fsync`, fsyncs, [0.5, 0.95, 0.99])
  const p95 = quantile(
    [...fsyncs].sort((a, b) => a - b),
    0.95,
  )
  const bareP95 = { reference: `${reference}, the call: p95`, median: quantile(bareTimes, 0.95) }
  const ratio = summarize("wal", `${name}: wal_fsync p95 held to bare`, "ms", [p95], bareP95)
  figures.push({ ...ratio, samples: fsyncs.length })
}

/** Checkpoint and export of 10,000 records, one after the other on a growing log. */
const exporting = async (): Promise<void> => {
  const room = await open("export", "batch")
  const times: Array<number> = []
  for (let i = 0; i < Math.max(10, rounds); i++) {
    for (let at = 0; at < 10_000; at += 1_000) {
      await Promise.all(
        Array.from({ length: 1_000 }, (_, k) => room.append(drafts[(at + k) % drafts.length]!)),
      )
    }
    await room.flush()
    const begun = performance.now()
    await room.export()
    times.push(performance.now() - begun)
  }
  await room.close()
  const trust = parseTrust(readSmallFile(join(dir, "export", "trust.json")))
  const root = join(dir, "export", "export")
  const options = {
    root,
    trust,
    integrity: false,
    require: "signed",
    expectHeads: [],
    nowMs: Date.now(),
  } as const
  invariant(finish(verifyLog(engine, options)).verdict === "valid", "the export verifies")
  figures.push(summarize("wal", "checkpoint and export of 10,000 records", "ms", times))
}

try {
  say(
    `engine ${engine.name} (${engine.signing}); frames of about ${frameBytes} bytes; below ${dir}`,
  )
  const calibration = calibrate(engine)
  const rates = await race([calibration], 5)
  figures.push(summarize("wal", calibration.name, "a second", rates.get(calibration.name) ?? []))
  for (const inFlight of [64, 256]) await compare(inFlight, "batch")
  await compare(256, "checkpoint")
  const plain: Array<Round> = []
  for (let i = 0; i < rounds; i++) plain.push(handmade(join(dir, "handmade")))
  figures.push(
    summarize(
      "wal",
      "hand-made: canonicalize + sha256 + node:crypto Ed25519, fdatasync every 64",
      "records/s",
      plain.map(({ rate }) => rate),
    ),
  )
  await exporting()
  publish("wal", figures)
} finally {
  rmSync(dir, { recursive: true, force: true })
}
