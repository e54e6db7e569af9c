/** What somebody put in the place of a log's file: a finding on that chain, and never a wait. */
import { execFileSync } from "node:child_process"
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs"
import { createServer } from "node:net"
import { dirname, join } from "node:path"
import { describe, expect, it } from "vitest"
import { proveRecord } from "../../src/audit/Prove.ts"
import { finish, type LogReport, verifyLog } from "../../src/audit/Verify.ts"
import { verifyParallel } from "../../src/audit/VerifyParallel.ts"
import { genesis } from "../../src/base/Hash.ts"
import { formatEnvelopes } from "../../src/signing/Envelope.ts"
import { parseTrust } from "../../src/signing/Trust.ts"
import {
  base,
  certificatePath,
  certified,
  checkpoint,
  ingress,
  make as makeLog,
  manifest,
  seg,
  sig,
  trust,
} from "../vectors/mutations/Bases.ts"
import { addManifest, type Files, keys, writer } from "../vectors/mutations/Log.ts"
import { make, open, reopen } from "./Reopen.ts"
import { cleanUp, codeOf, draft, engine, makePlace, openRoom } from "./Room.ts"

cleanUp()

const lay = (files: Files): string => {
  const root = makePlace().wal
  for (const [path, bytes] of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), bytes)
  }
  return root
}

/** A log with a file in every place there is, sealed, its manifests beside it. */
const whole = ((): Files => {
  const { files, plan, chain } = certified({}, { sealLast: true })
  const first = addManifest(files, plan, chain, 1, [1, 2], genesis)
  addManifest(files, plan, chain, 2, [3, 3], first)
  files.set(`${ingress}/checkpoint-000001.cosig`, formatEnvelopes([]))
  return files
})()

const options = (root: string) => ({
  root,
  trust: parseTrust(trust),
  integrity: false,
  require: "signed" as const,
  expectHeads: [],
  nowMs: Date.now(),
})

const check = (root: string): LogReport => finish(verifyLog(engine, options(root)))

const isRoot = process.getuid?.() === 0
const sockets: Array<ReturnType<typeof createServer>> = []

/** Each puts something else where a file is, or was to be. */
const plants: Readonly<Record<string, (path: string) => Promise<void> | void>> = {
  "a FIFO": (path) => void execFileSync("mkfifo", [path]),
  "a directory": (path) => void mkdirSync(path),
  "a symbolic link": (path) => symlinkSync("../../../elsewhere", path),
  "a socket": async (path) => {
    const server = createServer()
    sockets.push(server)
    // The path of a socket may have 107 bytes only.
    const short = join(dirname(dirname(dirname(path))), "s")
    await new Promise<void>((done) => server.listen(short, done))
    renameSync(short, path)
  },
  ...(isRoot ? { "a device": (path) => void execFileSync("mknod", [path, "c", "1", "3"]) } : {}),
}

const at = (name: string): string => `${ingress}/${name}`

/** Places, the finding that a plant there is, and where it is told of. */
const places: ReadonlyArray<readonly [path: string, kind: string]> = [
  [seg(1), "frame"],
  [seg(2), "frame"],
  [seg(3), "frame"],
  [at("wal-000004.seg"), "frame"],
  [sig(1), "frame"],
  [sig(3), "frame"],
  [at("wal-000009.sig"), "frame"],
  [checkpoint(1), "canon"],
  [checkpoint(3), "canon"],
  [at("checkpoint-000009.json"), "canon"],
  [at("checkpoint-000001.cosig"), "frame"],
  [at("checkpoint-000009.cosig"), "frame"],
  [manifest(1, "json"), "canon"],
  [manifest(2, "json"), "canon"],
  [manifest(1, "sig"), "frame"],
  [at("manifest-000009.sig"), "frame"],
]

const otherIsUntouched = (report: LogReport): void => {
  const other = report.streams.find(({ stream }) => stream === "control")
  expect(other).toMatchObject({ findings: [], records: other?.head, proven_to: other?.head })
  expect(other?.head).toBeGreaterThan(0)
}

const oursIn = ({ streams }: LogReport) => streams.find(({ stream }) => stream === "ingress")

