/** Where test data comes from: every folder of it says so, file by file. */
import { basename, posix } from "node:path"
import type { Finding } from "./Source.ts"

const papers = ["PROVENANCE.md", "README.md", "LICENSE", "NOTICE"]

const isData = (path: string): boolean =>
  /^(test\/(vectors|data)|native\/.*\/data)\//.test(path) &&
  !papers.includes(basename(path)) &&
  !/\.(ts|py)$/.test(path)

/** The nearest paper at or above the file. */
const paperFor = (path: string, present: ReadonlySet<string>): string | undefined => {
  for (let folder = posix.dirname(path); folder !== "."; folder = posix.dirname(folder)) {
    const paper = ["PROVENANCE.md", "README.md"]
      .map((name) => posix.join(folder, name))
      .find((path) => present.has(path))
    if (paper !== undefined) return paper
  }
  return undefined
}

/** A data file is named in the paper by its path from there, or by a folder with a closing `/`. */
const isNamed = (path: string, paper: string, text: string): boolean => {
  const inside = posix.relative(posix.dirname(paper), path)
  const folders = inside.split("/").slice(0, -1)
  return (
    text.includes(inside) ||
    folders.some((_, index) => text.includes(`\`${folders.slice(0, index + 1).join("/")}/\``))
  )
}

export const provenanceFindings = (
  paths: ReadonlyArray<string>,
  read: (path: string) => string,
): ReadonlyArray<Finding> => {
  const present = new Set(paths)
  return paths.filter(isData).flatMap((path) => {
    const paper = paperFor(path, present)
    const message =
      paper === undefined
        ? "is test data without a PROVENANCE.md or README.md that says where it comes from"
        : isNamed(path, paper, read(paper))
          ? undefined
          : `is not named in ${paper}`
    return message === undefined ? [] : [{ rule: "provenance", where: path, line: 1, message }]
  })
}
