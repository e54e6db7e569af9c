/** The Effect door: typed failures, gates, and a log that closes with its scope. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { afterAll, describe, expect, it } from "vitest"
import { AuditLog, type Draft, type OpenOptions, Strongroom } from "../../src/index.ts"

const root = mkdtempSync(join(tmpdir(), "strongroom-layer-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const optionsOf = (name: string): OpenOptions & { readonly writerId: string } => ({
  writerId: "w@1",
  wal: { dir: join(root, name, "wal") },
  engine: "js",
  notice: () => undefined,
})

const draft = (attrs: Draft["attrs"] = {}): Draft => ({
  stream: "ingress",
  kind: "GetServed",
  actor: { anon: true },
  subject: {},
  reason: "ok",
  attrs,
})

/** Opens anew: a log that was not closed is locked. Where its chain ends. */
const headAfter = async (name: string): Promise<number | undefined> => {
  const room = await Strongroom.open(optionsOf(name))
  const head = room.heads().find(({ stream }) => stream === "ingress")
  await room.close()
  expect(head?.checkpointedTo).toBe(head?.seq)
  return head?.seq
}

const run = <A, E>(name: string, program: Effect.Effect<A, E, AuditLog>): Promise<A> =>
  Effect.runPromise(Effect.provide(program, AuditLog.layer(optionsOf(name))))

describe("AuditLog.layer", () => {
  it("opens a log, appends, reaches a level, and closes with the scope", async () => {
    const program = Effect.gen(function* () {
      const log = yield* AuditLog
      const receipt = yield* log.append(draft())
      yield* log.reached(receipt, "signed")
      return [receipt.seq, log.room.heads().length]
    })
    expect(await run("plain", program)).toEqual([2, 2])
    expect(await headAfter("plain")).toBe(2)
  })

  it("fails with the typed errors of the promise door", async () => {
    const code = ({ code: of }: { readonly code: string }) => Effect.succeed(of)
    const program = Effect.gen(function* () {
      const log = yield* AuditLog
      const refused = yield* Effect.catchTag(log.append(draft({ price: 1.5 })), "Rejected", code)
      yield* Effect.promise(() => log.room.close())
      const closed = yield* Effect.catchTag(log.append(draft()), "AuditError", code)
      return [refused, closed]
    })
    expect(await run("typed", program)).toEqual(["float", "CLOSED"])
    const layer = AuditLog.layer({ ...optionsOf("typed"), queueDepth: 0 })
    const opened = Effect.provide(
      AuditLog.use(() => Effect.succeed("opened")),
      layer,
    )
    expect(await Effect.runPromise(Effect.catchTag(opened, "AuditError", code))).toBe("SETTINGS")
  })

  it("closes when the program fails, and its failure stays what it was", async () => {
    const program = Effect.gen(function* () {
      const log = yield* AuditLog
      yield* log.append(draft())
      return yield* Effect.fail("the program's own")
    })
    const exit = await Effect.runPromiseExit(
      Effect.provide(program, AuditLog.layer(optionsOf("failed"))),
    )
    expect(exit).toEqual(Exit.fail("the program's own"))
    expect(await headAfter("failed")).toBe(2)
  })

  it("closes when it is interrupted, and keeps what was accepted", async () => {
    const stopping = new AbortController()
    const program = Effect.gen(function* () {
      const log = yield* AuditLog
      for (let n = 0; n < 10; n++) yield* log.append(draft({ n }))
      stopping.abort()
      return yield* Effect.never
    })
    const layer = AuditLog.layer(optionsOf("interrupted"))
    const fiber = Effect.runFork(Effect.provide(program, layer), { signal: stopping.signal })
    const exit = await Effect.runPromise(Fiber.await(fiber))
    expect(Exit.hasInterrupts(exit)).toBe(true)
    expect(await headAfter("interrupted")).toBe(11)
  })

  it("closes when it is interrupted while it opens", async () => {
    const layer = AuditLog.layer(optionsOf("opening"))
    const opening = Effect.runFork(
      Effect.provide(
        AuditLog.use(() => Effect.never),
        layer,
      ),
    )
    await Effect.runPromise(Fiber.interrupt(opening))
    const room = await Strongroom.open(optionsOf("opening"))
    expect((await room.append(draft())).seq).toBe(2)
    await room.close()
  })

  it("runs a gated action behind its record only", async () => {
    const done: Array<number> = []
    const program = Effect.gen(function* () {
      const log = yield* AuditLog
      const act = (receipt: { readonly seq: number }) => Effect.sync(() => done.push(receipt.seq))
      yield* log.gate(draft(), "durable", act)
      const refused = yield* Effect.exit(log.gate(draft({ price: 1.5 }), "durable", act))
      const own = yield* Effect.flip(log.gate(draft(), "accepted", () => Effect.fail("own")))
      return [Exit.isFailure(refused), own]
    })
    expect(await run("gate", program)).toEqual([true, "own"])
    expect(done).toEqual([2])
  })
})
