/**
 * Every exemption from a tidy rule, by name and with its reason. At best this list is empty: it is
 * longer than one line only where a rule meets a case it was not made for. An exemption that
 * exempts nothing any more fails the run.
 */
export interface Exemption {
  readonly rule: string
  /** A path, or `path#name` for one function or export of it. */
  readonly where: string
  readonly reason: string
}

export const exemptions: ReadonlyArray<Exemption> = [
  {
    rule: "export-count",
    where: "src/base/Limits.ts",
    reason: "a table of constants: one export for each bound, and no code",
  },
  {
    rule: "json-stringify",
    where: "src/record/Draft.ts",
    reason: "the text on the way to the engine, which canonicalizes it; values are checked before",
  },
  {
    rule: "columns",
    where: "docs/verify/strongroom_verify.py",
    reason: "a stranger's verifier, kept as its author wrote it",
  },
  {
    rule: "columns",
    where: "docs/verify/test_vectors.py",
    reason: "tests of the stranger's verifier, kept as their author wrote them",
  },
]
