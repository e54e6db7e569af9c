import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { missing, names, table } from "./Servers.ts"

const command = (...args: ReadonlyArray<string>) =>
  spawnSync(process.execPath, [join(import.meta.dirname, "main.ts"), ...args], { encoding: "utf8" })

describe("npm run servers", () => {
  it("lists what there is, without arguments and with --help", () => {
    for (const args of [[], ["--help"], ["up", "--help"]]) {
      const { status, stdout } = command(...args)
      expect(status).toBe(0)
      for (const name of names) expect(stdout).toContain(`  ${name}`)
    }
    expect(table().length).toBe(names.length)
  })

  it.each([
    [["up", "mainframe"], 'unknown server "mainframe", there are: verifier, fuse, node22'],
    [["sideways"], 'unknown command "sideways": up or down'],
  ])("refuses %j in one sentence", (args, message) => {
    const { status, stdout, stderr } = command(...args)
    expect([status, stdout, stderr.trim()]).toEqual([1, "", message])
  })

  it("gives a test the reason to skip itself, or none", () => {
    for (const name of names)
      expect(missing(name) ?? "not installed").toMatch(/not installed|\/dev/)
    expect(() => missing("mainframe")).toThrow(/unknown server/)
  })
})
