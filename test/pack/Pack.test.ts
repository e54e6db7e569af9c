/** The package as others get it: packed, installed in an empty project, README and examples run. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { missing, oldNode } from "../servers/Servers.ts"
import { copyExamples } from "./Example.ts"
import { examplesOf, packages } from "./Examples.ts"
import { must, Project, type Ran, root, run } from "./Packed.ts"

const app = new Project()
const { dir: project, installed } = app
let lacking: string | undefined

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
  app.open()
  writeFileSync(join(project, "example.js"), readmeExample())
  copyExamples(app)
  lacking = app.add(...packages)
}, 240_000)

afterAll(() => app.close())

/** Runs the example and verifies the log that it wrote by the packed command. */
const tryExample = (node: string): Ran => {
  rmSync(join(project, "audit"), { recursive: true, force: true })
  const ran = run(project, node, "example.js")
  must(ran)
  expect(app.verify(node, "audit")).toEqual(["valid", 4])
  return ran
}

describe("docs/examples", () => examplesOf(app, () => lacking))

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
        'import { type AppendReceipt, AuditLog, type Draft, Strongroom } from "strongroom"',
        'import { Runtime } from "strongroom/runtime"',
        "export const put = async (draft: Draft): Promise<number> => {",
        '  const room = await Strongroom.open({ writerId: "w@1", sink: "ram" })',
        "  const receipt: AppendReceipt = await room.append(draft)",
        '  await receipt.reached("signed")',
        "  await room.close()",
        "  return receipt.seq",
        "}",
        'export const layer = AuditLog.layer({ sink: "ram" })',
        "export const run = (draft: Draft): Promise<AppendReceipt> =>",
        "  Runtime.start({ flags: [], env: process.env }).then((runtime) => runtime.append(draft))",
      ].join("\n"),
    )
    const tsc = join(root, "node_modules/.bin/tsc")
    const strict = ["--strict", "--noEmit", "--module", "nodenext", "--target", "es2024"]
    const types = ["--typeRoots", join(root, "node_modules/@types"), "--types", "node"]
    expect(run(project, tsc, ...strict, ...types, "typed.ts").stdout).toBe("")
  })

  it("gives the configured runtime out as strongroom/runtime", () => {
    writeFileSync(
      join(project, "runtime.js"),
      [
        'import { Strongroom } from "strongroom"',
        'import { Runtime } from "strongroom/runtime"',
        "const runtime = await Runtime.start({ flags: [], env: { RON_AUDIT_QUEUE_DEPTH: '7' } })",
        "console.log(runtime.room instanceof Strongroom, runtime.snapshot.config.queueDepth)",
        "await runtime.stop()",
        "await Runtime.start({ flags: [], env: { RON_AUDIT_QUEUE_DEPTH: 'many' } })",
        "  .catch((error) => console.log(error.code))",
      ].join("\n"),
    )
    expect(must(run(project, process.execPath, "runtime.js"))).toBe("true 7\nCONFIG_INVALID\n")
  })

  it("gives nothing away but what it exports", () => {
    const inner = 'import("strongroom/dist/src/audit/Writer.js").catch((e) => console.log(e.code))'
    expect(must(run(project, process.execPath, "-e", inner))).toBe(
      "ERR_PACKAGE_PATH_NOT_EXPORTED\n",
    )
  })
})
