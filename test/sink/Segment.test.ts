import { mkdirSync, openSync, symlinkSync, writeFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { formatHeader } from "../../src/record/Frame.ts"
import { segmentName, signaturesName } from "../../src/sink/FileName.ts"
import {
  chainDirectory,
  listChain,
  listChains,
  listForeign,
  readHeader,
  readSmallFile,
} from "../../src/sink/Segment.ts"
import { SinkError } from "../../src/sink/SinkError.ts"
import { folder } from "./Folder.ts"

const errorOf = (work: () => unknown): SinkError => {
  try {
    work()
  } catch (error) {
    if (error instanceof SinkError) return error
    throw error
  }
  throw new Error("no error")
}

describe("listChain", () => {
  it("lists in numeric order, across the step to seven digits", () => {
    const at = folder()
    for (const number of [1_000_000, 2, 999_999, 1]) {
      writeFileSync(join(at, segmentName(number)), formatHeader(0))
      writeFileSync(join(at, signaturesName(number)), "")
    }
    const { segments, signatures } = listChain(at)
    expect(segments.map(({ number }) => number)).toEqual([1, 2, 999_999, 1_000_000])
    expect(signatures.size).toBe(4)
  })

  it("leaves out what is no file of a chain, and names what was torn off", () => {
    const at = folder()
    for (const name of ["wal-000001.seg.tmp", "notes.txt", "wal-000001.torn-2", "wal-1.seg"]) {
      writeFileSync(join(at, name), "x")
    }
    expect(listChain(at)).toMatchObject({ segments: [], torn: ["wal-000001.torn-2"] })
  })

  it("keeps to the header and size of the moment it was taken", () => {
    const at = folder()
    const path = join(at, segmentName(1))
    writeFileSync(path, formatHeader(0))
    const [segment] = listChain(at).segments
    // A writer goes on, and seals it.
    const fd = openSync(path, "r+")
    writeSync(fd, Buffer.alloc(100), 0, 100, 32)
    writeSync(fd, formatHeader(5), 0, 32, 0)
    expect(segment!.size).toBe(32)
    expect(readHeader(segment!)).toEqual({ count: 0 })
    expect(readHeader(listChain(at).segments[0]!)).toEqual({ count: 5 })
  })

  it("says in one sentence that a folder is missing", () => {
    const at = join(folder(), "none")
    const { code, message } = errorOf(() => listChain(at))
    expect([code, message]).toEqual([
      "NOT_FOUND",
      `cannot read the directory ${at}: no such file or directory`,
    ])
  })
})

describe("listChains", () => {
  it("decodes folder names and passes over our own", () => {
    const root = folder()
    mkdirSync(chainDirectory(root, "a b", "t/x/audit"), { recursive: true })
    mkdirSync(chainDirectory(root, "w", "control"), { recursive: true })
    mkdirSync(join(root, "~locks", "w"), { recursive: true })
    expect(listChains(root)).toEqual([
      { writerId: "a b", stream: "t/x/audit" },
      { writerId: "w", stream: "control" },
    ])
  })

  it("passes over what is no folder of a log, which is listed by itself", () => {
    const root = folder()
    mkdirSync(chainDirectory(root, "w", "control"), { recursive: true })
    mkdirSync(join(root, "a b", "s"), { recursive: true })
    mkdirSync(join(root, "w", "%zz"))
    mkdirSync(join(root, "~keys", "x"), { recursive: true })
    mkdirSync(Buffer.concat([Buffer.from(`${root}/w/`), Buffer.from([0x66, 0xff])]))
    writeFileSync(join(root, "notes\u001b[2J"), "")
    symlinkSync(join(root, "w"), join(root, "v"))
    expect(listChains(root)).toEqual([{ writerId: "w", stream: "control" }])
    const encoding = "a folder whose name is not in the encoding of FORMATS 4"
    expect(listForeign(root)).toEqual([
      `"a b", ${encoding}`,
      '"notes\\u001b[2J", a regular file',
      '"v", a symbolic link',
      '"~keys/x", a directory',
      `"w/%zz", ${encoding}`,
      `"w/f\ufffd", ${encoding}`,
    ])
  })
})

it("readSmallFile refuses what is larger than 64 MiB before it reads it", () => {
  const path = join(folder(), "checkpoint-000001.json")
  const fd = openSync(path, "w")
  writeSync(fd, "x", 64 * 2 ** 20)
  expect(errorOf(() => readSmallFile(path)).message).toBe(`${path} is larger than 64 MiB`)
})
