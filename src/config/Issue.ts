/**
 * What is wrong with a configuration, all of it at once, and never a secret in it.
 *
 * The value of an unknown key is not shown: nobody knows what it is.
 */
import * as Data from "effect/Data"

export interface Issue {
  readonly key: string
  /** As it was given; redacted where it is secret; absent where there is none to show. */
  readonly value?: string
  /** A flag, a variable, `file:line` or `default`. */
  readonly source: string
  /** End of the sentence "wanted: …". */
  readonly wanted: string
}

const quoted = (value: string): string => {
  const line = value.replace(/\p{Cc}+/gu, " ")
  const short = line.length > 80 ? `${line.slice(0, 80).toWellFormed()}…` : line
  return /^[\w.+/@:-]+$/.test(short) ? short : `"${short}"`
}

/** One sentence: `wal.fsync is never (audit.toml:7), wanted: …`. */
export const formatIssue = ({ key, value, source, wanted }: Issue): string => {
  const is = value === undefined ? "" : value === "" ? " is empty" : ` is ${quoted(value)}`
  return `${key}${is} (${source}), wanted: ${wanted}`
}

/** A configuration that was refused as a whole; nothing of it is in force. */
export class ConfigError extends Data.TaggedError("ConfigError")<{
  readonly code: "CONFIG_INVALID" | "CONFIG_RESTART"
  readonly issues: ReadonlyArray<Issue>
  readonly message: string
}> {
  /** CONFIG_INVALID, which names every wrong key. */
  static invalid(issues: ReadonlyArray<Issue>): ConfigError {
    const message = issues.map(formatIssue).join("; ")
    return new ConfigError({ code: "CONFIG_INVALID", issues, message })
  }
  /** CONFIG_RESTART: changes that only a restart can make. */
  static restart(
    changes: ReadonlyArray<{ readonly key: string; readonly from: string; readonly to: string }>,
  ): ConfigError {
    const issues = changes.map(({ key, from, to }) => ({
      key,
      value: to,
      source: "reload",
      wanted: `${from === "" ? "empty" : from} as before, a change needs a restart`,
    }))
    const message = issues.map(formatIssue).join("; ")
    return new ConfigError({ code: "CONFIG_RESTART", issues, message })
  }
  get isRetryable(): boolean {
    return false
  }
}
