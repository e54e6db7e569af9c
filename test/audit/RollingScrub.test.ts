import { readFileSync, writeFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect, it } from "vitest"
import { scrubTermsOf } from "../../src/base/Limits.ts"
import type { BusEvent } from "../../src/bus/Bus.ts"
import type { FsyncPolicy, Strongroom } from "../../src/index.ts"
import {
  cleanUp,
  codeOf,
  draft,
  filesOf,
  fill,
  makePlace,
  openRoom,
  type Place,
  recordsOf,
  stream,
} from "./Room.ts"

cleanUp()

interface Scene {
  readonly place: Place
  readonly room: Strongroom
  readonly frozen: Array<unknown>
  readonly events: Array<BusEvent>
}

const setUp = async (newestEveryMs: number, fullEveryMs: number, more = {}): Promise<Scene> => {
  const place = makePlace()
  const frozen: Array<unknown> = []
  const events: Array<BusEvent> = []
  const room = await openRoom(place, {
    wal: { rotateBytes: 16 << 10, [scrubTermsOf]: { newestEveryMs, fullEveryMs }, ...more },
    notice: (said) => {
      if (said.event === "frozen" || said.event === "trouble") frozen.push(said)
    },
  })
  const subscription = room.subscribe("audit.verify")
  void (async () => {
    for await (const event of subscription) events.push(event)
  })()
  return { place, room, frozen, events }
}

const flip = (place: Place, number: number): void => {
  const { path } = filesOf(place.wal).segments[number - 1]!
  const bytes = readFileSync(path)
  bytes[400]! ^= 1
  writeFileSync(path, bytes)
}

const headOf = (room: Strongroom) => room.heads().find((head) => head.stream === stream)

const until = async (isSo: () => boolean): Promise<void> => {
  for (let waited = 0; !isSo() && waited < 5_000; waited += 10) await sleep(10)
}

const never = 3_600_000

describe("the scrub of an open log", () => {
  it.each([
    ["in the segment that is open", 5, 1, [30, never]],
    ["in one that was sealed since the last look", 100, 1, [900, never]],
    ["in an old one, at the next whole pass", 100, 1, [never, 100]],
  ] as const)("finds a byte that changed %s, and freezes that chain [A-147]", async (...row) => {
    const [, records, segment, [newestEveryMs, fullEveryMs]] = row
    const scene = await setUp(newestEveryMs, fullEveryMs)
    const { place, room, frozen, events } = scene
    await room.append(draft(0, { stream: "other" }))
    await fill(room, 1, records)
    await room.flush()
    flip(place, segment)
    await until(() => frozen.length > 0)
    expect(frozen).toMatchObject([{ event: "frozen", stream, finding: { file: "wal-000001.seg" } }])
    expect(await codeOf(room.append(draft(1)))).toBe("FROZEN")
    expect(await codeOf(room.append(draft(1, { stream: "other" })))).toBe("no error")
    await until(() => events.length > 0)
    expect(events).toMatchObject([{ topic: "audit.verify.failed", payload: { stream } }])
    await room.close()
    const said = recordsOf(place, "control").filter(({ kind }) => kind === "Frozen")
    expect(said.map(({ attrs }) => attrs.position)).toMatchObject([{ stream }])
  })

  it.each(["always", "on_checkpoint", "never"] as ReadonlyArray<FsyncPolicy>)(
    "beside a busy writer finds nothing, and its position only rises (fsync=%s)",
    async (fsync) => {
      const { room, frozen } = await setUp(10, 40, { fsync })
      let last = 0
      for (let round = 0; round < 40; round++) {
        await fill(room, round * 20, round * 20 + 19)
        if (round % 7 === 0) await room.checkpoint()
        if (round % 11 === 0) await room.export()
        const { scrubbedTo = 0 } = headOf(room) ?? {}
        expect(scrubbedTo).toBeGreaterThanOrEqual(last)
        last = scrubbedTo
        await sleep(10)
      }
      await until(() => headOf(room)?.scrubbedTo === headOf(room)?.seq)
      expect(headOf(room)?.scrubbedTo).toBe(headOf(room)?.seq)
      expect(frozen).toEqual([])
    },
  )
})
