/** The LD_PRELOAD shim (shim.c), compiled where there is a C compiler. */
import { spawnSync } from "node:child_process"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** The environment that loads the shim, or why it cannot be had. */
export const buildShim = (): { readonly LD_PRELOAD: string } | { readonly reason: string } => {
  if (process.platform !== "linux") return { reason: "LD_PRELOAD is Linux's" }
  const path = join(mkdtempSync(join(tmpdir(), "strongroom-shim-")), "shim.so")
  const source = join(import.meta.dirname, "shim.c")
  const args = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", path, source, "-ldl"]
  const { status, error, stderr } = spawnSync("cc", args, { encoding: "utf8" })
  if (error !== undefined) return { reason: "no C compiler (cc) on this machine" }
  if (status !== 0) throw new Error(`shim.c does not compile:\n${stderr}`)
  return { LD_PRELOAD: path }
}
