import { readFileSync, writeFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect, it } from "vitest"
import { KeyJudge } from "../../src/audit/KeyJudge.ts"
import { type Scrub, ScrubLane, startScrub } from "../../src/audit/Scrub.ts"
import type { Clock } from "../../src/base/Clock.ts"
import {
  cleanUp,
  codeOf,
  draft,
  engine,
  filesOf,
  fill,
  makePlace,
  openRoom,
  type Place,
  recordsOf,
  stream,
  trustOf,
  verify,
  writerId,
} from "./Room.ts"

cleanUp()

const settings = { wal: { rotateBytes: 16 << 10 } }
const still: Clock = { nowMs: () => 0 }

/** A chain of several segments. */
const makeChain = async (): Promise<Place> => {
  const place = makePlace()
  const room = await openRoom(place, settings)
  await fill(room, 1, 100)
  await room.close()
  expect(filesOf(place.wal).segments.length).toBeGreaterThanOrEqual(3)
  return place
}

const scrub = (place: Place, clock = still): Scrub => {
  const trust = trustOf(place)
  const { logId, wal } = { ...trust, ...place }
  const nowMs = Date.now()
  const judge = new KeyJudge({ trust, keysRoot: wal, logId, writerId, stream, nowMs })
  const input = { engine, writerId, stream, logId, judge, expected: [], exportedTo: 0 }
  return startScrub(filesOf(wal).directory, { ...input, require: "signed" }, new ScrubLane(clock))
}

const flip = (place: Place, number: number): string => {
  const { path, file } = filesOf(place.wal).segments[number - 1]!
  const bytes = readFileSync(path)
  bytes[1000]! ^= 1
  writeFileSync(path, bytes)
  return file
}

describe("startScrub", () => {
  it("reads an undamaged chain to its end and finds nothing", async () => {
    const place = await makeChain()
    const running = scrub(place)
    expect(await running.done).toBeUndefined()
    expect(running.position()).toBe(101)
  })

  it("finds a byte that changed in the first of several segments", async () => {
    const place = await makeChain()
    const file = flip(place, 1)
    const finding = await scrub(place).done
    expect(finding).toMatchObject({ file })
    const found = verify(place).streams.find((one) => one.stream === stream)?.findings
    expect(found).toContainEqual(finding)
  })

  it("ends when it is stopped, with nothing found and the rest unread", async () => {
    const place = await makeChain()
    flip(place, 3)
    // A clock by which each piece takes an hour: the first rest is a long one.
    let nowMs = 0
    const slow: Clock = { nowMs: () => (nowMs += 3_600_000) }
    const running = scrub(place, slow)
    const early = await Promise.race([running.done.then(() => "done"), sleep(50, "resting")])
    expect(early).toBe("resting")
    running.stop()
    expect(await running.done).toBeUndefined()
    expect(running.position()).toBeLessThan(101)
  })

  it("of an open log freezes the chain it found damaged, and only that", async () => {
    const place = await makeChain()
    const notices: Array<string> = []
    const room = await openRoom(place, {
      ...settings,
      notice: (notice) => void notices.push(notice.event),
    })
    await room.append(draft(1, { stream: "other" }))
    await room.close()
    flip(place, 1)
    const again = await openRoom(place, {
      ...settings,
      notice: (notice) => void notices.push(notice.event),
    })
    for (let wait = 0; wait < 200 && !notices.includes("frozen"); wait++) await sleep(10)
    expect(notices).toContain("frozen")
    expect(await codeOf(again.append(draft(1)))).toBe("FROZEN")
    expect((await again.append(draft(1, { stream: "other" }))).seq).toBe(3)
    await again.close()
    const frozen = recordsOf(place, "control").filter(({ kind }) => kind === "Frozen")
    expect(frozen.map(({ attrs }) => attrs.position)).toMatchObject([
      { writer_id: writerId, stream },
    ])
  })
})
