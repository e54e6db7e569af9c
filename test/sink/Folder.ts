/** An empty folder, 0700, that goes away with the test file. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"

const made: Array<string> = []

afterAll(() => {
  for (const path of made) rmSync(path, { recursive: true, force: true })
})

export const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), "strongroom-sink-"))
  made.push(path)
  return path
}
