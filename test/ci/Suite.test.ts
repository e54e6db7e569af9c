import { describe, expect, it } from "vitest"
import { completeLock, missingEntries } from "../../.ci/Lock.ts"
import { countsOf, type Outcome, parseCargo } from "../../.ci/Suite.ts"

const outcome = (change: Partial<Outcome>): Outcome => ({
  runner: "vitest",
  ok: true,
  tests: [],
  broken: [],
  ...change,
})

describe("the closing line", () => {
  it("counts tests of all runners, and what broke outside a test as failed", () => {
    const cargo = parseCargo(
      [
        "running 4 tests",
        "test record::rejects_floats__a026 ... ok",
        "test chain::panics - should panic ... ok",
        "test slow ... ignored",
        "test wal::reads ... FAILED",
        "test result: FAILED. 2 passed; 1 failed; 1 ignored",
      ].join("\n"),
    )
    expect(cargo.map(({ title }) => title)).toContain("record::rejects_floats__a026")
    const outcomes = [outcome({ tests: cargo, runner: "cargo test" }), outcome({ broken: ["x"] })]
    expect(countsOf(outcomes)).toEqual({ passed: 2, failed: 2, skipped: 1 })
  })
})

describe("the lock file", () => {
  const lock = {
    packages: {
      "": {},
      "node_modules/tool": {
        version: "1.0.0",
        dev: true,
        optionalDependencies: {
          "@tool/cli-linux-x64-musl": "1.0.0",
          "@tool/cli-win32-x64": "1.0.0",
        },
      },
      "node_modules/@tool/cli-win32-x64": { version: "1.0.0" },
    },
  }

  it("gets the optional packages that npm left out, with their platform", () => {
    const entry = {
      version: "1.0.0",
      dev: true,
      optional: true,
      cpu: ["x64"],
      libc: ["musl"],
      os: ["linux"],
    }
    expect(missingEntries(lock)).toEqual({ "node_modules/@tool/cli-linux-x64-musl": entry })
    const complete = completeLock(lock)
    expect(missingEntries(complete)).toEqual({})
    expect(Object.keys(complete.packages)).toEqual([
      "",
      "node_modules/@tool/cli-linux-x64-musl",
      "node_modules/@tool/cli-win32-x64",
      "node_modules/tool",
    ])
  })
})
