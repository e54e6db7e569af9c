/** `npm run lock`, after every change of a dependency. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { completeLock, missingEntries } from "./Lock.ts"
import { root } from "./Suite.ts"

const path = join(root, "package-lock.json")
const lock = JSON.parse(readFileSync(path, "utf8"))
const count = Object.keys(missingEntries(lock)).length
if (count > 0) writeFileSync(path, `${JSON.stringify(completeLock(lock), null, 2)}\n`)
console.log(`package-lock.json: ${count} optional packages added`)
