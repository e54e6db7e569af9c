/** What `Strongroom.open` refuses before it makes anything, as a host that imports the package. */
import { existsSync, readdirSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { type NamedOptions, type OpenOptions, Strongroom } from "../../src/index.ts"
import { Rejected } from "../../src/record/Reject.ts"
import { cleanUp, filesOf, makePlace, type Place, writerId } from "./Room.ts"

cleanUp()

const least = 8 << 20

type Wrong = readonly [string, (options: OpenOptions) => unknown]

const wal =
  (change: Record<string, unknown>) =>
  (options: OpenOptions): unknown => ({ ...options, wal: { ...options.wal, ...change } })

const wrong: ReadonlyArray<Wrong> = [
  ["sink is none of ram, wal", (options) => ({ ...options, sink: "disk" })],
  ["engine is none of auto, native, js", (options) => ({ ...options, engine: "rust" })],
  ["signing is none of record, batch, checkpoint", (options) => ({ ...options, signing: "none" })],
  ["wal.fsync is none of always, on_checkpoint, never", wal({ fsync: "sometimes" })],
  ...[least - 1, 1, 0, -least, least + 0.5, Number.NaN, Number.POSITIVE_INFINITY].map(
    (rotateBytes): Wrong => [
      `wal.rotateBytes is ${rotateBytes}, not an integer from ${least}`,
      wal({ rotateBytes }),
    ],
  ),
  ...[0, -1, 1.5].flatMap(
    (value): ReadonlyArray<Wrong> => [
      [
        `checkpointEvery is ${value}, not an integer from 1`,
        (options) => ({ ...options, checkpointEvery: value }),
      ],
      [
        `queueDepth is ${value}, not an integer from 1`,
        (options) => ({ ...options, queueDepth: value }),
      ],
    ],
  ),
  [
    // A timer of Node that is longer fires at once.
    "checkpointEveryMs is 2147483648, more than 2147483647",
    (options) => ({ ...options, checkpointEveryMs: 2 ** 31 }),
  ],
  [
    "deadlines.enqueueMs is 3000000000, more than 2147483647",
    (options) => ({ ...options, deadlines: { enqueueMs: 3e9 } }),
  ],
  [
    "ramBytesMax is 4179, not an integer from 4180",
    (options) => ({ ...options, sink: "ram", ramBytesMax: 4179 }),
  ],
]

const optionsFor = (place: Place): OpenOptions => ({
  writerId,
  wal: { dir: place.wal },
  export: { dir: place.export },
  notice: () => undefined,
})

describe("options", () => {
  it.each(wrong)("build no sink where %s [A-127]", async (message, change) => {
    const place = makePlace()
    const options = change(optionsFor(place)) as NamedOptions
    const refusal = { code: "SETTINGS", message }
    await expect(Strongroom.open(options)).rejects.toMatchObject(refusal)
    await expect(Strongroom.continueChain(options, "s")).rejects.toMatchObject(refusal)
    await expect(Strongroom.openReplay(options, undefined)).rejects.toMatchObject(refusal)
    expect(readdirSync(place.dir)).toEqual([])
  })

  it("build no sink for a writer whose name breaks its rule [A-127]", async () => {
    const place = makePlace()
    for (const bad of ["", "a/b", "a\nb", "x".repeat(129)]) {
      const opening = Strongroom.open({ ...optionsFor(place), writerId: bad })
      await expect(opening).rejects.toBeInstanceOf(Rejected)
    }
    expect(readdirSync(place.dir)).toEqual([])
  })

  it("build the sink where each is at its least: 8 MiB a segment [A-127, A-134]", async () => {
    const place = makePlace()
    const bounds = { checkpointEvery: 1, queueDepth: 1 }
    const options = { ...optionsFor(place), ...bounds }
    const room = await Strongroom.open({ ...options, wal: { dir: place.wal, rotateBytes: least } })
    await room.close()
    expect(existsSync(place.wal)).toBe(true)
    const ram = await Strongroom.open({ ...options, sink: "ram", ramBytesMax: 4180 })
    await ram.close()
  })
})

describe("rotateBytes", () => {
  const attrs = { text: "x".repeat(1000) }
  const draft = {
    stream: "ingress",
    kind: "GetServed",
    actor: {},
    subject: {},
    reason: "ok",
    attrs,
  }

  /** Sizes of the segments that hold `records` of 1.2 KiB. */
  const sizesOf = async (rotateBytes: number | undefined, records: number) => {
    const place = makePlace()
    const { wal, ...options } = optionsFor(place)
    const asked = rotateBytes === undefined ? wal! : { ...wal!, rotateBytes }
    const patient = { queueDepth: 8_000, deadlines: { enqueueMs: 60_000 } }
    const room = await Strongroom.open({
      ...options,
      ...patient,
      wal: asked,
      signing: "checkpoint",
    })
    for (let done = 0; done < records; done += 4000) {
      await Promise.all(Array.from({ length: 4000 }, () => room.append(draft)))
    }
    await room.close()
    return filesOf(place.wal).segments.map(({ size }) => size)
  }

  it.each([
    [least, least, 8_000],
    [undefined, 128 << 20, 112_000],
  ])(
    "%s makes segments of at most %i bytes [A-134]",
    async (rotateBytes, bytes, records) => {
      const sizes = await sizesOf(rotateBytes, records)
      expect(sizes.length).toBe(2)
      expect(sizes[0]).toBeLessThanOrEqual(bytes)
      expect(sizes[0]).toBeGreaterThan(bytes - 4180)
    },
    120_000,
  )
})
