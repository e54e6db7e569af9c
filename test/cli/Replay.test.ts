import { execFileSync } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { drafts, folder, imported, run } from "./Program.ts"

/** A directory and its records as sealed lines. */
const source = async (count: number, ...flags: ReadonlyArray<string>) => {
  const { dir, trust } = await imported(count, ...flags)
  const { stdout } = await run(["audit", "show", "--json"], { cwd: dir })
  return { dir, trust, lines: stdout.trimEnd().split("\n") }
}

const replay = async (
  dir: string,
  lines: ReadonlyArray<string>,
  ...flags: ReadonlyArray<string>
) => {
  const args = ["audit", "import", "-", "--format", "sealed", "--json", ...flags]
  return run(args, { cwd: dir, stdin: `${lines.join("\n")}\n` })
}

const verify = (dir: string) =>
  run(["audit", "verify", "--trust", ".strongroom/trust.json", "--json"], { cwd: dir })

const ofStream = (lines: ReadonlyArray<string>, stream: string): Array<string> =>
  lines.filter((line) => JSON.parse(line).stream === stream)

const heads = (stdout: string): Array<string> =>
  JSON.parse(stdout)
    .streams.map((one: { stream: string; head: string }) => `${one.stream} ${one.head}`)
    .sort()

describe("audit import --format sealed", () => {
  it.each([
    ["batch", "on_checkpoint"],
    ["record", "always"],
    ["checkpoint", "never"],
  ])("copies a log with signing=%s and fsync=%s record for record", async (signing, fsync) => {
    const { dir, lines } = await source(600, "--signing", signing, "--fsync", fsync)
    const target = folder()
    const first = await replay(target, lines)
    expect(first.exit, first.stderr).toBe(0)
    expect(JSON.parse(first.stdout)).toMatchObject({ records: 603, known: 0, refused: 0 })
    const [there, here] = [await verify(dir), await verify(target)]
    expect(here.exit, here.stdout).toBe(0)
    expect(heads(here.stdout)).toEqual(heads(there.stdout))
    const again = await replay(target, lines)
    expect(again.exit, again.stderr).toBe(0)
    expect(JSON.parse(again.stdout)).toMatchObject({ records: 0, known: 603 })
    expect(heads((await verify(target)).stdout)).toEqual(heads(there.stdout))
  })

  it("goes on where the last replay ended, and the log can be written again", async () => {
    const { lines, dir } = await source(40)
    const target = folder()
    expect((await replay(target, lines.slice(0, 20))).exit).toBe(0)
    const rest = await replay(target, lines.slice(10))
    expect(rest.exit, rest.stderr).toBe(0)
    expect(JSON.parse(rest.stdout)).toMatchObject({ records: 23, known: 10 })
    const args = ["audit", "import", "-", "--format", "jsonl", "--writer", "w"]
    const more = await run(args, { cwd: target, stdin: drafts(3) })
    expect(more.exit, more.stderr).toBe(0)
    expect((await verify(target)).exit).toBe(0)
    expect(heads((await verify(target)).stdout)).not.toEqual(heads((await verify(dir)).stdout))
  })

  it("follows a ConfigUpdated in the middle of a chain", async () => {
    const { dir } = await source(5, "--signing", "record")
    const args = ["audit", "import", "-", "--format", "jsonl", "--writer", "w"]
    const flags = ["--signing", "checkpoint", "--fsync", "always"]
    expect((await run([...args, ...flags], { cwd: dir, stdin: drafts(5) })).exit).toBe(0)
    const { stdout } = await run(["audit", "show", "--json"], { cwd: dir })
    expect(stdout).toContain("ConfigUpdated")
    const target = folder()
    expect((await replay(target, stdout.trimEnd().split("\n"))).exit).toBe(0)
    const verified = await verify(target)
    expect(verified.exit, verified.stdout).toBe(0)
    // Opening recovers it: what recovery reads of the declaration must be there as well.
    const more = await run(args, { cwd: target, stdin: drafts(2) })
    expect(more.exit, more.stderr).toBe(0)
    expect((await verify(target)).exit).toBe(0)
  })

  it("refuses another record at a taken position as tampering, exit 2", async () => {
    const { dir, lines } = await source(5)
    const other = folder()
    // cp keeps the modes, which keys insist on.
    execFileSync("cp", ["-a", join(dir, ".strongroom"), other])
    const args = ["audit", "import", "-", "--format", "jsonl", "--writer", "w"]
    expect((await run(args, { cwd: dir, stdin: drafts(1) })).exit).toBe(0)
    expect((await run(args, { cwd: other, stdin: drafts(2) })).exit).toBe(0)
    const { stdout } = await run(["audit", "show", "--json"], { cwd: other })
    const forked = stdout.trimEnd().split("\n")
    const { exit, stderr } = await replay(dir, forked)
    expect(exit).toBe(2)
    const { error } = JSON.parse(stderr.trimEnd().split("\n").at(-1) ?? "")
    expect(error.code).toBe("TAMPER")
    expect(error.message).toMatch(/^stdin:\d+: TAMPER: w \/ ingress has b3:.* at seq 7, not b3:/)
    expect(lines.length).toBe(8)
    expect((await verify(dir)).exit).toBe(0)
  })

  it("refuses a gap, another log, an altered record and what is not canonical", async () => {
    const { lines } = await source(5)
    const control = ofStream(lines, "control")
    const ingress = ofStream(lines, "ingress")
    const refused = async (given: ReadonlyArray<string>, exit: number, names: RegExp) => {
      const target = folder()
      expect((await replay(target, control)).exit).toBe(0)
      const ended = await replay(target, given)
      expect([ended.exit, ended.stderr]).toEqual([exit, expect.stringMatching(names)])
      // The control chain announces a chain that may have got no record.
      expect([0, 3]).toContain((await verify(target)).exit)
    }
    const [first = "", second = "", third = ""] = ingress
    await refused([first, third], 1, /stdin:2: NOT_FOUND: .*goes on at seq 2, not at 3/)
    await refused([first, second.replace("GetServed", "GetDenied")], 1, /stdin:2: self_hash: /)
    await refused([first, second.replace(',"seq"', ', "seq"')], 1, /stdin:2: not_canonical: /)
    await refused([first, second.replace(/,"self_hash.*/, "}")], 1, /stdin:2: self_hash: /)
    const other = await source(1)
    const foreign = ofStream(other.lines, "ingress")
    await refused(foreign, 1, /stdin:1: WRONG_LOG: .*is of log [0-9a-f]{32}, not of /)
  })

  it("names no log, so it writes nothing", async () => {
    const { lines } = await source(3)
    const target = folder()
    const { exit, stderr } = await replay(target, lines.slice(5))
    expect([exit, JSON.parse(stderr).error.code]).toEqual([1, "INPUT"])
    expect(existsSync(join(target, ".strongroom"))).toBe(false)
    writeFileSync(join(target, "empty"), "")
    const empty = await run(["audit", "import", "empty", "--format", "sealed"], { cwd: target })
    expect([empty.exit, existsSync(join(target, ".strongroom"))]).toEqual([1, false])
    expect(readFileSync(join(target, "empty"))).toHaveLength(0)
  })
})
