/**
 * Which ledger rows the tests claim, and which of them are proven.
 *
 * A title claims rows in square brackets, `rejects floats [A-026]` or `[A-026, A-027]`; a Rust test
 * by the end of its name, `rejects_floats__a026_a027`. A row is proven when some test that claims
 * it passed and none failed.
 */
import type { Test } from "../../.ci/Report.ts"
import { type Group, type Row, rowsOf } from "./Ledger.ts"

/** Rows that one test may claim. */
export const claimsMax = 5

const inBrackets = /\[([AKRF]-\d{3}(?:[, ]+[AKRF]-\d{3})*)\]/g
const inRustName = /__((?:[akrf]\d{3})(?:_[akrf]\d{3})*)$/

/** The rows in a title, each once, in order. */
export const claimsOf = (title: string): ReadonlyArray<string> => {
  const bracketed = [...title.matchAll(inBrackets)].flatMap(([, list]) =>
    (list ?? "").split(/[, ]+/),
  )
  const rust = inRustName.exec(title)?.[1]?.split("_") ?? []
  const named = rust.map((word) => `${word.slice(0, 1).toUpperCase()}-${word.slice(1)}`)
  return [...new Set([...bracketed, ...named])]
}

export interface Claims {
  /** Passing tests by row. */
  readonly proofs: ReadonlyMap<string, ReadonlyArray<Test>>
  /** Titles that break the rules, each as one sentence. */
  readonly faults: ReadonlyArray<string>
}

export const judge = (groups: ReadonlyArray<Group>, tests: ReadonlyArray<Test>): Claims => {
  const known = new Set(groups.flatMap(rowsOf).map(({ id }) => id))
  const proofs = new Map<string, Array<Test>>()
  const failed = new Set<string>()
  const faults = new Set<string>()
  for (const test of tests) {
    const claims = claimsOf(test.title)
    const where = `${test.file}: ${test.title}`
    if (claims.length > claimsMax) faults.add(`${where} claims ${claims.length} rows, at most 5`)
    for (const id of claims) {
      if (!known.has(id)) faults.add(`${where} claims ${id}, which no ledger has`)
      if (test.state === "failed") failed.add(id)
      if (test.state === "passed") proofs.set(id, [...(proofs.get(id) ?? []), test])
    }
  }
  for (const id of failed) proofs.delete(id)
  return { proofs, faults: [...faults] }
}

export interface Answers {
  /** One sentence by row. */
  readonly sentences: ReadonlyMap<string, string>
  readonly faults: ReadonlyArray<string>
}

/** Reads `- **A-009** sentence` lines; only SHOULD and MAY rows may be answered. */
export const parseAnswers = (groups: ReadonlyArray<Group>, text: string): Answers => {
  const rows = new Map<string, Row>(groups.flatMap(rowsOf).map((row) => [row.id, row]))
  const sentences = new Map<string, string>()
  const faults: Array<string> = []
  for (const [, id = "", sentence = ""] of text.matchAll(
    /^- \*\*([AKRF]-\d{3})\*\* (.+(?:\n {2}.+)*)/gm,
  )) {
    const strength = rows.get(id)?.strength
    if (strength === undefined) faults.push(`answers.md answers ${id}, which no ledger has`)
    else if (strength === "MUST" || strength === "target")
      faults.push(`answers.md answers ${id}: a ${strength} row is met, not answered`)
    if (sentences.has(id)) faults.push(`answers.md answers ${id} twice`)
    sentences.set(id, sentence.replace(/\n {2}/g, " "))
  }
  return { sentences, faults }
}
