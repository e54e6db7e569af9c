/**
 * What a configuration value can be: its type, its bounds, and how it is read and shown.
 *
 * - `readText` is for flags and the environment, `readValue` for a file, where a number may stand
 *   without quotes. A size may be a bare integer, as its key names the unit; a duration may not.
 * - Bounds are judged apart (`isInBounds`), so that a typed configuration is judged by them too.
 *
 * Source: LEDGER A-223 to A-252, C-91, C-95.
 */

import { formatDuration, formatSize, parseDuration, parseSize } from "../base/Units.ts"

export type Value = string | number | boolean

type Type =
  | {
      readonly kind: "choice"
      readonly choices: ReadonlyArray<string>
      /** Other spellings that are taken for a choice. */
      readonly spellings?: Readonly<Record<string, string>>
    }
  | { readonly kind: "integer" | "size" | "duration"; readonly min: number; readonly max: number }
  | { readonly kind: "boolean" | "text" | "path" }

/** What a change of a running configuration costs. */
export type ReloadClass = "hot" | "drain-and-switch" | "restart"

export interface Setting {
  readonly type: Type
  /** The name in the environment, then others that are taken without a word. */
  readonly env: readonly [string, ...ReadonlyArray<string>]
  /** The flag, then others that are taken without a word. */
  readonly flags: readonly [string, ...ReadonlyArray<string>]
  readonly reload: ReloadClass
  /** One sentence. */
  readonly doc: string
  /** The value leads to a secret, or is one by mistake: it is never shown. */
  readonly isSecret?: true
  /** Deprecated names: taken, with a warning. */
  readonly old?: { readonly env?: ReadonlyArray<string>; readonly file?: string }
}

export const redacted = "[redacted]"

const integerPattern = /^(0|-?[1-9][0-9]{0,15})$/

const integerOf = (text: string): number | undefined => {
  const value = integerPattern.test(text) ? Number(text) : undefined
  return Number.isSafeInteger(value) ? value : undefined
}

const isText = (text: string): boolean => !/\p{Cc}/u.test(text) && text.isWellFormed()

/** A value of the setting's type, from the words of a flag or variable; else `undefined`. */
export const readText = ({ type }: Setting, text: string): Value | undefined => {
  switch (type.kind) {
    case "choice": {
      const choice = type.spellings?.[text] ?? text
      return type.choices.includes(choice) ? choice : undefined
    }
    case "integer":
      return integerOf(text)
    case "size":
      return parseSize(text) ?? integerOf(text)
    case "duration":
      return parseDuration(text)
    case "boolean":
      return text === "true" ? true : text === "false" ? false : undefined
    case "text":
    case "path":
      return isText(text) ? text : undefined
  }
}

/** As `readText`, from a value of a TOML or JSON file. */
export const readValue = (setting: Setting, value: unknown): Value | undefined => {
  const { kind } = setting.type
  if (typeof value === "string") {
    return kind === "boolean" || kind === "integer" ? undefined : readText(setting, value)
  }
  if (typeof value === "boolean") return kind === "boolean" ? value : undefined
  if (typeof value !== "number" || !Number.isSafeInteger(value)) return undefined
  return kind === "integer" || kind === "size" ? value : undefined
}

export const isInBounds = ({ type }: Setting, value: Value): boolean => {
  switch (type.kind) {
    case "choice":
      return typeof value === "string" && type.choices.includes(value)
    case "integer":
    case "size":
    case "duration": {
      const isInteger = typeof value === "number" && Number.isSafeInteger(value)
      return isInteger && value >= type.min && value <= type.max
    }
    case "boolean":
      return typeof value === "boolean"
    case "text":
    case "path":
      return typeof value === "string" && isText(value)
  }
}

const unitFormat = { integer: String, size: formatSize, duration: formatDuration }

/** The value as a person would write it; a negative or fractional number as it is. */
export const formatValue = ({ type }: Setting, value: Value): string => {
  const hasUnit = type.kind === "size" || type.kind === "duration"
  if (!hasUnit || typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    return String(value)
  }
  return unitFormat[type.kind](value)
}

/** `formatValue`, but nothing of what is secret. */
export const showValue = (setting: Setting, value: Value): string =>
  setting.isSecret === true && value !== "" ? redacted : formatValue(setting, value)

const units = {
  integer: "an integer",
  size: "a size in B KB MB GB KiB MiB GiB",
  duration: "a duration in ms s m h",
}

/** What a right value is, as the end of a sentence that begins with "wanted". */
export const wantedOf = (setting: Setting): string => {
  const { type } = setting
  switch (type.kind) {
    case "choice":
      return `one of ${type.choices.join(", ")}`
    case "integer":
    case "size":
    case "duration": {
      const isOpen = type.max === Number.MAX_SAFE_INTEGER
      const [min, max] = [formatValue(setting, type.min), formatValue(setting, type.max)]
      return `${units[type.kind]} ${isOpen ? `from ${min}` : `from ${min} to ${max}`}`
    }
    case "boolean":
      return "true or false"
    case "text":
      return "a text"
    case "path":
      return "a path"
  }
}
