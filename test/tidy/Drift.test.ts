/** Documents and data that repeat what stands elsewhere still say the same. */
import { existsSync } from "node:fs"
import { relative } from "node:path"
import { describe, expect, it, type TestContext } from "vitest"
import { missingEntries } from "../../.ci/Lock.ts"
import { claimsOf } from "../conformance/Claims.ts"
import { parseLedger, readLedger } from "../conformance/Ledger.ts"
import { provenIn } from "../conformance/Page.ts"
import { listShared, readShared, sharedIsThere, sharedReason } from "./Shared.ts"
import { listFiles, read, root } from "./Source.ts"

const needsShared = (context: TestContext): void => {
  if (!sharedIsThere) context.skip(sharedReason)
}

const text = (...path: ReadonlyArray<string>): string => readShared(...path).toString("utf8")

const inFolder = (folder: string): ReadonlyArray<string> =>
  listFiles()
    .filter((path) => path.startsWith(folder))
    .map((path) => path.slice(folder.length))

describe("beside the specification", () => {
  it("formats.md is FORMATS", (context) => {
    needsShared(context)
    expect(read("docs/reference/formats.md")).toBe(text("spec", "FORMATS.md"))
  })

  it("test/vectors holds all vectors, unchanged", (context) => {
    needsShared(context)
    const names = listShared("vectors")
    expect(names.length).toBeGreaterThan(0)
    for (const name of names) expect(read(`test/vectors/${name}`)).toBe(text("vectors", name))
  })

  it("test/data/cloudtrail holds recorded events, unchanged", (context) => {
    needsShared(context)
    const names = inFolder("test/data/cloudtrail/").filter((name) => name !== "README.md")
    expect(names.length).toBeGreaterThan(12)
    for (const name of names)
      expect(read(`test/data/cloudtrail/${name}`)).toBe(text("data", "cloudtrail", name))
  })

  it("test/conformance/ledger.json holds every row of the ledgers", (context) => {
    needsShared(context)
    const ledgers = ["LEDGER-audit.md", "LEDGER-custody-forensics.md"]
    expect(readLedger()).toEqual(ledgers.flatMap((name) => parseLedger(text("spec", name))))
  })
})

describe("within the repository", () => {
  const titles = (): ReadonlySet<string> => {
    const files = listFiles()
      .filter((path) => /^(test\/.*\.ts|native\/.*\.rs)$/.test(path))
      // Tests of the counting itself: their titles in data claim nothing.
      .filter((path) => path !== "test/conformance/Claims.test.ts" && !path.startsWith("test/ci/"))
    const words = files.flatMap((path) => read(path).match(/\[[AKRF]-[^\]\n]*\]|\w+__\w+/g) ?? [])
    return new Set(words.flatMap(claimsOf))
  }

  it("every row that conformance.md calls proven is claimed by a test", () => {
    const path = "docs/reference/conformance.md"
    const page = existsSync(`${root}/${path}`) ? read(path) : ""
    const claimed = titles()
    expect(provenIn(page).filter((id) => !claimed.has(id))).toEqual([])
  })

  it("package-lock.json has every optional package: else npm ci refuses it (npm run lock)", () => {
    expect(missingEntries(JSON.parse(read("package-lock.json")))).toEqual({})
  })

  it("every relative link in a document leads to a file", () => {
    const documents = listFiles().filter((path) => /^(docs\/.*|[A-Z]+)\.md$/.test(path))
    const broken = documents.flatMap((path) =>
      [...read(path).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)]
        .map(([, target = ""]) => new URL(target, `file://${root}/${path}`).pathname)
        .filter((target) => !existsSync(decodeURIComponent(target)))
        .map((target) => `${path}: ${relative(root, target)}`),
    )
    expect(broken).toEqual([])
  })

  it("every command of package.json that a document names is there", () => {
    const { scripts } = JSON.parse(read("package.json"))
    const documents = listFiles().filter((path) => /^(docs\/.*|[A-Z]+|bench\/.*)\.md$/.test(path))
    const unknown = documents.flatMap((path) =>
      [...read(path).matchAll(/`npm run (?:-s )?([a-z:-]+)/g)]
        .filter(([, name = ""]) => !Object.hasOwn(scripts, name))
        .map(([, name]) => `${path}: npm run ${name}`),
    )
    expect(unknown).toEqual([])
  })
})
