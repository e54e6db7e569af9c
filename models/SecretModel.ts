/**
 * Secrets by their form, the slow way: by looking for their words and counting what stands behind.
 *
 * Source: the list in src/record/Secret.ts, LEDGER C-82.
 */
import { all, alnum, digits, upper } from "./Characters.ts"

export type Value = null | boolean | number | string | ReadonlyArray<Value> | Members
export interface Members {
  readonly [key: string]: Value
}

/** Whether behind `word` in the text stand at least `least` of these characters. */
const follows = (text: string, word: string, chars: string, least: number): boolean =>
  text.split("").some((_, i) => {
    const behind = text.slice(i + word.length, i + word.length + least)
    return text.startsWith(word, i) && behind.length === least && all(behind, chars)
  })

const url64 = `${alnum}_-`
const base64 = `${alnum}+/`
const bearerChars = `${alnum}._~+/-`

/** The longest run of these characters from a position on. */
const run = (text: string, at: number, chars: string): string => {
  let end = at
  while (end < text.length && chars.includes(text[end]!)) end++
  return text.slice(at, end)
}

const places = (text: string, word: string): ReadonlyArray<number> =>
  text.split("").flatMap((_, i) => (text.startsWith(word, i) ? [i + word.length] : []))

const simple: ReadonlyArray<readonly [words: string, chars: string, least: number]> = [
  ["AIza", url64, 35],
  ["GOCSPX-", url64, 20],
  ["ya29.", url64, 20],
  ["Key=", base64, 40],
  ["sig=", `${base64}%`, 40],
  ["gho_ ghp_ ghr_ ghs_ ghu_", alnum, 36],
  ["github_pat_", `${alnum}_`, 22],
  ["xoxa- xoxb- xoxe- xoxp- xoxr- xoxs- xapp-", `${alnum}-`, 10],
  ["hooks.slack.com/services/ hooks.slack.com/workflows/", `${alnum}/`, 20],
  ["rk_live_ rk_test_ sk_live_ sk_test_ whsec_", base64, 16],
  ["hvb. hvs.", url64, 24],
  ["X-Amz-Signature= X-Amz-Security-Token=", `${base64}%`, 16],
]

const forms: ReadonlyArray<(text: string) => boolean> = [
  ...simple.map(
    ([words, chars, least]) =>
      (text: string) =>
        words.split(" ").some((word) => follows(text, word, chars, least)),
  ),
  (text) =>
    places(text, "-----BEGIN ").some((at) =>
      `${run(text, at, `${upper + digits} `)}`.includes("PRIVATE KEY"),
    ),
  (text) =>
    places(text, "eyJ").some((at) => {
      const header = run(text, at, url64)
      const next = at + header.length
      const claims = run(text, next + 4, url64)
      const isPair = text.startsWith(".eyJ", next) && text[next + 4 + claims.length] === "."
      return isPair && header.length >= 8 && claims.length >= 8
    }),
  (text) =>
    [...places(text, "Bearer "), ...places(text, "bearer ")].some((at) => {
      const word = run(text, at, bearerChars)
      const digit = [...word.slice(0, 9)].findIndex((c) => digits.includes(c))
      return word.length >= 16 || (digit >= 0 && word.length - digit >= 7)
    }),
  (text) =>
    ["aws_secret_access_key", "AWS_SECRET_ACCESS_KEY", "secretAccessKey", "SecretAccessKey"]
      .flatMap((word) => places(text, word))
      .some((at) => {
        const gap = run(text, at, " :=").length
        return gap > 0 && run(text, at + gap, base64).length >= 40
      }),
  (text) =>
    places(text, "Q~").some(
      (at) => digits.includes(text[at - 3] ?? "x") && run(text, at, `${alnum}_~.-`).length >= 31,
    ),
  (text) =>
    places(text, "://").some((at) => {
      const until = (from: number, stops: string) => {
        let end = from
        const isOther = (c: string) => !`${stops} "\\`.includes(c) && c.codePointAt(0)! >= 0x20
        while (end < text.length && isOther(text[end]!)) end++
        return end
      }
      const colon = until(at, "/?#@:")
      const end = until(colon + 1, "/?#@")
      return text[colon] === ":" && end > colon + 1 && text[end] === "@"
    }),
]

const stringsOf = (value: Value): ReadonlyArray<string> => {
  if (typeof value === "string") return [value]
  if (typeof value !== "object" || value === null) return []
  if (Array.isArray(value)) return value.flatMap(stringsOf)
  return Object.entries(value).flatMap(([key, member]) => [key, ...stringsOf(member)])
}

const valuesOf = (value: Value): ReadonlyArray<string> => {
  if (typeof value === "string") return [value]
  if (typeof value !== "object" || value === null) return []
  return Object.values(value).flatMap(valuesOf)
}

const hasAccessKey = (draft: Value): boolean => {
  const isSecret = (text: string) =>
    text.length === 40 &&
    all(text, base64) &&
    [upper, upper.toLowerCase(), digits].every((set) => [...text].some((c) => set.includes(c)))
  return (
    valuesOf(draft).some(isSecret) &&
    stringsOf(draft).some((text) =>
      ["AKIA", "ASIA"].some((id) => follows(text, id, upper + digits, 16)),
    )
  )
}

/** Whether a string of a draft, key or value, holds a credential. */
export const hasCredential = (draft: Value): boolean =>
  stringsOf(draft).some((text) => forms.some((holds) => holds(text))) || hasAccessKey(draft)
