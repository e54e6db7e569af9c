import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { Strongroom } from "../../src/index.ts"
import {
  AppendFile,
  checkPrivate,
  makeDirectory,
  syncDirectory,
  writeFileDurably,
} from "../../src/sink/Durable.ts"
import { SinkError } from "../../src/sink/SinkError.ts"
import { folder } from "./Folder.ts"

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8)

const tree = (at: string): Array<string> =>
  readdirSync(at, { recursive: true, encoding: "utf8" }).map((name) => join(at, name))

describe("modes", () => {
  it("makes every folder 0700 and every file 0600, whatever the umask [A-136]", async () => {
    const before = process.umask(0)
    try {
      const dir = join(folder(), "data")
      const room = await Strongroom.open({
        writerId: "w",
        wal: { dir: join(dir, "wal") },
        export: { dir: join(dir, "export") },
        notice: () => undefined,
      })
      await room.append({
        stream: "s",
        kind: "GetServed",
        actor: {},
        subject: {},
        reason: "ok",
        attrs: {},
      })
      await room.export()
      await room.close()
      const modes = tree(dir)
        // The lock's database holds nothing.
        .filter((path) => !path.includes("~locks"))
        .map((path) => [path, modeOf(path)])
      const wanted = modes.map(([path]) => [path, statSync(path!).isDirectory() ? "700" : "600"])
      expect(modes.length).toBeGreaterThan(12)
      expect(modes).toEqual(wanted)
      expect(modeOf(dir)).toBe("700")
    } finally {
      process.umask(before)
    }
  })

  it.each([
    [0o755, "0755", "0700"],
    [0o701, "0701", "0700"],
    [0o710, "0710", "0700"],
  ])(
    "refuses a WAL directory with mode %o and says what to run [A-136]",
    async (mode, has, wanted) => {
      const dir = join(folder(), "wal")
      mkdirSync(dir)
      chmodSync(dir, mode)
      const opening = Strongroom.open({ writerId: "w", wal: { dir }, notice: () => undefined })
      await expect(opening).rejects.toMatchObject({
        code: "MODE",
        message: `${dir} has mode ${has}, others can reach it; run: chmod ${wanted} ${dir}`,
      })
      expect(readdirSync(dir)).toEqual([])
    },
  )

  it("refuses a file that others may read", () => {
    const path = join(folder(), "file")
    writeFileSync(path, "")
    chmodSync(path, 0o640)
    expect(() => checkPrivate(path)).toThrow(/mode 0640.*chmod 0600/)
    chmodSync(path, 0o600)
    expect(() => checkPrivate(path)).not.toThrow()
  })
})

describe("makeDirectory", () => {
  it("makes what is missing above it", () => {
    const path = join(folder(), "a", "b", "c")
    makeDirectory(path)
    makeDirectory(path)
    expect(["a", "a/b", "a/b/c"].map((at) => modeOf(join(path, "../../..", at)))).toEqual([
      "700",
      "700",
      "700",
    ])
  })

  it.each(["file", "file/below"])("refuses %s where a file is in the way", (name) => {
    const at = folder()
    writeFileSync(join(at, "file"), "")
    expect(() => makeDirectory(join(at, name))).toThrow(SinkError)
    expect(() => makeDirectory(join(at, name))).toThrow(/is (not|no) a? ?directory/)
  })
})

describe("writeFileDurably", () => {
  it("replaces a file whole and leaves nothing else", async () => {
    const path = join(folder(), "x.json")
    await writeFileDurably(path, Buffer.from("first, and longer"))
    await writeFileDurably(path, Buffer.from("second"))
    expect(readFileSync(path, "utf8")).toBe("second")
    expect(readdirSync(join(path, ".."))).toEqual(["x.json"])
  })

  it("leaves nothing where it fails", async () => {
    const at = folder()
    mkdirSync(join(at, "taken"))
    await expect(writeFileDurably(join(at, "taken"), Buffer.from("x"))).rejects.toMatchObject({
      _tag: "SinkError",
      code: "IO",
    })
    expect(readdirSync(at)).toEqual(["taken"])
  })

  it("names a folder that is not there", async () => {
    const path = join(folder(), "none", "x")
    await expect(writeFileDurably(path, Buffer.from("x"))).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: `cannot write ${path}: no such file or directory`,
    })
  })
})

describe("syncDirectory", () => {
  it("does not make the change when it could not fsync it", () => {
    let isMade = false
    const change = (): void => {
      isMade = true
    }
    expect(() => syncDirectory(join(folder(), "none"), change)).toThrow(SinkError)
    expect(isMade).toBe(false)
  })
})

describe("AppendFile", () => {
  it("appends at the end that it knows", async () => {
    const path = join(folder(), "log")
    const file = await AppendFile.create(path, Buffer.from("head "))
    file.append(Buffer.from("one "))
    file.append(Buffer.from("two"))
    file.patch(Buffer.from("H"), 0)
    await file.sync()
    await file.syncAll()
    expect(file.size).toBe(12)
    file.close()
    expect(readFileSync(path, "utf8")).toBe("Head one two")
    const again = AppendFile.open(path)
    expect(again.size).toBe(12)
    again.close()
  })

  it("refuses to open what is not there, and creates only where it may", () => {
    const path = join(folder(), "log")
    expect(() => AppendFile.open(path)).toThrow(/cannot open .*no such file/)
    AppendFile.openOrCreate(path).close()
    expect(existsSync(path)).toBe(true)
  })

  it("tells of an fsync that fails as a state unknown", async () => {
    const file = AppendFile.openOrCreate(join(folder(), "log"))
    file.close()
    await expect(file.sync()).rejects.toMatchObject({ code: "STATE_UNKNOWN", isRetryable: false })
  })
})
