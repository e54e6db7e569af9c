import { describe, expect, it } from "vitest"
import { SinkRam } from "../../src/sink/SinkRam.ts"

describe("SinkRam", () => {
  it("keeps the newest batches inside its bound and counts what it dropped", () => {
    const sink = new SinkRam({ bytesMax: 100 })
    for (let batch = 0; batch < 10; batch++) {
      sink.write(new Uint8Array(30).fill(batch), batch * 3 + 1, 3)
      sink.writeSignatures(new Uint8Array(40).fill(batch))
    }
    expect(sink.frames().length).toBe(90)
    expect(sink.firstSeq).toBe(22)
    expect(sink.evicted).toBe(21)
    expect(sink.signatures().length).toBe(80)
    expect(sink.frames()[0]).toBe(7)
  })

  it("keeps the last batch even where it alone is too large", () => {
    const sink = new SinkRam({ bytesMax: 10 })
    sink.write(new Uint8Array(50), 1, 5)
    expect([sink.frames().length, sink.firstSeq, sink.evicted]).toEqual([50, 1, 0])
    expect(sink.room()).toBe(10)
  })
})

describe("what a ram sink keeps", () => {
  it("is its own, also in the memory of what it dropped", async () => {
    const sink = new SinkRam({ bytesMax: 30 })
    const written = Buffer.alloc(10)
    for (let seq = 1; seq <= 50; seq++) {
      // The engine uses its buffer again for the next batch, which may be shorter.
      const frames = written.subarray(0, 10 - (seq % 3)).fill(seq)
      sink.write(frames, seq, 1)
    }
    const kept = [48, 49, 50].flatMap((seq) => Array(10 - (seq % 3)).fill(seq))
    expect([...sink.frames()]).toEqual(kept)
    expect([sink.firstSeq, sink.evicted]).toEqual([48, 47])
  })
})
