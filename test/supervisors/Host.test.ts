/** Real hosts: forks without a name, and hosts that end without a word. */
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { finish, verifyLog } from "../../src/audit/Verify.ts"
import { openJs } from "../../src/engine/EngineJs.ts"
import { parseTrust } from "../../src/signing/Trust.ts"

const root = mkdtempSync(join(tmpdir(), "strongroom-host-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

interface Ack {
  readonly writer_id: string
  readonly stream: string
  readonly seq: number
  readonly self_hash: string
}

interface Told {
  readonly logId: string
  readonly acks: ReadonlyArray<Ack>
}

const host = (dir: string, ...args: ReadonlyArray<string>): Promise<Told> =>
  new Promise((done, fail) => {
    const program = join(import.meta.dirname, "HostChild.ts")
    const child = spawn(process.execPath, [program, join(dir, "wal"), ...args])
    let out = ""
    let wrong = ""
    child.stdout.on("data", (text) => {
      out += text
    })
    child.stderr.on("data", (text) => {
      wrong += text
    })
    child.on("close", () => (out === "" ? fail(new Error(wrong)) : done(JSON.parse(out))))
  })

const verify = (dir: string, acks: ReadonlyArray<Ack>) =>
  finish(
    verifyLog(openJs(), {
      root: join(dir, "wal"),
      trust: parseTrust(readFileSync(join(dir, "trust.json"))),
      integrity: false,
      require: "signed",
      nowMs: Date.now(),
      expectHeads: acks.map(({ writer_id, stream, seq, self_hash }) => ({
        writerId: writer_id,
        stream,
        seq,
        selfHash: self_hash,
        file: "acks",
      })),
    }),
  )

describe("hosts without a name for their writer", () => {
  it("start at once in an empty directory: one log, a chain each [A-046]", async () => {
    const dir = join(root, "fork")
    const told = await Promise.all(Array.from({ length: 6 }, () => host(dir, "20")))
    expect(new Set(told.map(({ logId }) => logId)).size).toBe(1)
    const acks = told.flatMap((one) => one.acks)
    expect(acks).toHaveLength(120)
    const report = verify(dir, acks)
    expect(report.streams.flatMap(({ findings }) => findings)).toEqual([])
    expect(report.verdict).toBe("valid")
    // Two that wrote at the same time never shared a chain, or a seq would be there twice.
    const places = acks.map(({ writer_id, seq }) => `${writer_id} ${seq}`)
    expect(new Set(places).size).toBe(120)
  }, 60_000)

  it("go on with the chains that are free again", async () => {
    const dir = join(root, "again")
    const first = await host(dir, "3")
    const second = await host(dir, "3")
    const writers = [...first.acks, ...second.acks].map(({ writer_id }) => writer_id)
    expect(new Set(writers).size).toBe(1)
    expect(writers[0]).toMatch(/^strongroom@.+-1$/)
    expect(verify(dir, [...first.acks, ...second.acks]).verdict).toBe("valid")
  }, 60_000)
})

describe("a host that never closes", () => {
  it.each(["exit", "throw", "forget"])(
    "loses no acknowledged record: %s",
    async (how) => {
      const dir = join(root, how)
      const told = [await host(dir, "300", how), await host(dir, "5", how)]
      const acks = told.flatMap((one) => one.acks)
      const last = await host(dir, "1", "close")
      const report = verify(dir, [...acks, ...last.acks])
      expect(acks).toHaveLength(305)
      const named = report.streams.flatMap(({ findings }) => findings.map(({ kind }) => kind))
      expect(named.filter((kind) => kind !== "torn_tail" && kind !== "recovered")).toEqual([])
      expect(report.verdict).toBe("valid")
    },
    60_000,
  )
})
