/** How long files and functions may be, and how many names a module gives out. */
import { exportsOf } from "./Imports.ts"
import {
  type Finding,
  lineAt,
  type Node,
  nameOf,
  node,
  type ParsedFile,
  type SourceFile,
  topOf,
  walk,
} from "./Source.ts"

export const fileLinesMax = 400
export const modelLinesMax = 200
export const functionLinesMax = 70
export const skinLinesMax = 15
export const exportsMax = 15

export const fileFindings = (file: SourceFile): ReadonlyArray<Finding> => {
  const limit = topOf(file.path) === "models" ? modelLinesMax : fileLinesMax
  const count = file.text.replace(/\n$/, "").split("\n").length
  if (count <= limit) return []
  const message = `has ${count} lines, at most ${limit}: split it by concern`
  return [{ rule: "file-size", where: file.path, line: limit + 1, message }]
}

const isFunction = (found: Node): boolean =>
  /^(ArrowFunctionExpression|FunctionExpression|FunctionDeclaration)$/.test(found.type)

/** A function by the name it is bound to. */
const bindings = new Map([
  ["VariableDeclarator", "init"],
  ["Property", "value"],
  ["MethodDefinition", "value"],
  ["PropertyDefinition", "value"],
])

const functionNames = (program: Node): ReadonlyMap<Node, string> => {
  const names = new Map<Node, string>()
  for (const found of walk(program)) {
    const bound = node(found[bindings.get(found.type) ?? ""])
    const name = nameOf(found.id ?? found.key)
    if (bound !== undefined && name !== undefined) names.set(bound, name)
    if (isFunction(found) && nameOf(found.id) !== undefined)
      names.set(found, nameOf(found.id) ?? "")
  }
  return names
}

export const functionFindings = (file: ParsedFile): ReadonlyArray<Finding> => {
  const names = functionNames(file.program)
  return [...walk(file.program)].filter(isFunction).flatMap((found) => {
    const line = lineAt(file.text, found.start)
    const count = lineAt(file.text, found.end) - line + 1
    if (count <= functionLinesMax) return []
    const where = `${file.path}#${names.get(found) ?? "anonymous"}`
    const message = `has ${count} lines, at most ${functionLinesMax}`
    return [{ rule: "function-size", where, line, message }]
  })
}

export const exportCountFindings = (file: ParsedFile): ReadonlyArray<Finding> => {
  const count = exportsOf(file).length
  if (count <= exportsMax || file.path === "src/index.ts") return []
  const message = `exports ${count} names, at most ${exportsMax}: split it by concern`
  return [{ rule: "export-count", where: file.path, line: 1, message }]
}

const rustText = new RegExp(
  [
    /\/\/[^\n]*|\/\*[\s\S]*?\*\//,
    /r(#*)"[\s\S]*?"\1/,
    /b?"(?:\\[\s\S]|[^"\\])*"/,
    /b?'(?:\\.[^']*|[^'\\])'/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "g",
)

/** Rust with comments, strings and character literals blanked, so that braces can be counted. */
export const blankRust = (text: string): string =>
  text.replace(rustText, (match) => match.replace(/[^\n]/g, " "))

const bodyEnd = (text: string, open: number): number => {
  let depth = 0
  for (let at = open; at < text.length; at++) {
    if (text[at] === "{") depth++
    if (text[at] === "}" && --depth === 0) return at
  }
  return text.length
}

/** Rust functions: 70 lines, those of the napi skin 15. Test modules are free. */
export const rustFunctionFindings = (file: SourceFile): ReadonlyArray<Finding> => {
  const text = blankRust(file.text)
  const tests = /#\[cfg\(test\)\]\s*mod\s/.exec(text)?.index ?? text.length
  return [...text.slice(0, tests).matchAll(/\bfn\s+(\w+)/g)].flatMap(({ 1: name, index }) => {
    const open = text.indexOf("{", index)
    const semicolon = text.indexOf(";", index)
    if (
      open === -1 ||
      (semicolon !== -1 && semicolon < open && !text.slice(index, open).includes("["))
    )
      return []
    const line = lineAt(text, index)
    const count = lineAt(text, bodyEnd(text, open)) - line + 1
    const before = file.text.slice(0, index)
    const isSkin = /#\[napi[^\n]*\]\s*(?:#\[[^\n]*\]\s*)*pub\s*$/.test(before)
    const limit = isSkin ? skinLinesMax : functionLinesMax
    if (count <= limit) return []
    const message = `has ${count} lines, at most ${limit}`
    return [{ rule: "function-size", where: `${file.path}#${name}`, line, message }]
  })
}

/** `unsafe` stands in the skin and in the 8-lane signer, nowhere else. */
export const unsafeFindings = (file: SourceFile): ReadonlyArray<Finding> => {
  if (file.path === "native/lib.rs" || file.path.startsWith("native/ed25519x8/")) return []
  return [...blankRust(file.text).matchAll(/\bunsafe\b(?!_)/g)].map(({ index }) => ({
    rule: "unsafe",
    where: file.path,
    line: lineAt(file.text, index),
    message: "unsafe is banned here: native/lib.rs and native/ed25519x8 are the only places",
  }))
}
