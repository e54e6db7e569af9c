/**
 * Times on the command line: RFC 3339, or Unix milliseconds. Source: INTERFACES, CLI.
 */
import { UsageError } from "./Exit.ts"

const rfc3339 = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/

const fail = (flag: string, text: string): UsageError =>
  UsageError.of(
    "USAGE",
    `--${flag} ${JSON.stringify(text)} is no time: give RFC 3339 or Unix milliseconds`,
    `for example --${flag} 2026-11-24T09:00:00Z`,
  )

/** Units: Unix milliseconds; finer digits are cut. Errors: UsageError. */
export const parseMoment = (flag: string, text: string): number => {
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text)
  const match = rfc3339.exec(text)
  if (match === null) throw fail(flag, text)
  const [, day = "", time = "", fraction = "", zone = ""] = match
  const digits = `${fraction.slice(1)}000`.slice(0, 3)
  const utc = Date.parse(`${day}T${time}.${digits}Z`)
  // What Date accepts and moves on, such as 31 February or 24:00, is no time here.
  const isReal = !Number.isNaN(utc) && new Date(utc).toISOString().startsWith(`${day}T${time}`)
  const [, sign, hours, minutes] = /^([+-])(\d\d):(\d\d)$/.exec(zone) ?? []
  const offset = sign === undefined ? 0 : Number(hours) * 60 + Number(minutes)
  const isZone = Number(hours ?? 0) < 24 && Number(minutes ?? 0) < 60
  const ms = utc - (sign === "-" ? -offset : offset) * 60_000
  if (!isReal || !isZone || ms < 0) throw fail(flag, text)
  return ms
}

/** RFC 3339 in UTC, with milliseconds. */
export const formatMoment = (ms: number): string =>
  ms <= 8.64e15 ? new Date(ms).toISOString() : `${ms} ms`
