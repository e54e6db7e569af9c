/**
 * Verifying on one core: frames alone (canonical form, self_hash, links), signatures, a whole WAL
 * with batch signatures, and reading of a small log by the same code.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { finish, verifyLog } from "../src/audit/Verify.ts"
import { invariant } from "../src/base/Invariant.ts"
import type { ChainState, Engine } from "../src/engine/Engine.ts"
import { Strongroom } from "../src/index.ts"
import { parseTrust } from "../src/signing/Trust.ts"
import { readSmallFile } from "../src/sink/Segment.ts"
import {
  batches,
  calibrate,
  engines,
  payload,
  publish,
  race,
  say,
  summarize,
  type Variant,
} from "./Harness.ts"

const size = 256
const drafts = payload(4096)
const chain = {
  logId: "0123456789abcdef0123456789abcdef",
  writerId: "svc-bench@host-1",
  stream: "bench",
  attrsBytesMax: 1024,
  recordBytesMax: 4096,
}
const empty: ChainState = { seq: 0, tsMs: 0, head: new Uint8Array(32) }

/** 4,096 records sealed by an engine, as one run of frames. */
const sealed = (engine: Engine): Uint8Array => {
  let state = empty
  const parts: Array<Uint8Array> = []
  for (const input of batches(drafts, size)) {
    const result = engine.sealBatch({
      chain,
      state,
      input,
      count: size,
      tsMs: 1_730_246_400_000,
      mode: "unsigned",
      framesBytesMax: 1 << 22,
    })
    state = result.state
    parts.push(result.frames.slice())
  }
  return Buffer.concat(parts)
}

const frames = (engine: Engine, bytes: Uint8Array): Variant => ({
  name: `${engine.name} verify frames: canonical, self_hash, links`,
  step: () => {
    const { count, stop } = engine.verifyBatch({ chain, state: empty, frames: bytes })
    invariant(stop === "end" && count === drafts.length, "every frame is right")
    return count
  },
})

/** Each record the first of a chain of its own: what is left of a link is `b3:0`. A call each. */
const selfHash = (engine: Engine): Variant => {
  const singles = batches(drafts.slice(0, size), 1).map((input) => {
    const request = { chain, state: empty, input, count: 1, tsMs: 1_730_246_400_000 }
    const limits = { mode: "unsigned", framesBytesMax: 1 << 22 } as const
    return engine.sealBatch({ ...request, ...limits }).frames.slice()
  })
  return {
    name: `${engine.name} verify self_hash and canonical form alone, a call each`,
    step: () => {
      for (const frame of singles) {
        const { count } = engine.verifyBatch({ chain, state: empty, frames: frame })
        invariant(count === 1, "the frame is right")
      }
      return singles.length
    },
  }
}

const signatures = (engine: Engine): Variant => {
  const signer = engine.openSigner(Buffer.alloc(32, 7))
  const digests = new Uint8Array(64 * 32).map((_, i) => i * 7)
  const sigs = Buffer.concat(
    Array.from({ length: 64 }, (_, i) =>
      signer.sign("strongroom/r1", digests.subarray(i * 32, i * 32 + 32)),
    ),
  )
  return {
    name: `${engine.name} verify record signatures, one key`,
    step: () => {
      const right = engine.verifySignatures(signer.publicKey, "strongroom/r1", digests, sigs)
      invariant(
        right.every((bit) => bit === 1),
        "every signature is right",
      )
      return 64
    },
  }
}

/** A log on disk with batch signatures, verified against its trust file. */
const whole = async (engine: Engine, records: number, dir: string): Promise<Variant> => {
  const room = await Strongroom.open({
    writerId: "svc-bench@host-1",
    wal: { dir: join(dir, "wal"), fsync: "never" },
    engine: engine.name,
    notice: () => undefined,
  })
  for (let at = 0; at < records; at += 1024) {
    await Promise.all(
      Array.from({ length: 1024 }, (_, i) => room.append(drafts[(at + i) % drafts.length]!)),
    )
  }
  await room.close()
  const trust = parseTrust(readSmallFile(join(dir, "trust.json")))
  return {
    name: `${engine.name} verify a whole WAL (${records} records, batch signatures, checkpoints)`,
    step: () => {
      const report = finish(
        verifyLog(engine, {
          root: join(dir, "wal"),
          trust,
          integrity: false,
          require: "signed",
          expectHeads: [],
          nowMs: Date.now(),
        }),
      )
      invariant(report.verdict === "valid", "the log is valid")
      return report.records
    },
  }
}

const all = engines()
const native = all[0] as Engine
const dir = mkdtempSync(join(tmpdir(), "strongroom-bench-"))
say(`payload: ${drafts.length} drafts of real CloudTrail events; page cache warm; one core`)
try {
  const variants: Array<Variant> = [calibrate(native)]
  for (const engine of all) {
    variants.push(selfHash(engine), frames(engine, sealed(engine)), signatures(engine))
    const records = engine.name === "native" ? 102_400 : 4_096
    variants.push(await whole(engine, records, join(dir, engine.name)))
  }
  const rates = await race(variants, Number(process.env.BENCH_ROUNDS ?? 20))
  publish(
    "verify",
    variants.map(({ name }) =>
      summarize(
        "verify",
        name,
        name.includes("calibration") ? "a second" : "records/s",
        rates.get(name) ?? [],
      ),
    ),
  )
} finally {
  rmSync(dir, { recursive: true, force: true })
}
