import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { folder, run } from "./Program.ts"

const prepared = (toml: string) => {
  const cwd = folder()
  for (const name of ["wal", "export"]) mkdirSync(join(cwd, name), { mode: 0o700 })
  writeFileSync(join(cwd, "audit.toml"), toml)
  return cwd
}

const durable = `sink = "wal+export"
amnesia = false
[wal]
dir = "wal"
[export]
dir = "export"
signer_key_id = "ops-hsm-1"
`

const check = (cwd: string, args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
  run(["config", "check", ...args], { cwd, env })

describe("config check", () => {
  it("prints every value with its source, and exits 0 [A-247]", async () => {
    const cwd = prepared(durable)
    const args = ["audit.toml", "--audit-workers", "2", "--profile", "prod"]
    const { exit, stdout, stderr } = await check(cwd, args, { RON_AUDIT_QUEUE_DEPTH: "2048" })
    expect([exit, stderr]).toEqual([0, ""])
    const rows = stdout.split("\n").map((line) => line.split(/ {2,}/))
    expect(rows[0]).toEqual(["KEY", "VALUE", "SOURCE"])
    expect(rows).toContainEqual(["workers", "2", "--audit-workers"])
    expect(rows).toContainEqual(["profile", "prod", "--profile"])
    expect(rows).toContainEqual(["queue_depth", "2048", "RON_AUDIT_QUEUE_DEPTH"])
    expect(rows).toContainEqual(["wal.dir", "wal", "audit.toml:4"])
    expect(rows).toContainEqual(["max_attrs_bytes", "1KiB", "default"])
    expect(stdout).toMatch(/valid {2}b3:[0-9a-f]{64}\n$/)
    const alias = await check(cwd, ["--audit-config", "audit.toml", "--json"])
    expect(JSON.parse(alias.stdout)).toMatchObject({ valid: true, errors: [] })
  })

  it("tells all that is wrong at once, and exits 1", async () => {
    const cwd = prepared(`${durable}fysnc = "x"\nalg = "rot13"\n`)
    chmodSync(join(cwd, "wal"), 0o755)
    const args = ["audit.toml", "--audit-workers", "9", "--audit-wal-fsync", "never"]
    const { exit, stdout, stderr } = await check(cwd, [...args, "--audit-profile", "prod"])
    expect(exit).toBe(1)
    expect(stdout).toMatch(/workers +9 +--audit-workers/)
    expect(stdout).not.toMatch(/valid/)
    expect(
      stderr
        .trim()
        .split("\n")
        .filter((line) => !line.startsWith("warning")),
    ).toEqual([
      expect.stringMatching(/export.fysnc \(audit.toml:8\), wanted: a known name/),
      expect.stringMatching(/export.alg is rot13 \(audit.toml:9\), wanted: one of ed25519/),
      expect.stringMatching(/workers is 9 \(--audit-workers\), wanted: an integer from 1 to 8/),
      expect.stringMatching(/wal.dir is wal \(audit.toml:4\), wanted: .* it has mode 0755/),
      expect.stringMatching(/wal.fsync is never \(--audit-wal-fsync\), wanted: .*profile prod/),
      "strongroom: the configuration is refused, 5 errors",
    ])
  })

  it("is one JSON object with --json, and shows no secret", async () => {
    const cwd = prepared('privacy = {ip_mode = "hash", hash_salt_path = "hunter2"}\n')
    const ended = await check(cwd, ["audit.toml", "--json"], { WAL_PATH: "/old" })
    expect([ended.exit, ended.stderr]).toEqual([1, ""])
    const report = JSON.parse(ended.stdout)
    expect(report).toMatchObject({ valid: false, config_b3: null })
    expect(report.errors).toEqual([
      {
        key: "privacy.hash_salt_path",
        value: "[redacted]",
        source: "audit.toml:1",
        wanted: expect.stringMatching(/mode 0600/),
        message: expect.stringMatching(/^privacy.hash_salt_path is /),
      },
    ])
    expect(report.warnings).toEqual([expect.stringMatching(/^WAL_PATH is deprecated/)])
    expect(report.values).toContainEqual({ key: "wal.dir", value: "/old", source: "WAL_PATH" })
    expect(ended.stdout).not.toContain("hunter2")
  })

  it("needs no file, and takes the flags of every command", async () => {
    const cwd = prepared("")
    const { exit, stdout } = await check(cwd, ["--wal-dir", "wal", "--json"])
    expect(exit).toBe(0)
    const values = JSON.parse(stdout).values
    expect(values).toContainEqual({ key: "wal.dir", value: "wal", source: "--wal-dir" })
  })

  it.each([
    ["is not there", ["no.toml"], /no\.toml/],
    ["is a directory", ["wal"], /wal is a directory/],
    ["is given twice", ["audit.toml", "--config", "audit.toml"], /two configuration files/],
  ])("refuses a file that %s", async (_, args, sentence) => {
    const { exit, stdout, stderr } = await check(prepared(""), args)
    expect([exit, stdout]).toEqual([1, ""])
    expect(stderr).toMatch(sentence)
    expect(stderr.trim().split("\n")).toHaveLength(1)
  })
})
