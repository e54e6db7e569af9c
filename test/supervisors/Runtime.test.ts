import { spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, describe, expect, it } from "vitest"
import { Runtime } from "../../supervisors/Runtime.ts"
import { recordsOf, writerId } from "../audit/Room.ts"

const root = mkdtempSync(join(tmpdir(), "strongroom-runtime-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

let count = 0
const open: Array<Runtime> = []
afterEach(async () => {
  for (const runtime of open.splice(0)) await runtime.stop().catch(() => undefined)
})

interface Settings {
  readonly [key: string]: string | number | boolean
}

const toml = (settings: Settings): string =>
  Object.entries({ writer_id: writerId, amnesia: false, engine: "js", ...settings })
    .map(
      ([key, value]) => `${key} = ${typeof value === "string" ? JSON.stringify(value) : value}\n`,
    )
    .join("")

const make = (settings: Settings = {}) => {
  const dir = join(root, `r${count++}`)
  mkdirSync(dir, { mode: 0o700 })
  const file = join(dir, "audit.toml")
  const data = join(dir, "data")
  const write = (changed: Settings): void =>
    writeFileSync(file, toml({ data_dir: data, sink: "wal", ...settings, ...changed }))
  write({})
  return { dir, data, file, write }
}

const start = async (file: string) => {
  const lines: Array<string> = []
  const options = { flags: [], env: {}, file, notice: () => undefined }
  const runtime = await Runtime.start({ ...options, print: (line) => void lines.push(line) })
  open.push(runtime)
  return { runtime, lines }
}

const draft = (index: number) => ({
  stream: "ingress",
  kind: "GetServed",
  actor: { anon: true },
  subject: {},
  reason: "ok",
  attrs: { index },
})

const place = ({ dir, data }: { dir: string; data: string }) => ({
  dir,
  wal: join(data, "wal"),
  export: join(data, "export"),
})

const updates = (at: ReturnType<typeof make>) =>
  recordsOf(place(at), "control").filter(({ kind }) => kind === "ConfigUpdated")

describe("Runtime", () => {
  it("starts nothing where a key is wrong, and names all of them [A-228, A-256]", async () => {
    const { file, write } = make()
    write({ queue_depth: 0, workers: 9, colour: "red" })
    await expect(start(file)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining("queue_depth"),
    })
    await expect(start(file)).rejects.toThrow("workers")
    await expect(start(file)).rejects.toThrow("colour")
  })

  it("applies what is hot beside appends, and says so [A-263, A-266, A-316]", async () => {
    const at = make({ queue_depth: 2 })
    const { runtime, lines } = await start(at.file)
    await runtime.append(draft(0))
    const events = runtime.room.subscribe("kernel.config")
    const full = await Promise.allSettled([1, 2, 3, 4].map((i) => runtime.append(draft(i))))
    expect(full.map(({ status }) => status)).toEqual([
      "fulfilled",
      "fulfilled",
      "rejected",
      "rejected",
    ])
    const before = runtime.room
    at.write({ queue_depth: 100 })
    const changes = await runtime.reload()
    expect(changes.map(({ key, from, to }) => [key, from, to])).toEqual([
      ["queue_depth", "2", "100"],
    ])
    expect(runtime.room).toBe(before)
    await Promise.all([5, 6, 7, 8].map((i) => runtime.append(draft(i))))
    expect(lines).toContain("configuration: queue_depth: 2 -> 100")
    for await (const { payload } of events) {
      expect(payload).toEqual({ version: 2 })
      break
    }
    await runtime.stop()
    expect(updates(at).map(({ attrs }) => [attrs.version, attrs.changed])).toEqual([
      [2, ["queue_depth: 2 -> 100"]],
    ])
  })

  it("changes the privacy of addresses while records are written [A-207, A-236]", async () => {
    const at = make({ "privacy.ip_mode": "drop" })
    const salt = join(at.dir, "salt")
    writeFileSync(salt, `1 ${"5a".repeat(32)}\n`, { mode: 0o600 })
    const { runtime, lines } = await start(at.file)
    const put = () => runtime.append({ ...draft(0), attrs: { client_ip: "192.0.2.77" } })
    await put()
    at.write({ "privacy.ip_mode": "prefix" })
    await runtime.reload()
    await put()
    at.write({ "privacy.ip_mode": "hash", "privacy.hash_salt_path": salt })
    await runtime.reload()
    await put()
    const secret = runtime.append({ ...draft(0), attrs: { note: "Bearer abcdefghijklmnopqrstuv" } })
    await expect(secret).rejects.toMatchObject({ code: "pii_blocked" })
    expect(runtime.room.counts()).toMatchObject({ redacted: 3, blocked: 1 })
    await runtime.stop()
    const kept = recordsOf(place(at), "ingress").flatMap(({ kind, attrs }) =>
      kind === "GetServed" ? [attrs.client_ip] : [],
    )
    const hashed = expect.stringMatching(/^iph:1:[0-9a-f]{32}$/)
    expect(kept).toEqual([undefined, "192.0.2.0/24", hashed])
    // Where the salt lies is nobody's business.
    expect(
      [...lines, ...updates(at).map(({ attrs }) => JSON.stringify(attrs))].join(),
    ).not.toContain(salt)
  })

  it("drains and switches for the rest, and loses nothing [A-055, A-264, A-267]", async () => {
    const at = make({ "wal.fsync": "on_checkpoint" })
    const { runtime } = await start(at.file)
    const accepted: Array<number> = []
    let isOver = false
    const appending = (async () => {
      for (let i = 0; !isOver; i++) {
        const receipt = await runtime.append(draft(i)).catch(() => undefined)
        if (receipt !== undefined) accepted.push(i)
        await new Promise((done) => setImmediate(done))
      }
    })()
    const before = runtime.room
    at.write({ "wal.fsync": "always" })
    await runtime.reload()
    expect(runtime.room).not.toBe(before)
    await runtime.append(draft(-1))
    isOver = true
    await appending
    await runtime.stop()
    const records = recordsOf(place(at), "ingress")
    const kept = new Set(records.map(({ attrs }) => attrs.index))
    expect(accepted.filter((i) => !kept.has(i))).toEqual([])
    expect(records.filter(({ kind }) => kind === "ConfigUpdated")[0]?.attrs.fsync).toBe("always")
    // One chain, from the first record to the last.
    expect(records.map(({ seq }) => seq)).toEqual(records.map((_, i) => i + 1))
  })

  it("changes nothing where settings are wrong or need a restart [A-256, A-265]", async () => {
    const at = make({ queue_depth: 8 })
    const { runtime } = await start(at.file)
    await runtime.append(draft(0))
    at.write({ queue_depth: 9, workers: 0 })
    await expect(runtime.reload()).rejects.toMatchObject({ code: "CONFIG_INVALID" })
    at.write({ queue_depth: 9, writer_id: "svc@2" })
    await expect(runtime.reload()).rejects.toMatchObject({ code: "CONFIG_RESTART" })
    expect(runtime.snapshot).toMatchObject({ version: 1, config: { queueDepth: 8 } })
    expect((await runtime.append(draft(1))).seq).toBe(3)
  })
})

/** A host of its own that appends until it is told to end. */
const host = (file: string) => {
  const program = join(import.meta.dirname, "RuntimeChild.ts")
  const child = spawn(process.execPath, [program, file], { stdio: ["ignore", "pipe", "pipe"] })
  const lines: Array<string> = []
  const heard = new Map<string, () => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      for (const line of text.split("\n").filter((one) => one !== "")) {
        lines.push(line)
        for (const [part, done] of heard) if (line.includes(part)) done()
      }
    })
  }
  const hears = (part: string): Promise<void> =>
    new Promise((done) => {
      if (lines.some((line) => line.includes(part))) done()
      else heard.set(part, done)
    })
  const ended = new Promise<readonly [number | null, string | null]>((done) => {
    child.on("close", (code, signal) => done([code, signal]))
  })
  return { child, lines, hears, ended }
}

