/**
 * The specification that stands beside a checkout where this project is developed. A clone works
 * without it: the drift tests then say so and are skipped.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "./Source.ts"

const folder = join(root, "../shared")

export const sharedIsThere = existsSync(join(folder, "spec", "FORMATS.md"))

export const sharedReason = "skipped: the specification is not beside this checkout"

export const readShared = (...path: ReadonlyArray<string>): Buffer =>
  readFileSync(join(folder, ...path))

export const listShared = (...path: ReadonlyArray<string>): ReadonlyArray<string> =>
  readdirSync(join(folder, ...path)).sort()
