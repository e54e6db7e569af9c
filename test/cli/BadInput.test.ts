import { spawnSync } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { draft, drafts, expectSentence, folder, imported, run } from "./Program.ts"

const importing = ["audit", "import", "bad.jsonl", "--format", "jsonl", "--writer", "w"]

const withAttrs = (attrs: string): string => draft(3).replace('{"i":3}', attrs)

/** Lines of JSON that are no draft, each with its code. */
const bad: ReadonlyArray<readonly [name: string, line: string | Uint8Array, code: string]> = [
  ["an unknown field", draft(3, { colour: "red" }), "field_unknown"],
  ["a missing field", draft(3, { reason: undefined }), "field_missing"],
  ["a float", withAttrs('{"x":1.5}'), "float"],
  ["a number with an exponent", withAttrs('{"x":1e3}'), "float"],
  ["a duplicate key", withAttrs('{"x":1,"x":2}'), "duplicate_key"],
  ["a lone surrogate", withAttrs('{"x":"\\ud800"}'), "surrogate"],
  ["an unassigned code point", withAttrs('{"x":"\\u0378"}'), "unassigned"],
  ["attrs that are too large", draft(3, { attrs: { x: "y".repeat(1100) } }), "attrs_size"],
  [
    "a record that is too large",
    draft(3, {
      actor: {
        cap_id: "\u0001".repeat(256),
        key_fpr: "\u0001".repeat(256),
        passport_id: "\u0001".repeat(256),
      },
    }),
    "record_size",
  ],
  ["a wrong kind", draft(3, { kind: "lower" }), "kind"],
  ["a reserved kind", draft(3, { kind: "Frozen" }), "kind_reserved"],
  [
    "invalid UTF-8",
    Buffer.concat([Buffer.from(draft(3).slice(0, -3)), Buffer.of(0xff, 0x7d, 0x7d)]),
    "utf8",
  ],
  ["no JSON", "hello", "json"],
  ["an empty line", "", "json"],
  ["a wrong op_id", draft(3, { attrs: { op_id: "7" } }), "op_id"],
  ["a line without end", "x".repeat(1_100_000), "record_size"],
]

const bytesOf = (line: string | Uint8Array): Buffer =>
  Buffer.concat([
    Buffer.from(drafts(2)),
    Buffer.from(line),
    Buffer.from("\n"),
    Buffer.from(drafts(3)),
  ])

