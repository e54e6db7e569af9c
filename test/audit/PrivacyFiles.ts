import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

/** The bytes of all files below a folder, one character each. */
export const readText = (dir: string): string =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"))
    .join("\n")
