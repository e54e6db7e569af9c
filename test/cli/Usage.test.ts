import { spawnSync } from "node:child_process"
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { expectSentence, folder, main, run } from "./Program.ts"

const here = fileURLToPath(import.meta.url)
const importing = ["audit", "import", "-", "--format", "jsonl"]
const verifying = ["audit", "verify", "--wal-dir", "."]

const fails = async (args: ReadonlyArray<string>, exit: number, names: RegExp): Promise<void> => {
  const cwd = folder()
  const ended = await run(args, { cwd })
  expect([ended.exit, ended.stdout]).toEqual([exit, ""])
  expectSentence(ended.stderr)
  expect(ended.stderr).toMatch(names)
  expect(existsSync(join(cwd, ".strongroom"))).toBe(false)
}

describe("wrong usage is one sentence and exit 1", () => {
  it.each([
    ["a command that is none", ["audit", "verfy"], /verfy.*did you mean verify/],
    ["a flag that is none", ["audit", "verify", "--trst", "x"], /--trst.*did you mean --trust/],
    ["a missing flag", ["audit", "import", "x"], /--format/],
    ["a wrong choice", ["audit", "import", "x", "--format", "xml"], /--format.*xml.*jsonl/],
    ["no file", ["audit", "import", "--format", "jsonl"], /no file was given/],
    ["a file that is not there", ["audit", "import", "no.jsonl", "--format", "jsonl"], /no\.jsonl/],
    ["a folder for a file", ["audit", "import", ".", "--format", "jsonl"], /\. is a directory/],
    ["a time that is none", ["audit", "show", "--data-dir", ".", "--since", "soon"], /since|exist/],
    ["a directory that is not there", ["audit", "verify", "--wal-dir", "no"], /no does not exist/],
    ["two directories", ["audit", "verify", "--wal-dir", ".", "--export-dir", "."], /together/],
    [
      "a seq that is no number",
      ["audit", "prove", "--writer", "w", "--stream", "s", "--seq", "x"],
      /seq/,
    ],
    [
      "a level without acks",
      ["audit", "import", "-", "--format", "jsonl", "--level", "signed"],
      /--acks/,
    ],
    [
      "the runtime's stream",
      ["audit", "import", "-", "--format", "jsonl", "--stream", "control"],
      /control/,
    ],
    [
      "an anchor that is none",
      ["audit", "verify", "--wal-dir", ".", "--key", "ed25519:00"],
      /--key/,
    ],
    [
      "integrity with a trust file",
      ["audit", "verify", "--wal-dir", ".", "--integrity", "--key", "x"],
      /integrity/,
    ],
    [
      "a window of the wrong way",
      ["audit", "verify", "--wal-dir", ".", "--since", "2", "--until", "1"],
      /behind/,
    ],
    [
      "a writer with a /",
      [...importing, "--writer", "a/b"],
      /--writer "a\/b" .*writer_id: has a \//,
    ],
    ["a writer too long for a folder", [...importing, "--writer", "ä".repeat(60)], /255 bytes/],
    [
      "a stream with a control character",
      [...importing, "--stream", "a\u0007"],
      /--stream.*control/,
    ],
    ["a WAL below a file", [...importing, "--wal-dir", `${here}/x`], /cannot be made/],
    ["an export below a file", [...importing, "--export-dir", `${here}/x`], /cannot be made/],
    ["a data directory that is a file", [...importing, "--data-dir", here], /is not a directory/],
    [
      "a passphrase without an end",
      [...importing, "--passphrase-file", "/dev/zero"],
      /larger than/,
    ],
    ["a trust file without an end", [...verifying, "--trust", "/dev/zero"], /larger than/],
    ["a configuration that is a folder", [...verifying, "--config", "."], /it is a directory/],
    ["two words for one file", ["audit", "receipt", "verify", "a", "b"], /b/],
    ["a wrong trust file", ["audit", "verify", "--wal-dir", ".", "--trust", "no.json"], /no\.json/],
  ])("%s", (_, args, names) => fails(args, 1, names))

  it.each(["-1", "0", "1.5", "1e9", "abc", "", "99999999999999999999"])(
    "a count that is none: %j",
    (text) => fails(["audit", "show", "--limit", text], 1, /--limit/),
  )

  it("stdin that is a folder is no empty file", async () => {
    const cwd = folder()
    const script = `"${process.execPath}" "${main}" audit import - --format jsonl < .`
    const { status, stderr } = spawnSync("bash", ["-c", script], { cwd, encoding: "utf8" })
    expect([status, stderr]).toEqual([1, "strongroom: stdin is a directory, not a file\n"])
    expect(existsSync(join(cwd, ".strongroom"))).toBe(false)
  })

  it("tells an error as JSON with --json", async () => {
    const { exit, stdout, stderr } = await run(["audit", "verify", "--wal-dir", "no", "--json"])
    expect([exit, stdout]).toEqual([1, ""])
    expect(JSON.parse(stderr).error).toMatchObject({ code: "INPUT", exit: 1 })
  })
})

