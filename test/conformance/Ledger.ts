/**
 * The ledger rows that tests prove: numbers, groups and strengths, without their texts.
 * `ledger.json` is taken from the ledgers by `parseLedger`; a drift test compares the two.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"

export type Strength = "MUST" | "SHOULD" | "MAY" | "target"

/** A group of rows with consecutive numbers. */
export interface Group {
  /** Shape: `A`, `K`, `R` or `F`. */
  readonly series: string
  readonly title: string
  /** Number of the first row. */
  readonly first: number
  /** One letter a row: M(UST) S(HOULD) Y (MAY) T(arget). */
  readonly strengths: string
}

export interface Row {
  readonly id: string
  readonly strength: Strength
}

const letters: Readonly<Record<string, Strength>> = {
  M: "MUST",
  S: "SHOULD",
  Y: "MAY",
  T: "target",
}

const letterOf = (strength: string): string =>
  Object.keys(letters).find((letter) => letters[letter] === strength) ?? "?"

export const formatId = (series: string, number: number): string =>
  `${series}-${String(number).padStart(3, "0")}`

export const rowsOf = ({ series, first, strengths }: Group): ReadonlyArray<Row> =>
  [...strengths].map((letter, index) => ({
    id: formatId(series, first + index),
    strength: letters[letter] ?? "MUST",
  }))

const heading = /^#{2,3} ((?:Group \d+|[KRF]\.\d+)\b.*?)(?: \(\d+\))?$/
const item = /^- \*\*([AKRF])-(\d{3})\*\* \[(MUST|SHOULD|MAY|target)\]/

/** The groups of one ledger. A row out of order is an error: the compact form could not hold it. */
export const parseLedger = (text: string): ReadonlyArray<Group> => {
  const groups: Array<Group> = []
  let title = ""
  for (const line of text.split("\n")) {
    title = heading.exec(line)?.[1] ?? title
    const [, series, digits, strength] = item.exec(line) ?? []
    if (series === undefined || digits === undefined || strength === undefined) continue
    const number = Number(digits)
    const last = groups.at(-1)
    const letter = letterOf(strength)
    if (last?.title === title && last.series === series) {
      if (number !== last.first + last.strengths.length) throw new Error(`${series}-${digits}`)
      groups[groups.length - 1] = { ...last, strengths: last.strengths + letter }
    } else groups.push({ series, title, first: number, strengths: letter })
  }
  return groups
}

export const ledgerPath: string = join(import.meta.dirname, "ledger.json")

export const readLedger = (): ReadonlyArray<Group> => JSON.parse(readFileSync(ledgerPath, "utf8"))
