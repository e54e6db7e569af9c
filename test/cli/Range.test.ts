import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { finish, joinReports, verifyStream } from "../../src/audit/Verify.ts"
import { verifyParallel } from "../../src/audit/VerifyParallel.ts"
import { selectEngine } from "../../src/engine/Select.ts"
import { parseTrust } from "../../src/signing/Trust.ts"
import { copyOf, drafts, folder, run } from "./Program.ts"

interface Log {
  readonly dir: string
  readonly exported: string
  readonly trust: string
  /** The middle of each of three exported parts of 50 records. */
  readonly moments: ReadonlyArray<number>
}

/** Three sealed segments, each with its own checkpoint and manifest. */
const exportedLog = async (...flags: ReadonlyArray<string>): Promise<Log> => {
  const dir = folder()
  const moments: Array<number> = []
  for (let part = 0; part < 3; part++) {
    const args = ["audit", "import", "-", "--format", "jsonl", "--writer", "w", ...flags]
    const imported = await run(args, { cwd: dir, stdin: drafts(50) })
    expect(imported.exit, imported.stderr).toBe(0)
    expect((await run(["audit", "export"], { cwd: dir })).exit).toBe(0)
    const shown = await run(["audit", "show", "--json", "--stream", "ingress"], { cwd: dir })
    const lines = shown.stdout.trimEnd().split("\n")
    moments.push(JSON.parse(lines.at(-10) ?? "").ts_ms)
  }
  const data = join(dir, ".strongroom")
  return { dir, exported: join(data, "export"), trust: join(data, "trust.json"), moments }
}

describe("audit range", () => {
  it("derives chain and roots of a window again [A-574]", async () => {
    const { dir, moments } = await exportedLog()
    const [, middle = 0] = moments
    const args = ["audit", "range", "--from", `${middle - 1}`, "--to", `${middle}`, "--json"]
    const { exit, stdout, stderr } = await run([...args, "--integrity"], { cwd: dir })
    expect(exit, stderr).toBe(0)
    const { verdict, chains } = JSON.parse(stdout)
    expect(verdict).toBe("intact")
    const chain = chains.find((one: { stream: string }) => one.stream === "ingress")
    const [first, last] = chain.range
    expect(first).toBeGreaterThan(51)
    expect(last).toBeLessThanOrEqual(101)
    expect(chain.records).toBe(last - first + 1)
    expect(chain.root).toMatch(/^b3:[0-9a-f]{64}$/)
    expect(chain.checkpoints).toMatchObject([{ range: [52, 101], rebuilt: true }])
    const trusted = await run([...args, "--trust", ".strongroom/trust.json"], { cwd: dir })
    expect([trusted.exit, JSON.parse(trusted.stdout).verdict]).toEqual([0, "valid"])
  })

  it("is unknown without anchors, and says what to type; intact only when asked", async () => {
    const { dir } = await exportedLog()
    const all = ["audit", "range", "--from", "0", "--to", "99999999999999"]
    const none = ["audit", "range", "--from", "0", "--to", "1"]
    for (const args of [all, none]) {
      const bare = await run(args, { cwd: dir })
      expect([bare.exit, bare.stderr]).toEqual([3, ""])
      expect(bare.stdout).toContain("verdict: UNKNOWN (no trust anchor was given)")
      expect(bare.stdout).toContain(
        "--export-dir .strongroom/export --trust .strongroom/trust.json",
      )
    }
    const asked = await run([...none, "--integrity"], { cwd: dir })
    expect([asked.exit, asked.stdout]).toEqual([0, expect.stringContaining("verdict: INTACT")])
    const both = await run([...none, "--integrity", "--key", "ed25519:00"], { cwd: dir })
    expect([both.exit, both.stdout]).toEqual([1, ""])
  })

  it("finds damage inside the window, and needs both ends", async () => {
    const { dir, exported, moments } = await exportedLog()
    const copy = copyOf(exported)
    const path = join(copy, "w/ingress/wal-000002.seg")
    const bytes = readFileSync(path)
    bytes.write("Q", bytes.lastIndexOf("GetServed"))
    writeFileSync(path, bytes)
    const at = moments[1] ?? 0
    const args = ["audit", "range", "--export-dir", copy, "--json"]
    const window = ["--since", `${at - 5000}`, "--until", `${at + 5000}`]
    const { exit, stdout } = await run([...args, ...window], { cwd: dir })
    expect(exit).toBe(2)
    expect(JSON.parse(stdout).chains[1].findings).toContainEqual(
      expect.objectContaining({ kind: "hash_mismatch", seq: 101 }),
    )
    expect((await run([...args, "--from", "0"], { cwd: dir })).exit).toBe(1)
  })
})

