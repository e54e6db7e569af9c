/** What the compiler of a host that imports the package sees: types are gone when a test runs. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"

const root = join(import.meta.dirname, "../..")
const dir = mkdtempSync(join(tmpdir(), "strongroom-types-"))
afterAll(() => rmSync(dir, { recursive: true }))

/** The compiler's complaints about a host's file, the package's own aside. */
const complaints = (source: string): ReadonlyArray<string> => {
  const file = join(dir, "host.ts")
  writeFileSync(file, source.replaceAll('"strongroom"', JSON.stringify(join(root, "src/index.ts"))))
  writeFileSync(join(dir, "package.json"), '{"type":"module"}')
  const typeRoots = [join(root, "node_modules/@types")]
  const config = {
    extends: join(root, "tsconfig.json"),
    compilerOptions: { typeRoots },
    include: [],
    files: [file],
  }
  writeFileSync(join(dir, "tsconfig.json"), JSON.stringify(config))
  const tsc = join(root, "node_modules/.bin/tsc")
  const { status, stdout } = spawnSync(tsc, ["-p", dir], { encoding: "utf8" })
  if (status === null) throw new Error("the compiler did not run")
  return stdout.split("\n").filter((line) => line.includes(basename(file)))
}

const same = `
      type Of<A> = <T>() => T extends A ? 1 : 2
      type Same<A, B> = Of<A> extends Of<B> ? true : false`

describe("the types of the package", () => {
  it("hold the record, with its twelve fields and what each is [A-277]", () => {
    const host = `
      import type { AuditRecord } from "strongroom"
      ${same}
      type Texts = "writer_id" | "stream" | "kind" | "reason" | "prev" | "self_hash"
      type Fields = Texts | "v" | "ts_ms" | "seq" | "actor" | "subject" | "attrs"
      export const isWhole: Same<keyof AuditRecord, Fields> = true
      export const texts = (record: AuditRecord): ReadonlyArray<string> =>
        [record.writer_id, record.stream, record.kind, record.reason, record.prev, record.self_hash]
      export const numbers = ({ v, ts_ms, seq }: AuditRecord): ReadonlyArray<number> =>
        [v, ts_ms, seq]
      export const isAnonymous = ({ actor }: AuditRecord): boolean => actor.anon === true
    `
    expect(complaints(host)).toEqual([])
    // The compiler does look: another set of fields does not pass.
    expect(complaints(host.replace('"seq" |', ""))).toHaveLength(1)
  }, 60_000)
})
