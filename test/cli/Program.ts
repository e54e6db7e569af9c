/** Runs the real program as a child process, in folders of its own. */
import { type ChildProcess, spawn } from "node:child_process"
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, expect } from "vitest"

export const main = fileURLToPath(new URL("../../supervisors/main.ts", import.meta.url))

/** A third of a start is compiling, and a suite starts the program some hundred times. */
export const compileCache = fileURLToPath(
  new URL("../../node_modules/.cache/compile", import.meta.url),
)

export interface Ended {
  readonly exit: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  /** Resolves once stdout holds that many lines. */
  readonly lines: (count: number) => Promise<void>
}

export interface Call {
  readonly cwd?: string
  readonly stdin?: string | Uint8Array
  readonly env?: Readonly<Record<string, string>>
}

export const start = (args: ReadonlyArray<string>, { cwd, stdin, env }: Call = {}): Running => {
  const child = spawn(process.execPath, [main, ...args], {
    cwd: cwd ?? tmpdir(),
    env: { ...process.env, NO_COLOR: "1", NODE_COMPILE_CACHE: compileCache, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  })
  let stdout = ""
  let stderr = ""
  let onOutput = (): void => undefined
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text
    onOutput()
  })
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text
  })
  child.stdin.on("error", () => undefined)
  child.stdin.end(stdin ?? "")
  const ended = new Promise<Ended>((done, fail) => {
    child.on("error", fail)
    child.on("close", (exit) => done({ exit, stdout, stderr }))
  })
  const lines = (count: number): Promise<void> =>
    new Promise((done) => {
      onOutput = () => {
        if (stdout.split("\n").length > count) done()
      }
      onOutput()
    })
  return { child, ended, lines }
}

export const run = (args: ReadonlyArray<string>, call: Call = {}): Promise<Ended> =>
  start(args, call).ended

const folders: Array<string> = []

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** An empty folder that goes away with the test file. */
export const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), "strongroom-cli-"))
  folders.push(path)
  return path
}

export const copyOf = (path: string): string => {
  const copy = join(folder(), "copy")
  cpSync(path, copy, { recursive: true })
  return copy
}

export const draft = (i: number, more: object = {}): string =>
  JSON.stringify({
    stream: "ingress",
    kind: "GetServed",
    actor: { cap_id: `cap-${i}` },
    subject: { name: `object ${i}` },
    reason: "ok",
    attrs: { i },
    ...more,
  })

export const drafts = (count: number, more: object = {}): string =>
  Array.from({ length: count }, (_, i) => `${draft(i + 1, more)}\n`).join("")

/** A data directory with `count` records of writer `w`, imported from a file of drafts. */
export const imported = async (
  count: number,
  ...flags: ReadonlyArray<string>
): Promise<{ readonly dir: string; readonly data: string; readonly trust: string }> => {
  const dir = folder()
  writeFileSync(join(dir, "drafts.jsonl"), drafts(count))
  const args = ["audit", "import", "drafts.jsonl", "--format", "jsonl", "--writer", "w", ...flags]
  const { exit, stderr } = await run(args, { cwd: dir })
  expect(exit, stderr).toBe(0)
  return { dir, data: join(dir, ".strongroom"), trust: join(dir, ".strongroom", "trust.json") }
}

/** One clear sentence: a line that names the program, perhaps a hint, never a stack. */
export const expectSentence = (stderr: string): void => {
  const warning = /^(WARNING|This protects|It does NOT|as this log|a KMS)[^\n]*\n/gm
  const lines = stderr.replace(warning, "").trim().split("\n")
  expect(lines[0]).toMatch(/^strongroom: \S/)
  expect(lines.slice(1).every((line) => line.startsWith("hint: "))).toBe(true)
  expect(stderr).not.toMatch(/^\s+at .*[:(]\d+/m)
  expect(stderr).not.toContain("node:internal")
}
