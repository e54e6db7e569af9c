/** Each rule fails on a small wrong text and passes on the right one beside it. */
import { describe, expect, it } from "vitest"
import { banFindings } from "./Bans.ts"
import * as Graph from "./Graph.ts"
import * as Sizes from "./Sizes.ts"
import { type Finding, parse } from "./Source.ts"
import * as Text from "./Text.ts"
import { applyExemptions } from "./Tidy.ts"
import { provenanceFindings } from "./Vectors.ts"

const rulesOf = (findings: ReadonlyArray<Finding>): ReadonlyArray<string> =>
  findings.map(({ rule }) => rule)

const linked = (path: string, text: string) => Graph.link(parse(path, text))
const rooms = (path: string, text: string) => Graph.roomFindings(linked(path, text))

describe("rooms and floors", () => {
  it("lets a room import its own files and lower floors", () => {
    const text = 'import { a } from "../base/A.ts"\nimport { b } from "./B.ts"\n'
    expect(rooms("src/record/C.ts", text)).toEqual([])
  })

  it.each([
    ["upward", "src/base/A.ts", "../record/B.ts", /higher floor/],
    ["sideways", "src/chain/A.ts", "../merkle/B.ts", /same floor/],
    ["upward by type", "src/sink/A.ts", "../audit/B.ts", /higher floor/],
    ["supervisors", "src/cli/A.ts", "../../supervisors/Root.ts", /higher floor/],
    ["models", "src/record/A.ts", "../../models/B.ts", /only test/],
    ["tests", "src/record/A.ts", "../../test/B.ts", /never imports its tests/],
    ["models above base", "models/A.ts", "../src/record/B.ts", /src\/base only/],
    ["without an ending", "src/record/A.ts", "./B", /without its ending/],
  ])("refuses %s", (_, path, specifier, message) => {
    const [finding] = rooms(path, `import type { x } from "${specifier}"\n`)
    expect(finding?.message).toMatch(message)
  })

  it.each([
    'export { x } from "../record/B.ts"',
    'export * from "../record/B.ts"',
    'const x = await import("../record/B.ts")',
    'type X = import("../record/B.ts").X',
  ])("sees the import in: %s", (text) => {
    expect(rulesOf(rooms("src/base/A.ts", text))).toEqual(["rooms"])
  })

  it("refuses a room that is not in the table", () => {
    expect(rulesOf(rooms("src/attic/A.ts", ""))).toEqual(["rooms"])
    expect(rulesOf(rooms("src/Loose.ts", ""))).toEqual(["rooms"])
  })

  it("lets the index import rooms and no room import the index", () => {
    expect(rooms("src/index.ts", 'export * from "./audit/AuditLog.ts"')).toEqual([])
    expect(rulesOf(rooms("src/audit/A.ts", 'import "../index.ts"'))).toEqual(["rooms"])
  })

  it("has one door to the addon, however it is loaded", () => {
    const load = 'createRequire(import.meta.url)("../../native/index.js")'
    expect(rulesOf(Graph.nativeFindings(linked("src/engine/EngineJs.ts", load)))).toEqual([
      "native-door",
    ])
    expect(Graph.nativeFindings(linked("src/engine/EngineNative.ts", load))).toEqual([])
  })

  it("refuses packages that are no runtime dependency", () => {
    const text = 'import "effect/Data"\nimport "@noble/hashes/blake3.js"\nimport "vitest"\n'
    const found = Graph.packageFindings(
      linked("src/base/A.ts", text),
      new Set(["effect", "@noble/hashes"]),
    )
    expect(found.map(({ line }) => line)).toEqual([3])
  })
})

describe("cycles and dead code", () => {
  const files = [
    linked("src/index.ts", 'export { used } from "./base/A.ts"'),
    linked("src/base/A.ts", 'import { b } from "./B.ts"\nexport const used = b, idle = 1'),
    linked("src/base/B.ts", 'import type { used } from "./A.ts"\nexport const b = 1'),
    linked("src/base/C.ts", "export const c = 1"),
  ]

  it("finds a cycle, type imports included", () => {
    const [finding] = Graph.cycleFindings(files)
    expect(finding?.message).toContain("src/base/A.ts -> src/base/B.ts -> src/base/A.ts")
    expect(Graph.cycleFindings(files.slice(2))).toEqual([])
  })

  it("finds a file that nothing imports", () => {
    expect(Graph.deadFileFindings(files).map(({ where }) => where)).toEqual(["src/base/C.ts"])
  })

  it("finds an export that nothing imports", () => {
    const found = Graph.deadExportFindings(files).map(({ where }) => where)
    expect(found).toEqual(["src/base/A.ts#idle", "src/base/C.ts#c"])
  })

  it("follows the members of a namespace import", () => {
    const target = linked(
      "src/base/A.ts",
      "export const a = 1\nexport type T = 1\nexport const z = 1",
    )
    const reader = linked(
      "test/base/A.test.ts",
      'import * as A from "../../src/base/A.ts"\nconst t: A.T = A.a',
    )
    expect(Graph.deadExportFindings([target, reader]).map(({ where }) => where)).toEqual([
      "src/base/A.ts#z",
    ])
  })

  it("gives up on a namespace that is passed on", () => {
    const target = linked("src/base/A.ts", "export const a = 1")
    const reader = linked("test/base/A.test.ts", 'import * as A from "../../src/base/A.ts"\nf(A)')
    expect(Graph.deadExportFindings([target, reader])).toEqual([])
  })

  it("lets a type stand that is part of another declaration of its file", () => {
    const text = "export interface Part { a: string }\nexport interface Whole { part: Part }"
    const target = linked("src/base/A.ts", text)
    const found = Graph.deadExportFindings([target]).map(({ where }) => where)
    expect(found).toEqual(["src/base/A.ts#Whole"])
  })
})

