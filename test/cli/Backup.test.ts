import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { drafts, expectSentence, folder, imported, run } from "./Program.ts"

const keysInto = (data: string, from: string): void => {
  mkdirSync(join(data, "keys"), { mode: 0o700 })
  for (const file of readdirSync(join(from, "keys"))) {
    cpSync(join(from, "keys", file), join(data, "keys", file))
  }
}

describe("audit backup and audit restore", () => {
  it("copy a log, bring it back, and it goes on [A-066] [A-586] [A-588]", async () => {
    const { dir, data, trust } = await imported(40)
    const at = { cwd: dir }
    expect((await run(["audit", "export"], at)).exit).toBe(0)
    const taken = await run(["audit", "backup", "--to", "backup", "--json"], at)
    expect(taken.exit, taken.stderr).toBe(0)
    const report = JSON.parse(taken.stdout)
    expect(report).toMatchObject({ to: join(dir, "backup"), verdict: "valid" })
    const ingress = report.chains.find(({ stream }: { stream: string }) => stream === "ingress")
    expect(ingress).toMatchObject({ writer_id: "w", seq: 41, checkpointed_to: 41 })
    expect(readdirSync(join(dir, "backup")).sort()).toEqual([
      "export",
      "heads.jsonl",
      "trust.json",
      "wal",
    ])

    const back = await run(["audit", "restore", "--from", "backup", "--data-dir", "back"], at)
    expect(back.exit, back.stderr).toBe(0)
    expect(back.stdout).toContain("put the signing key back: back/keys")
    keysInto(join(dir, "back"), data)
    writeFileSync(join(dir, "more.jsonl"), drafts(5))
    const more = ["audit", "import", "more.jsonl", "--format", "jsonl", "--writer", "w"]
    expect((await run([...more, "--data-dir", "back"], at)).exit).toBe(0)
    const heads = join(dir, "backup", "heads.jsonl")
    const verify = ["audit", "verify", "--data-dir", "back", "--trust", trust]
    const verified = await run([...verify, "--full", "--expect-head", heads, "--json"], at)
    expect(verified.exit).toBe(0)
    expect(JSON.parse(verified.stdout)).toMatchObject({ verdict: "valid" })
    const exported = ["audit", "verify", "--export-dir", "back/export", "--trust", trust]
    expect((await run([...exported, "--full"], at)).exit).toBe(0)
  }, 60_000)

  it("refuse an older copy, a folder with something in it, and a damaged log", async () => {
    const { dir, data, trust } = await imported(40)
    const at = { cwd: dir }
    await run(["audit", "backup", "--to", "older"], at)
    writeFileSync(join(dir, "more.jsonl"), drafts(5))
    await run(["audit", "import", "more.jsonl", "--format", "jsonl", "--writer", "w"], at)
    await run(["audit", "backup", "--to", "newer"], at)

    const restore = ["audit", "restore", "--from", "older", "--data-dir", "back"]
    const rollback = await run([...restore, "--expect-head", "newer/heads.jsonl"], at)
    expect(rollback.exit).toBe(2)
    expect(rollback.stderr).toMatch(/behind what it must have reached: truncated at seq 42 of w/)
    expectSentence(rollback.stderr)
    expect(existsSync(join(dir, "back", "wal"))).toBe(false)

    const again = await run(["audit", "backup", "--to", "older"], at)
    expect([again.exit, again.stdout]).toEqual([1, ""])
    expectSentence(again.stderr)
    const over = await run(["audit", "restore", "--from", "older", "--data-dir", data], at)
    expect(over.exit).toBe(1)
    expectSentence(over.stderr)
    const none = await run(["audit", "restore", "--from", "nothing", "--data-dir", "back"], at)
    expect(none.exit).toBe(1)
    expectSentence(none.stderr)

    // Who restores the older one all the same is found out by the newer heads.
    expect((await run(restore, at)).exit).toBe(0)
    const args = ["audit", "verify", "--data-dir", "back", "--trust", trust]
    expect((await run(args, at)).exit).toBe(0)
    expect((await run([...args, "--expect-head", "newer/heads.jsonl"], at)).exit).toBe(2)

    const segment = join(data, "wal", "w", "ingress", "wal-000001.seg")
    const bytes = readFileSync(segment)
    bytes[300]! ^= 1
    writeFileSync(segment, bytes)
    const damaged = await run(["audit", "backup", "--to", "damaged"], at)
    expect(damaged.exit).toBe(2)
    expectSentence(damaged.stderr)
    expect(readdirSync(dir).filter((name) => name.startsWith("damaged"))).toEqual([])
  }, 60_000)

  it("back up nothing where there is no log", async () => {
    const { exit, stderr } = await run(["audit", "backup", "--to", "b"], { cwd: folder() })
    expect(exit).toBe(1)
    expectSentence(stderr)
  })
})
