/**
 * Names of the files in a chain's folder: at least six digits from 000001, in numeric order.
 *
 * Source: FORMATS 4 and 5.
 */

/** The number in a name such as `wal-000001.seg`, else `undefined`. */
export const numberOf = (name: string, prefix: string, suffix: string): number | undefined => {
  if (!name.startsWith(prefix) || !name.endsWith(suffix)) return undefined
  const digits = name.slice(prefix.length, name.length - suffix.length)
  return /^(\d{6}|[1-9]\d{6,})$/.test(digits) ? Number(digits) : undefined
}

const pad = (number: number): string => String(number).padStart(6, "0")

export const segmentName = (number: number): string => `wal-${pad(number)}.seg`
/** The number in a segment's file name, else `undefined`. */
export const segmentNumber = (file: string): number | undefined => numberOf(file, "wal-", ".seg")
export const signaturesName = (number: number): string => `wal-${pad(number)}.sig`
export const checkpointName = (number: number): string => `checkpoint-${pad(number)}.json`
export const manifestName = (number: number): string => `manifest-${pad(number)}.json`
export const manifestSignatureName = (number: number): string => `manifest-${pad(number)}.sig`
export const tornName = (base: string, k: number): string => `${base}.torn-${k}`
/** Beside the folders of the writers; `enc` never yields it. */
export const reserveName = "~reserve"
