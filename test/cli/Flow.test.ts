import { readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { copyOf, draft, drafts, folder, imported, run } from "./Program.ts"

const chainFolder = (data: string, stream = "ingress"): string => join(data, "wal", "w", stream)

describe("from an event to a verified receipt", () => {
  it("import, verify, prove, receipt verify", async () => {
    const { dir, trust } = await imported(20, "--json")
    const verified = await run(["audit", "verify", "--trust", trust, "--json"], { cwd: dir })
    expect(verified.exit).toBe(0)
    const report = JSON.parse(verified.stdout)
    expect(report).toMatchObject({
      verdict: "valid",
      records: 23,
      proven_to: 23,
    })
    const ingress = report.streams.find((one: { stream: string }) => one.stream === "ingress")
    expect(Object.keys(ingress)).toEqual(
      expect.arrayContaining(["writer_id", "stream", "log_id", "records", "head", "signed"]),
    )
    expect(ingress).toMatchObject({ records: 21, signed: 21, checkpointed_to: 21, findings: [] })
    const prove = ["audit", "prove", "--writer", "w", "--stream", "ingress", "--seq", "8"]
    const receipt = await run(prove, { cwd: dir })
    expect(receipt.exit, receipt.stderr).toBe(0)
    expect(JSON.parse(receipt.stdout)).toMatchObject({
      type: "strongroom/receipt/v1",
      record: { seq: 8, attrs: { i: 7 } },
    })
    const elsewhere = folder()
    writeFileSync(join(elsewhere, "r.json"), receipt.stdout)
    const check = (...flags: ReadonlyArray<string>) =>
      run(["audit", "receipt", "verify", "r.json", "--json", ...flags], { cwd: elsewhere })
    const valid = await check("--trust", trust)
    expect([valid.exit, JSON.parse(valid.stdout).verdict]).toEqual([0, "valid"])
    const unknown = await check()
    expect([unknown.exit, JSON.parse(unknown.stdout).verdict]).toEqual([3, "unknown"])
    writeFileSync(join(elsewhere, "r.json"), receipt.stdout.replace('"i":7', '"i":6'))
    const invalid = await check("--trust", trust)
    expect([invalid.exit, JSON.parse(invalid.stdout).verdict]).toEqual([2, "invalid"])
  })

  it("without anchors the verdict is unknown, and the command to use is printed", async () => {
    const { dir, data } = await imported(2)
    const bare = await run(["audit", "verify"], { cwd: dir })
    expect(bare.exit).toBe(3)
    const command = "audit verify --wal-dir .strongroom/wal --trust .strongroom/trust.json"
    expect(bare.stdout).toContain(command)
    expect(bare.stdout.trimEnd().split("\n").at(-1)).toMatch(/^verdict: UNKNOWN/)
    const intact = await run(["audit", "verify", "--integrity", "--json"], { cwd: dir })
    expect([intact.exit, JSON.parse(intact.stdout).verdict]).toEqual([0, "intact"])
    const key = JSON.parse(readFileSync(join(data, "trust.json"), "utf8")).keys[0]
    const hex = Buffer.from(key.public_key, "base64").toString("hex")
    const anchored = await run(["audit", "verify", "--key", `ed25519:${hex}`], { cwd: dir })
    expect(anchored.exit).toBe(0)
    expect(anchored.stdout).toContain("log not pinned")
  })

  it("exports what is new, once, and verifies the export [A-575]", async () => {
    const { dir, data, trust } = await imported(5)
    const first = await run(["audit", "export", "--json"], { cwd: dir })
    expect(first.exit, first.stderr).toBe(0)
    const { chains } = JSON.parse(first.stdout)
    expect(chains).toHaveLength(2)
    for (const { manifest } of chains) expect(readFileSync(join(dir, manifest))).not.toHaveLength(0)
    const second = await run(["audit", "export"], { cwd: dir })
    expect([second.exit, second.stdout.split("\n")[0]]).toEqual([
      0,
      "nothing is new: every chain was exported to its end",
    ])
    const full = ["audit", "verify", "--full", "--export-dir", join(data, "export")]
    const verified = await run([...full, "--trust", trust], { cwd: dir })
    expect(verified.exit, verified.stdout).toBe(0)
    expect(verified.stdout.trimEnd()).toMatch(/verdict: VALID$/)
  })

  it("names one flipped byte with record, file and offset", async () => {
    const { dir, data, trust } = await imported(5)
    const wal = copyOf(join(data, "wal"))
    const path = join(wal, "w", "ingress", "wal-000001.seg")
    const bytes = readFileSync(path)
    bytes.write("QetServed", bytes.indexOf("GetServed", bytes.indexOf('"seq":4')))
    writeFileSync(path, bytes)
    const args = ["audit", "verify", "--wal-dir", wal, "--trust", trust]
    const { exit, stdout } = await run([...args, "--json"], { cwd: dir })
    expect(exit).toBe(2)
    const { verdict, streams } = JSON.parse(stdout)
    expect(verdict).toBe("invalid")
    const [finding] = streams[1].stream === "ingress" ? streams[1].findings : streams[0].findings
    expect(finding).toMatchObject({ kind: "hash_mismatch", seq: 4, file: "wal-000001.seg" })
    const person = await run(args, { cwd: dir })
    expect(person.stdout).toMatch(/hash_mismatch +4 +wal-000001\.seg:\d+ +b3:/)
    const shown = await run(["audit", "show", "--wal-dir", wal, "--stream", "ingress"], {
      cwd: dir,
    })
    expect(shown.exit).toBe(2)
    expect(shown.stderr).toContain("hash_mismatch in wal-000001.seg")
  })

  it("--expect-head names what was acknowledged and is gone", async () => {
    const dir = folder()
    const args = ["audit", "import", "-", "--format", "jsonl", "--writer", "w", "--acks", "--json"]
    const acks = await run(args, { cwd: dir, stdin: drafts(9) })
    expect(acks.exit, acks.stderr).toBe(0)
    const lines = acks.stdout.trimEnd().split("\n")
    expect(lines).toHaveLength(9)
    expect(lines.map((line) => JSON.parse(line).seq)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10])
    expect(JSON.parse(lines[0] ?? "")).toEqual({
      writer_id: "w",
      stream: "ingress",
      seq: 2,
      self_hash: expect.stringMatching(/^b3:[0-9a-f]{64}$/),
      level: "durable",
    })
    expect(JSON.parse(acks.stderr.trimEnd().split("\n").at(-1) ?? "").records).toBe(9)
    writeFileSync(join(dir, "acks"), acks.stdout)
    const trust = join(dir, ".strongroom", "trust.json")
    const verify = ["audit", "verify", "--trust", trust, "--json"]
    const whole = await run([...verify, "--expect-head", "acks"], { cwd: dir })
    expect(whole.exit, whole.stdout).toBe(0)
    // Cut the last record, its signature and its checkpoint: what is left is a valid, shorter log.
    const wal = copyOf(join(dir, ".strongroom", "wal"))
    const chain = join(wal, "w", "ingress")
    const segment = readFileSync(join(chain, "wal-000001.seg"))
    const last = segment.lastIndexOf('{"v":1,') - 13
    truncateSync(join(chain, "wal-000001.seg"), last)
    for (const file of readdirSync(chain).filter((name) => /checkpoint|sig$/.test(name))) {
      writeFileSync(join(chain, file), "")
    }
    const cut = [...verify, "--wal-dir", wal, "--expect-head", "acks"]
    const { exit, stdout } = await run(cut, { cwd: dir })
    expect(exit).toBe(2)
    const { streams } = JSON.parse(stdout)
    const findings = streams.flatMap((stream: { findings: unknown[] }) => stream.findings)
    expect(findings).toContainEqual(
      expect.objectContaining({ kind: "truncated", seq: 10, file: "acks" }),
    )
  })

  it("keeps the settings that a log declares", async () => {
    const { dir, data, trust } = await imported(2, "--signing", "record", "--fsync", "always")
    const again = ["audit", "import", "-", "--format", "jsonl", "--writer", "w"]
    const { exit } = await run(again, { cwd: dir, stdin: drafts(2) })
    expect(exit).toBe(0)
    const shown = await run(["audit", "show", "--json"], { cwd: dir })
    const kinds = shown.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).kind)
    expect(kinds.filter((kind: string) => kind === "ConfigUpdated")).toEqual([])
    expect(kinds.filter((kind: string) => kind === "GetServed")).toHaveLength(4)
    const verified = await run(["audit", "verify", "--trust", trust], { cwd: dir })
    expect(verified.exit, verified.stdout).toBe(0)
    expect(readdirSync(chainFolder(data))).toContain("wal-000001.sig")
  })
})

