/**
 * The loop of SQLite's tests: the Nth file operation fails, for N = 1, 2, ... until a run passes
 * untouched, whatever the operation is, a read or a close as well as a write, once or from then on.
 *
 * Each run starts from the same files. Whoever called is told by a typed error in one sentence or
 * got what was asked for, nothing hangs, no file stays open, and what is there afterwards opens,
 * has each acknowledged record and goes on. One N of each `stride` is run, SEED chooses which;
 * CRASH_FULL=1 runs them all.
 */

import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, describe, expect, it } from "vitest"
import { backupLog, type LogPlaces } from "../../src/audit/Backup.ts"
import { restoreLog } from "../../src/audit/Restore.ts"
import { Strongroom } from "../../src/index.ts"
import { mountVirtual } from "./DiskHooks.ts"
import {
  endOf,
  firstOf,
  liveThrough,
  planAt,
  reopenedFrom,
  Testimony,
  tampered,
} from "./DiskLife.ts"
import type { Tree } from "./DiskModel.ts"
import { recordAll } from "./DiskRows.ts"
import { appendOne, open } from "./Life.ts"
import type { Ack } from "./Offspring.ts"
import { openOptions, type Plan, seeded } from "./Plan.ts"
import type { Fault, Operation } from "./VirtualDisk.ts"
import { engine } from "./Witness.ts"

const isFull = process.env.CRASH_FULL === "1"
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const random = seeded(seed)
const { disk, close } = mountVirtual()
afterAll(() => close())

/** Files to begin with, and what was acknowledged in them. */
interface Start {
  readonly tree: Tree
  readonly acks: ReadonlyArray<Ack>
}

const nothing: Start = { tree: new Map(), acks: [] }

const afterFirstLife = async (): Promise<Start> => {
  const witness = new Testimony()
  await liveThrough(firstOf(), planAt(disk.load(new Map()), "always"), witness)
  const tree = disk.live
  disk.drop()
  return { tree, acks: witness.acks }
}

const clean = await afterFirstLife()
const crashes = await recordAll(disk, "always", random)
const torn = crashes.find(({ life }) => life.name === "after torn segment")!.life
const crashed: Start = { tree: torn.start, acks: torn.acks }
const broken: Start = { tree: tampered(clean.tree), acks: [] }

/** What is done with a log; operations fail from where `arm` is called. */
type Work = (plan: Plan, witness: Testimony, arm: () => void) => Promise<unknown>

const opened =
  (act: (room: Strongroom, witness: Testimony) => Promise<unknown>): Work =>
  async (plan, witness, arm) => {
    const room = await open(plan)
    await appendOne(room, witness, 0)
    await appendOne(room, witness, 1)
    arm()
    try {
      await act(room, witness)
    } finally {
      await room.close()
    }
  }

const openAndClose: Work = async (plan, witness, arm) => {
  arm()
  const room = await open(plan)
  try {
    await appendOne(room, witness, 0)
  } finally {
    await room.close()
  }
}

const rotating = async (room: Strongroom, witness: Testimony): Promise<void> => {
  for (let i = 0; i < 12; i++) await appendOne(room, witness, i)
}

const continuing: Work = async (plan, _witness, arm) => {
  arm()
  await Strongroom.continueChain(
    openOptions(plan, () => undefined),
    "ingress",
  )
}

const places = (dir: string): LogPlaces => ({
  walDir: join(dir, "wal"),
  exportDir: join(dir, "export"),
  trustPath: join(dir, "trust.json"),
  keysDir: join(dir, "keys"),
})
const copying = { engine, clock: { nowMs: () => Date.now() } }

const backingUp: Work = async ({ dir }, _witness, arm) => {
  arm()
  await backupLog(copying, places(dir), `${dir}-backup`, "all")
}

const restoring: Work = async ({ dir }, _witness, arm) => {
  await backupLog(copying, places(dir), `${dir}-backup`, "all")
  arm()
  await restoreLog(copying, `${dir}-backup`, places(`${dir}-restored`))
}

const works: ReadonlyArray<readonly [string, Start, Work, number]> = [
  ["a first start", nothing, openAndClose, 9],
  ["opening", clean, openAndClose, 17],
  ["recovery", crashed, openAndClose, 17],
  ["rotation", clean, opened(rotating), 11],
  ["a checkpoint", clean, opened((room) => room.checkpoint()), 5],
  ["an export", clean, opened((room) => room.export()), 17],
  ["a close", clean, opened(async () => undefined), 5],
  ["audit continue", broken, continuing, 41],
  ["a backup", clean, backingUp, 59],
  ["a restore", clean, restoring, 59],
]

/** What an operation of this kind can fail with. */
const codesOf = (operation: Operation): ReadonlyArray<Fault["code"]> => {
  if (operation === "create") return ["EIO", "ENOSPC", "EMFILE"]
  if (operation === "open" || operation === "list") return ["EIO", "EMFILE"]
  const grows = ["write", "mkdir", "link", "rename", "fsync"].includes(operation)
  return grows ? ["EIO", "ENOSPC"] : ["EIO"]
}

