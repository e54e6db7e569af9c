/** What freezes a chain at opening, and what a frozen chain means for its log. FORMATS 4. */
import { describe, expect, it } from "vitest"
import { formatHeader } from "../../src/record/Frame.ts"
import { ChainFolder } from "./Chain.ts"
import { frozenBy, make, open, reopen } from "./Reopen.ts"
import { cleanUp, draft, recordsOf, stream, verify, writerId } from "./Room.ts"

cleanUp()

describe("a head behind what is known of it", () => {
  /** Six records, cut back cleanly to five: nothing in the folder itself is wrong. */
  const rollBack = (chain: ChainFolder): void => {
    chain.removeCheckpoints()
    chain.truncate("wal-000001.sig", chain.entries("wal-000001.sig").at(-1)!.offset)
    chain.truncate("wal-000001.seg", chain.frames("wal-000001.seg")[4]!.end)
  }

  it("is no rollback where nothing knows better", async () => {
    const { place, chain } = await make("always", [4, 1])
    rollBack(chain)
    const { told, seq } = await reopen(place)
    expect([told, seq]).toEqual([[], 6])
  })

  it("is one behind the export directory", async () => {
    const { place, chain } = await make("always", [4, 1])
    const { room } = await open(place)
    await room.export()
    await room.close()
    const bytes = chain.read("wal-000001.seg")
    rollBack(chain)
    const cut = chain.read("wal-000001.seg")
    cut.fill(0, 10, 14)
    chain.write("wal-000001.seg", cut)
    expect(bytes.length).toBeGreaterThan(cut.length)
    expect(await frozenBy(place)).toEqual({ kind: "rollback", seq: 6 })
  })

  it("is one behind the last checkpoint", async () => {
    const { place, chain } = await make("always", [4, 1])
    const checkpoint = chain.read("checkpoint-000001.json")
    rollBack(chain)
    chain.write("checkpoint-000001.json", checkpoint)
    expect(await frozenBy(place)).toEqual({ kind: "rollback", seq: 6 })
  })

  it("is one behind a position that was acknowledged", async () => {
    const { place, chain } = await make("always", [4, 1])
    const { self_hash: selfHash } = recordsOf(place)[5]!
    rollBack(chain)
    const expectHeads = [{ writerId, stream, seq: 6, selfHash, file: "acks" }]
    expect(await frozenBy(place, "always", { expectHeads })).toEqual({ kind: "rollback", seq: 6 })
  })

  it("is one where an announced chain has no first record, or no folder", async () => {
    for (const empties of [true, false]) {
      const { place, chain } = await make("always", [4])
      chain.remove(...chain.names())
      if (empties) chain.write("wal-000001.seg", formatHeader(0))
      // A folder that is gone may be elsewhere; a first segment without its record was emptied.
      expect(verify(place).verdict).toBe(empties ? "invalid" : "unknown")
      expect(await frozenBy(place)).toEqual({ kind: "rollback", seq: 1 })
    }
  })
})

describe("a frozen chain", () => {
  it("is told of in the control chain once, however often the log is opened", async () => {
    const { place, chain } = await make("always", [3])
    const bytes = chain.read("wal-000001.seg")
    bytes[chain.frames("wal-000001.seg")[2]!.offset + 60]! ^= 1
    chain.write("wal-000001.seg", bytes)
    const found = await frozenBy(place)
    await frozenBy(place)
    await frozenBy(place)
    const control = recordsOf(place, "control")
    const frozen = control.filter(({ kind }) => kind === "Frozen")
    expect(frozen.map(({ attrs }) => attrs)).toEqual([
      {
        finding: found.kind,
        position: expect.objectContaining({ writer_id: writerId, stream, seq: found.seq }),
      },
    ])
  })

  it("leaves the other chains of the log to go on", async () => {
    const { place, chain } = await make("always", [3])
    chain.removeCheckpoints()
    chain.truncate("wal-000001.seg", chain.frames("wal-000001.seg")[2]!.end)
    const { room } = await open(place)
    const receipt = await room.append(draft(1, { stream: "policy" }))
    await receipt.reached("durable")
    await expect(room.append(draft(1))).rejects.toMatchObject({ code: "FROZEN" })
    await room.close()
  })

  it("is the whole log where it is the control chain", async () => {
    const { place } = await make("always", [3])
    const control = new ChainFolder(place, "control")
    control.truncate("wal-000001.seg", control.frames("wal-000001.seg")[0]!.end)
    await expect(open(place)).rejects.toMatchObject({
      code: "FROZEN",
      message: expect.stringContaining(`${writerId} / control is frozen`),
    })
    // The failed start holds no lock.
    await expect(open(place)).rejects.toMatchObject({ code: "FROZEN" })
  })
})
