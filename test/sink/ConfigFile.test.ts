import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { configFileBytesMax } from "../../src/config/FileText.ts"
import { probeFile, readConfigFile } from "../../src/sink/ConfigFile.ts"
import { folder } from "./Folder.ts"

describe("the probe", () => {
  it("tells kind, mode, size and real path, through a link", () => {
    const dir = folder()
    mkdirSync(join(dir, "wal"))
    chmodSync(join(dir, "wal"), 0o750)
    symlinkSync("wal", join(dir, "link"))
    const found = probeFile(join(dir, "link"))
    expect(found).toMatchObject({ kind: "directory", mode: 0o750, isOwn: true, isWritable: true })
    expect(found?.realPath).toBe(probeFile(join(dir, "wal"))?.realPath)
    writeFileSync(join(dir, "salt"), "12345", { mode: 0o600 })
    expect(probeFile(join(dir, "salt"))).toMatchObject({ kind: "file", mode: 0o600, size: 5 })
    expect(probeFile("/dev/null")?.kind).toBe("other")
  })

  it("tells nothing where there is nothing", () => {
    const dir = folder()
    symlinkSync("nowhere", join(dir, "dangling"))
    expect([probeFile(join(dir, "none")), probeFile(join(dir, "dangling"))]).toEqual([
      undefined,
      undefined,
    ])
  })
})

describe("a configuration file", () => {
  it("is read as it is, one byte beyond the limit at most", () => {
    const path = join(folder(), "audit.toml")
    writeFileSync(path, 'sink = "ram"\n')
    expect(Buffer.from(readConfigFile(path)).toString()).toBe('sink = "ram"\n')
    writeFileSync(path, "#".repeat(configFileBytesMax + 99))
    expect(readConfigFile(path)).toHaveLength(configFileBytesMax + 1)
    writeFileSync(path, "")
    expect(readConfigFile(path)).toHaveLength(0)
  })
})
