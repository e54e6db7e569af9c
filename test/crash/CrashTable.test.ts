/**
 * The crash table: one small life of a log, ended at every single write, fsync, rename and creation
 * in turn, on a file system that forgets what was not fsynced (forgetful.py).
 *
 * A row is {where it ended, what survived}; after each the log is opened again, and must be valid,
 * with every acknowledged record. Two more tables end the life twice: a process is killed and the
 * power is cut when the next one has acknowledged a record, or while the next one recovers.
 *
 * Without SLOW or CI a sample of the rows is run; SEED chooses another.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { FsyncPolicy } from "../../src/index.ts"
import { appendOne, faultsOf, live, open, planOf } from "./Life.ts"
import { type Forgetting, Mount, whyNot } from "./Mount.ts"
import { isThorough, type Plan, seeded } from "./Plan.ts"
import { Witness } from "./Witness.ts"

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const random = seeded(seed)
const reason = whyNot()

let mount: Mount
let logs = 0

beforeAll(async () => {
  if (reason === undefined) mount = await Mount.open()
})
afterAll(async () => {
  if (reason === undefined) await mount.close()
})

const liveFrom = async (plan: Plan, witness: Witness): Promise<void> => {
  const room = await open(plan)
  try {
    await live(room, witness)
  } finally {
    await room.close()
  }
}

/** The next process: it recovers and appends one record. */
const goOn = async (plan: Plan, witness: Witness): Promise<void> => {
  const room = await open(plan)
  try {
    await appendOne(room, witness, 0)
    if (!mount.counters.off) mount.cut()
  } finally {
    await room.close().catch(() => undefined)
  }
}

/** Whether the armed end came before the work was done. */
const ended = async (work: () => Promise<unknown>): Promise<boolean> => {
  await work().catch(() => undefined)
  const { off } = mount.counters
  mount.on()
  mount.arm("forget", 0, 0)
  return off
}

type Row = (after: number, plan: () => Plan, witness: Witness) => Promise<boolean>

/** Runs rows until one comes to its end, and holds every log against its witness. */
const table = async (name: string, fsync: FsyncPolicy, stride: number, row: Row): Promise<void> => {
  const wrong: Array<string> = []
  const step = isThorough ? Math.ceil(stride / 4) : stride
  let rows = 0
  for (let after = 1 + Math.floor(random() * step), isEnded = true; isEnded; after += step) {
    const log = `log-${logs++}`
    const plan = (): Plan => planOf(mount, log, fsync)
    const witness = new Witness()
    isEnded = await row(after, plan, witness)
    const found = await faultsOf(plan(), witness).catch((error: unknown) => [String(error)])
    wrong.push(...found.map((fault) => `row ${after}: ${fault}`))
    rows += 1
  }
  console.log(`crash table, ${name}: seed ${seed}, ${rows} rows`)
  expect(wrong.slice(0, 10)).toEqual([])
  // Whatever ended it, a log that was closed has no file open.
  expect(mount.openFiles()).toEqual([])
  expect(rows * step).toBeGreaterThan(150)
}

const patienceMs = 240_000
const modes: ReadonlyArray<Forgetting> = ["forget", "prefix", "scatter", "kill"]
const pick = (): Forgetting => modes[Math.floor(random() * 3)]!

describe.skipIf(reason !== undefined)(`crash table (${reason ?? `seed ${seed}`})`, () => {
  it.each([
    ["always", "forget", 5],
    ["always", "prefix", 11],
    ["always", "scatter", 11],
    ["always", "kill", 11],
    ["on_checkpoint", "forget", 17],
    ["on_checkpoint", "scatter", 5],
  ] as const)(
    "recovers wherever it ended: fsync=%s, %s [A-145]",
    async (fsync, mode, stride) => {
      await table(`fsync=${fsync}, ${mode}`, fsync, stride, async (after, plan, witness) => {
        mount.arm(mode, after, after)
        return ended(() => liveFrom(plan(), witness))
      })
    },
    patienceMs,
  )

  it.each(["always", "on_checkpoint"] as const)(
    "makes durable what a killed process left: fsync=%s [A-145]",
    async (fsync) => {
      await table(`fsync=${fsync}, kill then cut`, fsync, 11, async (after, plan, witness) => {
        mount.arm("kill", after, after)
        const isEnded = await ended(() => liveFrom(plan(), witness))
        await ended(() => goOn(plan(), witness))
        return isEnded
      })
    },
    patienceMs,
  )

  it.each(["always", "on_checkpoint"] as const)(
    "recovers where recovery itself was cut short: fsync=%s [A-145]",
    async (fsync) => {
      await table(`fsync=${fsync}, cut twice`, fsync, 5, async (after, plan, witness) => {
        mount.arm(random() < 0.5 ? "kill" : pick(), after, after)
        const isEnded = await ended(() => liveFrom(plan(), witness))
        mount.arm(pick(), after, 1 + Math.floor(random() * 40))
        await ended(() => goOn(plan(), witness))
        return isEnded
      })
    },
    patienceMs,
  )
})