describe("configuration", () => {
  const withConfig = async (name: string, text: string, ...flags: ReadonlyArray<string>) => {
    const cwd = folder()
    writeFileSync(join(cwd, name), text)
    const draft = { kind: "A", actor: {}, subject: {}, reason: "ok", attrs: {} }
    const input = `${JSON.stringify(draft)}\n`
    const args = ["audit", "import", "-", "--format", "jsonl", "--stream", "s", "--config", name]
    return { cwd, ended: await run([...args, "--json", ...flags], { cwd, stdin: input }) }
  }

  it("is read from TOML and from JSON, flags before it", async () => {
    const toml = 'data_dir = "d"\nwriter_id = "svc"\nsigning = "record"\n[wal]\ndir = "w"\n'
    const first = await withConfig("c.toml", toml)
    expect(first.ended.exit, first.ended.stderr).toBe(0)
    const report = JSON.parse(first.ended.stdout)
    expect(report).toMatchObject({ records: 1, trust: "d/trust.json", wal_dir: "w" })
    expect(report.heads[0].writer_id).toBe("svc")
    const second = await withConfig("c.json", '{"data_dir":"d","writer_id":"svc"}', "--writer", "x")
    expect(JSON.parse(second.ended.stdout).heads[0].writer_id).toBe("x")
  })

  it.each([
    ["a wrong writer", "c.toml", 'writer_id = "a/b"\n', /c\.toml: writer_id "a\/b" has a \//],
    ["an unknown key", "c.toml", 'data_dri = "d"\n', /c\.toml: unknown key data_dri/],
    ["a wrong value", "c.toml", 'fsync = "sometimes"\n', /fsync is none of always/],
    ["no TOML", "c.toml", "data_dir = \n", /c\.toml is no TOML/],
    ["no JSON", "c.json", '{"data_dir":', /c\.json is no JSON/],
  ])("refuses %s", async (_, name, text, names) => {
    const { cwd, ended } = await withConfig(name, text)
    expect(ended.exit).toBe(1)
    expect(JSON.parse(ended.stderr).error.message).toMatch(names)
    expect(existsSync(join(cwd, ".strongroom"))).toBe(false)
  })

  it("may hold what only a running service uses", async () => {
    const toml =
      'writer_id = "svc"\nworkers = 2\nsigning.mode = "record"\nstreams.s.queue_depth = 9\n'
    const { ended } = await withConfig("c.toml", toml)
    expect(ended.exit, ended.stderr).toBe(0)
    expect(JSON.parse(ended.stdout).heads[0].writer_id).toBe("svc")
  })

  it("refuses a forced engine that is unknown, and takes it from the environment", async () => {
    const args = ["audit", "import", "-", "--format", "jsonl", "--stream", "s", "--json"]
    const wrong = await run(args, { cwd: folder(), env: { STRONGROOM_ENGINE: "fast" } })
    expect([wrong.exit, JSON.parse(wrong.stderr).error.code]).toEqual([1, "CONFIG"])
    const cwd = folder()
    const right = await run(args, { cwd, env: { STRONGROOM_ENGINE: "js" } })
    expect([right.exit, JSON.parse(right.stdout).records]).toEqual([0, 0])
  })
})

describe("help", () => {
  it("shows examples for every command", async () => {
    const commands = ["import", "show", "verify", "range", "export", "prove", "continue", "canon"]
    const calls = commands.map((name) => run(["audit", name, "--help"]))
    for (const { exit, stdout } of await Promise.all(calls)) {
      expect(exit).toBe(0)
      expect(stdout).toContain("EXAMPLES")
      expect(stdout).toContain("--data-dir")
    }
  })

  it("names its version, and prints help on stderr where a command is missing", async () => {
    const version = await run(["--version"])
    expect([version.exit, version.stdout]).toEqual([0, "strongroom 0.1.0\n"])
    const none = await run(["audit"])
    expect([none.exit, none.stdout]).toEqual([1, ""])
    expect(none.stderr).toContain("SUBCOMMANDS")
  })

  it.each(["bash", "zsh", "fish"])("completes in %s", async (shell) => {
    const { exit, stdout } = await run(["--completions", shell])
    expect(exit).toBe(0)
    for (const word of ["strongroom", "audit", "verify", "trust"]) expect(stdout).toContain(word)
  })
})
