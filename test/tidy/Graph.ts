/** Rules about who imports whom: rooms and floors, doors, cycles, dead files, dead exports. */
import { type Export, exportsOf, type Import, importsOf, mentions } from "./Imports.ts"
import * as table from "./rooms.ts"
import { type Finding, lineAt, type ParsedFile, resolve, roomOf, topOf, walk } from "./Source.ts"

export interface Linked {
  readonly file: ParsedFile
  readonly imports: ReadonlyArray<Import>
  readonly exports: ReadonlyArray<Export>
}

export const link = (file: ParsedFile): Linked => ({
  file,
  imports: importsOf(file),
  exports: exportsOf(file),
})

const floorOf = (path: string): number | undefined => {
  if (path === "src/index.ts") return table.indexFloor
  const room = roomOf(path)
  return room === undefined ? undefined : table.floors[room]
}

const roomReason = (from: string, to: string): string | undefined => {
  const [fromRoom, toRoom] = [roomOf(from), roomOf(to)]
  const [fromFloor, toFloor] = [floorOf(from), floorOf(to)]
  if (fromFloor === undefined) return undefined
  if (toFloor === undefined) return `imports ${to}, which is in no room`
  if (fromRoom === toRoom && fromRoom !== undefined) return undefined
  if (toFloor < fromFloor) return undefined
  const how = toFloor === fromFloor ? "the same floor" : "a higher floor"
  return `imports ${to}: ${toRoom ?? to} (${toFloor}) is on ${how} (this is ${fromFloor})`
}

const doorReason = (from: string, to: string): string | undefined => {
  const [top, target] = [topOf(from), topOf(to)]
  if (target === "models" && !table.modelReaders.includes(top))
    return `imports ${to}: only test/ and bench/ read the models`
  if (top === "models" && target !== "models" && roomOf(to) !== "base")
    return `imports ${to}: a model imports src/base only, so that it stays independent`
  if ((top === "src" || top === "supervisors") && (target === "test" || target === "bench"))
    return `imports ${to}: the program never imports its tests`
  return undefined
}

/** Floors, doors and the `.ts` ending of every relative import of one file. */
export const roomFindings = ({ file, imports }: Linked): ReadonlyArray<Finding> => {
  const found: Array<Finding> = []
  const add = (line: number, message: string): void => {
    found.push({ rule: "rooms", where: file.path, line, message })
  }
  const isProgram = topOf(file.path) === "src" || topOf(file.path) === "supervisors"
  if (isProgram && floorOf(file.path) === undefined)
    add(1, "is in no room of test/tidy/rooms.ts: put it into one, or add the room with its floor")
  for (const { specifier, line } of imports) {
    const target = resolve(file.path, specifier)
    if (target === undefined || target.startsWith("native/")) continue
    if (!/\.(ts|json)$/.test(target)) add(line, `imports "${specifier}" without its ending`)
    const door = doorReason(file.path, target)
    const room = isProgram && door === undefined ? roomReason(file.path, target) : undefined
    if (door !== undefined) add(line, door)
    if (room !== undefined) add(line, room)
  }
  return found
}

/** The addon has one door: no other file of the program names its path, however it loads it. */
export const nativeFindings = ({ file }: Linked): ReadonlyArray<Finding> => {
  const top = topOf(file.path)
  if (file.path === table.nativeDoor || !["src", "supervisors", "models"].includes(top)) return []
  return [...walk(file.program)]
    .filter((found) => found.type === "Literal" && typeof found.value === "string")
    .filter((found) => /(^|\.\.\/)native\/|\.node$/.test(String(found.value)))
    .map((found) => ({
      rule: "native-door",
      where: file.path,
      line: lineAt(file.text, found.start),
      message: `names "${String(found.value)}": only ${table.nativeDoor} loads the addon`,
    }))
}

/** What the program imports from outside is a runtime dependency of package.json, or of Node. */
export const packageFindings = (
  { file, imports }: Linked,
  dependencies: ReadonlySet<string>,
): ReadonlyArray<Finding> => {
  if (topOf(file.path) !== "src" && topOf(file.path) !== "supervisors") return []
  return imports.flatMap(({ specifier, line }) => {
    if (specifier.startsWith(".") || specifier.startsWith("node:")) return []
    const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/")
    if (dependencies.has(name)) return []
    const message = `imports "${name}", which is no runtime dependency of package.json`
    return [{ rule: "packages", where: file.path, line, message }]
  })
}

const targetsOf = ({ file, imports }: Linked): ReadonlyArray<string> =>
  imports.flatMap(({ specifier }) => resolve(file.path, specifier) ?? [])

/** Each cycle of imports once, type imports included. */
export const cycleFindings = (files: ReadonlyArray<Linked>): ReadonlyArray<Finding> => {
  const graph = new Map(files.map((linked) => [linked.file.path, targetsOf(linked)]))
  const state = new Map<string, "open" | "done">()
  const found: Array<Finding> = []
  const visit = (path: string, trail: ReadonlyArray<string>): void => {
    if (state.get(path) === "done") return
    if (state.get(path) === "open") {
      const cycle = [...trail.slice(trail.indexOf(path)), path].join(" -> ")
      found.push({ rule: "cycles", where: path, line: 1, message: `imports itself: ${cycle}` })
      return
    }
    state.set(path, "open")
    for (const target of graph.get(path) ?? []) visit(target, [...trail, path])
    state.set(path, "done")
  }
  for (const path of graph.keys()) visit(path, [])
  return found
}

const isEntry = (path: string): boolean =>
  topOf(path) === "test" || table.entries.includes(path) || table.benchEntry.test(path)

/** Files of the program that nothing reachable from an entry imports. */
export const deadFileFindings = (files: ReadonlyArray<Linked>): ReadonlyArray<Finding> => {
  const graph = new Map(files.map((linked) => [linked.file.path, targetsOf(linked)]))
  const seen = new Set<string>()
  const queue = [...graph.keys()].filter(isEntry)
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (seen.has(path)) continue
    seen.add(path)
    queue.push(...(graph.get(path) ?? []))
  }
  return [...graph.keys()]
    .filter((path) => !seen.has(path))
    .map((path) => ({
      rule: "dead-files",
      where: path,
      line: 1,
      message: "is imported by nothing: use it or delete it",
    }))
}

/**
 * Exports that no other file imports. A type may stand unimported where it is part of another
 * declaration of its file: a caller then meets it without naming it.
 */
export const deadExportFindings = (files: ReadonlyArray<Linked>): ReadonlyArray<Finding> => {
  const used = new Map<string, Set<string>>()
  for (const { file, imports } of files)
    for (const { specifier, names } of imports) {
      const target = resolve(file.path, specifier)
      if (target === undefined || target === file.path) continue
      const known = used.get(target) ?? new Set<string>()
      for (const name of names) known.add(name)
      used.set(target, known)
    }
  return files.flatMap(({ file, exports }) => {
    if (isEntry(file.path)) return []
    const names = used.get(file.path)
    if (names?.has("*")) return []
    return exports
      .filter(({ name, isType }) => !names?.has(name) && !(isType && mentions(file, name) > 1))
      .map(({ name, line }) => ({
        rule: "dead-exports",
        where: `${file.path}#${name}`,
        line,
        message: "is exported and never imported: drop the export, or the code",
      }))
  })
}
