/**
 * The tree as the tidy rules see it: files with their text, TypeScript ones with a syntax tree.
 *
 * The syntax tree comes from the parser that vitest brings; rules read node types and positions
 * only. Comments are not in it: what looks for words in comments reads the text.
 */
import { execFileSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { dirname, join, posix, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { parseAst } from "vitest/node"

export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..")

/** A syntax node (ESTree with TypeScript's own nodes). */
export interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [member: string]: unknown
}

export interface SourceFile {
  /** Relative to the root, with `/`. */
  readonly path: string
  readonly text: string
}

export interface ParsedFile extends SourceFile {
  readonly program: Node
}

export interface Finding {
  readonly rule: string
  /** A path, or `path#name`. */
  readonly where: string
  readonly line: number
  readonly message: string
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as Node).type === "string"

/** The nodes directly below a node, in source order. */
export const children = (node: Node): ReadonlyArray<Node> =>
  Object.values(node).flatMap((value) =>
    Array.isArray(value) ? value.filter(isNode) : isNode(value) ? [value] : [],
  )

/** The node and everything below it, parents first. */
export function* walk(node: Node): Generator<Node> {
  yield node
  for (const child of children(node)) yield* walk(child)
}

export const node = (value: unknown): Node | undefined => (isNode(value) ? value : undefined)

export const nodes = (value: unknown): ReadonlyArray<Node> =>
  Array.isArray(value) ? value.filter(isNode) : []

/** The name of an identifier, or the value of a string literal. */
export const nameOf = (value: unknown): string | undefined => {
  const found = node(value)
  const name = found?.type === "Identifier" ? found.name : found?.value
  return typeof name === "string" ? name : undefined
}

export const lineAt = (text: string, offset: number): number => {
  let line = 1
  for (let at = text.indexOf("\n"); at !== -1 && at < offset; at = text.indexOf("\n", at + 1))
    line++
  return line
}

export const parse = (path: string, text: string): ParsedFile => ({
  path,
  text,
  program: parseAst(text, { lang: "ts" }) as unknown as Node,
})

const skipped = new Set(["node_modules", "target", "dist", "coverage", ".git", ".venv"])

const walkFolder = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (skipped.has(entry.name) || entry.name.startsWith(".strongroom")) return []
    const path = join(folder, entry.name)
    return entry.isDirectory() ? walkFolder(path) : [relative(root, path)]
  })

/** Every file that is tracked or about to be: what git ignores is not ours. */
export const listFiles = (): ReadonlyArray<string> => {
  const listed = existsSync(join(root, ".git"))
    ? execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
        cwd: root,
        encoding: "utf8",
        maxBuffer: 1 << 26,
      }).split("\0")
    : walkFolder(root)
  const present = listed.filter((path) => path !== "" && statSync(join(root, path), noThrow))
  return [...new Set(present)].sort()
}

const noThrow = { throwIfNoEntry: false } as const

export const read = (path: string): string => readFileSync(join(root, path), "utf8")

export const load = (path: string): SourceFile => ({ path, text: read(path) })

const cache = new Map<string, ParsedFile>()

export const loadParsed = (path: string): ParsedFile => {
  const known = cache.get(path)
  if (known !== undefined) return known
  const parsed = parse(path, read(path))
  cache.set(path, parsed)
  return parsed
}

/** Our TypeScript files under the given top folders. */
export const typescriptIn = (...tops: ReadonlyArray<string>): ReadonlyArray<string> =>
  listFiles().filter(
    (path) => path.endsWith(".ts") && !path.endsWith(".d.ts") && tops.includes(topOf(path)),
  )

export const topOf = (path: string): string => path.slice(0, path.indexOf("/"))

/** `src/record/Draft.ts` is in `record`, `supervisors/Root.ts` in `supervisors`. */
export const roomOf = (path: string): string | undefined => {
  const parts = path.split("/")
  if (parts[0] === "supervisors") return "supervisors"
  return parts[0] === "src" && parts.length > 2 ? parts[1] : undefined
}

/** A relative specifier as a path from the root, anything else `undefined`. */
export const resolve = (from: string, specifier: string): string | undefined =>
  specifier.startsWith(".") ? posix.join(posix.dirname(from), specifier) : undefined

/** `where:line message (rule)`, one a line: what a failing tidy test shows. */
export const show = (findings: ReadonlyArray<Finding>): ReadonlyArray<string> =>
  findings.map(({ rule, where, line, message }) => `${where}:${line} ${message} (${rule})`)
