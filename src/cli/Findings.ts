/** Findings and verdicts, as people read them. */
import type { Finding, Verdict } from "../audit/Finding.ts"
import { type Exit, exits } from "./Exit.ts"
import { type Output, type Paint, short, table } from "./Output.ts"

export const exitOf: Readonly<Record<Verdict, Exit>> = {
  valid: exits.done,
  intact: exits.done,
  invalid: exits.invalid,
  unknown: exits.unknown,
}

const paints: Readonly<Record<Verdict, Paint>> = {
  valid: "green",
  intact: "green",
  invalid: "red",
  unknown: "yellow",
}

/** The last line of a verification. */
export const verdictLine = (output: Output, verdict: Verdict, why: string): string => {
  const word = output.paint(paints[verdict], output.paint("bold", verdict.toUpperCase()))
  return `verdict: ${word}${why === "" ? "" : ` (${why})`}`
}

/** Without anchors every key is unknown; who asks for chain and roots only is not told so. */
export const withoutKeys = (findings: ReadonlyArray<Finding>): ReadonlyArray<Finding> =>
  findings.filter(({ kind }) => kind !== "key_unknown")

type Shown = Pick<Finding, "kind" | "seq" | "expected" | "found"> & Partial<Finding>

const hashes = (text: string): string => text.replace(/b3:[0-9a-f]{64}/g, short)

const findingsShown = 50

/** Findings as a table, each with its place. */
export const findingLines = (findings: ReadonlyArray<Shown>): Array<string> => {
  const rows = findings
    .slice(0, findingsShown)
    .map(({ kind, seq, file, offset, expected, found }) => [
      kind,
      `${seq}`,
      file === undefined || file === "" ? "-" : `${file}:${offset}`,
      hashes(expected),
      hashes(found),
    ])
  const more = findings.length - rows.length
  return [
    ...table([["FINDING", "SEQ", "FILE:BYTE", "EXPECTED", "FOUND"], ...rows]),
    ...(more > 0 ? [`and ${more} more (--json gives all)`] : []),
  ]
}
