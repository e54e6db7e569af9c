/**
 * A real disk that fills up under a log with a reserve: a tmpfs (root only). The log says why, in
 * the room that the reserve leaves, refuses at once meanwhile, and goes on by itself.
 */
import { spawnSync } from "node:child_process"
import {
  existsSync,
  mkdtempSync,
  rmdirSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, afterEach, describe, expect, it } from "vitest"
import type { Strongroom } from "../../src/index.ts"
import { codeOf, draft, filesOf, openRoom, type Place, recordsOf, verify } from "../audit/Room.ts"

const disk = mkdtempSync(join(tmpdir(), "strongroom-reserve-"))
const reserveBytes = 512 << 10

const mountDisk = (): string | undefined => {
  if (process.platform !== "linux") return "tmpfs is Linux's"
  if (process.getuid?.() !== 0) return "mounting a small disk needs root"
  const args = ["-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", disk]
  const { status, stderr } = spawnSync("mount", args, { encoding: "utf8" })
  return status === 0 ? undefined : `no tmpfs: ${stderr.trim()}`
}

const reason = mountDisk()
const filler = join(disk, "filler")
const place: Place = { dir: disk, wal: join(disk, "wal"), export: join(disk, "export") }
const reserve = join(place.wal, "~reserve")

let room: Strongroom
const told: Array<string> = []

const open = async (fsync: "always" | "on_checkpoint"): Promise<void> => {
  told.length = 0
  room = await openRoom(place, {
    wal: { fsync, reserveBytes, rotateBytes: 1 << 20 },
    notice: (said) => {
      if (said.event !== "trouble") return
      told.push(`${said.stream} ${(said.error as { code?: string }).code}`)
    },
  })
}

/** Leaves so many bytes free. */
const fillTo = (left: number): void => {
  rmSync(filler, { force: true })
  const { bavail, bsize } = statfsSync(disk)
  writeFileSync(filler, Buffer.alloc(bavail * bsize - left, 1))
}

/** Appends until one is refused; how many drafts were refused by then, and how. */
const pressUntilRefused = async (): Promise<{
  readonly refused: number
  readonly code: unknown
}> => {
  for (let i = 0; i < 4_000; i += 8) {
    const calls = Array.from({ length: 8 }, (_, j) => room.append(draft(i + j)))
    const ended = await Promise.allSettled(calls)
    const rejected = ended.filter((call) => call.status === "rejected")
    if (rejected.length > 0) return { refused: rejected.length, code: rejected[0]?.reason.code }
  }
  throw new Error("the disk never filled up")
}

const until = async (isSo: () => boolean, patienceMs = 5_000): Promise<void> => {
  for (let waited = 0; !isSo(); waited += 20) {
    if (waited > patienceMs) throw new Error("it never came to be")
    await sleep(20)
  }
}

const gaps = (): Array<number> =>
  recordsOf(place)
    .filter(({ kind }) => kind === "Gap")
    .map(({ attrs }) => Number(attrs.count))

/** The verdict, and what is said of the reserve. */
const judged = (): Array<string> => {
  const { verdict, notes } = verify(place)
  return [verdict, ...notes.filter((note) => note.includes("reserve"))]
}

const lastCheckpointSeq = (): number =>
  room.heads().find(({ stream }) => stream === "ingress")!.checkpointedTo

afterEach(async () => {
  if (reason !== undefined) return
  await room.close().catch(() => undefined)
  for (const path of [
    filler,
    place.wal,
    place.export,
    join(disk, "keys"),
    join(disk, "trust.json"),
  ]) {
    rmSync(path, { recursive: true, force: true })
  }
})

afterAll(() => {
  if (reason === undefined) spawnSync("umount", ["-l", disk])
  rmdirSync(disk)
})

describe.skipIf(reason !== undefined)(`a disk with a reserve (${reason ?? "tmpfs"})`, () => {
  it.each(["always", "on_checkpoint"] as const)(
    "says why it is full, refuses at once, and goes on by itself (%s) [A-144, A-145]",
    async (fsync) => {
      await open(fsync)
      expect(statSync(reserve).blocks * 512).toBeGreaterThanOrEqual(reserveBytes)
      expect(statSync(reserve).mode & 0o777).toBe(0o600)
      await room.append(draft(0, { stream: "other" }))
      fillTo(96 << 10)
      const { refused, code } = await pressUntilRefused()
      expect(code).toBe("NO_SPACE")
      expect(existsSync(reserve)).toBe(false)
      await until(() => gaps().length === 1)
      expect(gaps()).toEqual([refused])
      // The Gap lies under the last checkpoint, all of it on a disk that others have filled up.
      await until(() => lastCheckpointSeq() >= recordsOf(place).at(-1)!.seq)
      const codes = new Set<unknown>()
      const begun = performance.now()
      for (let i = 0; i < 500; i++) codes.add(await codeOf(room.append(draft(i))))
      codes.add(await codeOf(room.append(draft(0, { stream: "other" }))))
      expect([...codes]).toEqual(["BUSY"])
      expect(performance.now() - begun).toBeLessThan(1_000)
      // Longer than it takes to look for space again.
      fillTo(256 << 10)
      await sleep(1_500)
      expect(room.counts()).toMatchObject({ waiting: 0, shed: refused + 501, diskFull: 1 })
      expect(told).toEqual(["ingress NO_SPACE"])
      expect(gaps()).toEqual([refused])
      expect(judged()).toEqual(["valid"])
      rmSync(filler)
      await until(() => existsSync(reserve))
      await until(() => gaps().length === 2)
      expect(gaps()).toEqual([refused, 500])
      await (await room.append(draft(1))).reached("durable")
      await room.close()
      expect(told).toEqual(["ingress NO_SPACE"])
      expect(judged()).toEqual(["valid"])
      expect(filesOf(place.wal).foreign).toEqual([])
    },
  )
})