const isTyped = (error: unknown): boolean =>
  error instanceof Error &&
  "_tag" in error &&
  "code" in error &&
  /^[A-Z_]+$/.test(String(error.code)) &&
  !/\n/.test(error.message)

const leaksOf = async (): Promise<ReadonlyArray<string>> => {
  // A stream that was given up closes its file a little later.
  for (let waited = 0; disk.openFiles().length > 0 && waited < 50; waited += 5) await sleep(5)
  return disk.openFiles().map((file) => `still open: ${file}`)
}

interface Failing {
  readonly nth: number
  readonly pick: number
  /** Whether everything from then on fails the same way. */
  readonly stays: boolean
}

interface Run {
  readonly isHit: boolean
  readonly wrong: ReadonlyArray<string>
}

/** One run in which an operation fails. */
const runWith = async (start: Start, work: Work, { nth, pick, stays }: Failing): Promise<Run> => {
  const plan = planAt(disk.load(start.tree), "always")
  const witness = new Testimony(start.acks)
  let seen = 0
  let isArmed = false
  let code: Fault["code"] | undefined
  let what = ""
  disk.decide = ({ operation, path }) => {
    if (!isArmed) return undefined
    seen += 1
    if (seen === nth) {
      const codes = codesOf(operation)
      code = codes[pick % codes.length]!
      what = `${nth}: ${operation} of ${path || "."} fails with ${code}${stays ? " for good" : ""}`
    }
    const fails = seen === nth || (stays && seen > nth)
    const canFail = code !== undefined && codesOf(operation).includes(code)
    return fails && canFail ? { code: code!, effect: "lost" } : undefined
  }
  const arm = (): void => {
    isArmed = true
  }
  const error = await endOf(work(plan, witness, arm))
  const wrong: Array<string> = []
  if (error === "hangs") wrong.push("hangs")
  else if (error !== undefined && !isTyped(error)) wrong.push(`told by ${String(error)}`)
  wrong.push(...(await leaksOf()))
  disk.decide = () => undefined
  wrong.push(...halfCopies(error === undefined))
  wrong.push(...(await afterwards(start, work, plan, witness)))
  return {
    isHit: seen >= nth,
    wrong: wrong.map((fault) => `${what}: ${fault}`),
  }
}

/** Copies of the log: there whole or not at all, and nothing of them beside. */
const halfCopies = (isDone: boolean): ReadonlyArray<string> => {
  const paths = [...disk.live.keys()]
  const left = paths.filter((path) => /log-(backup|restored).*\.tmp$/.test(path))
  const isThere = paths.some((path) => /^log-backup\/wal\/.*\.seg$/.test(path))
  const isWhole = paths.includes("log-backup/heads.jsonl")
  const isRestoring = paths.some((path) => path.startsWith("log-restored/"))
  const wrong = left.map((path) => `left behind: ${path}`)
  if (isThere !== isWhole) wrong.push("half a backup")
  if (isDone && isRestoring && !paths.includes("log-restored/wal")) wrong.push("half restored")
  return wrong
}

/** What is wrong with the files once everything works again. */
const afterwards = async (
  start: Start,
  work: Work,
  plan: Plan,
  witness: Testimony,
): Promise<ReadonlyArray<string>> => {
  if (start !== broken) return reopenedFrom(disk, disk.live, "always", witness)
  // Damage stays damage; the chain can be continued now if it was not before.
  const again = await endOf(work(plan, witness, () => undefined))
  const told = again === undefined || isTyped(again) ? [] : [`again: ${String(again)}`]
  const room = await Strongroom.open(openOptions(plan, () => undefined))
  const receipt = await endOf(room.append({ ...draft, stream: "ingress" }))
  await room.close()
  const isGoingOn = receipt === undefined ? [] : [`does not go on: ${String(receipt)}`]
  return [...told, ...isGoingOn]
}

const draft = {
  kind: "GetServed",
  actor: {},
  subject: { content_id: `b3:${"0".repeat(64)}` },
  reason: "ok",
  attrs: {},
} as const

describe(`every operation fails in turn, seed ${seed}`, () => {
  it.each(works)(
    "%s: typed error or done, no hang, no open file, opens again [A-145] [A-501]",
    async (name, start, work, stride) => {
      const step = isFull ? 1 : stride
      const wrong: Array<string> = []
      let runs = 0
      let nth = 1 + Math.floor(random() * step)
      for (let isHit = true; isHit; nth += step) {
        const stays = runs % 3 === 2
        const run = await runWith(start, work, { nth, pick: Math.floor(random() * 6), stays })
        wrong.push(...run.wrong)
        isHit = run.isHit
        runs += 1
      }
      console.log(`every operation, ${name}: seed ${seed}, ${runs} runs to operation ${nth - step}`)
      expect(wrong.slice(0, 10)).toEqual([])
      expect(runs).toBeGreaterThan(5)
    },
    isFull ? 3_600_000 : 240_000,
  )
})
