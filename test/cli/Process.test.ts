import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { drafts, expectSentence, folder, imported, run, start } from "./Program.ts"

const acking = ["audit", "import", "big.jsonl", "--format", "jsonl", "--writer", "w", "--acks"]

const withBig = (): string => {
  const dir = folder()
  writeFileSync(join(dir, "big.jsonl"), drafts(60_000))
  return dir
}

const verify = (dir: string, ...flags: ReadonlyArray<string>) =>
  run(["audit", "verify", "--trust", ".strongroom/trust.json", "--json", ...flags], { cwd: dir })

describe("signals", () => {
  // Until the platform itself runs nothing of ours can be called; then main.ts comes first.
  const tellsWhenUp = { NODE_OPTIONS: "--import=data:text/javascript,process._rawDebug('up')" }

  it.each([75, 150, 300])("SIGTERM %i ms after the first line ends with 130", async (ms) => {
    const dir = withBig()
    const starting = start([...acking, "--fsync", "always"], { cwd: dir, env: tellsWhenUp })
    const { child } = starting
    await new Promise((done) => child.stderr?.once("data", done))
    await new Promise((done) => setTimeout(done, ms))
    starting.child.kill("SIGTERM")
    const { exit, stderr } = await starting.ended
    expect(exit, stderr).toBe(130)
    expect(stderr).not.toMatch(/^\s+at /m)
  })

  it.each(["SIGINT", "SIGTERM"] as const)(
    "%s closes the log properly, exit 130",
    async (signal) => {
      const dir = withBig()
      const importing = start([...acking, "--fsync", "always"], { cwd: dir })
      await importing.lines(500)
      importing.child.kill(signal)
      const { exit, stdout, stderr } = await importing.ended
      expect(exit, stderr).toBe(130)
      expect(stderr).toContain("stopped by a signal")
      writeFileSync(join(dir, "acks"), stdout)
      const last = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "")
      expect(last.seq).toBeLessThan(60_001)
      const verified = await verify(dir, "--expect-head", "acks")
      expect(verified.exit, verified.stdout).toBe(0)
      const report = JSON.parse(verified.stdout)
      const ingress = report.streams.find((one: { stream: string }) => one.stream === "ingress")
      expect(ingress.proven_to).toBe(last.seq)
      expect(readdirSync(join(dir, ".strongroom/wal/w/ingress")).sort().at(0)).toMatch(
        /^checkpoint/,
      )
    },
  )

  it("SIGKILL loses nothing that was acknowledged", async () => {
    const dir = withBig()
    const importing = start([...acking, "--fsync", "always"], { cwd: dir })
    await importing.lines(2000)
    importing.child.kill("SIGKILL")
    const { stdout } = await importing.ended
    writeFileSync(join(dir, "acks"), stdout.slice(0, stdout.lastIndexOf("\n") + 1))
    const killed = await verify(dir, "--expect-head", "acks")
    expect([0, 3], killed.stdout).toContain(killed.exit)
    const args = ["audit", "import", "-", "--format", "jsonl", "--writer", "w"]
    const after = await run(args, { cwd: dir, stdin: drafts(1) })
    expect(after.exit, after.stderr).toBe(0)
    const verified = await verify(dir, "--expect-head", "acks")
    expect(verified.exit, verified.stdout).toBe(0)
  })
})

describe("one writer", () => {
  it("the second process exits 4 and says who holds the chain", async () => {
    const dir = withBig()
    const args = ["audit", "import", "-", "--format", "jsonl", "--writer", "w"]
    const holder = start([...acking, "--fsync", "always"], { cwd: dir })
    await holder.lines(1)
    const loser = await run(args, { cwd: dir, stdin: drafts(1) })
    holder.child.kill("SIGINT")
    expect((await holder.ended).exit).toBe(130)
    expect([loser.exit, loser.stdout]).toEqual([4, ""])
    expectSentence(loser.stderr)
    expect(loser.stderr).toContain(`is being written by process ${holder.child.pid}`)
    const winner = await run(args, { cwd: dir, stdin: drafts(1) })
    expect(winner.exit, winner.stderr).toBe(0)
  })

  it("readers need no lock", async () => {
    const dir = withBig()
    const holder = start([...acking, "--fsync", "always"], { cwd: dir })
    await holder.lines(500)
    const [shown, proven, verified] = await Promise.all([
      run(["audit", "show", "--limit", "400", "--json"], { cwd: dir }),
      run(["audit", "prove", "--writer", "w", "--stream", "ingress", "--seq", "5"], { cwd: dir }),
      verify(dir),
    ])
    holder.child.kill("SIGINT")
    await holder.ended
    expect([shown.exit, shown.stdout.trimEnd().split("\n")]).toEqual([
      0,
      expect.objectContaining({ length: 400 }),
    ])
    expect([proven.exit, JSON.parse(proven.stdout).record.seq]).toEqual([0, 5])
    expect([0, 3], verified.stdout).toContain(verified.exit)
  })
})

