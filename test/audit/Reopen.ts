/** A log made, damaged by hand (Chain) and opened again: what is said of it then. */
import { expect } from "vitest"
import type { FsyncPolicy, Notice, Strongroom } from "../../src/index.ts"
import { ChainFolder } from "./Chain.ts"
import { draft, fill, makePlace, openRoom, type Place, stream, verify } from "./Room.ts"

type Told = Notice | { readonly event: "warning"; readonly message: string }

/** Opens the log and keeps what is told, but for warnings. */
export const open = async (
  place: Place,
  fsync: FsyncPolicy = "always",
  more: Parameters<typeof openRoom>[1] = {},
): Promise<{ readonly room: Strongroom; readonly told: ReadonlyArray<Told> }> => {
  const told: Array<Told> = []
  const notice = (event: Told): void => void (event.event === "warning" || told.push(event))
  const room = await openRoom(place, { notice, ...more, wal: { fsync, ...more.wal } })
  return { room, told }
}

/** Groups of records, each waited for so that it has a `.sig` entry of its own. */
export const make = async (
  fsync: FsyncPolicy,
  groups: ReadonlyArray<number>,
  more: Parameters<typeof openRoom>[1] = {},
): Promise<{ readonly place: Place; readonly chain: ChainFolder }> => {
  const place = makePlace()
  const { room } = await open(place, fsync, more)
  let next = 1
  for (const count of groups) {
    const receipts = await fill(room, next, next + count - 1)
    if (more.signing !== "checkpoint") await receipts.at(-1)!.reached("signed")
    next += count
  }
  await room.close()
  return { place, chain: new ChainFolder(place) }
}

/** Opens, appends one record, closes; what was said, and whether the log is whole then. */
export const reopen = async (place: Place, fsync: FsyncPolicy = "always") => {
  const { room, told } = await open(place, fsync)
  const receipt = await room.append(draft(0))
  await room.close()
  const { verdict, streams } = verify(place)
  const findings = streams.flatMap((one) => one.findings.map(({ kind, seq }) => `${kind} ${seq}`))
  return { told, seq: receipt.seq, verdict, findings }
}

/** Opens a log whose chain is frozen: the finding, and that nothing was written to the chain. */
export const frozenBy = async (place: Place, fsync: FsyncPolicy = "always", more = {}) => {
  const chain = new ChainFolder(place)
  const before = chain.names().map((name) => chain.read(name).toString("hex"))
  const { room, told } = await open(place, fsync, more)
  await expect(room.append(draft(0))).rejects.toMatchObject({ code: "FROZEN" })
  await room.close()
  expect(chain.names().map((name) => chain.read(name).toString("hex"))).toEqual(before)
  const frozen = told.find((notice) => notice.event === "frozen" && notice.stream === stream)
  if (frozen?.event !== "frozen") throw new Error("not frozen")
  const { kind, seq } = frozen.finding
  return { kind, seq }
}
