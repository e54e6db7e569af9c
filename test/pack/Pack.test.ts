/** The package as others get it: packed, installed in an empty project, the README's example run. */
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { missing, oldNode } from "../servers/Servers.ts"

const root = join(import.meta.dirname, "../..")
const place = mkdtempSync(join(tmpdir(), "strongroom-pack-"))
const project = join(place, "app")
const installed = join(project, "node_modules", "strongroom")

interface Ran {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

const run = (cwd: string, program: string, ...args: ReadonlyArray<string>): Ran =>
  spawnSync(program, args, { cwd, encoding: "utf8", maxBuffer: 64 << 20 })

const must = (ran: Ran): string => {
  if (ran.status !== 0) throw new Error(`${ran.stdout}\n${ran.stderr}`)
  return ran.stdout
}

/** The block below "Embed it". */
const readmeExample = (): string => {
  const readme = readFileSync(join(root, "README.md"), "utf8")
  const block = /## Embed it\n\n```js\n([\s\S]*?)```/.exec(readme)?.[1]
  if (block === undefined) throw new Error("README has no example below Embed it")
  return block
}

const addons = (): ReadonlyArray<string> =>
  readdirSync(join(installed, "dist/native")).filter((name) => name.endsWith(".node"))

beforeAll(() => {
  mkdirSync(project)
  const packed = must(run(root, "npm", "pack", "--silent", "--pack-destination", place))
  const archive = join(place, packed.trim().split("\n").at(-1) ?? "")
  writeFileSync(join(project, "package.json"), '{"type":"module","private":true}')
  must(run(project, "npm", "install", "--no-audit", "--no-fund", "--prefer-offline", archive))
  writeFileSync(join(project, "example.js"), readmeExample())
}, 240_000)

afterAll(() => rmSync(place, { recursive: true, force: true }))

/** Runs the example and verifies the log that it wrote by the packed command. */
const tryExample = (node: string): Ran => {
  rmSync(join(project, "audit"), { recursive: true, force: true })
  const ran = run(project, node, "example.js")
  must(ran)
  const program = join(installed, "dist/supervisors/main.js")
  const where = ["--wal-dir", "audit/wal", "--trust", "audit/trust.json", "--json"]
  const report = JSON.parse(must(run(project, node, program, "audit", "verify", ...where)))
  expect([report.verdict, report.records]).toEqual(["valid", 4])
  return ran
}

describe("the packed package", () => {
  it("holds no source, no test and no key, and says what it is", () => {
    const files = readdirSync(installed, { recursive: true }).map(String)
    expect(files.filter((file) => /\.ts$/.test(file) && !file.endsWith(".d.ts"))).toEqual([])
    expect(files.filter((file) => /\.(pem|key|rs|bench\.\w+)$/.test(file))).toEqual([])
    expect(files).toEqual(expect.arrayContaining(["README.md", "LICENSE", "dist/src/index.d.ts"]))
  })

  it("runs the README's example on the Node of this project", () => {
    // The one thing that a first start must say: how the key is kept.
    expect(tryExample(process.execPath).stderr).toMatch(/^WARNING: the signing key[^:]*:[^:]*$/)
  })

  const reason = missing("node22")
  it.skipIf(reason !== undefined)(
    `runs it on the oldest Node it promises${reason === undefined ? "" : ` (skipped: ${reason})`}`,
    () => {
      // Node 22 calls its SQLite experimental, which locks the chains.
      expect(tryExample(oldNode).stderr.match(/Warning: /g)).toHaveLength(1)
    },
  )

  it("runs it without the addon, and says so once", () => {
    for (const name of addons()) rmSync(join(installed, "dist/native", name))
    const { stderr } = tryExample(process.execPath)
    expect(stderr.match(/JS engine/g)).toHaveLength(1)
  })

  it("has types that a strict project accepts", () => {
    writeFileSync(
      join(project, "typed.ts"),
      [
        'import { type AppendReceipt, type Draft, Strongroom } from "strongroom"',
        "export const put = async (draft: Draft): Promise<number> => {",
        '  const room = await Strongroom.open({ writerId: "w@1", sink: "ram" })',
        "  const receipt: AppendReceipt = await room.append(draft)",
        '  await receipt.reached("signed")',
        "  await room.close()",
        "  return receipt.seq",
        "}",
      ].join("\n"),
    )
    const tsc = join(root, "node_modules/.bin/tsc")
    const strict = ["--strict", "--noEmit", "--module", "nodenext", "--target", "es2024"]
    const types = ["--typeRoots", join(root, "node_modules/@types"), "--types", "node"]
    expect(run(project, tsc, ...strict, ...types, "typed.ts").stdout).toBe("")
  })

  it("gives nothing away but what it exports", () => {
    const inner = 'import("strongroom/dist/src/audit/Writer.js").catch((e) => console.log(e.code))'
    expect(must(run(project, process.execPath, "-e", inner))).toBe(
      "ERR_PACKAGE_PATH_NOT_EXPORTED\n",
    )
  })
})
