/** Every way to break the shape of a JSON document, for the strictness tests of its parsers. */
import { fromUtf8, utf8 } from "../../src/base/Bytes.ts"
import { canonicalizeValue, type JsonObject } from "../../src/record/Canonical.ts"
import { DocumentError } from "../../src/signing/Document.ts"

/** What a parser says: `undefined` where it takes the bytes, else the code of its refusal. */
export const refusal = (
  parse: (bytes: Uint8Array) => unknown,
  bytes: Uint8Array,
): string | undefined => {
  try {
    parse(bytes)
    return undefined
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error
    if (!error.message.startsWith(error.document)) throw new Error("the document is not named")
    return error.code
  }
}

/** The object with one member set, `undefined` to leave it out; `at` names the way down. */
export const changed = (
  object: JsonObject,
  at: ReadonlyArray<string | number>,
  value: unknown,
): JsonObject => {
  const copy = structuredClone(JSON.parse(JSON.stringify(object))) as JsonObject
  let holder = copy as { [key: string | number]: unknown }
  for (const step of at.slice(0, -1)) holder = holder[step] as { [key: string | number]: unknown }
  const last = at[at.length - 1]!
  if (value === undefined) delete holder[last]
  else holder[last] = value
  return copy
}

/** Spellings of a document that mean the same, but are not its canonical bytes. */
export const respellings = (object: JsonObject): ReadonlyArray<Uint8Array> => {
  const canonical = fromUtf8(canonicalizeValue(object))!
  const [firstKey] = Object.keys(object).toSorted()
  const reversed = Object.fromEntries(Object.entries(object).toReversed())
  return [
    `${canonical}\n`,
    ` ${canonical}`,
    canonical.replace(":", ": "),
    JSON.stringify(reversed) === canonical ? `${canonical} ` : JSON.stringify(reversed),
    canonical.replace("{", `{"${firstKey}":1,`),
    canonical.replace(
      `"${firstKey}"`,
      `"\\u00${firstKey!.charCodeAt(0).toString(16)}${firstKey!.slice(1)}"`,
    ),
    canonical.slice(0, -1),
    "",
    "null",
    `[${canonical}]`,
  ].map(utf8)
}
