/**
 * A vitest reporter that writes what ran as one JSON file, for `npm test`, `npm run ready` and
 * `npm run conformance`. The path is in STRONGROOM_REPORT; without one it does nothing.
 */
import { writeFileSync } from "node:fs"
import { relative } from "node:path"
import type { Reporter, TestCase, TestModule } from "vitest/node"

export interface Test {
  readonly file: string
  readonly title: string
  readonly state: "passed" | "failed" | "skipped"
  /** Why a test was skipped, where it says so. */
  readonly note?: string | undefined
}

export interface Report {
  readonly tests: ReadonlyArray<Test>
  /** Files that failed as a whole, and errors outside any test. */
  readonly broken: ReadonlyArray<string>
}

const fileOf = (module: TestModule): string => relative(process.cwd(), module.moduleId)

const testOf = (test: TestCase): Test => {
  const result = test.result()
  const state = result.state === "pending" ? "skipped" : result.state
  const note = result.state === "skipped" ? result.note : undefined
  const file = fileOf(test.module)
  return { file, title: test.fullName, state, ...(note === undefined ? {} : { note }) }
}

const sentenceOf = (error: unknown): string => {
  const isError = typeof error === "object" && error !== null && "message" in error
  const [first = ""] = String(isError ? error.message : error).split("\n")
  const stack = isError && "stack" in error ? String(error.stack) : ""
  const [at = ""] = stack
    .split("\n")
    .filter((line) => line.includes("/src/") || line.includes("/test/"))
  return `${first} ${at.trim()}`.trim()
}

export default class ReportWriter implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, errors: ReadonlyArray<unknown>): void {
    const path = process.env.STRONGROOM_REPORT
    if (path === undefined) return
    const tests = modules.flatMap((module) => [...module.children.allTests()].map(testOf))
    const files = modules.filter((module) => module.errors().length > 0).map(fileOf)
    // A hook that failed leaves its tests skipped: without this they would count as nothing.
    const suites = modules.flatMap((module) =>
      [...module.children.allSuites()]
        .filter((suite) => suite.errors().length > 0)
        .map((suite) => `${fileOf(module)}: ${suite.fullName}`),
    )
    const outside = errors.map((error) => `an error outside any test: ${sentenceOf(error)}`)
    const report: Report = { tests, broken: [...files, ...suites, ...outside] }
    writeFileSync(path, JSON.stringify(report))
  }
}