const bans = (path: string, text: string): ReadonlyArray<string> =>
  rulesOf(banFindings(parse(path, text)))

describe("bans", () => {
  it.each([
    ["clock", "src/audit/A.ts", "const t = Date.now()"],
    ["clock", "src/sink/A.ts", "const t = new Date()"],
    ["clock", "models/A.ts", "const t = performance.now()"],
    ["math-random", "src/audit/A.ts", "Math.random()"],
    ["math-random", "test/audit/A.test.ts", "Math.random()"],
    ["random", "src/signing/A.ts", "const x = randomBytes(32)"],
    ["json-parse", "src/audit/A.ts", "JSON.parse(text)"],
    ["json-parse", "supervisors/main.ts", "lines.map(JSON.parse)"],
    ["json-stringify", "src/record/A.ts", "JSON.stringify(x)"],
    ["console", "src/audit/A.ts", "console.log(1)"],
    ["console", "src/sink/A.ts", "console.error(1)"],
    ["console", "src/index.ts", "console.log(1)"],
    ["process", "src/record/A.ts", "process.env.X"],
    ["buffer", "src/record/A.ts", "Buffer.from(x)"],
    ["buffer", "src/merkle/A.ts", "const f = (x: Buffer) => x"],
    ["pure", "src/record/A.ts", 'import { readFileSync } from "node:fs"'],
    ["pure", "src/chain/A.ts", 'import { createHash } from "node:crypto"'],
    ["pure", "src/chain/A.ts", 'import * as Effect from "effect/Effect"'],
    ["any", "test/audit/A.test.ts", "const f = (x: any) => x"],
  ])("%s: refuses in %s: %s", (rule, path, text) => {
    expect(bans(path, text)).toContain(rule)
  })

  it.each([
    ["supervisors/main.ts", "const t = Date.now()"],
    ["src/index.ts", "const t = Date.now()"],
    ["src/cli/A.ts", "console.log(new Date())"],
    ["src/audit/A.ts", "const t = new Date(ms).toISOString()"],
    ["src/base/Bytes.ts", "Buffer.from(x)"],
    ["src/sink/A.ts", "const x: Buffer = read()"],
    ["src/signing/A.ts", 'import { verify } from "node:crypto"'],
    ["src/record/A.ts", 'import * as Data from "effect/Data"'],
    ["src/audit/A.ts", "JSON.stringify(x)"],
    ["test/audit/A.test.ts", "JSON.parse(text)"],
  ])("lets pass in %s: %s", (path, text) => {
    expect(bans(path, text)).toEqual([])
  })

  it("names the replacement and the line", () => {
    const [finding] = banFindings(parse("src/audit/A.ts", "\nJSON.parse(x)"))
    expect(finding).toMatchObject({ line: 2, message: expect.stringContaining("Canonical.parse") })
  })
})

