/**
 * A file system that turns read-only, breaks or forbids writing under an open log (forgetful.py):
 * the chain on it fails closed, in one typed sentence each time, the others go on, and it comes
 * back through recovery once it can be written again.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { FsyncPolicy, Strongroom } from "../../src/index.ts"
import { Strongroom as Room } from "../../src/index.ts"
import { codeOf, draft } from "../audit/Room.ts"
import { planOf } from "./Life.ts"
import { Mount, whyNot } from "./Mount.ts"
import { openOptions, type Plan } from "./Plan.ts"
import { Witness } from "./Witness.ts"

const reason = whyNot()
let mount: Mount
beforeAll(async () => {
  if (reason === undefined) mount = await Mount.open()
})
afterAll(() => (reason === undefined ? mount.close() : undefined))

const durable = async (room: Strongroom, stream: string, witness: Witness): Promise<void> => {
  const receipt = await room.append(draft(0, { stream }))
  await receipt.reached("durable")
  const { writerId: writer_id, seq, selfHash: self_hash } = receipt
  witness.add([{ writer_id, stream, seq, self_hash, level: "durable" }])
}

const told: Array<string> = []

const open = (plan: Plan): Promise<Strongroom> =>
  Room.open(
    openOptions(plan, (said) => {
      if (said.event === "frozen") told.push("frozen")
      if (said.event === "trouble") told.push((said.error as { code?: string }).code ?? "defect")
    }),
  )

describe.skipIf(reason !== undefined)(`a refusing file system (${reason ?? "fuse"})`, () => {
  it.each([
    ["EROFS", "always"],
    ["EROFS", "on_checkpoint"],
    ["EIO", "always"],
    ["EACCES", "on_checkpoint"],
  ] as const)(
    "%s, fsync=%s: fails closed, the others go on, comes back [A-113]",
    async (code, fsync) => {
      told.length = 0
      const witness = new Witness()
      const plan: Plan = {
        ...planOf(mount, `${code}-${fsync}`, fsync as FsyncPolicy),
        rotateBytes: 1 << 20,
      }
      const room = await open(plan)
      await durable(room, "ingress", witness)
      await durable(room, "other", witness)
      mount.refuse(code, "/ingress/")
      const codes = new Set<unknown>()
      let slowestMs = 0
      for (let i = 0; i < 150; i++) {
        const begun = performance.now()
        codes.add(await codeOf(durable(room, "ingress", witness)))
        slowestMs = Math.max(slowestMs, performance.now() - begun)
        await durable(room, "other", witness)
        await sleep(10)
      }
      // The first is told that nobody knows what of it is there; then the chain is down, and tried.
      expect([...codes]).toEqual(["STATE_UNKNOWN", "UNAVAILABLE"])
      expect(slowestMs).toBeLessThan(1_000)
      expect(room.counts().waiting).toBe(0)
      // One for the crash; what a restart meets is told when it is given up.
      expect(told.length).toBeLessThan(5)
      expect(told).not.toContain("frozen")
      mount.refuse("OK")
      let last: unknown
      for (let i = 0; i < 200 && last !== "no error"; i++) {
        last = await codeOf(durable(room, "ingress", witness))
        await sleep(20)
      }
      expect(last).toBe("no error")
      await room.close()
      expect(witness.look(plan.dir)).toMatchObject({ verdict: "valid", tampers: [], lost: [] })
    },
    30_000,
  )
})
