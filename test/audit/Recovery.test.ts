/** Opening a chain in every state that a crash can leave, and in some that none can. FORMATS 4. */
import { spawnSync } from "node:child_process"
import { cpSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect, it } from "vitest"
import { formatHeader } from "../../src/record/Frame.ts"
import { ChainFolder } from "./Chain.ts"
import { frozenBy, make, open, reopen } from "./Reopen.ts"
import {
  cleanUp,
  draft,
  makePlace,
  type Place,
  recordsOf,
  stream,
  verify,
  writerId,
} from "./Room.ts"

cleanUp()

const recoveredOf = (place: Place) =>
  recordsOf(place)
    .filter(({ kind }) => kind === "Recovered")
    .map(({ seq, attrs }) => ({ seq, ...attrs }))

describe("files of a write that did not end", () => {
  it("removes what has a temporary name: it never was part of the log", async () => {
    const { place, chain } = await make("always", [3])
    chain.write("wal-000002.seg.tmp", formatHeader(0))
    chain.write("checkpoint-000002.json.tmp", Buffer.from("{"))
    const { told, verdict, findings } = await reopen(place)
    expect(chain.names().filter((name) => name.endsWith(".tmp"))).toEqual([])
    expect([told, verdict, findings]).toEqual([[], "valid", []])
  })

  it("begins the next segment where the newest is sealed and there is no next", async () => {
    const { place, chain } = await make("always", [3])
    const { room } = await open(place)
    await room.export()
    await room.close()
    expect(chain.names()).not.toContain("wal-000002.seg")
    const { told, seq, verdict } = await reopen(place)
    expect([told, seq, verdict]).toEqual([[], 5, "valid"])
    expect(chain.frames("wal-000002.seg").map((frame) => frame.seq)).toEqual([5])
  })

  it("goes on in a newest segment that is empty", async () => {
    const { place, chain } = await make("always", [3])
    const { room } = await open(place)
    await room.export()
    await room.close()
    chain.write("wal-000002.seg", formatHeader(0))
    expect(verify(place).verdict).toBe("valid")
    const { told, seq, verdict } = await reopen(place)
    expect([told, seq, verdict]).toEqual([[], 5, "valid"])
    expect(chain.names()).not.toContain("wal-000003.seg")
  })

  it("begins a chain where its first segment holds no record yet", async () => {
    const place = makePlace()
    await (await open(place)).room.close()
    const chain = new ChainFolder(place)
    const { room } = await open(place)
    await room.append(draft(1))
    await room.close()
    // A log whose crash came before the chain was announced.
    const other = makePlace()
    await (await open(other)).room.close()
    cpSync(chain.path, new ChainFolder(other).path, { recursive: true })
    const torn = new ChainFolder(other)
    torn.removeCheckpoints()
    torn.remove("wal-000001.sig")
    const [first] = torn.frames("wal-000001.seg")
    torn.truncate("wal-000001.seg", first!.end - 10)
    expect(verify(other)).toMatchObject({ verdict: "unknown" })
    const { told, seq, verdict, findings } = await reopen(other)
    expect(told.map(({ event }) => event)).toEqual(["recovered"])
    expect([seq, verdict]).toEqual([3, "valid"])
    expect(findings).toEqual(["recovered 2"])
    expect(recordsOf(other).map(({ kind }) => kind)).toEqual([
      "StreamOpened",
      "Recovered",
      "GetServed",
    ])
    expect(torn.read("wal-000001.torn-1").length).toBe(first!.end - 10 - 32)
  })
})

