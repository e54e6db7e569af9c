/**
 * sealBatch on one core: unsigned, batch-signed, record-signed, both engines, with the phases that
 * can be called on their own, beside what a Node team would write.
 */
import { createPrivateKey, sign, verify as verifyEd25519 } from "node:crypto"
import { b3Text } from "../src/base/Hash.ts"
import { invariant } from "../src/base/Invariant.ts"
import type { ChainState, Engine, SealMode } from "../src/engine/Engine.ts"
import { readFrame } from "../src/record/Frame.ts"
import { parseBody } from "../src/record/Record.ts"
import { handmade } from "./HandMade.ts"
import {
  batches,
  calibrate,
  engines,
  type Figure,
  payload,
  publish,
  race,
  say,
  summarize,
  type Variant,
} from "./Harness.ts"

const size = 256
const drafts = payload(4096)
const inputs = batches(drafts, size)
const seed = Buffer.alloc(32, 7)
const chain = {
  logId: "0123456789abcdef0123456789abcdef",
  writerId: "svc-bench@host-1",
  stream: "bench",
  attrsBytesMax: 1024,
  recordBytesMax: 4096,
}
const empty: ChainState = { seq: 0, tsMs: 0, head: new Uint8Array(32) }

const seal = (engine: Engine, mode: SealMode, privacy?: "none"): Variant => {
  const signer = engine.openSigner(seed)
  let state = empty
  let at = 0
  return {
    name: `${engine.name} sealBatch ${mode}${privacy === "none" ? " without privacy" : ""}`,
    step: () => {
      const input = inputs[at++ % inputs.length] as Uint8Array
      const result = engine.sealBatch({
        chain,
        state,
        input,
        count: size,
        tsMs: 1_730_246_400_000,
        mode,
        privacy,
        signer,
        framesBytesMax: 1 << 22,
      })
      state = result.state
      return result.consumed
    },
  }
}

const phases = (engine: Engine): Array<Variant> => {
  const texts = drafts.map((draft) => Buffer.from(JSON.stringify(draft.attrs)))
  const hashes = new Uint8Array(size * 32).map((_, i) => i * 31)
  const signer = engine.openSigner(seed)
  let at = 0
  return [
    {
      name: `${engine.name} phase: canonicalize attrs alone (a call each)`,
      step: () => {
        for (let i = 0; i < 64; i++) engine.canonicalize(texts[at++ % texts.length] as Uint8Array)
        return 64
      },
    },
    {
      name: `${engine.name} phase: Merkle root of 256, a record`,
      step: () => {
        engine.merkleRoot(hashes, "leaves")
        return size
      },
    },
    {
      name: `${engine.name} phase: one signature (${engine.signing})`,
      step: () => {
        signer.sign("strongroom/r1", hashes.subarray(0, 32))
        return 1
      },
    },
  ]
}

/** One batch of each engine and mode, checked with the pure reader before anything is timed. */
const validate = (engine: Engine): void => {
  const signer = engine.openSigner(seed)
  const spki = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed])
  const key = createPrivateKey({ key: spki, format: "der", type: "pkcs8" })
  const result = engine.sealBatch({
    chain,
    state: empty,
    input: inputs[0] as Uint8Array,
    count: size,
    tsMs: 1,
    mode: "record",
    signer,
    framesBytesMax: 1 << 22,
  })
  let prev = "b3:0"
  let seq = 0
  for (let at = 0; at < result.frames.length; ) {
    const frame = readFrame(result.frames, at)
    invariant(frame !== "incomplete" && !("what" in frame), "a frame is whole")
    const body = parseBody(frame.body)
    invariant(body.seq === ++seq && body.prev === prev, "the chain links")
    invariant(b3Text(frame.body) === frame.selfHash, "self_hash is right")
    prev = frame.selfHash
    at = frame.next
  }
  invariant(seq === size, "every draft was sealed")
  const message = Buffer.from("strongroom/r1\0".padEnd(46, "x"))
  invariant(verifyEd25519(null, message, key, sign(null, message, key)), "the key works")
}

const all = engines()
for (const engine of all) validate(engine)
const lengths = drafts.map((draft) => JSON.stringify(draft).length)
const native = all[0] as Engine
const probe = native.sealBatch({
  chain,
  state: empty,
  input: inputs[0] as Uint8Array,
  count: size,
  tsMs: 1_730_246_400_000,
  mode: "unsigned",
  framesBytesMax: 1 << 22,
})
const sizes: Array<number> = []
for (let at = 0; at < probe.frames.length; ) {
  const frame = readFrame(probe.frames, at)
  invariant(frame !== "incomplete" && !("what" in frame), "a frame is whole")
  sizes.push(frame.len)
  at = frame.next
}
sizes.sort((a, b) => a - b)
say(
  [
    `payload: ${lengths.length} drafts of real CloudTrail events`,
    `canonical record median ${sizes[sizes.length >> 1]} bytes (${sizes[0]} to ${sizes.at(-1)})`,
    `batch ${size}`,
  ].join("; "),
)

const hand = handmade(drafts, 64)
const calibration = calibrate(native)
const variants = [
  calibration,
  ...all.flatMap((engine) => [
    ...(["unsigned", "batch", "record"] as const).map((mode) => seal(engine, mode)),
    seal(engine, "batch", "none"),
  ]),
  handmade(drafts, 1),
  hand,
  ...all.flatMap(phases),
]
const rates = await race(variants, Number(process.env.BENCH_ROUNDS ?? 20))
const base = summarize("engine", hand.name, "records/s", rates.get(hand.name) ?? [])
const figures: Array<Figure> = variants.map(({ name }) => {
  const isSeal = name.includes("sealBatch")
  const held = isSeal ? { reference: hand.name, median: base.median } : undefined
  return summarize(
    "engine",
    name,
    name.includes("signature") || name.includes("calibration") ? "a second" : "records/s",
    rates.get(name) ?? [],
    held,
  )
})
publish("engine", figures)
