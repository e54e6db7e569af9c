/**
 * Copies of the program's own source with a bug planted in their text, to show that a suite finds
 * it. The copies lie outside the repository; what they import stays where it is.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, dirname, join, resolve } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

const root = fileURLToPath(new URL("../../", import.meta.url))

export interface Plant {
  readonly bug: string
  /** The file whose text is changed, from the root of the repository. */
  readonly file: string
  /** Stands there, and is changed wherever it does. */
  readonly from: string
  readonly to: string
}

export class Mutants {
  readonly #folder = mkdtempSync(join(tmpdir(), "strongroom-mutants-"))
  #count = 0

  dispose(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /**
   * Imports `entry` of a copy of `files`, which may import each other, with the bug planted.
   * Errors: Error when the text to change is not there.
   */
  async load<A>(entry: string, files: ReadonlyArray<string>, plant?: Plant): Promise<A> {
    const folder = `m${this.#count++}`
    const place = (file: string): string =>
      join(this.#folder, `${folder}-${basename(file, ".ts")}.ts`)
    for (const file of files) {
      const text = readFileSync(join(root, file), "utf8")
      const planted = plant?.file === file ? change(text, plant) : text
      writeFileSync(place(file), relink(planted, file, files, place))
    }
    return import(pathToFileURL(place(entry)).href) as Promise<A>
  }
}

const change = (text: string, { bug, file, from, to }: Plant): string => {
  if (!text.includes(from)) throw new Error(`to plant "${bug}", ${file} must hold "${from}"`)
  return text.replaceAll(from, () => to)
}

const relink = (
  text: string,
  file: string,
  copied: ReadonlyArray<string>,
  place: (file: string) => string,
): string =>
  text.replace(/(from ")([^"]+)(")/g, (_all, before: string, specifier: string, after: string) => {
    if (!specifier.startsWith(".")) return before + resolvePackage(specifier) + after
    const target = resolve(root, dirname(file), specifier)
    const path = target.slice(resolve(root).length + 1)
    return before + (copied.includes(path) ? place(path) : target) + after
  })

const resolvePackage = (specifier: string): string =>
  specifier.startsWith("node:") ? specifier : fileURLToPath(import.meta.resolve(specifier))