describe("a torn tail", () => {
  it("is copied aside, cut, told of and recorded, and never deleted", async () => {
    const { place, chain } = await make("always", [3, 3])
    chain.removeCheckpoints()
    const frames = chain.frames("wal-000001.seg")
    const last = frames.at(-1)!
    const lost = chain.read("wal-000001.seg").subarray(last.offset, last.end - 40)
    chain.truncate("wal-000001.seg", last.end - 40)
    const entry = chain.entries("wal-000001.sig").at(-1)!
    chain.truncate("wal-000001.sig", entry.offset)
    const before = verify(place)
    expect(before.verdict).toBe("unknown")
    expect(before.streams.flatMap(({ findings }) => findings.map(({ kind }) => kind))).toEqual([
      "torn_tail",
    ])
    const { told, seq, verdict, findings } = await reopen(place)
    const cutBytes = lost.length
    expect(told).toEqual([{ event: "recovered", writerId, stream, cutBytes, unsigned: 2 }])
    expect([seq, verdict, findings]).toEqual([8, "valid", ["recovered 7"]])
    expect(chain.read("wal-000001.torn-1")).toEqual(lost)
    expect(recoveredOf(place)).toEqual([
      { seq: 7, first: 5, last: 6, cut_bytes: cutBytes, file: "wal-000001.torn-1" },
    ])
    // The next one is kept beside it.
    chain.removeCheckpoints()
    chain.remove("wal-000001.sig")
    const end = chain.frames("wal-000001.seg").at(-1)!.end
    chain.truncate("wal-000001.seg", end - 1)
    expect((await reopen(place)).verdict).toBe("valid")
    expect(chain.read("wal-000001.torn-1")).toEqual(lost)
    expect(chain.names()).toContain("wal-000001.torn-2")
  })

  it("of a .sig file is cut, and its records are signed again", async () => {
    const { place, chain } = await make("always", [3, 3])
    chain.removeCheckpoints()
    const entry = chain.entries("wal-000001.sig").at(-1)!
    chain.truncate("wal-000001.sig", entry.end - 7)
    const { told, verdict, findings } = await reopen(place)
    const cutBytes = entry.end - 7 - entry.offset
    expect(told).toEqual([{ event: "recovered", writerId, stream, cutBytes, unsigned: 3 }])
    expect([verdict, findings]).toEqual(["valid", ["recovered 8"]])
    expect(chain.read("wal-000001.sig.torn-1").length).toBe(cutBytes)
  })

  it("under a checkpoint is tampering", async () => {
    const { place, chain } = await make("always", [3])
    const last = chain.frames("wal-000001.seg").at(-1)!
    chain.truncate("wal-000001.seg", last.end - 40)
    expect(await frozenBy(place)).toEqual({ kind: "rollback", seq: 4 })
  })

  it("under a complete .sig entry is tampering with always, and none without", async () => {
    for (const [fsync, isTorn] of [
      ["always", false],
      ["on_checkpoint", true],
      ["never", true],
    ] as const) {
      const { place, chain } = await make(fsync, [3, 3])
      chain.removeCheckpoints()
      const last = chain.frames("wal-000001.seg").at(-1)!
      chain.truncate("wal-000001.seg", last.end - 40)
      if (!isTorn) expect((await frozenBy(place, fsync)).kind).toBe("frame")
      else {
        const { verdict } = await reopen(place, fsync)
        expect([fsync, verdict]).toEqual([fsync, "valid"])
        expect(chain.names()).toContain("wal-000001.sig.torn-1")
      }
    }
  })

  it("with its frames gone leaves entries: torn off without always, else tampering", async () => {
    for (const fsync of ["always", "on_checkpoint"] as const) {
      const { place, chain } = await make(fsync, [3, 3])
      chain.removeCheckpoints()
      // Cut at a frame's end: entry 2 covers one record that is there and two that are not.
      chain.truncate("wal-000001.seg", chain.frames("wal-000001.seg")[4]!.end)
      if (fsync === "always") expect((await frozenBy(place)).kind).toBe("rollback")
      else {
        const { told, verdict, findings } = await reopen(place, fsync)
        expect(told).toMatchObject([{ event: "recovered", unsigned: 1 }])
        expect([verdict, findings]).toEqual(["valid", ["recovered 6"]])
      }
    }
  })

  it("with one flipped len byte is no torn tail: the frame is still there", async () => {
    const { place, chain } = await make("always", [3])
    chain.removeCheckpoints()
    chain.remove("wal-000001.sig")
    const last = chain.frames("wal-000001.seg").at(-1)!
    const bytes = chain.read("wal-000001.seg")
    bytes[last.offset + 1]! ^= 1
    chain.write("wal-000001.seg", bytes)
    expect((await frozenBy(place)).kind).toBe("frame")
  })
})