describe("audit verify", () => {
  it("finds nothing in the whole log", () => {
    const report = check(lay(whole))
    expect([report.verdict, oursIn(report)?.findings]).toEqual(["valid", []])
  })

  describe.each(Object.keys(plants))("takes %s", (found) => {
    it.each(places)("at %s for a finding of kind %s", async (path, kind) => {
      const root = lay(whole)
      rmSync(join(root, path), { force: true })
      await plants[found]?.(join(root, path))
      const report = check(root)
      expect(report.verdict).toBe("invalid")
      const file = path.split("/").at(-1)
      const about = oursIn(report)?.findings.filter((one) => one.file === file)
      expect(about).toMatchObject([{ kind, expected: "a regular file", found }])
      otherIsUntouched(report)
      for (const server of sockets.splice(0)) server.close()
    })

    it("in the place of a certificate for one that is invalid", async () => {
      const root = lay(whole)
      rmSync(join(root, certificatePath))
      await plants[found]?.(join(root, certificatePath))
      const report = check(root)
      expect(report.verdict).toBe("invalid")
      const kinds = oursIn(report)?.findings.map(({ kind, found: text }) => `${kind} ${text}`)
      expect(kinds).toContain(`cert_invalid ${found}`)
      expect(report.notes).toContain(`not part of the log: "${certificatePath}", ${found}`)
      otherIsUntouched(report)
      for (const server of sockets.splice(0)) server.close()
    })

    it("in the place of a folder for a note", async () => {
      const root = lay(base.files)
      await plants[found]?.(join(root, writer, "%zz"))
      const report = check(root)
      expect(report.verdict).toBe("valid")
      const what =
        found === "a directory" ? "a folder whose name is not in the encoding of FORMATS 4" : found
      expect(report.notes).toContain(`not part of the log: "${writer}/%zz", ${what}`)
      for (const server of sockets.splice(0)) server.close()
    })
  })

  it("takes a link to the very file for no file of the log", () => {
    const root = lay(whole)
    renameSync(join(root, seg(2)), join(root, "aside"))
    symlinkSync(join(root, "aside"), join(root, seg(2)))
    expect(oursIn(check(root))?.findings).toMatchObject([
      { kind: "frame", found: "a symbolic link" },
    ])
  })

  it("notes names that no file of a chain has, and folders that are none", () => {
    const files = new Map(base.files)
    for (const name of ["wal-1.seg", "checkpoint-000001.json.bak"]) {
      files.set(at(name), new Uint8Array())
    }
    files.set("notes.txt", new Uint8Array())
    files.set("~keys", new Uint8Array())
    const root = lay(files)
    mkdirSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0x66, 0xff])]))
    expect(check(root).verdict).toBe("valid")
    // What a link leads to is not read: it could be a chain of this log.
    symlinkSync(join(root, writer), join(root, "linked"))
    const report = check(root)
    expect(report.verdict).toBe("unknown")
    expect(report.notes.filter((note) => /no file of a chain|not part of/.test(note))).toEqual([
      `no file of a chain, in ${writer} / ingress: "checkpoint-000001.json.bak", "wal-1.seg"`,
      'not part of the log: "f\ufffd", a folder whose name is not in the encoding of FORMATS 4',
      'not part of the log: "linked", a symbolic link',
      'not part of the log: "notes.txt", a regular file',
      'not part of the log: "~keys", a regular file',
    ])
  })

  it.each(places)("reads no 3 GiB of %s into memory", (path) => {
    const root = lay(whole)
    if (!existsSync(join(root, path))) writeFileSync(join(root, path), "")
    truncateSync(join(root, path), 3 * 2 ** 30)
    const before = process.memoryUsage().rss
    const report = check(root)
    expect(process.memoryUsage().rss - before).toBeLessThan(256 << 20)
    // Files that nothing asks for are no damage.
    const isAsked = !/0000(04|09)/.test(path) || path.endsWith(".json")
    if (isAsked) expect(report.verdict).toBe("invalid")
    otherIsUntouched(report)
  })

  it.skipIf(isRoot)("tells of a file that may not be read", () => {
    const root = lay(whole)
    execFileSync("chmod", ["000", join(root, seg(2))])
    const about = oursIn(check(root))?.findings
    expect(about).toMatchObject([{ kind: "frame", expected: "permission to read it" }])
  })

  it("says the same from a worker of its own", async () => {
    const root = lay(whole)
    rmSync(join(root, seg(1)))
    execFileSync("mkfifo", [join(root, seg(1))])
    const report = await verifyParallel(options(root), {
      engine: "js",
      warn: () => undefined,
      onStep: () => undefined,
      signal: new AbortController().signal,
      threads: 2,
    })
    expect(report).toEqual(check(root))
  })

  it("notes a checkpoint whose signer nobody knows", () => {
    const { files } = makeLog({ checkpointKeys: [keys.anchor, keys.other] })
    const { verdict, notes } = check(lay(files))
    expect(verdict).toBe("valid")
    const about = notes.filter((note) => note.includes("does not count"))
    expect(about).toEqual([
      `checkpoint-000002.json does not count: key_unknown, signed by ${keys.other.keyId}`,
    ])
  })
})

