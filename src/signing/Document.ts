/**
 * Strict reading of the JSON documents that carry trust: trust file, certificate, revocation,
 * checkpoint, manifest, receipt.
 *
 * - Every member is named by the reader; an unknown or missing one is refused.
 * - A refusal names the document and the place in it, and repeats no value.
 *
 * Source: FORMATS 1, 5, 7.
 */
import * as Data from "effect/Data"
import { fromBase64 } from "../base/Bytes.ts"
import { genesis, type HashText, parseHash } from "../base/Hash.ts"
import { jsonFileBytesMax } from "../base/Limits.ts"
import { type Json, type JsonObject, parseCanonical } from "../record/Canonical.ts"
import { checkStream, checkWriterId } from "../record/Name.ts"
import { Rejected } from "../record/Reject.ts"
import { type AlgoId, isAlgoId, type KeyId, keyIdPattern } from "./Algorithm.ts"

/** Stable codes; what each means: docs/reference/errors.md. */
export type DocumentErrorCode =
  | "DOCUMENT_SIZE"
  | "DOCUMENT_JSON"
  | "MEMBER_UNKNOWN"
  | "MEMBER_MISSING"
  | "MEMBER_VALUE"

/** A document that breaks its format. Safe to log: names places, never values. */
export class DocumentError extends Data.TaggedError("DocumentError")<{
  readonly code: DocumentErrorCode
  readonly document: string
  readonly path: string
  readonly message: string
}> {
  get isRetryable(): boolean {
    return false
  }
}

type Members<R extends string, O extends string> = { readonly [K in R]: Field } & {
  readonly [K in O]?: Field
}

/** One value of a document and where it stands. Errors: DocumentError from every method. */
export class Field {
  readonly document: string
  readonly path: string
  readonly value: Json

  constructor(document: string, path: string, value: Json) {
    this.document = document
    this.path = path
    this.value = value
  }

  fail(rule: string, code: DocumentErrorCode = "MEMBER_VALUE"): DocumentError {
    const place = this.path === "" ? this.document : `${this.document}: ${this.path}`
    return new DocumentError({
      code,
      document: this.document,
      path: this.path,
      message: `${place}: ${rule}`,
    })
  }

  /** The members of an object that has all of `required`, any of `optional` and no other. */
  object<R extends string, O extends string = never>(
    required: ReadonlyArray<R>,
    optional: ReadonlyArray<O> = [],
  ): Members<R, O> {
    const object = this.asObject()
    const known: ReadonlySet<string> = new Set<string>([...required, ...optional])
    for (const key of Object.keys(object)) {
      // The key is not repeated: a stranger's key can be anything, even a secret.
      if (!known.has(key)) throw this.fail("has an unknown member", "MEMBER_UNKNOWN")
    }
    const members: { [key: string]: Field } = Object.create(null)
    for (const key of known) {
      const value = Object.hasOwn(object, key) ? object[key] : undefined
      if (value !== undefined) members[key] = new Field(this.document, this.step(key), value)
    }
    for (const key of required) {
      if (members[key] === undefined) throw this.fail(`${key} is missing`, "MEMBER_MISSING")
    }
    return members as Members<R, O>
  }

  asObject(): JsonObject {
    const value = this.value
    if (value === null || typeof value !== "object" || Array.isArray(value)) {
      throw this.fail("is not an object")
    }
    return value as JsonObject
  }

  array(countMax: number): ReadonlyArray<Field> {
    const value = this.value
    if (!Array.isArray(value)) throw this.fail("is not an array")
    if (value.length > countMax) throw this.fail(`has more than ${countMax} entries`)
    return value.map((item, i) => new Field(this.document, `${this.path}[${i}]`, item as Json))
  }

  string(): string {
    if (typeof this.value !== "string") throw this.fail("is not a string")
    return this.value
  }

  matching(pattern: RegExp, rule: string): string {
    const text = this.string()
    if (!pattern.test(text)) throw this.fail(`is not ${rule}`)
    return text
  }

  exactly(expected: string | number): void {
    if (this.value !== expected) throw this.fail(`is not ${expected}`)
  }

  integer(min: number): number {
    const value = this.value
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min) {
      throw this.fail(`is not an integer from ${min}`)
    }
    return value
  }

  /** Two seqs, inclusive. */
  range(): readonly [number, number] {
    const [first, last, ...more] = this.array(2)
    if (first === undefined || last === undefined || more.length > 0) {
      throw this.fail("is not [first, last]")
    }
    const from = first.integer(1)
    return [from, last.integer(from)]
  }

  hash(): HashText {
    const text = this.string()
    if (parseHash(text) === undefined) throw this.fail("is not b3: and 64 hex digits")
    return text
  }

  hashOrGenesis(): HashText {
    return this.value === genesis ? genesis : this.hash()
  }

  base64(bytesMax: number): Uint8Array {
    const text = this.string()
    const bytes = text.length > Math.ceil(bytesMax / 3) * 4 ? undefined : fromBase64(text)
    if (bytes === undefined || bytes.length > bytesMax) {
      throw this.fail(`is not base64 of at most ${bytesMax} bytes`)
    }
    return bytes
  }

  algoId(): AlgoId {
    const text = this.string()
    if (!isAlgoId(text)) throw this.fail("is not a known algorithm")
    return text
  }

  keyId(): KeyId {
    return this.matching(keyIdPattern, "b3: and 32 hex digits")
  }

  logId(): string {
    return this.matching(/^[0-9a-f]{32}$/, "32 hex digits")
  }

  writerId(): string {
    return this.checked(checkWriterId, "is not a writer_id")
  }

  stream(): string {
    return this.checked(checkStream, "is not a stream")
  }

  private checked(check: (text: string) => void, rule: string): string {
    const text = this.string()
    try {
      check(text)
    } catch (error) {
      if (error instanceof Rejected) throw this.fail(rule)
      throw error
    }
    return text
  }

  private step(key: string): string {
    return this.path === "" ? key : `${this.path}.${key}`
  }
}

/** Opens a document that must be its own canonical form. Errors: DocumentError. */
export const openCanonical = (
  document: string,
  bytes: Uint8Array,
  bytesMax: number = jsonFileBytesMax,
): Field => openWith(parseCanonical, document, bytes, bytesMax)

/** Opens a document with a parser of the record room. Errors: DocumentError. */
export const openWith = (
  parser: (bytes: Uint8Array) => Json,
  document: string,
  bytes: Uint8Array,
  bytesMax: number,
): Field => {
  if (bytes.length > bytesMax) {
    throw new Field(document, "", null).fail(`is larger than ${bytesMax} bytes`, "DOCUMENT_SIZE")
  }
  try {
    return new Field(document, "", parser(bytes))
  } catch (error) {
    if (!(error instanceof Rejected)) throw error
    throw new DocumentError({
      code: "DOCUMENT_JSON",
      document,
      path: error.path,
      message: `${document}: ${error.message}`,
    })
  }
}
