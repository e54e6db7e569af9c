/**
 * Durations and sizes as people write them: a whole number and its unit, `15m`, `128MiB`.
 *
 * - parse(format(x)) = x.
 * - What could mean two things is no value: no `M` or `kb` (decimal or binary?), no number without
 *   a unit, no fraction, no leading zero, no space, no sum such as `1h30m`.
 *
 * Source: LEDGER A-226.
 */

type Units = ReadonlyArray<readonly [unit: string, worth: number]>

/** Largest first, as `format` looks for the first that divides. */
const durationUnits: Units = [
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
]

const binaryUnits: Units = [
  ["GiB", 1 << 30],
  ["MiB", 1 << 20],
  ["KiB", 1 << 10],
  ["B", 1],
]

const sizeUnits: Units = [...binaryUnits, ["GB", 1e9], ["MB", 1e6], ["KB", 1e3]]

const parse = (units: Units, text: string): number | undefined => {
  const [, digits = "", unit = ""] = /^(0|[1-9][0-9]{0,15})([A-Za-z]+)$/.exec(text) ?? []
  const worth = units.find(([name]) => name === unit)?.[1]
  if (worth === undefined) return undefined
  const value = Number(digits) * worth
  return Number.isSafeInteger(value) ? value : undefined
}

const format = (units: Units, value: number): string => {
  const [unit, worth] = units.find((known) => value !== 0 && value % known[1] === 0) ??
    units.at(-1) ?? ["", 1]
  return `${value / worth}${unit}`
}

/** Milliseconds of `25ms`, `2s`, `15m`, `1h`; `undefined` for anything else. */
export const parseDuration = (text: string): number | undefined => parse(durationUnits, text)

/** Units: milliseconds, an integer from 0. */
export const formatDuration = (ms: number): string => format(durationUnits, ms)

/** Bytes of `512B`, `4KiB`, `1GB` (decimal without the i); `undefined` for anything else. */
export const parseSize = (text: string): number | undefined => parse(sizeUnits, text)

/** Units: bytes, an integer from 0. */
export const formatSize = (bytes: number): string => format(binaryUnits, bytes)
