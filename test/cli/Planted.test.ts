/** A FIFO in a log's folder: every command answers, none waits for somebody to write into it. */
import { execFileSync } from "node:child_process"
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { draft, type Ended, expectSentence, imported, start } from "./Program.ts"

const limitMs = 20_000

/** Ends the program where it does not end by itself: it may not hear a signal. */
const ends = async (args: ReadonlyArray<string>, cwd: string, stdin = ""): Promise<Ended> => {
  const { child, ended } = start(args, { cwd, stdin })
  const timer = setTimeout(() => child.kill("SIGKILL"), limitMs)
  const said = await ended
  clearTimeout(timer)
  return said
}

const prove = ["audit", "prove", "--writer", "w", "--stream", "ingress", "--seq", "5"]
const append = ["audit", "import", "-", "--format", "jsonl", "--writer", "w"]

describe.each([
  ["wal-000001.seg", "frame", 2],
  ["wal-000001.sig", "frame", 2],
  ["checkpoint-000001.json", "canon", 2],
])("a FIFO at %s", (file, kind, exit) => {
  it("is a finding of verify and range, and refused by the others", async () => {
    const { dir, data, trust } = await imported(20)
    const path = join(data, "wal", "w", "ingress", file)
    rmSync(path, { force: true })
    execFileSync("mkfifo", [path])
    const verified = await ends(["audit", "verify", "--trust", trust, "--json"], dir)
    expect(verified.exit, verified.stderr).toBe(exit)
    const { verdict, streams } = JSON.parse(verified.stdout)
    const finding = { kind, file, expected: "a regular file", found: "a FIFO" }
    const ingress = streams.find((one: { stream: string }) => one.stream === "ingress")
    const control = streams.find((one: { stream: string }) => one.stream === "control")
    expect([verdict, control.findings, control.proven_to]).toEqual(["invalid", [], control.head])
    expect(ingress.findings).toContainEqual(expect.objectContaining(finding))
    const shown = await ends(["audit", "verify", "--trust", trust], dir)
    expect([shown.exit, shown.stdout.includes("a FIFO")]).toEqual([exit, true])
    const window = ["--from", "0", "--to", "4102444800000", "--wal-dir", join(data, "wal")]
    const range = await ends(["audit", "range", ...window, "--trust", trust, "--json"], dir)
    expect(range.exit, range.stderr).toBe(exit)
    const proven = await ends(prove, dir)
    expect([proven.exit, proven.stdout]).toEqual([2, ""])
    expectSentence(proven.stderr)
    const written = await ends(append, dir, `${draft(1)}\n`)
    expect(written.exit).toBe(2)
    expect(written.stderr).toMatch(new RegExp(`${kind} at seq \\d+ \\(${file}, byte 0\\)`))
    const exported = await ends(["audit", "export"], dir)
    // A frozen chain is told of and left out.
    expect([exported.exit, exported.stderr.includes("FROZEN w / ingress")]).toEqual([0, true])
    const records = await ends(["audit", "show", "--json"], dir)
    // Records do not need their signatures to be shown.
    expect(records.exit, records.stderr).toBe(file.endsWith(".seg") ? 2 : 0)
  })
})

it("what lies beside the chains is a note", async () => {
  const { dir, data, trust } = await imported(5)
  execFileSync("mkfifo", [join(data, "wal", "pipe")])
  writeFileSync(join(data, "wal", "w", "notes.txt"), "")
  execFileSync("mkfifo", [join(data, "wal", "~keys")])
  const verified = await ends(["audit", "verify", "--trust", trust], dir)
  expect(verified.exit, verified.stderr).toBe(0)
  expect(verified.stdout).toContain('note: not part of the log: "pipe", a FIFO\n')
  expect(verified.stdout).toContain('note: not part of the log: "w/notes.txt", a regular file\n')
  expect(verified.stdout).toContain('note: not part of the log: "~keys", a FIFO\n')
})
