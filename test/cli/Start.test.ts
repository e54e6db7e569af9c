import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { shape, walk } from "./Walk.ts"

const path = fileURLToPath(new URL("../../docs/start.md", import.meta.url))

describe("docs/start.md", () => {
  it("shows every line that its commands print", { timeout: 120_000 }, () => {
    const page = readFileSync(path, "utf8")
    expect(page.match(/^\$ npm (run -s strongroom|start)/gm)?.length).toBeGreaterThan(12)
    const walked = walk(page, { passphrase: "a passphrase of five words\n" })
    // To make the page anew: STRONGROOM_WALK=write npm test -- test/cli/Start.test.ts
    if (process.env.STRONGROOM_WALK === "write") writeFileSync(path, walked)
    else expect(shape(walked)).toBe(shape(page))
  })

  it("has the tour that README.md shows", () => {
    const tour = /^1 {2}A log was opened\.\n[\s\S]*?(?=\n\n7 {2}|\n```)/m
    const [page, readme] = [path, fileURLToPath(new URL("../../README.md", import.meta.url))].map(
      (file) => tour.exec(readFileSync(file, "utf8"))?.[0],
    )
    expect(readme).toContain("hash_mismatch")
    expect(readme).toBe(page)
  })
})
