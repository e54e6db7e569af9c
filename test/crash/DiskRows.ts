/**
 * The rows of the crash table on the virtual disk: every change and fsync of a log's lives, with
 * every outcome, once as the moment of a crash and once as a failed operation that the process
 * survives.
 */
import type { FsyncPolicy, Strongroom } from "../../src/index.ts"
import {
  endOf,
  fileKind,
  firstOf,
  type Life,
  laterOf,
  liveThrough,
  planAt,
  reopenedFrom,
  Testimony,
} from "./DiskLife.ts"
import { type Outcome, outcomesOf, survivors, type Tree } from "./DiskModel.ts"
import { appendOne, open } from "./Life.ts"
import type { Ack } from "./Offspring.ts"
import type { Plan } from "./Plan.ts"
import type { Call, Fault, Operation, VirtualDisk } from "./VirtualDisk.ts"

/** A kind of file and what is done to it. */
export interface Cell {
  readonly kind: string
  readonly operation: Operation
}

/** What a crash at one operation left. */
export interface Crash extends Cell {
  readonly life: Life
  readonly path: string
  readonly fsync: FsyncPolicy
  readonly outcome: Outcome
  readonly tree: Tree
  readonly acks: ReadonlyArray<Ack>
}

/** An operation that is to fail: the `nth` of its cell in a life. */
export interface Failing extends Cell {
  readonly life: Life
  readonly fsync: FsyncPolicy
  readonly effect: Fault["effect"]
  readonly nth: number
}

/** One life to its end, and every crash that it could have had. */
const record = async (
  disk: VirtualDisk,
  life: Life,
  fsync: FsyncPolicy,
  random: () => number,
): Promise<ReadonlyArray<Crash>> => {
  const crashes: Array<Crash> = []
  const plan = planAt(disk.load(life.start), fsync)
  const witness = new Testimony(life.acks)
  disk.decide = ({ node, step, operation, path }) => {
    if (node === undefined) return undefined
    const acks = [...witness.acks]
    for (const outcome of outcomesOf(step)) {
      const tree = survivors(disk.node, node, step, outcome, random)
      crashes.push({ kind: fileKind(path), operation, life, path, fsync, outcome, tree, acks })
    }
    return undefined
  }
  await liveThrough(life, plan, witness)
  disk.drop()
  return crashes
}

/** The crashes of a first life, and of two that begin with a recovery. */
export const recordAll = async (
  disk: VirtualDisk,
  fsync: FsyncPolicy,
  random: () => number,
): Promise<ReadonlyArray<Crash>> => {
  const crashes = [...(await record(disk, firstOf(), fsync, random))]
  for (const kind of ["segment", "signatures"]) {
    const isTorn = ({ kind: of, operation, outcome, path }: Crash): boolean =>
      of === kind && operation === "write" && outcome === "torn" && !path.endsWith(".tmp")
    const { tree, acks } = crashes.findLast(isTorn)!
    const life = laterOf(`after torn ${kind}`, tree, acks)
    crashes.push(...(await record(disk, life, fsync, random)))
  }
  return crashes
}

/** Every operation of the recorded lives as one that fails, with each effect that it can have. */
export const failuresOf = (crashes: ReadonlyArray<Crash>): ReadonlyArray<Failing> => {
  const counts = new Map<string, number>()
  return crashes.flatMap(({ kind, operation, life, fsync, outcome }) => {
    if (outcome !== "lost") return []
    const key = [life.name, fsync, kind, operation].join()
    const nth = (counts.get(key) ?? 0) + 1
    counts.set(key, nth)
    const effects: Array<Fault["effect"]> = ["persisted", "lost"]
    if (operation === "write" || operation === "fsync") effects.push("torn")
    if (operation === "fsync" && !/folder|lock/.test(kind)) effects.push("unwritten")
    return effects.map((effect) => ({ kind, operation, life, fsync, effect, nth }))
  })
}

/** What is wrong after a crash. */
export const crashRow = (disk: VirtualDisk, crash: Crash): Promise<ReadonlyArray<string>> =>
  reopenedFrom(disk, crash.tree, crash.fsync, new Testimony(crash.acks))

/** How a log took a failed operation. */
export interface Taken {
  readonly isHit: boolean
  /** `goes on`, `stops` until it is opened again, or `does not open`. */
  readonly then: "does not open" | "goes on" | "stops"
  readonly error: unknown
  readonly wrong: ReadonlyArray<string>
}

const ours = ["DISPLACED", "IO", "KEY_IO", "NOT_FOUND", "NO_SPACE", "STATE_UNKNOWN", "UNAVAILABLE"]

/** What callers were told is typed, one sentence, and told at all. */
const toldFaults = (error: unknown): ReadonlyArray<string> => {
  if (error === undefined) return []
  if (error === "hangs") return ["a caller was never told"]
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : error
  const message = error instanceof Error ? error.message : ""
  const isOurs = ours.includes(String(code)) && !message.includes("\n")
  return isOurs ? [] : [`told of it by ${String(error)}`]
}

/** The next process finds data that no fsync will write, goes on with it, and the power fails. */
const recoverAndCut = async (disk: VirtualDisk, plan: Plan, witness: Testimony) => {
  const next = await open(plan)
  await appendOne(next, witness, 3)
  const cut = { tree: disk.kept, acks: [...witness.acks] }
  await next.close()
  return cut
}

/** Fails one operation in a life; the power is cut, or it is closed, and it is opened again. */
export const failingRow = async (
  disk: VirtualDisk,
  failing: Failing,
  ends: ReadonlyArray<"closed" | "cut">,
): Promise<Taken> => {
  const { life, fsync, kind, operation, effect, nth } = failing
  const plan = planAt(disk.load(life.start), fsync)
  const witness = new Testimony(life.acks)
  let seen = 0
  disk.decide = (call: Call) => {
    const isIt = call.node !== undefined && call.operation === operation
    if (!isIt || fileKind(call.path) !== kind) return undefined
    seen += 1
    return seen === nth ? { code: "EIO", effect } : undefined
  }
  let room: Strongroom | undefined
  const error = await endOf(
    open(plan).then((opened) => {
      room = opened
      return life.act(opened, plan, witness)
    }),
  )
  const wrong = [...toldFaults(error)]
  const next = room === undefined ? error : await endOf(appendOne(room, witness, 2))
  if (room !== undefined) wrong.push(...toldFaults(next))
  const cut = { tree: disk.kept, acks: [...witness.acks] }
  const closing = room === undefined ? undefined : await endOf(room.close())
  wrong.push(...toldFaults(closing))
  wrong.push(...disk.openFiles().map((file) => `still open: ${file}`))
  const closed = { tree: disk.live, acks: [...witness.acks] }
  const recovered = effect === "unwritten" ? await recoverAndCut(disk, plan, witness) : undefined
  disk.drop()
  for (const end of ends) {
    const { tree, acks } = end === "closed" ? closed : (recovered ?? cut)
    const after = await reopenedFrom(disk, tree, fsync, new Testimony(acks))
    wrong.push(...after.map((fault) => `${end}: ${fault}`))
  }
  const then = room === undefined ? "does not open" : next === undefined ? "goes on" : "stops"
  return { isHit: seen >= nth, then, error: error ?? closing, wrong }
}