describe("sizes", () => {
  const long = (count: number): string => "x()\n".repeat(count)

  it("counts the lines of a file", () => {
    const size = (path: string, count: number) =>
      rulesOf(Sizes.fileFindings({ path, text: long(count) }))
    expect(size("src/base/A.ts", 400)).toEqual([])
    expect(size("src/base/A.ts", 401)).toEqual(["file-size"])
    expect(size("models/A.ts", 201)).toEqual(["file-size"])
  })

  it("counts the lines of a function and names it", () => {
    const functions = (count: number) =>
      Sizes.functionFindings(
        parse(
          "src/base/A.ts",
          `const f = () => {\n${long(count)}}\nclass B { m() {\n${long(count)}} }`,
        ),
      ).map(({ where }) => where)
    expect(functions(68)).toEqual([])
    expect(functions(69)).toEqual(["src/base/A.ts#f", "src/base/A.ts#m"])
  })

  it("counts exports", () => {
    const names = (count: number) =>
      Array.from({ length: count }, (_, index) => `export const a${index} = 1`).join("\n")
    const found = (count: number) =>
      Sizes.exportCountFindings(parse("src/base/A.ts", names(count))).length
    expect([found(15), found(16)]).toEqual([0, 1])
  })

  it("counts the lines of Rust functions, the skin's more strictly", () => {
    const rust = (text: string) =>
      Sizes.rustFunctionFindings({ path: "native/lib.rs", text }).length
    const body = (count: number) => `{\n${"x(); // {\n".repeat(count)}}\n`
    expect(rust(`pub fn f() ${body(68)}`)).toBe(0)
    expect(rust(`pub fn f(a: [u8; 2]) ${body(69)}`)).toBe(1)
    expect(rust(`#[napi]\npub fn f() ${body(14)}`)).toBe(1)
    expect(rust(`#[napi]\npub fn f() ${body(13)}`)).toBe(0)
    expect(rust(`fn f() -> char { '{' }\n#[cfg(test)]\nmod tests { fn g() ${body(99)} }`)).toBe(0)
  })

  it("finds unsafe code, not the word in a comment", () => {
    const rust = (path: string, text: string) => Sizes.unsafeFindings({ path, text }).length
    expect(rust("native/core/src/a.rs", "unsafe { x() }")).toBe(1)
    expect(rust("native/core/src/a.rs", "// unsafe\n#![forbid(unsafe_code)]")).toBe(0)
    expect(rust("native/lib.rs", "unsafe { x() }")).toBe(0)
  })
})

describe("lines and names", () => {
  const file = (text: string) => ({ path: "src/base/A.ts", text })

  it("refuses a line beyond 100 columns unless a URL makes it long", () => {
    expect(Text.columnFindings(file("é".repeat(100)))).toEqual([])
    expect(Text.columnFindings(file("x".repeat(101))).length).toBe(1)
    expect(Text.columnFindings(file(`// https://example.org/${"x".repeat(99)}`))).toEqual([])
  })

  it.each(["DO", "ME", "XX"])("refuses unfinished work (%s)", (end) => {
    const word = { DO: "TO", ME: "FIX", XX: "X" }[end]
    expect(Text.unfinishedFindings(file(`a\n// ${word}${end}: later`))[0]?.line).toBe(2)
    expect(Text.unfinishedFindings(file(`// ${word}${end}S`))).toEqual([])
  })

  it("refuses a silenced checker, and lets pass one with rule and reason", () => {
    expect(Text.silencedFindings(file(`// @ts-${"ignore"}`)).length).toBe(1)
    expect(Text.silencedFindings(file(`// biome-${"ignore"} lint`)).length).toBe(1)
    expect(Text.silencedFindings(file("// biome-ignore lint/a/b: it is so"))).toEqual([])
  })

  it("refuses the root, the home and the name of this machine", () => {
    const place = { root: "/srv/clone", home: "/home/somebody", host: "builder-17" }
    const found = (text: string) => Text.workplaceFindings(file(text), place).length
    expect(found("see /srv/clone/src")).toBe(1)
    expect(found("see /home/somebody/x")).toBe(1)
    expect(found("on builder-17")).toBe(1)
    expect(found(`at /${"work"}/main`)).toBe(1)
    expect(found("a relative/work/path and homework/")).toBe(0)
  })

  it("lets one file read beside the checkout", () => {
    expect(Text.besideFindings(file(`open("../${"shared"}/x")`)).length).toBe(1)
  })

  it.each([
    ["src/record/draft.ts", 1],
    ["src/record/Draft.ts", 0],
    ["src/record/StringUtils.ts", 1],
    ["src/record/KeyManager.ts", 1],
    ["src/wireFormat/Draft.ts", 1],
    ["src/custody/backend/BackendFile.ts", 0],
    ["src/index.ts", 0],
    ["supervisors/main.ts", 0],
  ])("judges the name %s", (path, count) => {
    expect(Text.nameFindings(path).length).toBe(count)
  })
})

describe("provenance and exemptions", () => {
  const paths = [
    "test/vectors/a.json",
    "test/vectors/b.json",
    "test/vectors/deep/c.json",
    "test/vectors/PROVENANCE.md",
  ]

  it("wants every data file named, by itself or by its folder", () => {
    const found = provenanceFindings(paths, () => "`a.json` and `deep/`")
    expect(found.map(({ where }) => where)).toEqual(["test/vectors/b.json"])
    expect(provenanceFindings(["test/data/x/y.json"], () => "").length).toBe(1)
  })

  it("takes exempted findings out and reports exemptions that nothing needs", () => {
    const finding = { rule: "any", where: "src/base/A.ts#f", line: 1, message: "" }
    const exemption = { rule: "any", where: "src/base/A.ts", reason: "because" }
    expect(applyExemptions([finding], [exemption])).toEqual({ left: [], unused: [] })
    expect(applyExemptions([finding], [{ ...exemption, rule: "x" }]).left).toEqual([finding])
    expect(applyExemptions([], [exemption]).unused).toEqual([exemption])
  })
})
