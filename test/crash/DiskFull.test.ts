/**
 * A real disk that fills up: a tmpfs of 1 MiB (root only). Appends are refused in one sentence,
 * nothing is half-written, and once there is space the same writer goes on.
 *
 * Every write that can fill the disk, one by one, is in FaultTable.test.ts.
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { SinkError, type Strongroom } from "../../src/index.ts"
import { appendOne, faultsOf, open } from "./Life.ts"
import { type Plan, seeded } from "./Plan.ts"
import { Witness } from "./Witness.ts"

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const random = seeded(seed)
const disk = mkdtempSync(join(tmpdir(), "strongroom-full-"))

const mountDisk = (): string | undefined => {
  if (process.platform !== "linux") return "tmpfs is Linux's"
  if (process.getuid?.() !== 0) return "mounting a small disk needs root"
  const args = ["-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", disk]
  const { status, stderr } = spawnSync("mount", args, { encoding: "utf8" })
  return status === 0 ? undefined : `no tmpfs: ${stderr.trim()}`
}

const reason = mountDisk()

afterAll(() => {
  if (reason === undefined) spawnSync("umount", ["-l", disk])
  rmdirSync(disk)
})

const plan: Plan = {
  dir: join(disk, "log"),
  streams: ["ingress"],
  inFlight: 8,
  records: 0,
  rotateBytes: 48 * 1024,
  fsync: "always",
  signing: "batch",
  duties: false,
  seed,
}

/** Appends until one is refused; the error. */
const fill = async (room: Strongroom, witness: Witness): Promise<unknown> => {
  for (let i = 0; i < 4_000; i += 8) {
    const calls = Array.from({ length: 8 }, (_, j) => appendOne(room, witness, i + j))
    const ended = await Promise.allSettled(calls)
    const refused = ended.find((call) => call.status === "rejected")
    if (refused !== undefined) return refused.reason
  }
  return "never full"
}

describe.skipIf(reason !== undefined)(`disk full (${reason ?? `seed ${seed}`})`, () => {
  it("refuses in one sentence, loses nothing and goes on once there is space [A-145]", async () => {
    let acks = 0
    for (let round = 0; round < 8; round++) {
      rmSync(plan.dir, { recursive: true, force: true })
      const witness = new Witness()
      // Another size each round, so that the disk fills up in another file.
      writeFileSync(join(disk, "filler"), Buffer.alloc(4096 * (20 + Math.floor(random() * 40))))
      const room = await open(plan)
      const error = await fill(room, witness)
      expect(error).toBeInstanceOf(SinkError)
      expect(error).toMatchObject({ code: "NO_SPACE", isRetryable: true })
      expect(String(error)).toMatch(
        /^SinkError: cannot [^\n]+\/log\/wal\/[^\n]+: the disk is full$/,
      )
      expect(witness.look(plan.dir)).toMatchObject({ tampers: [], lost: [] })
      rmSync(join(disk, "filler"))
      await appendOne(room, witness, round)
      await room.close()
      expect(await faultsOf(plan, witness)).toEqual([])
      acks += witness.count
    }
    console.log(`disk full: seed ${seed}, 8 rounds, ${acks} acks`)
  }, 60_000)
})
