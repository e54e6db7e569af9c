/** What a file imports and exports, by name. */
import { lineAt, type Node, nameOf, node, nodes, type ParsedFile, walk } from "./Source.ts"

export interface Import {
  readonly specifier: string
  readonly line: number
  /** Imported names; `*` when anything may be used (a namespace passed on, a side effect). */
  readonly names: ReadonlySet<string>
}

export interface Export {
  readonly name: string
  readonly line: number
  readonly isType: boolean
}

const any: ReadonlySet<string> = new Set(["*"])

/** Members read from a namespace import, or `*` where it is used in any other way. */
const membersOf = (file: ParsedFile, local: string): ReadonlySet<string> => {
  const members = new Set<string>()
  const reads = new Set<Node>()
  for (const found of walk(file.program)) {
    const object = node(found.type === "TSQualifiedName" ? found.left : found.object)
    const member = found.type === "TSQualifiedName" ? found.right : found.property
    if (nameOf(object) !== local || found.computed === true || object === undefined) continue
    const name = nameOf(member)
    if (name !== undefined) members.add(name)
    reads.add(object)
  }
  const declared = nodes(file.program.body).filter((found) => found.type === "ImportDeclaration")
  for (const found of declared.flatMap((declaration) => [...walk(declaration)])) reads.add(found)
  for (const found of walk(file.program)) {
    if (found.type !== "Identifier" || found.name !== local || reads.has(found)) continue
    return any
  }
  return members
}

const importedNames = (file: ParsedFile, declaration: Node): ReadonlySet<string> => {
  const names = new Set<string>()
  const specifiers = nodes(declaration.specifiers)
  if (specifiers.length === 0) return any
  for (const specifier of specifiers) {
    if (specifier.type === "ImportNamespaceSpecifier") {
      for (const name of membersOf(file, nameOf(specifier.local) ?? "")) names.add(name)
    } else if (specifier.type === "ImportDefaultSpecifier") names.add("default")
    else names.add(nameOf(specifier.imported ?? specifier.local) ?? "*")
  }
  return names
}

/** The type of `import("./x.ts").Name` names one export, an `import()` call all of them. */
const dynamicImport = (
  found: Node,
): { source: unknown; names: ReadonlySet<string> } | undefined => {
  if (found.type === "ImportExpression") return { source: found.source, names: any }
  if (found.type !== "TSImportType") return undefined
  const name = nameOf(found.qualifier)
  return { source: found.source ?? found.argument, names: name ? new Set([name]) : any }
}

/** Every import, re-export, `import()` and `import("...")` type of a file. */
export const importsOf = (file: ParsedFile): ReadonlyArray<Import> => {
  const imports: Array<Import> = []
  const add = (source: unknown, at: Node, names: ReadonlySet<string>): void => {
    const specifier = node(source)?.value
    if (typeof specifier !== "string") return
    imports.push({ specifier, line: lineAt(file.text, at.start), names })
  }
  for (const statement of nodes(file.program.body)) {
    if (statement.type === "ImportDeclaration")
      add(statement.source, statement, importedNames(file, statement))
    else if (statement.type === "ExportAllDeclaration") add(statement.source, statement, any)
    else if (statement.type === "ExportNamedDeclaration" && statement.source !== null)
      add(
        statement.source,
        statement,
        new Set(nodes(statement.specifiers).map((found) => nameOf(found.local) ?? "*")),
      )
  }
  for (const found of walk(file.program)) {
    const dynamic = dynamicImport(found)
    if (dynamic !== undefined) add(dynamic.source, found, dynamic.names)
  }
  return imports
}

const declaredNames = (declaration: Node): ReadonlyArray<string> => {
  const declarators = nodes(declaration.declarations)
  if (declarators.length === 0) return [nameOf(declaration.id) ?? ""]
  return declarators.flatMap((declarator) =>
    nameOf(declarator.id) === undefined
      ? [...walk(declarator.id as Node)].flatMap((found) => nameOf(found.value) ?? [])
      : [nameOf(declarator.id) ?? ""],
  )
}

/** The names a file gives out; re-exports count, `export *` does not. */
export const exportsOf = (file: ParsedFile): ReadonlyArray<Export> =>
  nodes(file.program.body).flatMap((statement) => {
    const line = lineAt(file.text, statement.start)
    if (statement.type === "ExportDefaultDeclaration")
      return [{ name: "default", line, isType: false }]
    if (statement.type !== "ExportNamedDeclaration") return []
    const declaration = node(statement.declaration)
    const names =
      declaration === undefined
        ? nodes(statement.specifiers).map((found) => nameOf(found.exported) ?? "")
        : declaredNames(declaration)
    const isType = statement.exportKind === "type"
    return [...new Set(names)].map((name) => ({ name, line, isType }))
  })

/** How often an identifier of that name stands in the file. */
export const mentions = (file: ParsedFile, name: string): number =>
  [...walk(file.program)].filter((found) => found.type === "Identifier" && found.name === name)
    .length
