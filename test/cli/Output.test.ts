import { spawnSync } from "node:child_process"
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { drafts, expectSentence, folder, imported, main, run } from "./Program.ts"

const program = `"${process.execPath}" "${main}"`

/** A command line of the shell, with its pipes and redirections. */
const shell = (cwd: string, script: string) => {
  const { status, stdout, stderr } = spawnSync("bash", ["-c", `set -o pipefail\n${script}`], {
    cwd,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  })
  return { status, stdout, stderr }
}

const sentence = "cannot write the output: no space left on device"

describe.skipIf(!existsSync("/dev/full"))("a device that is full", () => {
  it("is told in one sentence and exit 4, whatever the command", async () => {
    const { dir } = await imported(3)
    for (const command of [
      "audit show",
      "audit show --csv",
      "audit prove --writer w --stream ingress --seq 2",
      "audit verify --trust .strongroom/trust.json",
      "audit range --from 0 --to 1 --wal-dir .strongroom/wal --integrity",
      "audit canon < drafts.jsonl --lines",
      "audit verify --help",
      "--version",
    ]) {
      const { status, stderr } = shell(dir, `${program} ${command} > /dev/full`)
      expect([command, status, stderr]).toEqual([command, 4, `strongroom: ${sentence}\n`])
    }
    const json = shell(dir, `${program} audit verify --json > /dev/full`)
    const error = { code: "OUTPUT", message: sentence, exit: 4 }
    expect([json.status, JSON.parse(json.stderr)]).toEqual([4, { error }])
  })

  it("stops an import with acknowledgements, which is closed properly", async () => {
    const { dir } = await imported(1)
    writeFileSync(join(dir, "big.jsonl"), drafts(20_000))
    const script = `${program} audit import big.jsonl --format jsonl --writer w --acks > /dev/full`
    const { status, stderr } = shell(dir, script)
    expect(status, stderr).toBe(4)
    expect(stderr).not.toContain("signal")
    expect(stderr.trimEnd().split("\n").at(-1)).toBe(`strongroom: ${sentence}`)
    const verified = await run(["audit", "verify", "--trust", ".strongroom/trust.json"], {
      cwd: dir,
    })
    expect(verified.exit, verified.stdout).toBe(0)
  })

  it("a full stderr changes no exit code", () => {
    const { status, stdout } = shell(folder(), `${program} audit show --limit 0 2> /dev/full`)
    expect([status, stdout]).toEqual([1, ""])
  })
})

describe("a reader that goes away or is slow", () => {
  it("is no error, and nothing is said", async () => {
    const { dir } = await imported(2000)
    const one = shell(dir, `${program} audit show --json | head -1`)
    expect([one.status, one.stderr]).toEqual([0, ""])
    expect(JSON.parse(one.stdout).seq).toBe(1)
    const help = shell(dir, `${program} --help | true`)
    expect([help.status, help.stderr]).toEqual([0, ""])
    const verdict = shell(dir, `${program} audit verify | true`)
    expect([verdict.status, verdict.stderr]).toEqual([3, ""])
  })

  it("gets every line in order", async () => {
    const { dir } = await imported(3000)
    const { status, stdout } = shell(dir, `${program} audit show --json | (sleep 1; cat)`)
    expect(status).toBe(0)
    const records = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line))
      .filter(({ stream }: { stream: string }) => stream === "ingress")
    expect(records.map(({ seq }: { seq: number }) => seq)).toEqual(
      Array.from({ length: 3001 }, (_, i) => i + 1),
    )
  })

  it("of acknowledgements stops the import, which says so and does not end with 0", async () => {
    const { dir } = await imported(1)
    writeFileSync(join(dir, "big.jsonl"), drafts(20_000))
    const script = `${program} audit import big.jsonl --format jsonl --writer w --acks | head -1`
    const { status, stderr } = shell(dir, script)
    expect(status, stderr).toBe(130)
    expect(stderr).toMatch(/stopped: stdout takes no more acknowledgements: \d+ records/)
    expectSentence(`strongroom: ${stderr.trimEnd().split("\n").at(-1)}`)
  })
})
