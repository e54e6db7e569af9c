/** What tests need beyond `npm ci`. Each part that cannot be had is named with its reason. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { missing, up } from "../test/servers/Servers.ts"
import { root, run } from "./Suite.ts"

const buildAddon = (): void => {
  const script = join(root, "native", "build.mjs")
  if (!existsSync(script)) return
  if (!run(process.execPath, script)) console.log("set-up: the addon was not built (see above)")
}

/** The Python packages of docs/verify, into .venv. */
const prepareVerifier = (): void => {
  if (missing("verifier") === undefined) return
  try {
    up("verifier")
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    console.log(`set-up: the Python verifier is not there: ${reason}`)
  }
}

export const setUp = (): void => {
  buildAddon()
  prepareVerifier()
}