describe("frames without a signature", () => {
  it.each(["record", "batch"] as const)("are signed as the chain declares: %s", async (signing) => {
    const { place, chain } = await make("always", [4], { signing })
    chain.removeCheckpoints()
    chain.remove("wal-000001.sig")
    expect(verify(place)).toMatchObject({ verdict: "unknown" })
    const { room, told } = await open(place, "always", { signing })
    await room.close()
    expect(told).toMatchObject([{ event: "recovered", cutBytes: 0, unsigned: 5 }])
    expect(recoveredOf(place)).toEqual([{ seq: 6, first: 1, last: 5, cut_bytes: 0, file: "" }])
    const entries = chain.entries("wal-000001.sig").map(({ seq, last }) => [seq, last])
    expect(entries[0]).toEqual(signing === "record" ? [1, 1] : [1, 5])
    expect(verify(place).verdict).toBe("valid")
  })

  it("of a chain that declares checkpoints only lack nothing", async () => {
    const { place, chain } = await make("always", [4], { signing: "checkpoint" })
    chain.removeCheckpoints()
    const { room, told } = await open(place, "always", { signing: "checkpoint" })
    await room.close()
    expect(told).toEqual([])
    expect(verify(place).verdict).toBe("valid")
  })

  it.each([
    ["always", 1_100, "frozen"],
    ["always", 900, "signed"],
    ["on_checkpoint", 1_100, "signed"],
  ] as const)(
    "fsync=%s, %i KiB of them: %s",
    async (fsync, kilobytes, outcome) => {
      const place = makePlace()
      const { room } = await open(place, fsync, { queueDepth: 4_096 })
      const note = "x".repeat(600)
      const one = await room.append(draft(0, { attrs: { note } }))
      await one.reached("accepted")
      const size = new ChainFolder(place).frames("wal-000001.seg").at(-1)!
      const count = Math.floor((kilobytes * 1_024) / (size.end - size.offset))
      const calls = Array.from({ length: count }, () => room.append(draft(0, { attrs: { note } })))
      await Promise.all(calls)
      await room.close()
      const chain = new ChainFolder(place)
      chain.removeCheckpoints()
      chain.remove("wal-000001.sig")
      if (outcome === "frozen") {
        expect(await frozenBy(place, fsync)).toEqual({ kind: "sig_missing", seq: 1 })
      } else {
        const { told, verdict } = await reopen(place, fsync)
        expect(told).toMatchObject([{ event: "recovered", unsigned: count + 2 }])
        expect(verdict).toBe("valid")
      }
    },
    60_000,
  )
})

describe("a restored copy", () => {
  it("is replayed to its head, and all of it is verified again", async () => {
    const { place } = await make("always", [40, 40, 40], { wal: { rotateBytes: 8_000 } })
    const copy = makePlace()
    // With its modes, as a backup keeps them.
    spawnSync("cp", ["-a", `${place.dir}/.`, copy.dir])
    const { room, told } = await open(copy, "always", { wal: { rotateBytes: 8_000 } })
    const head = (): { seq: number; scrubbedTo: number } | undefined =>
      room.heads().find((one) => one.stream === stream)
    for (let waited = 0; waited < 400 && head()?.scrubbedTo !== 121; waited++) await sleep(5)
    expect(head()).toMatchObject({
      seq: 121,
      scrubbedTo: 121,
      selfHash: recordsOf(place).at(-1)?.self_hash,
    })
    await room.close()
    expect(told).toEqual([])
    expect(verify(copy).verdict).toBe("valid")
  })
})