describe("audit show", () => {
  it("filters, limits, and writes lines, CSV and JSON", async () => {
    const dir = folder()
    const stdin = `${drafts(3)}${draft(4, { kind: "CapIssued", attrs: { note: 'a "b", c' } })}\n`
    const args = ["audit", "import", "-", "--format", "jsonl", "--writer", "w"]
    expect((await run(args, { cwd: dir, stdin })).exit).toBe(0)
    const show = (...flags: ReadonlyArray<string>) => run(["audit", "show", ...flags], { cwd: dir })
    const people = await show("--stream", "ingress", "--from-seq", "3", "--limit", "2")
    expect(people.stdout.trimEnd().split("\n")).toHaveLength(3)
    const csv = await show("--kind", "CapIssued", "--csv")
    const [head, row] = csv.stdout.trimEnd().split("\n")
    expect(head).toBe("ts_ms,writer_id,stream,seq,kind,actor,subject,reason,attrs,prev,self_hash")
    expect(row).toContain('"{""note"":""a \\""b\\"", c""}"')
    const json = await show("--json", "--since", "2020-01-01T00:00:00Z")
    const records = json.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line))
    expect(records).toHaveLength(7)
    expect(records[0]).toMatchObject({ stream: "control", seq: 1, kind: "StreamOpened" })
    const none = await show("--json", "--until", "2020-01-01T00:00:00Z")
    expect([none.exit, none.stdout]).toEqual([0, ""])
  })

  it("ends quietly when its reader goes away", async () => {
    const { dir } = await imported(2000)
    const { spawnSync } = await import("node:child_process")
    const main = new URL("../../supervisors/main.ts", import.meta.url).pathname
    const show = `"${process.execPath}" "${main}" audit show --json`
    const script = `${show} | head -1; echo "\${PIPESTATUS[0]}"`
    const { stdout, stderr } = spawnSync("bash", ["-c", script], { cwd: dir, encoding: "utf8" })
    expect(stderr).toBe("")
    expect(stdout.trimEnd().split("\n").at(-1)).toBe("0")
  })
})
