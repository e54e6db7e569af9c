import { describe, expect, it } from "vitest"
import type { Test } from "../../.ci/Report.ts"
import { claimsOf, judge, parseAnswers } from "./Claims.ts"
import { type Group, parseLedger, readLedger, rowsOf } from "./Ledger.ts"
import { countGroups, formatPage, formatTable, provenIn } from "./Page.ts"

const groups: ReadonlyArray<Group> = [
  { series: "A", title: "Group 1 — Records", first: 1, strengths: "MMSY" },
  { series: "K", title: "K.1 Scope", first: 1, strengths: "T" },
]

const test = (title: string, state: Test["state"] = "passed"): Test => ({
  file: "test/a.test.ts",
  title,
  state,
})

describe("claims", () => {
  it.each([
    ["rejects floats [A-026]", ["A-026"]],
    ["room > does two things [A-026, K-002] [A-026]", ["A-026", "K-002"]],
    ["record::rejects_floats__a026_k002", ["A-026", "K-002"]],
    ["hashes_1024_bytes", []],
    ["says [A-26] or A-026 in passing", []],
    // The titles of these cases must not show the rows: they would be claims of their own.
  ])("are read from a title (case %#)", (title, rows) => {
    expect(claimsOf(title)).toEqual(rows)
  })

  it("are proven by passing tests only, and by none that failed", () => {
    const tests = [
      test("one [A-001] [A-002]"),
      test("two [A-002]", "failed"),
      test("three [A-003]", "skipped"),
    ]
    const { proofs, faults } = judge(groups, tests)
    expect([...proofs.keys()]).toEqual(["A-001"])
    expect(faults).toEqual([])
  })

  it("are wrong beyond five a title and beyond the ledgers", () => {
    const many = "[A-001, A-002, A-003, A-004, K-001, A-999]"
    const { faults } = judge(groups, [test(`too many ${many}`)])
    expect(faults.join("\n")).toMatch(/claims 6 rows.*\n.*A-999, which no ledger has/)
  })

  it("may be answered where they are SHOULD or MAY", () => {
    const text =
      "# Answers\n\n- **A-003** Met by\n  the docs.\n- **A-001** no\n- **Z** no\n- **A-900** no\n"
    const { sentences, faults } = parseAnswers(groups, text)
    expect(sentences.get("A-003")).toBe("Met by the docs.")
    expect(faults).toEqual([
      "answers.md answers A-001: a MUST row is met, not answered",
      "answers.md answers A-900, which no ledger has",
    ])
  })
})

describe("the page", () => {
  const claims = judge(groups, [test("one [A-001]"), test("again [A-001]")])
  const answers = parseAnswers(groups, "- **A-003** Because.")

  it("counts rows proven by group", () => {
    expect(formatTable(countGroups(groups, claims, answers)).split("\n")).toEqual([
      "      1 / 4  A.1 Records (1 answered)",
      "      0 / 1  K.1 Scope",
      "      1 / 5  all (1 answered)",
    ])
  })

  it("names the proof, the answer and what is open", () => {
    const page = formatPage(groups, claims, answers)
    expect(page).toContain("- A-001 [MUST] test/a.test.ts: one [A-001] (and 1 more)\n")
    expect(page).toContain("- A-003 [SHOULD] answer: Because.\n\nOpen: A-002, A-004.\n")
    expect(provenIn(page)).toEqual(["A-001"])
  })
})

describe("the ledger", () => {
  it("is read from its text, group by group", () => {
    const text =
      "## Group 1 — Records\n- **A-001** [MUST] x\n- **A-002** [MAY] y\n" +
      "## Group 2 — More\n- **A-003** [target] z\n### K.1 Scope (1)\n- **K-001** [SHOULD] q\n"
    expect(parseLedger(text).map(({ title, strengths }) => [title, strengths])).toEqual([
      ["Group 1 — Records", "MY"],
      ["Group 2 — More", "T"],
      ["K.1 Scope", "S"],
    ])
  })

  it("holds 616 + 440 rows, each once", () => {
    const ids = readLedger()
      .flatMap(rowsOf)
      .map(({ id }) => id)
    expect(ids.length).toBe(616 + 440)
    expect(new Set(ids).size).toBe(ids.length)
  })
})