describe("audit verify with a window", () => {
  it.each(["batch", "checkpoint"])(
    "reads what it must with signing=%s [A-573]",
    async (signing) => {
      const { dir, exported, trust, moments } = await exportedLog("--signing", signing)
      const [first = 0, middle = 0] = moments
      const verify = (...flags: ReadonlyArray<string>) =>
        run(["audit", "verify", "--trust", trust, "--json", ...flags], { cwd: dir })
      const window = ["--since", `${middle - 1}`, "--until", `${middle}`]
      const part = await verify("--export-dir", exported, ...window)
      expect(part.exit, part.stdout).toBe(0)
      const records = JSON.parse(part.stdout).streams.map((one: { records: number }) => one.records)
      expect(records).toContain(50)
      const whole = await verify("--export-dir", exported, "--full")
      expect(JSON.parse(whole.stdout).records).toBe(153)
      // The first part was moved away: a window behind it still verifies, the whole does not.
      const pruned = copyOf(exported)
      rmSync(join(pruned, "w/ingress/wal-000001.seg"))
      rmSync(join(pruned, "w/ingress/wal-000001.sig"), { force: true })
      const behind = await verify("--export-dir", pruned, ...window)
      expect(behind.exit, behind.stdout).toBe(0)
      const before = await verify(
        "--export-dir",
        pruned,
        "--since",
        `${first - 5000}`,
        "--until",
        `${first}`,
      )
      expect(before.exit, before.stdout).toBe(0)
      expect([2, 3]).toContain((await verify("--export-dir", pruned)).exit)
      // Without the checkpoint before it nothing says that the beginning is right.
      rmSync(join(pruned, "w/ingress/checkpoint-000001.json"))
      const bare = await verify("--export-dir", pruned, ...window)
      expect([2, 3]).toContain(bare.exit)
      expect(bare.stdout).toContain("segment_missing")
    },
  )
})

describe("verification on several threads", () => {
  it("reports what one thread reports, damage included", async () => {
    const { exported, trust } = await exportedLog()
    const root = copyOf(exported)
    cpSync(join(root, "w/ingress"), join(root, "w/egress"), { recursive: true })
    const options = {
      root,
      trust: parseTrust(readFileSync(trust)),
      integrity: false,
      require: "signed" as const,
      expectHeads: [],
      nowMs: Date.now(),
    }
    let records = 0
    const parallel = {
      engine: "auto" as const,
      warn: () => undefined,
      onStep: (step: { records: number }) => {
        records += step.records
      },
      signal: new AbortController().signal,
    }
    const engine = selectEngine("auto", () => undefined)
    const names = ["control", "egress", "ingress"].map((stream) => ({ writerId: "w", stream }))
    const reports = names.map((name) => finish(verifyStream(engine, options, name)))
    const expected = joinReports(reports, options)
    expect(expected.verdict).toBe("invalid")
    expect(await verifyParallel(options, { ...parallel, threads: 2 })).toEqual(expected)
    expect(records).toBe(153)
    expect(await verifyParallel(options, { ...parallel, threads: 1 })).toEqual(expected)
    const gone = { ...options, root: join(root, "none") }
    await expect(verifyParallel(gone, { ...parallel, threads: 2 })).rejects.toMatchObject({
      _tag: "SinkError",
      code: "NOT_FOUND",
    })
  })
})
