/**
 * Loads the addon that native/build.mjs built for this platform.
 *
 * One path and no search: when loading fails, the system's own reason is told.
 */
import { existsSync } from "node:fs"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"

/** The C library that the addon is linked with, as napi names it. */
const libc = () => {
  if (process.platform === "win32") return "-msvc"
  if (process.platform !== "linux") return ""
  const { header } = process.report.getReport()
  return header.glibcVersionRuntime === undefined ? "-musl" : "-gnu"
}

export const loadAddon = (folder = new URL(".", import.meta.url)) => {
  const file = `strongroom.${process.platform}-${process.arch}${libc()}.node`
  const path = fileURLToPath(new URL(file, folder))
  if (!existsSync(path)) {
    throw new Error(`native/${file} is not there (node native/build.mjs builds it)`)
  }
  return createRequire(import.meta.url)(path)
}