describe("a host under signals", () => {
  it("drains at SIGTERM, exits 0 and says what there was [A-104, A-317]", async () => {
    const at = make()
    const { child, lines, hears, ended } = host(at.file)
    await hears("appending")
    child.kill("SIGTERM")
    expect(await ended).toEqual([0, null])
    const report = /closed: (\d+) accepted, (\d+) durable, (\d+) signed, (\d+) checkpointed/
    const [, ...counts] = report.exec(lines.join("\n")) ?? []
    expect(new Set(counts).size).toBe(1)
    const told = JSON.parse(lines.find((line) => line.startsWith("{")) ?? "{}")
    const records = recordsOf(place(at), "ingress")
    expect(records.length).toBeGreaterThan(told.acked)
    expect(told.shutdown).toBe(true)
  }, 30_000)

  it("reloads at SIGHUP and goes on [A-262]", async () => {
    const at = make({ queue_depth: 50 })
    const { child, hears, ended } = host(at.file)
    await hears("appending")
    at.write({ queue_depth: 60 })
    child.kill("SIGHUP")
    await hears("queue_depth: 50 -> 60")
    at.write({ queue_depth: 0 })
    child.kill("SIGHUP")
    await hears("not reloaded, going on as before")
    child.kill("SIGINT")
    expect(await ended).toEqual([0, null])
  }, 30_000)
})
