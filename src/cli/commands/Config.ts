/**
 * `config check`: what a configuration comes to, each value with its source, and everything that
 * is wrong with it at once. Exit 0 when it can be used, 1 when not. Secrets are not shown.
 */
import { formatIssue } from "../../config/Issue.ts"
import { configHash } from "../../config/Reload.ts"
import { type Resolved, resolveConfig } from "../../config/Resolve.ts"
import { probeFile, readConfigFile } from "../../sink/ConfigFile.ts"
import { SinkError } from "../../sink/SinkError.ts"
import { exits, UsageError } from "../Exit.ts"
import type { Context } from "../Opening.ts"
import { count, table } from "../Output.ts"

export interface CheckInput {
  /** The argument, and the flag of every command. */
  readonly files: ReadonlyArray<string>
  /** With their dashes. */
  readonly flags: ReadonlyArray<readonly [flag: string, value: string]>
}

const show = ({ output, host }: Context, resolved: Resolved): void => {
  const { effective, issues, warnings, config } = resolved
  const rows = effective.map(({ key, value, source }) => [key, value === "" ? "-" : value, source])
  for (const line of table([["KEY", "VALUE", "SOURCE"], ...rows])) output.line(line)
  if (config !== undefined) output.line(`\nvalid  ${configHash(config)}`)
  for (const warning of warnings) output.note(`warning: ${warning}`)
  for (const issue of issues) output.note(`${host.name}: ${formatIssue(issue)}`)
  if (issues.length > 0) {
    output.note(`${host.name}: the configuration is refused, ${count(issues.length, "error")}`)
  }
}

const showJson = ({ output }: Context, { effective, issues, warnings, config }: Resolved): void =>
  output.json({
    valid: config !== undefined,
    values: effective,
    errors: issues.map((issue) => ({ ...issue, message: formatIssue(issue) })),
    warnings,
    config_b3: config === undefined ? null : configHash(config),
  })

const read = (path: string): Uint8Array => {
  try {
    return readConfigFile(path)
  } catch (error) {
    // Wrong input, whatever stands there: not the verdict that a log's own files would get.
    if (error instanceof SinkError) throw UsageError.of("CONFIG", error.message)
    throw error
  }
}

/** Errors: UsageError CONFIG where there are two files, or one that cannot be read. */
export const run = async (input: CheckInput, context: Context): Promise<number> => {
  const { output } = context
  const [path, other] = input.files
  if (other !== undefined) {
    throw UsageError.of("CONFIG", `two configuration files were given, ${path} and ${other}`)
  }
  const file = path === undefined ? undefined : { path, bytes: read(path) }
  const resolved = resolveConfig(
    { flags: input.flags, env: process.env, ...(file === undefined ? {} : { file }) },
    { probe: probeFile },
  )
  if (output.isJson) showJson(context, resolved)
  else show(context, resolved)
  await output.flush()
  return resolved.config === undefined ? exits.usage : exits.done
}
