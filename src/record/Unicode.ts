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

export const nfc = (text: string): string => text.normalize("NFC")
