/**
 * NFC over the code points that Unicode 16.0 assigns.
 *
 * Invariants: what Unicode 16.0 assigns normalizes alike in every later version (the stability
 * policy of Unicode), so refusing the rest makes NFC the same on every runtime that knows 16.0.
 * An older runtime would normalize new scripts wrongly and in silence: it is stopped at load.
 *
 * Source: FORMATS 1 rule 2, UAX #15 section 3.
 */
import { invariant } from "../base/Invariant.ts"
import { unassignedRanges } from "./Unassigned.ts"

/** Below this code unit a string is in NFC and assigned, whatever its characters are. */
export const plainBelow = 0x300

const ranges = Uint32Array.from(unassignedRanges)

// Todhri, new in 16.0: the only kind of character on which an older runtime can differ.
invariant(
  "\u{105d2}\u0307".normalize("NFC") === "\u{105c9}",
  "the runtime's Unicode data is 16.0 or newer",
)

export const isAssigned = (codePoint: number): boolean => {
  let low = 0
  let high = ranges.length / 2
  while (low < high) {
    const middle = (low + high) >>> 1
    if (codePoint > ranges[2 * middle + 1]!) low = middle + 1
    else high = middle
  }
  return 2 * low === ranges.length || codePoint < ranges[2 * low]!
}

/** Whether Unicode 16.0 assigns every code point of a well-formed string. */
export const allAssigned = (text: string): boolean => {
  for (let at = 0; at < text.length; at++) {
    const codePoint = text.codePointAt(at)!
    if (codePoint > 0xffff) at++
    if (codePoint >= plainBelow && !isAssigned(codePoint)) return false
  }
  return true
}

const swaps = (a: string, b: string): boolean => `${a}${b}`.normalize("NFD") !== `${a}${b}`

/** A mark with a combining class changes places with the lowest class or with the highest. */
const isOrdered = (mark: string): boolean => swaps("\u0345", mark) || swaps(mark, "\u0334")

/** Marks in canonical order (UAX #15): a stable sort by classes, known by their order alone. */
const sortMarks = (marks: ReadonlyArray<string>): string => {
  const kinds = [...new Set(marks)].sort((a, b) => Number(swaps(a, b)) - Number(swaps(b, a)))
  const classes = new Map<string, Array<string>>()
  let one: Array<string> = []
  kinds.forEach((mark, index) => {
    if (index > 0 && swaps(mark, kinds[index - 1]!)) one = []
    classes.set(mark, one)
  })
  for (const mark of marks) classes.get(mark)!.push(mark)
  return [...new Set(classes.values())].flat().join("")
}

const sortRun = (run: string): string => {
  let text = ""
  let marks: Array<string> = []
  for (const mark of [...run].flatMap((char) => [...char.normalize("NFD")])) {
    if (isOrdered(mark)) marks.push(mark)
    else {
      text += sortMarks(marks) + mark
      marks = []
    }
  }
  return text + sortMarks(marks)
}

/** The runtime sorts marks one by one: 24,000 in a row, which a draft may hold, take 0.3 s. */
const longRun = /\p{M}{32,}/gu

export const nfc = (text: string): string => text.replace(longRun, sortRun).normalize("NFC")
