import { describe, expect, it } from "vitest"
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