describe("receipts and reading", () => {
  const name = { writerId: writer, stream: "ingress" }
  const withFifo = (path: string): string => {
    const root = lay(whole)
    rmSync(join(root, path))
    execFileSync("mkfifo", [join(root, path)])
    return root
  }

  it.each([
    [seg(1), "NOT_REGULAR"],
    [sig(1), "TAMPER"],
    [checkpoint(1), "NOT_REGULAR"],
    [checkpoint(2), "NOT_REGULAR"],
    [at("checkpoint-000001.cosig"), "NOT_REGULAR"],
  ])("are refused where a FIFO stands at %s", (path, code) => {
    const root = withFifo(path)
    const prove = () => proveRecord(engine, root, name, 5)
    expect(prove).toThrow(expect.objectContaining({ code }))
    expect(prove).toThrow(/ is (a FIFO, not a regular file|no regular file)/)
  })

  it("leave a certificate out that is none", () => {
    const root = withFifo(certificatePath)
    expect(proveRecord(engine, root, name, 5).certificates ?? []).toEqual([])
  })
})

describe("Strongroom.open", () => {
  const plant = (path: string): void => {
    rmSync(path, { force: true })
    execFileSync("mkfifo", [path])
  }

  it.each([
    ["wal-000001.seg", "frame"],
    ["wal-000001.sig", "frame"],
    ["wal-000002.sig", "frame"],
    ["checkpoint-000001.json", "canon"],
    ["checkpoint-000002.cosig", "frame"],
  ])("freezes the chain with a FIFO at %s, and serves the others", async (file, kind) => {
    const { place, chain } = await make("always", [4, 1])
    plant(chain.file(file))
    const names = chain.names()
    const { room, told } = await open(place)
    expect(await codeOf(room.append(draft(0)))).toBe("FROZEN")
    await room.append(draft(1, { stream: "other" }))
    await room.close()
    const frozen = told.find(({ event }) => event === "frozen")
    expect(frozen).toMatchObject({ finding: { kind, file, found: "a FIFO" } })
    expect(chain.names()).toEqual(names)
  })

  it("refuses a chain whose folder is a link, and leaves what it leads to alone", async () => {
    const { place, chain } = await make("always", [4])
    const aside = join(place.dir, "aside")
    renameSync(chain.path, aside)
    symlinkSync(aside, chain.path)
    writeFileSync(join(aside, "x.tmp"), "")
    const room = await openRoom(place)
    expect(await codeOf(room.append(draft(0)))).toBe("NOT_REGULAR")
    expect(existsSync(join(aside, "x.tmp"))).toBe(true)
  })

  it("replaces what stands under a temporary name", async () => {
    const { place, chain } = await make("always", [4])
    plant(chain.file("checkpoint-000002.json.tmp"))
    symlinkSync(join(place.dir, "trust.json"), chain.file("wal-000002.seg.tmp"))
    const trusted = readFileSync(join(place.dir, "trust.json"))
    expect(await reopen(place)).toMatchObject({ told: [], verdict: "valid" })
    expect(readFileSync(join(place.dir, "trust.json"))).toEqual(trusted)
  })

  it("sets a torn tail of 64 MiB aside in pieces, its holes kept", async () => {
    const { place, chain } = await make("on_checkpoint", [4])
    // The writer had not sealed it yet.
    const size = 64 * 2 ** 20 + 7
    const end = chain.read("wal-000001.seg").length
    truncateSync(chain.file("wal-000001.seg"), size)
    const { told, verdict } = await reopen(place, "on_checkpoint")
    expect(told).toMatchObject([{ event: "recovered", cutBytes: size - end }])
    expect(verdict).toBe("valid")
    const aside = statSync(chain.file("wal-000001.torn-1"))
    expect([aside.size, aside.blocks * 512 < 1 << 20]).toEqual([size - end, true])
  })
})