describe("audit continue", () => {
  it("opens a successor that names the damaged end, and the log goes on", async () => {
    const { dir, data } = await imported(6)
    const path = join(data, "wal/w/ingress/wal-000001.seg")
    const bytes = readFileSync(path)
    bytes.write("Q", bytes.indexOf("GetServed"))
    writeFileSync(path, bytes)
    const importing = ["audit", "import", "-", "--format", "jsonl", "--writer", "w"]
    const frozen = await run(importing, { cwd: dir, stdin: drafts(1) })
    expect(frozen.exit).toBe(2)
    expect(frozen.stderr).toMatch(/frozen: hash_mismatch at seq 2.*audit continue --writer w/)
    const args = ["audit", "continue", "--writer", "w", "--stream", "ingress", "--json"]
    const continued = await run(args, { cwd: dir })
    expect(continued.exit, continued.stderr).toBe(0)
    const { damaged, successor } = JSON.parse(continued.stdout)
    expect(damaged).toMatchObject({ writer_id: "w", seq: 7, finding: { kind: "hash_mismatch" } })
    expect(successor).toMatchObject({ writer_id: "w+1", stream: "ingress", seq: 1 })
    const more = await run([...importing, "--json"], { cwd: dir, stdin: drafts(2) })
    expect(more.exit, more.stderr).toBe(0)
    const shown = await run(["audit", "show", "--json", "--writer", "w+1"], { cwd: dir })
    const [opened, next] = shown.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line))
    expect(opened.attrs.successor_of).toEqual({
      writer_id: "w",
      stream: "ingress",
      seq: 7,
      self_hash: damaged.self_hash,
      finding: "hash_mismatch",
    })
    expect(next).toMatchObject({ seq: 2, kind: "GetServed" })
    const verified = JSON.parse((await verify(dir)).stdout)
    expect(verified.verdict).toBe("invalid")
    for (const { writer_id, stream, findings } of verified.streams) {
      expect([writer_id, stream, findings.length]).toEqual([
        writer_id,
        stream,
        writer_id === "w" && stream === "ingress" ? 1 : 0,
      ])
    }
    expect(verified.notes.filter((note: string) => note.includes("missing"))).toEqual([])
    const again = await run(args, { cwd: dir })
    expect([again.exit, again.stdout]).toEqual([1, ""])
    const last = again.stderr.trimEnd().split("\n").at(-1) ?? ""
    expect(JSON.parse(last).error.message).toMatch(/continued already, by w\+1|is not damaged/)
  })

  it("continues the successor, and the control chain", async () => {
    const { dir, data } = await imported(3)
    const damage = (writer: string, stream: string): void => {
      const path = join(data, "wal", writer.replace("+", "%2B"), stream, "wal-000001.seg")
      const bytes = readFileSync(path)
      const at = bytes.indexOf('"reason":"ok"') + 11
      bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
      writeFileSync(path, bytes)
    }
    const step = (writer: string, stream: string) =>
      run(["audit", "continue", "--writer", writer, "--stream", stream, "--json"], { cwd: dir })
    damage("w", "ingress")
    expect((await step("w", "ingress")).exit).toBe(0)
    damage("w+1", "ingress")
    const second = await step("w+1", "ingress")
    expect(second.exit, second.stderr).toBe(0)
    expect(JSON.parse(second.stdout).successor.writer_id).toBe("w+2")
    damage("w", "control")
    const control = await step("w", "control")
    expect(control.exit, control.stderr).toBe(0)
    expect(JSON.parse(control.stdout).successor).toMatchObject({
      writer_id: "w+1",
      stream: "control",
    })
    const args = ["audit", "import", "-", "--format", "jsonl", "--writer", "w", "--json"]
    const more = await run(args, { cwd: dir, stdin: drafts(2) })
    expect(more.exit, more.stderr).toBe(0)
    const heads = JSON.parse(more.stdout).heads.map(
      ({ writer_id, stream }: { writer_id: string; stream: string }) => `${writer_id}/${stream}`,
    )
    expect(heads.sort()).toEqual(["w+1/control", "w+2/ingress"])
  })

  it("refuses a chain that is whole, and one that is not there", async () => {
    const { dir } = await imported(3)
    const whole = await run(["audit", "continue", "--writer", "w", "--stream", "ingress"], {
      cwd: dir,
    })
    expect([whole.exit, whole.stdout]).toEqual([1, ""])
    expectSentence(whole.stderr)
    expect(whole.stderr).toContain("w / ingress is not damaged: there is nothing to continue")
    const none = await run(["audit", "continue", "--writer", "x", "--stream", "ingress"], {
      cwd: dir,
    })
    expect(none.exit).toBe(1)
    expectSentence(none.stderr)
    expect((await verify(dir)).exit).toBe(0)
  })
})

describe("tour", () => {
  it.each(["native", "js"])("ends well twice with the %s engine", async (engine) => {
    const dir = folder()
    const native = await run(["audit", "verify", "--wal-dir", ".", "--engine", engine], {
      cwd: dir,
    })
    if (native.exit === 4) return expect(native.stderr).toContain("native")
    const first = await run(["tour", "--engine", engine], { cwd: dir })
    expect(first.exit, first.stdout + first.stderr).toBe(0)
    for (const words of [
      "52 events became records",
      "wal     VALID",
      "export  VALID",
      "was proven offline",
      "verdict INVALID",
      "hash_mismatch",
      "Try it yourself",
    ]) {
      expect(first.stdout).toContain(words)
    }
    const second = await run(["tour", "--engine", engine, "--json"], { cwd: dir })
    expect(second.exit, second.stderr).toBe(0)
    expect(JSON.parse(second.stdout)).toMatchObject({
      records: 52,
      wal: { verdict: "valid" },
      export: { verdict: "valid" },
      receipt: { verdict: "valid" },
      tampered: { verdict: "invalid", findings: [{ kind: "hash_mismatch" }] },
    })
  })

  it("takes files of the user's own", async () => {
    const dir = folder()
    const event = { eventTime: "2026-01-01T00:00:00Z", eventName: "GetObject", eventSource: "s3" }
    writeFileSync(join(dir, "own.json"), JSON.stringify([event, event, event]))
    const { exit, stdout, stderr } = await run(["tour", "own.json"], { cwd: dir })
    expect(exit, stdout + stderr).toBe(0)
    expect(stdout).toContain("3 events became records")
    const none = await run(["tour", "no.json"], { cwd: folder() })
    expect(none.exit).toBe(1)
    expectSentence(none.stderr)
  })
})
