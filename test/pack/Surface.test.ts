/** The public surface: what the package exports, and that each of it says what it is. */
import { describe, expect, it } from "vitest"
import {
  loadParsed,
  type Node,
  nameOf,
  node,
  nodes,
  type ParsedFile,
  parse,
  read,
  resolve,
} from "../tidy/Source.ts"

/** One declaration behind an exported name, or one method of it. */
interface Item {
  readonly name: string
  readonly isDocumented: boolean
}

/** Whether a documentation comment stands right before it; a module's header is none. */
const isDocumented = ({ text }: ParsedFile, { start }: Node): boolean => {
  const before = text.slice(0, start).trimEnd()
  return before.endsWith("*/") && before.lastIndexOf("/**") > 0
}

/** Public methods of a class; fields and accessors say it by name and type. */
const methodsOf = (file: ParsedFile, owner: string, declared: Node): ReadonlyArray<Item> =>
  nodes(node(declared.body)?.body)
    .filter(({ type, kind }) => type === "MethodDefinition" && kind === "method")
    .filter(({ key, accessibility }) => {
      const isHidden = node(key)?.type === "PrivateIdentifier" || accessibility === "private"
      return !isHidden
    })
    .map((method) => ({
      name: `${owner}.${nameOf(method.key)}`,
      isDocumented: isDocumented(file, method),
    }))

const nameOfDeclared = (declared: Node): string | undefined =>
  nameOf(declared.id) ?? nameOf(nodes(declared.declarations)[0]?.id)

/** What stands behind one exported name of a file, wherever it is declared. */
const itemsOf = (file: ParsedFile, wanted: string): ReadonlyArray<Item> => {
  for (const statement of nodes(file.program.body)) {
    if (statement.type !== "ExportNamedDeclaration") continue
    const declared = node(statement.declaration)
    if (declared !== undefined && nameOfDeclared(declared) === wanted) {
      const own = { name: wanted, isDocumented: isDocumented(file, statement) }
      const isClass = declared.type === "ClassDeclaration"
      return [own, ...(isClass ? methodsOf(file, wanted, declared) : [])]
    }
    const from = nodes(statement.specifiers).find(({ exported }) => nameOf(exported) === wanted)
    const target = resolve(file.path, nameOf(statement.source) ?? "")
    if (from === undefined || target === undefined) continue
    return itemsOf(loadParsed(target), nameOf(from.local) ?? wanted)
  }
  throw new Error(`${file.path} does not export ${wanted}`)
}

const namesOf = (file: ParsedFile): ReadonlyArray<string> =>
  nodes(file.program.body)
    .filter(({ type }) => type === "ExportNamedDeclaration")
    .flatMap((statement) => {
      const declared = node(statement.declaration)
      const names = nodes(statement.specifiers).map(({ exported }) => nameOf(exported))
      return [...names, ...(declared === undefined ? [] : [nameOfDeclared(declared)])]
    })
    .filter((name) => name !== undefined)

const missing = (file: ParsedFile): ReadonlyArray<string> =>
  namesOf(file)
    .flatMap((name) => itemsOf(file, name))
    .filter((item) => !item.isDocumented)
    .map(({ name }) => name)

/** The source of `dist/<path>.js`. */
const entries = (): ReadonlyArray<string> => {
  const { exports } = JSON.parse(read("package.json"))
  return Object.values(exports)
    .flatMap((entry) => (typeof entry === "string" ? [] : [(entry as { default: string }).default]))
    .map((path) => path.replace(/^\.\/dist\/(.*)\.js$/, "$1.ts"))
}

describe("the public surface", () => {
  it("is the library and the configured runtime", () => {
    expect(entries()).toEqual(["src/index.ts", "supervisors/Runtime.ts"])
  })

  it("says of every export and of every method what it is [A-302]", () => {
    for (const path of entries()) {
      const file = loadParsed(path)
      expect(namesOf(file).length).toBeGreaterThan(1)
      expect(missing(file), path).toEqual([])
    }
  })

  it("would see one that says nothing", () => {
    const text = [
      "/** The header of a module. */",
      "export class Silent {",
      "  /** Says it. */",
      "  spoken(): void {}",
      "  silent(): void {}",
      "  #hidden(): void {}",
      "}",
      "/** Says it. */",
      "export const spoken = 1",
      "export const silent = 2",
    ].join("\n")
    expect(missing(parse("src/A.ts", text))).toEqual(["Silent", "Silent.silent", "silent"])
  })
})
