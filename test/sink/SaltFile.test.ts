import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { b3 } from "../../src/base/Hash.ts"
import { hashAddress, parseSalts } from "../../src/record/Privacy.ts"
import { privacyOf, readSaltFile } from "../../src/sink/SaltFile.ts"
import { SinkError } from "../../src/sink/SinkError.ts"
import { folder } from "./Folder.ts"

const first = "00112233445566778899aabbccddeeff"
const second = "ffeeddccbbaa99887766554433221100"

const saltFile = (text: string, mode = 0o600): string => {
  const path = join(folder(), "salt")
  writeFileSync(path, text, { mode })
  chmodSync(path, mode)
  return path
}

const errorOf = (run: () => unknown): SinkError => {
  try {
    run()
  } catch (error) {
    if (error instanceof SinkError) return error
    throw error
  }
  throw new Error("taken")
}

describe("the salt file", () => {
  it("has a salt for each epoch, the last in force, older ones for auditors [A-208, A-209]", () => {
    const path = saltFile(`# rotated 2026-11-01\n1 ${first}\n\n12 ${second}\n`)
    const salts = readSaltFile(path)
    expect(salts.map(({ epoch }) => epoch)).toEqual([1, 12])
    expect(salts.map(({ key }) => key)).toEqual(
      [first, second].map((hex) => b3(Buffer.from(hex, "hex"))),
    )
    expect(privacyOf({ ipMode: "hash", hashSaltPath: path })).toEqual({
      ipMode: "hash",
      salt: salts[1],
    })
    const tokens = salts.map((salt) => hashAddress("203.0.113.7", salt))
    expect(tokens[0]).toMatch(/^iph:1:[0-9a-f]{32}$/)
    expect(tokens[1]).toMatch(/^iph:12:[0-9a-f]{32}$/)
    expect(hashAddress("::ffff:203.0.113.7", salts[0]!)).toBe(tokens[0])
    expect(hashAddress("nobody", salts[0]!)).toBe(undefined)
  })

  it("is read again where it changed, and asked for in mode hash alone [A-208]", () => {
    const path = saltFile(`1 ${first}\n`)
    const epoch = () => readSaltFile(path).at(-1)?.epoch
    expect(epoch()).toBe(1)
    writeFileSync(path, `1 ${first}\n2 ${second}\n`)
    expect(epoch()).toBe(2)
    expect(privacyOf({ ipMode: "drop", hashSaltPath: "/none" })).toEqual({ ipMode: "drop" })
    expect(privacyOf({ ipMode: "prefix", hashSaltPath: "" })).toEqual({ ipMode: "prefix" })
  })

  it("is refused where others reach it, where it is missing, empty or no salt file [A-208]", () => {
    for (const mode of [0o640, 0o604, 0o700, 0o200]) {
      expect(errorOf(() => readSaltFile(saltFile(`1 ${first}\n`, mode))).code).toMatch(/MODE|IO/)
    }
    expect(errorOf(() => readSaltFile(join(folder(), "none"))).code).toBe("NOT_FOUND")
    const dir = join(folder(), "salt")
    mkdirSync(dir)
    expect(errorOf(() => readSaltFile(dir)).code).toBe("NOT_REGULAR")
    expect(errorOf(() => readSaltFile(saltFile("#".repeat(70_000)))).code).toBe("TOO_LARGE")
    const texts = [
      "",
      "\n",
      "# nothing\n",
      first,
      `0 ${first}`,
      `1 ${first.slice(2)}`,
      `1 ${first}0`,
      `1 ${first.toUpperCase()}`,
      `2 ${first}\n1 ${second}`,
      `1 ${first}\n1 ${second}`,
      `1000000 ${first}`,
      `1  ${first}`,
      `1 ${first}\nx`,
    ]
    for (const text of texts) {
      const error = errorOf(() => readSaltFile(saltFile(text)))
      expect([text, error.code]).toEqual([text, "SALT"])
    }
  })

  it("never shows what is in it [A-210]", () => {
    const path = saltFile(`1 ${first}\n1 ${second}\n`)
    const error = errorOf(() => readSaltFile(path))
    expect(`${error.message} ${error.stack} ${JSON.stringify(error)}`).not.toMatch(/0011|ffee/)
    const bytes = new Uint8Array(readFileSync(path))
    expect(parseSalts(bytes)).toBe(undefined)
  })
})
