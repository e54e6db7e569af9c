/** Runs vitest and cargo test with their output shown, and tells what ran. */
import { type SpawnSyncOptions, spawn, spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Report, Test } from "./Report.ts"

export const root = join(dirname(fileURLToPath(import.meta.url)), "..")

export interface Outcome {
  readonly runner: "vitest" | "cargo test"
  readonly ok: boolean
  readonly tests: ReadonlyArray<Test>
  /** What failed outside a test; each counts as one failure. */
  readonly broken: ReadonlyArray<string>
  /** Why nothing ran, where nothing ran. */
  readonly skipped?: string
}

export interface Counts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

export const countsOf = (outcomes: ReadonlyArray<Outcome>): Counts => {
  const count = (state: Test["state"]): number =>
    outcomes.flatMap(({ tests }) => tests).filter((test) => test.state === state).length
  const broken = outcomes.flatMap((outcome) => outcome.broken).length
  return { passed: count("passed"), failed: count("failed") + broken, skipped: count("skipped") }
}

const options: SpawnSyncOptions = { cwd: root, stdio: "inherit" }

/** Runs a program to its end with its output shown. */
export const run = (program: string, ...args: ReadonlyArray<string>): boolean =>
  spawnSync(program, args, options).status === 0

/** A program that npm put on the path, started by the Node that runs this. */
export const runBin = (name: string, ...args: ReadonlyArray<string>): boolean =>
  run(join(root, "node_modules", ".bin", name), ...args)

const readReport = (path: string): Report =>
  existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : { tests: [], broken: [] }

/** Runs vitest with its usual output. A run without a single test is a failure. */
export const runVitest = (...args: ReadonlyArray<string>): Outcome => {
  const folder = mkdtempSync(join(tmpdir(), "strongroom-report-"))
  const path = join(folder, "report.json")
  const reporters = ["--reporter=default", "--reporter=./.ci/Report.ts"]
  const { status } = spawnSync(
    process.execPath,
    [join(root, "node_modules", "vitest", "vitest.mjs"), "run", ...reporters, ...args],
    { ...options, env: { ...process.env, STRONGROOM_REPORT: path } },
  )
  const { tests, broken } = readReport(path)
  rmSync(folder, { recursive: true })
  const isEmpty = tests.length === 0
  const failed = broken.length > 0 || tests.some(({ state }) => state === "failed")
  const unexplained = status !== 0 && !failed ? [`vitest ended with ${status}`] : []
  const none = isEmpty && unexplained.length === 0 ? ["vitest ran no test"] : []
  const ok = status === 0 && !isEmpty
  return { runner: "vitest", ok, tests, broken: [...broken, ...unexplained, ...none] }
}

export const hasCargo = (): boolean =>
  spawnSync("cargo", ["--version"], { stdio: "ignore" }).status === 0

export const noCargo = "cargo is not installed: the Rust code is neither built nor checked"

const stateOf = (word: string): Test["state"] =>
  word === "ok" ? "passed" : word === "ignored" ? "skipped" : "failed"

/** The tests of `cargo test` output: `test module::name ... ok`. */
export const parseCargo = (output: string): ReadonlyArray<Test> =>
  [...output.matchAll(/^test (.+?)(?: - should panic)? \.\.\. (ok|FAILED|ignored)/gm)].map(
    ([, title, word]) => ({ file: "native", title: title ?? "", state: stateOf(word ?? "") }),
  )

/** Runs `cargo test --workspace` with its output shown. */
export const runCargo = async (): Promise<Outcome> => {
  if (!hasCargo()) {
    return { runner: "cargo test", ok: true, tests: [], broken: [], skipped: noCargo }
  }
  const child = spawn("cargo", ["test", "--workspace", "--quiet", "--", "--format=pretty"], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  })
  let output = ""
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text
    process.stdout.write(text)
  })
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject).on("close", resolve)
  })
  const tests = parseCargo(output)
  const failed = tests.some(({ state }) => state === "failed")
  const broken = status !== 0 && !failed ? [`cargo test ended with ${status}`] : []
  return { runner: "cargo test", ok: status === 0, tests, broken }
}

/** Every skipped test by file, with its reason where it gives one. */
export const showSkipped = (outcomes: ReadonlyArray<Outcome>): void => {
  for (const { runner, skipped, tests } of outcomes) {
    if (skipped !== undefined) console.log(`skipped: ${runner}: ${skipped}`)
    for (const { file, title, state, note } of tests)
      if (state === "skipped") console.log(`skipped: ${file}: ${title}${note ? ` (${note})` : ""}`)
  }
}

/** The closing line; nothing is printed after it. */
export const showClosing = (outcomes: ReadonlyArray<Outcome>): void => {
  for (const { runner, tests, broken } of outcomes) {
    for (const what of broken) console.log(`failed: ${runner}: ${what}`)
    if (tests.length === 0) continue
    const { passed, failed, skipped } = countsOf([{ runner, ok: true, tests, broken }])
    console.log(`${runner}: passed ${passed}, failed ${failed}, skipped ${skipped}`)
  }
  const { passed, failed } = countsOf(outcomes)
  console.log(`\n${passed} passed, ${failed} failed`)
}