describe("a bad line names file, line, code and what; what stands before it is kept", () => {
  // Each is a start of the program, so the rest of them share one below.
  const alone = ["a float", "a record that is too large", "invalid UTF-8", "a line without end"]

  it.each(bad.filter(([name]) => alone.includes(name)))("%s", async (_, line, code) => {
    const cwd = folder()
    writeFileSync(join(cwd, "bad.jsonl"), bytesOf(line))
    const { exit, stdout, stderr } = await run([...importing, "--json"], { cwd })
    expect(exit, stderr).toBe(1)
    const last = stderr.trim().split("\n").at(-1) ?? ""
    const { error } = JSON.parse(last)
    expect(error.message).toMatch(new RegExp(`^bad\\.jsonl:3: ${code}: \\S`))
    const report = JSON.parse(stdout)
    expect(report.records).toBe(2)
    expect(report.refusals).toMatchObject([{ place: "bad.jsonl:3", code }])
    const ingress = report.heads.find((head: { stream: string }) => head.stream === "ingress")
    expect(ingress.seq).toBe(3)
  })

  it("names every one of them with --skip-bad, and keeps a valid log", async () => {
    const cwd = folder()
    writeFileSync(join(cwd, "bad.jsonl"), Buffer.concat(bad.map(([, line]) => bytesOf(line))))
    const skipped = await run([...importing, "--skip-bad", "--json"], { cwd })
    expect(skipped.exit, skipped.stderr).toBe(0)
    expect(skipped.stderr).toContain("refused bad.jsonl:3: field_unknown: colour: an unknown field")
    const { records, refused, refusals } = JSON.parse(skipped.stdout)
    expect([records, refused]).toEqual([bad.length * 5, bad.length])
    const places = refusals.map(({ place, code }: { place: string; code: string }) => [place, code])
    expect(places).toEqual(bad.map(([, , code], i) => [`bad.jsonl:${i * 6 + 3}`, code]))
    const trust = ".strongroom/trust.json"
    const verified = await run(["audit", "verify", "--trust", trust, "--json"], { cwd })
    expect(verified.exit, verified.stdout).toBe(0)
    expect(JSON.parse(verified.stdout).records).toBe(bad.length * 5 + 3)
  })

  it("is a sentence and a hint without --json", async () => {
    const cwd = folder()
    writeFileSync(join(cwd, "bad.jsonl"), "{}\n")
    const { exit, stderr } = await run(importing, { cwd })
    expect(exit).toBe(1)
    expectSentence(stderr)
    expect(stderr).toContain("strongroom: bad.jsonl:1: field_missing: stream: a missing field")
  })

  it("CloudTrail: names the event, keeps those before it", async () => {
    const cwd = folder()
    const event = { eventTime: "2026-01-01T00:00:00Z", eventName: "A", eventSource: "s" }
    writeFileSync(join(cwd, "t.json"), JSON.stringify({ Records: [event, event, {}, event] }))
    const args = ["audit", "import", "t.json", "--format", "cloudtrail", "--json"]
    const { exit, stdout, stderr } = await run(args, { cwd })
    expect(exit).toBe(1)
    expect(stderr).toContain("t.json, event 3: field_missing: eventName")
    expect(JSON.parse(stdout).records).toBe(2)
  })

  it("CloudTrail: goes on behind what is no event", async () => {
    const cwd = folder()
    const event = { eventTime: "2026-01-01T00:00:00Z", eventName: "A", eventSource: "s" }
    writeFileSync(join(cwd, "t.json"), JSON.stringify([event, 7, "x", null, [event], {}, event]))
    const args = ["audit", "import", "t.json", "--format", "cloudtrail", "--json", "--skip-bad"]
    const { exit, stdout } = await run(args, { cwd })
    expect(exit).toBe(0)
    const { records, refused, refusals } = JSON.parse(stdout)
    expect([records, refused]).toEqual([2, 5])
    const places = refusals.map(({ place }: { place: string }) => place)
    expect(places).toEqual([2, 3, 4, 5, 6].map((at) => `t.json, event ${at}`))
  })

  it.each([
    ["cut short", '{"Records":[{"eventName":"A","eventTime":"2026-01-01T00:00:00Z"},{"eve', 1],
    ["no JSON at all", "", 0],
    ["another text", "hello", 0],
    ["gzip", "\u001f\u008b\u0008", 0],
  ])("CloudTrail: refuses a file that is %s", async (_, text, records) => {
    const cwd = folder()
    writeFileSync(join(cwd, "t.json"), Buffer.from(text, "latin1"))
    const args = ["audit", "import", "t.json", "--format", "cloudtrail", "--json", "--skip-bad"]
    const { exit, stdout, stderr } = await run(args, { cwd })
    expect(exit).toBe(1)
    expect(stderr).toMatch(/t\.json, event \d: (json|utf8): /)
    expect(JSON.parse(stdout).records).toBe(records)
  })
})

