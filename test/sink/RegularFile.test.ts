import { symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { isThere } from "../../src/sink/RegularFile.ts"
import { SinkError } from "../../src/sink/SinkError.ts"
import { folder } from "./Folder.ts"

describe("whether anything is there", () => {
  it("says yes for files, folders and links to them, no where the system says so", () => {
    const dir = folder()
    const at = (name: string): string => join(dir, name)
    writeFileSync(at("file"), "")
    symlinkSync(at("file"), at("link"))
    symlinkSync(at("gone"), at("dangling"))
    expect([dir, at("file"), at("link")].map(isThere)).toEqual([true, true, true])
    const missing = [at("gone"), at("dangling"), at("file/below"), at("x".repeat(300))]
    expect(missing.map(isThere)).toEqual([false, false, false, false])
  })

  it("does not take for missing what the system cannot say", () => {
    const loop = join(folder(), "loop")
    symlinkSync(loop, loop)
    expect(() => isThere(loop)).toThrow(SinkError)
  })
})
