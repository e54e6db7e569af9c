/** A log brought back from a backup: replayed to its head, every record verified again. */
import { spawnSync } from "node:child_process"
import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect, it } from "vitest"
import { ChainFolder } from "./Chain.ts"
import { open } from "./Reopen.ts"
import {
  cleanUp,
  codeOf,
  draft,
  fill,
  makePlace,
  openRoom,
  type Place,
  recordsOf,
  stream,
  verify,
} from "./Room.ts"

cleanUp()

const last = 121

const makeLog = async (settings: { wal: { rotateBytes: number } }): Promise<Place> => {
  const place = makePlace()
  const room = await openRoom(place, settings)
  for (let from = 1; from < last; from += 40) {
    const receipts = await fill(room, from, from + 39)
    await receipts.at(-1)!.reached("signed")
  }
  await room.close()
  return place
}

const restore = (place: Place): Place => {
  const copy = makePlace()
  // With its modes, as a backup keeps them.
  spawnSync("cp", ["-a", `${place.dir}/.`, copy.dir])
  return copy
}

/** Opens a log and waits until all of it was read, or it is frozen. */
const openWhole = async (place: Place) => {
  const { room, told } = await open(place, "on_checkpoint")
  const frozen = () => told.find((one) => one.event === "frozen" && one.stream === stream)
  const head = () => room.heads().find((one) => one.stream === stream)
  const scrubbedFrom = head()?.scrubbedTo
  for (let i = 0; i < 1000 && frozen() === undefined && head()?.scrubbedTo !== last; i++) {
    await sleep(5)
  }
  const found = frozen()
  const answer = await codeOf(room.append(draft(0)))
  await room.close()
  return { scrubbedFrom, frozen: found?.event === "frozen" ? found.finding.seq : undefined, answer }
}

describe("a restored log", { timeout: 60_000 }, () => {
  it("that is whole goes on from the head it had [A-054, A-066]", async () => {
    const place = await makeLog({ wal: { rotateBytes: 1_500 } })
    const copy = restore(place)
    const { scrubbedFrom, ...kept } = await openWhole(copy)
    expect(kept).toEqual({ frozen: undefined, answer: "no error" })
    // Opening does not wait for the segments before the newest: they are read behind it.
    expect(scrubbedFrom).toBeLessThan(last)
    const before = recordsOf(place)
    expect(before.length).toBe(last)
    expect(recordsOf(copy).slice(0, last)).toEqual(before)
    expect(recordsOf(copy)[last]).toMatchObject({ seq: last + 1, prev: before.at(-1)?.self_hash })
    expect(verify(copy).verdict).toBe("valid")
  })

  it("is verified in every segment: one changed byte anywhere freezes it [A-066]", async () => {
    const place = await makeLog({ wal: { rotateBytes: 8_000 } })
    const files = new ChainFolder(place).names().filter((name) => name.endsWith(".seg"))
    expect(files.length).toBeGreaterThan(4)
    for (const file of files) {
      for (const which of ["first", "last"] as const) {
        const copy = restore(place)
        const chain = new ChainFolder(copy)
        const frame = chain.frames(file).at(which === "first" ? 0 : -1)!
        const bytes = chain.read(file)
        bytes[bytes.indexOf('"reason":"o', frame.offset) + 10] = "q".charCodeAt(0)
        chain.write(file, bytes)
        expect(await openWhole(copy), `${which} of ${file}`).toMatchObject({
          frozen: frame.seq,
          answer: "FROZEN",
        })
      }
    }
  })
})
