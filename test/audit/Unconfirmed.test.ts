/** With fsync=always: what callers are told while the disk stands still, and what a repeat does. */
import { describe, expect, it } from "vitest"
import { Intake } from "../../src/audit/Intake.ts"
import { readStored } from "../../src/audit/StoredRecord.ts"
import { Writer } from "../../src/audit/Writer.ts"
import { openPool, type WriterOptions } from "../../src/audit/WriterOptions.ts"
import { genesis } from "../../src/base/Hash.ts"
import { emptyChain } from "../../src/chain/Chain.ts"
import { defaultLimits } from "../../src/record/Record.ts"
import { SinkRam } from "../../src/sink/SinkRam.ts"
import { draft, engine, stream, writerId } from "./Room.ts"

/** A disk that takes bytes and confirms none until it is let go. */
class StillDisk extends SinkRam {
  readonly #gate = Promise.withResolvers<void>()
  go(): void {
    this.#gate.resolve()
  }
  override sync(): Promise<void> {
    return this.#gate.promise
  }
}

const open = () => {
  const sink = new StillDisk({ bytesMax: 1 << 20 })
  const ignore = () => undefined
  const options: WriterOptions = {
    chain: { logId: "0".repeat(32), writerId, stream, ...defaultLimits },
    state: emptyChain,
    engine,
    sink,
    clock: { nowMs: () => 1_700_000_000_000 },
    signing: "checkpoint",
    policy: "always",
    recordSigner: undefined,
    signer: undefined,
    checkpoint: { number: 0, lastSeq: 0, digest: genesis },
    pending: Promise.resolve(new Uint8Array()),
    pool: openPool(),
    tuning: { queueDepth: 16, checkpointEvery: 1000, enqueueMs: 60_000, walMs: 1, walStrikes: 1 },
    onShed: ignore,
    onRoom: ignore,
    onCheckpoint: ignore,
    onTrouble: ignore,
    onStop: ignore,
  }
  const writer = new Writer(options)
  const read = (seq: number) => readStored(engine, undefined, sink, { writerId, stream }, seq)
  const intake = new Intake({ engine, writerId, stream, writer, opIds: new Map(), read })
  return { sink, writer, intake }
}

const opId = "0190a3c4-5b6d-7e8f-9a0b-1c2d3e4f5a6b"
const once = () => draft(1, { attrs: { op_id: opId } })
const turns = async (): Promise<void> => {
  for (let i = 0; i < 4; i++) await new Promise((done) => setImmediate(done))
}

describe("a disk that stands still", () => {
  it("tells a caller of its record, which a repeat finds and does not write again", async () => {
    const { sink, writer, intake } = open()
    const first = intake.append(once()).catch((error: unknown) => error)
    await turns()
    writer.setShut("stalled", true)
    const error = await first
    expect(error).toMatchObject({ code: "TIMEOUT", receipt: { seq: 1, stream } })
    expect(String(error)).toContain("seq 1")
    sink.go()
    writer.setShut("stalled", false)
    const repeat = await intake.append(once())
    expect(repeat.seq).toBe(1)
    await repeat.reached("durable")
    expect(writer.state.seq).toBe(1)
    expect((await intake.append(draft(2))).seq).toBe(2)
  })

  it("counts among what an abort left those who were not answered", async () => {
    const { writer, intake } = open()
    const callers = [1, 2, 3].map((i) => intake.append(draft(i)).catch((error: unknown) => error))
    await turns()
    expect(writer.abort()).toBe(3)
    for (const caller of callers) expect(await caller).toMatchObject({ code: "CANCELED" })
  })
})
