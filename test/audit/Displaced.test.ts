/**
 * Files that are taken away, replaced or cut under their writer: nothing is called durable behind
 * it, the chain goes through recovery, and what is missing freezes it.
 */
import { copyFileSync, renameSync, rmSync, truncateSync } from "node:fs"
import { dirname, join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect, it } from "vitest"
import type { BusEvent } from "../../src/bus/Bus.ts"
import type { FsyncPolicy, Strongroom } from "../../src/index.ts"
import { cleanUp, codeOf, draft, filesOf, fill, makePlace, openRoom, type Place } from "./Room.ts"

cleanUp()

type Told = { readonly event: string; readonly error?: unknown; readonly stream?: string }

interface Scene {
  readonly place: Place
  readonly room: Strongroom
  readonly told: Array<Told>
  readonly events: Array<BusEvent>
}

const newest = (place: Place) => filesOf(place.wal).segments.at(-1)!

/** A chain of several segments, and one beside it. */
const setUp = async (fsync: FsyncPolicy): Promise<Scene> => {
  const place = makePlace()
  const told: Array<Told> = []
  const events: Array<BusEvent> = []
  const notice = (said: Told) => void told.push(said)
  const room = await openRoom(place, { wal: { rotateBytes: 16 << 10, fsync }, notice })
  const subscription = room.subscribe("audit")
  void (async () => {
    for await (const event of subscription) events.push(event)
  })()
  await room.append(draft(0, { stream: "other" }))
  const receipts = await fill(room, 1, 100)
  await receipts.at(-1)!.reached("durable")
  expect(filesOf(place.wal).segments.length).toBeGreaterThan(2)
  return { place, room, told, events }
}

const durable = async (room: Strongroom, stream = "ingress"): Promise<void> => {
  const receipt = await room.append(draft(1000, { stream }))
  await receipt.reached("durable")
}

const frozenOf = ({ told }: Scene) => told.filter(({ event }) => event === "frozen")

const displacedOf = ({ told }: Scene) =>
  told.filter(({ error }) => (error as { code?: string } | undefined)?.code === "DISPLACED")

/** Appends until it is known what becomes of the chain. */
const fateOf = async (scene: Scene, stream?: string): Promise<unknown> => {
  for (let tries = 0; tries < 100; tries++) {
    const code = await codeOf(durable(scene.room, stream))
    if (code === "FROZEN" || code === "no error") return code
    await sleep(50)
  }
  return "neither frozen nor back"
}

const damages: Readonly<Record<string, (place: Place) => void>> = {
  "the newest segment is deleted": (place) => rmSync(newest(place).path),
  "the newest segment is moved": (place) => renameSync(newest(place).path, `${place.dir}/aside`),
  "the newest segment is cut": (place) =>
    truncateSync(newest(place).path, newest(place).size - 900),
  "the chain's folder is moved": (place) =>
    renameSync(dirname(newest(place).path), join(place.dir, "aside")),
  "the chain's folder is deleted": (place) =>
    rmSync(dirname(newest(place).path), { recursive: true }),
}

describe("files taken away under their writer", () => {
  it.each(
    (["always", "on_checkpoint"] as const).flatMap((fsync) =>
      Object.keys(damages).map((damage) => [damage, fsync] as const),
    ),
  )("%s (%s): nothing is durable behind it, and the chain is frozen", async (damage, fsync) => {
    const scene = await setUp(fsync)
    const { place, room, events } = scene
    damages[damage]!(place)
    expect(await codeOf(durable(room))).toBe("DISPLACED")
    expect(await fateOf(scene)).toBe("FROZEN")
    expect(frozenOf(scene)).toMatchObject([{ stream: "ingress" }])
    expect(displacedOf(scene)).toHaveLength(1)
    expect(events.map(({ topic, payload }) => ({ topic, ...payload }))).toMatchObject([
      { topic: "audit.verify.failed", stream: "ingress" },
    ])
    expect(await fateOf(scene, "other")).toBe("no error")
    await room.close()
  })

  it("is found within a second or so, also while nobody writes", async () => {
    const scene = await setUp("on_checkpoint")
    rmSync(newest(scene.place).path)
    for (let waited = 0; waited < 60 && frozenOf(scene).length === 0; waited++) await sleep(50)
    expect(frozenOf(scene)).toMatchObject([{ stream: "ingress" }])
  })

  it("goes on with a whole copy in the place of the file that it wrote", async () => {
    const scene = await setUp("always")
    const { path } = newest(scene.place)
    copyFileSync(path, `${path}.copy.tmp`)
    renameSync(`${path}.copy.tmp`, path)
    for (let waited = 0; waited < 60 && displacedOf(scene).length === 0; waited++) await sleep(50)
    expect(displacedOf(scene)).toHaveLength(1)
    expect(await fateOf(scene)).toBe("no error")
    expect(frozenOf(scene)).toEqual([])
  })

  it("takes no checkpoint over what is gone", async () => {
    const { place, room, told } = await setUp("on_checkpoint")
    const before = filesOf(place.wal).checkpoints.length
    rmSync(newest(place).path)
    expect(await codeOf(room.checkpoint())).toBe("DISPLACED")
    expect(filesOf(place.wal).checkpoints.length).toBe(before)
    expect(told.length).toBeGreaterThan(0)
  })

  it("acknowledges nothing once the whole directory is elsewhere", async () => {
    const scene = await setUp("always")
    const { place, room } = scene
    renameSync(place.wal, `${place.dir}/aside`)
    expect(await codeOf(durable(room))).toBe("DISPLACED")
    expect(await fateOf(scene)).toBe("FROZEN")
    expect(await fateOf(scene, "other")).toBe("FROZEN")
    await room.close().catch(() => undefined)
  })
})
