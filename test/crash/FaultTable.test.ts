/**
 * The fault table: one small life of a log in which every single fsync fails in turn, or the disk
 * fills up at every single write, on the forgetful file system.
 *
 * A failed fsync drops what it was for, and the next one succeeds, as kernels do it: a writer that
 * goes on, or asks again, loses acknowledged records here. A write that fills the disk is cut short
 * in the middle.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type FsyncPolicy, SinkError, type Strongroom } from "../../src/index.ts"
import { appendOne, faultsOf, live, open, planOf } from "./Life.ts"
import { Mount, whyNot } from "./Mount.ts"
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

const patienceMs = 240_000
const settled = 5_000

/** What a call ends with: an error, nothing, or "hangs". */
const endOf = async (call: Promise<unknown>): Promise<unknown> =>
  Promise.race([
    call.then(
      () => undefined,
      (error: unknown) => error,
    ),
    sleep(settled, "hangs", { ref: false }),
  ])

const codeOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error ? String(error.code) : `${error}`

/** A row's own findings; the log must be closed when it is done. */
type Row = (plan: Plan, witness: Witness) => Promise<ReadonlyArray<string>>

const table = async (
  name: string,
  fsync: FsyncPolicy,
  stride: number,
  arm: (after: number) => void,
  hits: () => number,
  row: Row,
): Promise<void> => {
  const wrong: Array<string> = []
  const step = isThorough ? 1 : stride
  let rows = 0
  for (let after = 1 + Math.floor(random() * step), isHit = true; isHit; after += step) {
    const plan = planOf(mount, `log-${logs++}`, fsync)
    const witness = new Witness()
    const before = hits()
    arm(after)
    const own = await row(plan, witness)
    isHit = hits() > before
    arm(0)
    const found = await faultsOf(plan, witness).catch((error: unknown) => [String(error)])
    wrong.push(...[...own, ...found].map((fault) => `row ${after}: ${fault}`))
    rows += 1
  }
  console.log(`fault table, ${name}: seed ${seed}, ${rows} rows`)
  expect(wrong.slice(0, 10)).toEqual([])
  // Whatever ended it, a log that was closed has no file open.
  expect(mount.openFiles()).toEqual([])
  expect(rows * step).toBeGreaterThan(30)
}

/** Opens, lives and closes; what the first error was. */
const firstError = async (
  plan: Plan,
  witness: Witness,
): Promise<{ readonly room: Strongroom | undefined; readonly error: unknown }> => {
  let room: Strongroom | undefined
  const error = await endOf(
    open(plan).then((opened) => {
      room = opened
      return live(opened, witness)
    }),
  )
  return { room, error }
}

/** Whether a chain takes records again once its supervisor has opened it. */
const comesBack = async (room: Strongroom, witness: Witness): Promise<boolean> => {
  for (let tries = 0; tries < 100; tries++) {
    if ((await endOf(appendOne(room, witness, 0))) === undefined) return true
    await sleep(50)
  }
  return false
}

const failedFsync: Row = async (plan, witness) => {
  const { room, error } = await firstError(plan, witness)
  const wrong: Array<string> = []
  if (error === "hangs") wrong.push("a caller was never told")
  // A file that an fsync left shorter is found so by the next write, before the fsync is heard of.
  const unknown = ["STATE_UNKNOWN", "DISPLACED"]
  const isUnknown = unknown.includes(codeOf(error))
  const ours = [...unknown, "IO", "KEY_IO", "UNAVAILABLE"]
  if (error !== undefined && !ours.includes(codeOf(error))) wrong.push(String(error))
  if (room === undefined) return wrong
  // A chain that does not know its state goes through recovery, in this process or the next.
  const next = await endOf(appendOne(room, witness, 0))
  if (next === "hangs") wrong.push("an append after it was never answered")
  if (isUnknown && !(await comesBack(room, witness))) wrong.push("the chain did not come back")
  if ((await endOf(room.close())) === "hangs") wrong.push("close hangs")
  return wrong
}

const fullDisk: Row = async (plan, witness) => {
  const { room, error } = await firstError(plan, witness)
  const wrong: Array<string> = []
  const isFull = error === undefined || ["NO_SPACE", "KEY_IO"].includes(codeOf(error))
  if (!isFull) wrong.push(`not told of the full disk: ${error}`)
  if (error instanceof SinkError && !/^[^\n]*: the disk is full$/.test(error.message)) {
    wrong.push(`not one sentence: ${error.message}`)
  }
  mount.fill(0)
  if (room === undefined) return wrong
  const next = await endOf(appendOne(room, witness, 0))
  if (next !== undefined) wrong.push(`does not go on once there is space: ${next}`)
  const closing = await endOf(room.close())
  if (closing !== undefined) wrong.push(`close: ${closing}`)
  return wrong
}

describe.skipIf(reason !== undefined)(`fault table (${reason ?? `seed ${seed}`})`, () => {
  it.each([
    ["always", 5],
    ["on_checkpoint", 5],
  ] as const)(
    "stops at a failed fsync, tells every caller and loses nothing: fsync=%s [A-145]",
    async (fsync, stride) => {
      const arm = (after: number): void => mount.failFsync(after)
      const hits = (): number => mount.counters.failed
      await table(`failed fsync, ${fsync}`, fsync, stride, arm, hits, failedFsync)
    },
    patienceMs,
  )

  it.each([
    ["always", 3],
    ["on_checkpoint", 3],
  ] as const)(
    "refuses in one sentence on a full disk and goes on once there is space: fsync=%s [A-145]",
    async (fsync, stride) => {
      const arm = (after: number): void => mount.fill(after)
      const hits = (): number => mount.counters.full
      await table(`full disk, ${fsync}`, fsync, stride, arm, hits, fullDisk)
    },
    patienceMs,
  )
})