describe("bad files and directories", () => {
  it("an empty directory is unknown", async () => {
    const { exit, stdout } = await run(["audit", "verify", "--wal-dir", folder(), "--integrity"])
    expect([exit, stdout.includes("INTACT")]).toEqual([0, true])
    const trusted = await run(["audit", "verify", "--wal-dir", folder(), "--json"])
    expect(trusted.exit).toBe(3)
    expect(JSON.parse(trusted.stdout)).toMatchObject({
      verdict: "unknown",
      records: 0,
      streams: [],
    })
  })

  it("a directory that others can reach is refused", async () => {
    const cwd = folder()
    mkdirSync(join(cwd, ".strongroom/wal"), { recursive: true })
    chmodSync(join(cwd, ".strongroom/wal"), 0o755)
    const args = ["audit", "import", "-", "--format", "jsonl"]
    const { exit, stderr } = await run(args, { cwd, stdin: drafts(1) })
    expect(exit).toBe(1)
    expectSentence(stderr)
    expect(stderr).toMatch(/wal has mode 0755.*chmod 0700/)
    expect(readdirSync(join(cwd, ".strongroom/wal"))).toEqual([])
  })

  it("a file that is no WAL is invalid, one that is no directory is refused", async () => {
    const cwd = folder()
    mkdirSync(join(cwd, "wal/w/s"), { recursive: true })
    writeFileSync(join(cwd, "wal/w/s/wal-000001.seg"), "this is no segment of a write-ahead log")
    const { exit, stdout } = await run(["audit", "verify", "--wal-dir", "wal", "--json"], { cwd })
    expect(exit).toBe(2)
    expect(JSON.parse(stdout).streams[0].findings[0]).toMatchObject({
      kind: "frame",
      file: "wal-000001.seg",
      offset: 0,
    })
    const file = await run(["audit", "verify", "--wal-dir", "wal/w/s/wal-000001.seg"], { cwd })
    expect(file.exit).toBe(1)
    expectSentence(file.stderr)
    expect(file.stderr).toContain("is not a directory")
  })

  it("a truncated receipt and a wrong trust file are refused by name", async () => {
    const { dir, trust } = await imported(3)
    const prove = ["audit", "prove", "--writer", "w", "--stream", "ingress", "--seq", "2"]
    const { stdout } = await run(prove, { cwd: dir })
    writeFileSync(join(dir, "cut.json"), stdout.slice(0, -200))
    const cut = await run(["audit", "receipt", "verify", "cut.json", "--trust", trust], {
      cwd: dir,
    })
    expect(cut.exit).toBe(1)
    expectSentence(cut.stderr)
    expect(cut.stderr).toContain("cut.json is no whole receipt")
    // What is no receipt is wrong input (1); a receipt that does not hold together is invalid (2).
    const cases: ReadonlyArray<readonly [text: string, exit: number, names: RegExp]> = [
      ["", 1, /is no whole receipt: not one JSON value/],
      ["[]", 1, /is no whole receipt: is not an object/],
      [stdout.replace('"seq":2', '"seq":2.5'), 1, /record\.seq: a number with a fraction/],
      [stdout.replace('"sig":"', '"sig":"!'), 1, /sig: is not base64/],
      [`${stdout}x`, 1, /not one JSON value/],
      [stdout.replace("GetServed", "GetServer"), 2, /verdict: INVALID \(hash_mismatch\)/],
    ]
    const receipt = ["audit", "receipt", "verify", "-", "--trust", trust]
    for (const [text, exit, names] of cases) {
      const ended = await run(receipt, { cwd: dir, stdin: text })
      expect([ended.exit, ended.stdout + ended.stderr]).toEqual([
        exit,
        expect.stringMatching(names),
      ])
    }
    writeFileSync(join(dir, "t.json"), '{"keys":[],"more":1,"type":"strongroom/trust/v1"}')
    const wrong = await run(["audit", "verify", "--trust", "t.json"], { cwd: dir })
    expect(wrong.exit).toBe(1)
    expectSentence(wrong.stderr)
    expect(wrong.stderr).toMatch(/t\.json: trust file: has an unknown member/)
  })

  it("an unknown key is unknown", async () => {
    const [one, other] = [await imported(3), await imported(1)]
    const bare = [
      "audit",
      "verify",
      "--key",
      `ed25519:${"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"}`,
      "--json",
    ]
    const { exit, stdout } = await run(bare, { cwd: one.dir })
    expect(exit).toBe(3)
    expect(JSON.parse(stdout).streams[0].findings[0].kind).toBe("key_unknown")
    const log = await run(["audit", "verify", "--trust", other.trust, "--json"], { cwd: one.dir })
    expect(log.exit).toBe(2)
    expect(log.stdout).toContain("wrong_log")
  })

  it("a record or a chain that is not there is named", async () => {
    const { dir } = await imported(3)
    const prove = (stream: string, seq: string) =>
      run(["audit", "prove", "--writer", "w", "--stream", stream, "--seq", seq], { cwd: dir })
    const late = await prove("ingress", "9")
    expect([late.exit, late.stdout]).toEqual([1, ""])
    expect(late.stderr).toContain("w / ingress has no record 9: its last one is 4")
    const none = await prove("egress", "1")
    expect([none.exit, none.stdout]).toEqual([1, ""])
    expect(none.stderr).toContain("there is no chain w / egress")
  })
})

