import { readdirSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { folder, run, start } from "./Program.ts"

describe("drill shutdown", () => {
  it("finds every record that a host acknowledged before it drained [A-103, A-104]", async () => {
    const { exit, stdout } = await run(["drill", "shutdown", "--seconds", "1", "--json"])
    const told = JSON.parse(stdout)
    expect(told).toMatchObject({ exit: "0", verdict: "valid", left: 0, findings: 0 })
    expect(told.acks).toBeGreaterThan(100)
    for (const level of ["durable", "signed", "checkpointed"])
      expect(told[level]).toBe(told.accepted)
    expect(told.accepted).toBeGreaterThanOrEqual(told.acks)
    expect(exit).toBe(0)
  }, 60_000)

  it("says that a signal stopped it, and leaves nothing behind", async () => {
    const tmp = folder()
    const drill = start(["drill", "shutdown", "--seconds", "30"], { env: { TMPDIR: tmp } })
    while (readdirSync(tmp).length === 0) await new Promise((done) => setTimeout(done, 20))
    drill.child.kill("SIGTERM")
    expect(await drill.ended).toEqual({ exit: 130, stdout: "", stderr: "stopped by a signal\n" })
    expect(readdirSync(tmp)).toEqual([])
  }, 60_000)

  it("names the drills there are", async () => {
    const { exit, stderr } = await run(["drill", "earthquake"])
    expect(exit).toBe(1)
    expect(stderr).toContain("shutdown")
  })
})
