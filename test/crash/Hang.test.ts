/**
 * A device that stops answering (shim.c: an fsync that does not return and holds its thread): the
 * chain on it is shut, and nothing else waits for it.
 */
import { spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { buildShim } from "./Shim.ts"
import { Witness } from "./Witness.ts"

const shim = buildShim()
const reason = "reason" in shim ? shim.reason : undefined
const root = mkdtempSync(join(tmpdir(), "strongroom-hang-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const program = join(import.meta.dirname, "HangChild.ts")

interface Told {
  readonly dir: string
  // What each scenario tells is checked by its test.
  readonly [name: string]: unknown
}

const run = async (scenario: string): Promise<Told> => {
  const dir = join(root, scenario)
  mkdirSync(dir, { mode: 0o700 })
  const env = {
    ...process.env,
    ...shim,
    SHIM_UNDER: dir,
    FSYNC_HANG: join(root, `${scenario}.hang`),
  }
  const child = spawn(process.execPath, [program, scenario, dir], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  })
  let text = ""
  child.stdout.setEncoding("utf8").on("data", (more: string) => (text += more))
  await new Promise((done) => child.on("close", done))
  return { dir, ...JSON.parse(text) }
}

const verdictOf = (dir: string) => new Witness().look(dir)

describe.skipIf(reason !== undefined)(`a hung device (${reason ?? "shim"})`, () => {
  it("shuts the chain on it and holds up no other one, nor its export [A-143, A-144]", async () => {
    const told = await run("chain")
    const { before, during, after } = told as { [name: string]: number }
    expect(before).toBeGreaterThan(20)
    expect(during!).toBeGreaterThan(before! * 0.4)
    expect(after).toBeGreaterThan(0)
    // Refused at once once the door is shut: a queue does not grow, and nobody is kept waiting.
    // Only what was written before the door was shut waits until the device counts as stalled.
    const { BUSY, accepted, ...others } = told.pressed as { [code: string]: number }
    expect(others).toEqual({ TIMEOUT: 1 })
    expect([told.late, accepted]).toEqual(["TIMEOUT", undefined])
    expect(BUSY).toBeGreaterThan(10)
    expect(told.slowestMs).toBeLessThan(1_000)
    expect(told).toMatchObject({ exporting: "TIMEOUT", waiting: 0, left: 0, abandoned: [] })
    expect(told.fastCheckpointed).toBeGreaterThan(0)
    expect(told.shed).toBe(BUSY)
    expect(told.walTimeouts).toBeGreaterThan(0)
    // Once for the stall, however long it was and whatever else was tried meanwhile.
    expect(
      (told.toldOfHang as Array<string>).filter((line) => line === "slow TIMEOUT"),
    ).toHaveLength(1)
    expect(readdirSync(join(told.dir, "export", "hang@1")).sort()).toContain("fast")
    expect(verdictOf(told.dir)).toMatchObject({ verdict: "valid", tampers: [] })
  }, 60_000)

  it("is left behind when the log is closed, and named [A-103]", async () => {
    const told = await run("close")
    expect(told.abandoned).toEqual(["slow"])
    expect(told.waiter).toBe("TIMEOUT")
    expect(told.tookMs).toBeGreaterThan(1_400)
    expect(told.tookMs).toBeLessThan(4_000)
    expect(told.durable).toBeLessThan(told.accepted as number)
    expect(verdictOf(told.dir).tampers).toEqual([])
  }, 60_000)

  it("of the export is told, suspends exports, and the next one resumes [A-102]", async () => {
    const told = await run("export")
    const { before, during } = told as { [name: string]: number }
    expect(during!).toBeGreaterThan(before! * 0.4)
    expect(told.tries).toEqual(["TIMEOUT", "TIMEOUT", "TIMEOUT", "UNAVAILABLE"])
    expect(told.state).toMatchObject({ state: "open", failures: 3 })
    expect(told.again).toBe(3)
    expect(told.settled).toMatchObject({ state: "closed", failures: 0 })
    expect(told.abandoned).toEqual([])
    expect(verdictOf(told.dir)).toMatchObject({ verdict: "valid", tampers: [] })
    const exported = new Witness().look(told.dir, "export")
    expect(exported).toMatchObject({ tampers: [] })
  }, 60_000)
})
