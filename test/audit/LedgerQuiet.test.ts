/** What is not said and not written: records in logs and errors, files that nobody asked for. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inspect } from "node:util"
import { describe, expect, it, vi } from "vitest"
import { proveRecord } from "../../src/audit/Prove.ts"
import { readRecords } from "../../src/audit/Read.ts"
import { AuditError, Strongroom } from "../../src/index.ts"
import type { Json } from "../../src/record/Canonical.ts"
import { parseDraft } from "../../src/record/Draft.ts"
import { ChainFolder } from "./Chain.ts"
import {
  cleanUp,
  draft,
  engine,
  filesOf,
  makePlace,
  openRoom,
  type Place,
  stream,
  verify,
  writerId,
} from "./Room.ts"

cleanUp()

const name = { writerId, stream }
/** One for each place of a record where a caller's content stands. */
const [kind, cap_id, key_fpr, passport_id] = [
  "Kind0canary",
  "cap1canary",
  "fpr2canary",
  "id3canary",
]
const [ledger_txid, subject, reason, attr] = ["tx4canary", "name5canary", "why6canary", "at7canary"]
/** As they stand in a record, in its order; a first letter may be what was damaged. */
const canaries = [kind, cap_id, key_fpr, passport_id, ledger_txid, subject, reason, attr].map(
  (text) => text.slice(1),
)

const telling = (index: number) =>
  draft(index, {
    kind,
    reason,
    actor: { cap_id, key_fpr, passport_id },
    subject: { ledger_txid, name: subject },
    attrs: { index, note: attr, deep: [{ note: `${attr} ${attr}` }] },
  })

/** The canaries that a text holds, in clear, in hex or in base64. */
const heard = (said: unknown): ReadonlyArray<string> => {
  const text = typeof said === "string" ? said : `${inspect(said, { depth: 9 })}`
  const spaceless = text.toLowerCase().replace(/[^0-9a-z+/]/g, "")
  return canaries.filter((canary) => {
    const bytes = Buffer.from(canary)
    return (
      text.includes(canary) ||
      spaceless.includes(bytes.toString("hex")) ||
      // Whatever stands before it, one of three alignments keeps this middle.
      [0, 1, 2].some((shift) =>
        text.includes(
          Buffer.concat([Buffer.alloc(shift), bytes])
            .toString("base64")
            .slice(4, -4),
        ),
      )
    )
  })
}

