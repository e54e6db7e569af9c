/** Writes `cases.json`: `node test/vectors/mutations/generate.ts`. A test says when it is due. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { formatCorpus, makeCorpus } from "./Corpus.ts"

const corpus = makeCorpus()
writeFileSync(join(import.meta.dirname, "cases.json"), formatCorpus(corpus))
process.stdout.write(`${corpus.cases.length} cases, ${Object.keys(corpus.blobs).length} files\n`)
