/**
 * `npm run ready`: everything that CI checks. All steps run, so that one run names every fault;
 * the table at the end says which failed, and the last line counts the tests.
 */
import { setUp } from "./SetUp.ts"
import {
  hasCargo,
  noCargo,
  type Outcome,
  root,
  run,
  runBin,
  runCargo,
  runVitest,
  showClosing,
  showSkipped,
} from "./Suite.ts"

interface Result {
  readonly name: string
  readonly state: "ok" | "FAILED" | "skipped"
  readonly seconds: number
  readonly reason?: string
}

const results: Array<Result> = []
const outcomes: Array<Outcome> = []

const step = async (name: string, work: () => boolean | Promise<boolean>): Promise<void> => {
  console.log(`\n=== ready: ${name} ===`)
  const start = performance.now()
  const ok = await work()
  const seconds = (performance.now() - start) / 1000
  results.push({ name, state: ok ? "ok" : "FAILED", seconds })
  if (!ok) console.log(`=== ready: ${name} FAILED ===`)
}

const rustStep = async (name: string, work: () => boolean): Promise<void> => {
  if (hasCargo()) await step(name, work)
  else results.push({ name, state: "skipped", seconds: 0, reason: noCargo })
}

const keep = (outcome: Outcome): boolean => {
  outcomes.push(outcome)
  return outcome.ok
}

process.chdir(root)
setUp()
await step("format", () => runBin("biome", "format", "."))
await step("lint", () => runBin("biome", "lint", "--error-on-warnings", "."))
await step("types", () => runBin("tsc", "-p", "."))
await step("tidy", () => keep(runVitest("test/tidy", "--exclude=test/tidy/Drift.test.ts")))
await rustStep("rustfmt", () => run("cargo", "fmt", "--all", "--check"))
await rustStep("clippy", () =>
  run("cargo", "clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"),
)
await step("tests", () => keep(runVitest("--exclude=test/tidy/**")))
await step("rust tests", async () => keep(await runCargo()))
await step("docs drift", () => keep(runVitest("test/tidy/Drift.test.ts")))

console.log("\n=== ready ===")
showSkipped(outcomes)
for (const { name, state, seconds, reason } of results) {
  const detail = reason ?? `${seconds.toFixed(1)} s`
  console.log(`${state.padEnd(8)}${name.padEnd(12)}${detail}`)
}
const failed = results.filter(({ state }) => state === "FAILED").map(({ name }) => name)
console.log(failed.length === 0 ? "ready: yes" : `ready: NO, failed: ${failed.join(", ")}`)
showClosing(outcomes)
process.exitCode = failed.length === 0 ? 0 : 1