describe("a disk that is full", () => {
  it("ends the import with exit 4, and what was acknowledged is there", async () => {
    const cwd = folder()
    writeFileSync(join(cwd, "big.jsonl"), drafts(30_000))
    const main = new URL("../../supervisors/main.ts", import.meta.url).pathname
    const flags = "--format jsonl --writer w --acks --level accepted"
    // No file may grow beyond 3 MiB: the write fails as on a full disk. stdout is a pipe.
    const script = `ulimit -f 3072; "${process.execPath}" "${main}" audit import big.jsonl ${flags}`
    const { status, stdout, stderr } = spawnSync("bash", ["-c", script], {
      cwd,
      encoding: "utf8",
      maxBuffer: 1 << 26,
    })
    expect(status, stderr).toBe(4)
    expect(stderr).toMatch(/strongroom: cannot append to .*wal-000001\.seg: the file would become/)
    expect(stderr).toMatch(/stopped at big\.jsonl:\d+: what stands before it is in the log/)
    writeFileSync(join(cwd, "acks"), stdout)
    const args = ["audit", "verify", "--trust", ".strongroom/trust.json", "--expect-head", "acks"]
    const verified = await run(args, { cwd })
    expect(verified.exit, verified.stdout).toBe(0)
  })
})

describe("secrets", () => {
  it("a passphrase comes from a file, is asked for again, and shows nowhere", async () => {
    const cwd = folder()
    const secret = "correct horse battery staple"
    writeFileSync(join(cwd, "pass"), `${secret}\n`, { mode: 0o600 })
    writeFileSync(join(cwd, "wrong"), "wrong\n", { mode: 0o600 })
    const args = ["audit", "import", "-", "--format", "jsonl", "--writer", "w"]
    const stdin = drafts(1)
    const first = await run([...args, "--passphrase-file", "pass"], { cwd, stdin })
    expect(first.exit, first.stderr).toBe(0)
    expect(first.stderr).not.toContain("WARNING")
    expect(existsSync(join(cwd, ".strongroom/keys/unseal.key"))).toBe(false)
    const env = { STRONGROOM_PASSPHRASE_FILE: "pass" }
    const second = await run(args, { cwd, stdin, env })
    expect(second.exit, second.stderr).toBe(0)
    const missing = await run(args, { cwd, stdin })
    expect(missing.exit).toBe(1)
    expect(missing.stderr).toMatch(/sealed with a passphrase, none was given/)
    const wrong = await run([...args, "--passphrase-file", "wrong"], { cwd, stdin })
    expect(wrong.exit).toBe(1)
    expectSentence(wrong.stderr)
    for (const { stdout, stderr } of [first, second, missing, wrong]) {
      expect(stdout + stderr).not.toMatch(/correct horse|BEGIN|[0-9a-f]{64}"?:"?seed/)
    }
    const none = await run([...args, "--passphrase-file", "none"], { cwd, stdin })
    expect([none.exit, none.stderr]).toEqual([
      1,
      "strongroom: cannot read the passphrase file none: no such file\n",
    ])
  })
})