/** Everything that is told, written to the terminal or thrown while something runs. */
const listen = async (run: (notice: (told: unknown) => void) => Promise<unknown>) => {
  const said: Array<unknown> = []
  const keep = (...parts: ReadonlyArray<unknown>): true => {
    said.push(...parts)
    return true
  }
  const spies = [
    vi.spyOn(process.stdout, "write").mockImplementation(keep),
    vi.spyOn(process.stderr, "write").mockImplementation(keep),
    ...(["log", "info", "warn", "error", "debug"] as const).map((level) =>
      vi.spyOn(console, level).mockImplementation(keep),
    ),
  ]
  try {
    await run(keep)
  } catch (error) {
    keep(error)
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
  return said
}

const copyOf = (place: Place): Place => {
  const copy = makePlace()
  // With its modes, without which no log opens.
  spawnSync("cp", ["-a", `${place.dir}/.`, copy.dir])
  return copy
}

/** What is said while a damaged log is opened, written to and continued. */
const openAll = (place: Place) =>
  listen(async (notice) => {
    const options = { writerId, engine: "js", wal: { dir: place.wal }, notice } as const
    const room = await Strongroom.open(options)
    await room.append(telling(9)).catch(notice)
    await room.close()
    notice(await Strongroom.continueChain(options, stream))
  })

describe("records", () => {
  it("are heard by this test where they are said", () => {
    for (const form of ["utf8", "hex", "base64"] as const) {
      const bytes = Buffer.from(`x"${canaries.join('","')}"y`)
      expect(heard(bytes.toString(form)), form).toEqual(canaries)
    }
    expect(heard({ a: { b: { c: [Error(attr)] } } })).toContain(attr.slice(1))
    expect(heard("b3:00ff at seq 7")).toEqual([])
  })

  it("are never told, printed or thrown, whatever befalls them [A-213]", async () => {
    const place = makePlace()
    const chain = new ChainFolder(place)
    let isDone = false
    const clean = await listen(async (notice) => {
      const room = await openRoom(place, { notice, wal: { fsync: "always" } })
      for (let i = 0; i < 4; i++) await room.append(telling(i))
      const { kind: _, ...noKind } = telling(9)
      const bad = [
        { ...telling(9), kind: `bad ${kind}` },
        { ...telling(9), reason: `bad ${attr}` },
        { ...telling(9), actor: { cap_id: attr.repeat(30) } },
        { ...telling(9), subject: { content_id: attr } },
        { ...telling(9), attrs: { note: attr.repeat(200) } },
        { ...telling(9), attrs: { note: attr, half: 0.5 } },
        { ...telling(9), attrs: { op_id: attr } },
        noKind as never,
      ]
      for (const one of bad) {
        try {
          parseDraft(one as unknown as Json)
        } catch (error) {
          notice(error)
        }
        await room.append(one).then(() => notice("taken"), notice)
      }
      await room.export()
      await room.close()
      isDone = true
    })
    expect(isDone, inspect(clean)).toBe(true)
    expect(heard(clean)).toEqual([])
    expect(clean).not.toContain("taken")
    expect(clean.length).toBeGreaterThan(12)
    expect(heard(chain.read("wal-000001.seg").toString("latin1"))).toEqual(canaries)

    const file = "wal-000001.seg"
    const whole = chain.read(file)
    const { offset, end } = chain.frames(file)[3]!
    const said: Array<unknown> = []
    for (let at = offset; at < end; at++) {
      const bytes = Buffer.from(whole)
      // Bit 5 makes of a letter the other case, of a digit a control character.
      bytes[at]! ^= at % 3 === 0 ? 1 << (at % 7) : 32
      chain.write(file, bytes)
      said.push(verify(place))
      expect(() => [...readRecords(engine, name, filesOf(place.wal), 1)]).toThrow(AuditError)
      try {
        proveRecord(engine, place.wal, name, 4)
      } catch (error) {
        said.push(error)
      }
      // Opening is slow; a byte of each kind is enough.
      if ((at - offset) % 80 === 0) said.push(...(await openAll(copyOf(place))))
    }
    chain.write(file, whole)
    const leaks = said.filter((one) => heard(one).length > 0)
    expect(leaks.map((one) => inspect(one, { depth: 9 }))).toEqual([])
  }, 60_000)
})

/** Opens a ram log, appends and closes where the operating system lets it write nothing. */
const program = (options: string): string => `
  import { Strongroom } from ${JSON.stringify(join(import.meta.dirname, "../../src/index.ts"))}
  const draft = { stream: "s", kind: "GetServed", actor: {}, subject: {}, reason: "ok", attrs: {} }
  const room = await Strongroom.open({ writerId: "w", engine: "js", ${options} })
  const receipt = await room.append(draft)
  await receipt.reached("signed")
  await room.checkpoint()
  await room.flush()
  await room.close()
  console.log("seq", receipt.seq)
`

describe("the disk", () => {
  const runIn = (folder: string, options: string, ...flags: ReadonlyArray<string>) => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [...flags, "--no-warnings", "--input-type=module", "--eval", program(options)],
      { cwd: folder, encoding: "utf8", env: { HOME: folder, TMPDIR: folder, PATH: "" } },
    )
    return { status, stdout: stdout.trim(), stderr, files: readdirSync(folder) }
  }
  const readOnly = ["--permission", "--allow-fs-read=*"]

  it("is written only where its operator named a directory [A-216]", () => {
    const folder = mkdtempSync(join(tmpdir(), "strongroom-quiet-"))
    try {
      // Durability is asked for by a directory; without one there is no log.
      for (const options of ["", 'sink: "wal"']) {
        const { status, stderr, files } = runIn(folder, options)
        expect([status, files], options).toEqual([1, []])
        expect(stderr).toContain("wal.dir is missing")
      }
      const ram = runIn(folder, 'sink: "ram"', ...readOnly)
      expect(ram, ram.stderr).toMatchObject({ status: 0, stdout: "seq 2", files: [] })
      // Even where a directory is named: ram is ram.
      const dirs = `wal: { dir: "${folder}/wal" }, dataDir: "${folder}/data"`
      const named = runIn(folder, `sink: "ram", ${dirs}`, ...readOnly)
      expect(named, named.stderr).toMatchObject({ status: 0, stdout: "seq 2", files: [] })
      // That the fence stands: with a wal the same program is stopped by it.
      const wal = runIn(folder, dirs, ...readOnly)
      expect([wal.status, wal.files]).toEqual([1, []])
      const free = runIn(folder, dirs)
      expect(free, free.stderr).toMatchObject({ status: 0, stdout: "seq 2" })
      expect(free.files.toSorted()).toEqual(["data", "wal"])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
