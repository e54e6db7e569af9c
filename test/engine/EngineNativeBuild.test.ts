import { spawnSync } from "node:child_process"
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterEach, beforeEach, describe, expect, it } from "vitest"

const repository = fileURLToPath(new URL("../../", import.meta.url))

let folder: string
const at = (...path: ReadonlyArray<string>): string => join(folder, ...path)

/** A tree with the build script, empty sources and an empty folder for programs. */
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "strongroom-build-"))
  for (const name of ["bin", "native", "native/core"]) mkdirSync(at(name))
  copyFileSync(join(repository, "native", "build.mjs"), at("native", "build.mjs"))
  const sources = ["Cargo.toml", "Cargo.lock", "build.rs", "native/lib.rs", "native/core/a.rs"]
  for (const name of sources) writeFileSync(at(name), "")
  writeFileSync(at("native", "napi.json"), "{}")
  symlinkSync(join(repository, "node_modules"), at("node_modules"))
})

afterEach(() => rmSync(folder, { recursive: true }))

const addCargo = (script: string): void =>
  writeFileSync(at("bin", "cargo"), `#!/bin/sh\n${script}\n`, { mode: 0o755 })

/** Runs the build with nothing on the path but the tree's own folder. */
const build = (engine: string) => {
  const env = { PATH: at("bin"), STRONGROOM_ENGINE: engine }
  const script = at("native", "build.mjs")
  const { status, stderr } = spawnSync(process.execPath, [script], { env, encoding: "utf8" })
  return { status, lines: stderr.split("\n").filter((line) => line !== "") }
}

describe.skipIf(process.platform === "win32")("native/build.mjs (skipped on Windows)", () => {
  it("says in one line that there is no cargo, an error only where native is forced", () => {
    const auto = build("auto")
    expect(auto.status).toBe(0)
    expect(auto.lines).toEqual([
      "strongroom: native engine NOT built, the slower JS engine is used: cargo was not found",
    ])
    expect(build("native")).toEqual({ status: 1, lines: auto.lines })
  })

  it("keeps an addon that came from elsewhere where there is no cargo", () => {
    writeFileSync(at("native", "strongroom.node"), "")
    expect(build("native")).toEqual({ status: 0, lines: [] })
    expect(existsSync(at("native", "strongroom.node"))).toBe(true)
  })

  it("tells the reason of a build that fails, and leaves no addon of older sources", () => {
    addCargo('[ "$1" = --version ] && echo cargo 0 && exit 0\nexit 101')
    writeFileSync(at("native", "strongroom.node"), "")
    writeFileSync(at("native", ".stamp"), "of older sources")
    const auto = build("auto")
    expect(auto.status).toBe(0)
    expect(auto.lines.length).toBe(2)
    expect(auto.lines[1]).toContain("native engine NOT built")
    expect(auto.lines[1]).toContain("cargo metadata exited with code 101")
    expect(existsSync(at("native", "strongroom.node"))).toBe(false)
    expect(build("native").status).toBe(1)
  })
})
