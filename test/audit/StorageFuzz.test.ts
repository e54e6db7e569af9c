/**
 * Files of other versions, as a reader of version 1 meets them: what a later version might write is
 * refused by name and never guessed at, and what version 1 leaves open is taken as it comes.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { parseReceipt } from "../../src/audit/Receipt.ts"
import { concat, utf8 } from "../../src/base/Bytes.ts"
import { b3Text } from "../../src/base/Hash.ts"
import * as Checkpoint from "../../src/checkpoint/Checkpoint.ts"
import * as Manifest from "../../src/checkpoint/Manifest.ts"
import { openNative } from "../../src/engine/EngineNative.ts"
import { canonicalizeValue } from "../../src/record/Canonical.ts"
import { formatHeader } from "../../src/record/Frame.ts"
import { formatBody, parseBody } from "../../src/record/Record.ts"
import { Rejected } from "../../src/record/Reject.ts"
import { DocumentError } from "../../src/signing/Document.ts"
import { parseCertificate } from "../../src/signing/KeyCertificate.ts"
import { parseTrust } from "../../src/signing/Trust.ts"
import { chainDirectory } from "../../src/sink/Segment.ts"
import { body, json, runs } from "../record/Arbitrary.ts"
import { vectors, wal } from "../signing/Vectors.ts"
import { cleanUp, engine, makePlace, type Place, stream, verify, writerId } from "./Room.ts"

cleanUp()

type Members = { readonly [name: string]: unknown }

interface Kind {
  readonly name: string
  /** The member that says it, and the members that it may go without. */
  readonly version: string
  readonly optional: ReadonlyArray<string>
  readonly others: ReadonlyArray<unknown>
  readonly good: () => Members
  readonly parse: (bytes: Uint8Array) => unknown
}

const numbers = [0, 2, 3, 255, 256, 257, 65_535, 65_536, -1, 2 ** 53 - 1, "1", null, [1], true]
const typed = (of: string): ReadonlyArray<unknown> => [
  `${of}/v2`,
  `${of}/v0`,
  `${of}/v10`,
  of,
  `${of}/v1 `,
  "",
  1,
  null,
]

const kinds: ReadonlyArray<Kind> = [
  {
    name: "checkpoint",
    version: "version",
    optional: [],
    others: numbers,
    good: () => vectors.checkpoints[0]!,
    parse: Checkpoint.parse,
  },
  {
    name: "manifest",
    version: "version",
    optional: [],
    others: numbers,
    good: () => JSON.parse(wal.manifest) as Members,
    parse: Manifest.parse,
  },
  {
    name: "receipt",
    version: "type",
    optional: ["signatures", "batch", "checkpoint", "cosignatures", "path", "certificates"],
    others: typed("strongroom/receipt"),
    good: () => vectors.receipt,
    parse: parseReceipt,
  },
  {
    name: "certificate",
    version: "type",
    optional: [],
    others: typed("strongroom/key-cert"),
    good: () => vectors.certificate,
    parse: parseCertificate,
  },
  {
    name: "trust",
    version: "type",
    optional: ["log_id", "revoked"],
    others: typed("strongroom/trust"),
    good: () => vectors.trust,
    parse: parseTrust,
  },
]

/** `undefined` where the bytes are taken; anything but a typed refusal ends the test. */
const refusal = (parse: (bytes: Uint8Array) => unknown, bytes: Uint8Array): string | undefined => {
  try {
    parse(bytes)
    return undefined
  } catch (error) {
    if (error instanceof DocumentError || error instanceof Rejected) return error.code
    throw error
  }
}

/** A member more, fewer, by another name, or of another type. */
const changes = fc.oneof(
  fc.record({
    how: fc.constant("add"),
    key: fc.string({ minLength: 1, maxLength: 12 }),
    value: json,
  }),
  fc.record({ how: fc.constant("remove"), key: fc.nat(), value: fc.constant(null) }),
  fc.record({ how: fc.constant("rename"), key: fc.nat(), value: fc.constant(null) }),
  fc.record({ how: fc.constant("retype"), key: fc.nat(), value: json }),
)
type Change = typeof changes extends fc.Arbitrary<infer A> ? A : never

const evolve = (members: Members, { how, key, value }: Change): Members => {
  const names = Object.keys(members)
  const at = typeof key === "number" ? names[key % names.length]! : key
  if (how === "add") return at in members ? members : { ...members, [at]: value }
  if (how === "retype") return { ...members, [at]: value }
  const { [at]: held, ...rest } = members
  return how === "rename" ? { ...rest, [`${at}2`]: held } : rest
}

describe.each(kinds)("a $name", ({ version, optional, others, good, parse }) => {
  it("of version 1 is taken, of any other refused [A-332]", () => {
    expect(refusal(parse, canonicalizeValue(good()))).toBeUndefined()
    for (const other of others) {
      const bytes = canonicalizeValue({ ...good(), [version]: other })
      expect(refusal(parse, bytes), JSON.stringify(other)).toBe("MEMBER_VALUE")
    }
  })

  it("that a later version might write never crashes, and is never half read [A-332]", () => {
    fc.assert(
      fc.property(fc.array(changes, { minLength: 1, maxLength: 3 }), (steps) => {
        const members = steps.reduce(evolve, good())
        let bytes: Uint8Array
        try {
          bytes = canonicalizeValue(members)
        } catch (error) {
          // Not even JSON of version 1, a lone surrogate for one.
          if (error instanceof Rejected) return
          throw error
        }
        if (refusal(parse, bytes) !== undefined) return
        // What is taken has the members of version 1 and no other.
        const known = new Set([...Object.keys(good()), ...optional])
        const needed = Object.keys(good()).filter((name) => !optional.includes(name))
        expect(Object.keys(members).filter((name) => !known.has(name))).toEqual([])
        expect(needed.filter((name) => !(name in members))).toEqual([])
        expect(members[version]).toEqual(good()[version])
      }),
      runs,
    )
  })
})

/** Bytes in the fixed order of a record, as another version of this code would write them. */
const recordBytes = (members: Members): Uint8Array =>
  utf8(
    `{${Object.entries(members)
      .map(([name, value]) => `${JSON.stringify(name)}:${Buffer.from(canonicalizeValue(value))}`)
      .join(",")}}`,
  )

/** Without two keys that are equal under NFC. */
const wellFormed = body.filter((one) => {
  try {
    return formatBody(one).length > 0
  } catch (error) {
    if (error instanceof Rejected) return false
    throw error
  }
})

describe("a record", () => {
  it("of another version is refused, however it is made [A-332]", () => {
    const otherV = fc.oneof(fc.constantFrom(...numbers), json).filter((v) => v !== 1)
    const otherMembers = changes.filter(({ how }) => how !== "retype")
    fc.assert(
      fc.property(wellFormed, otherV, fc.option(otherMembers), (good, v, change) => {
        const fields: Members = { ...JSON.parse(Buffer.from(formatBody(good)).toString()), v }
        let bytes: Uint8Array
        try {
          bytes = recordBytes(change === null ? fields : evolve(fields, change))
        } catch (error) {
          if (error instanceof Rejected) return
          throw error
        }
        expect(refusal(parseBody, bytes)).toBeDefined()
      }),
      runs,
    )
  })

  it("of version 1 may have kinds, reasons and attrs nobody knows, no new field [A-332]", () => {
    const kind = fc.stringMatching(/^[A-Z][A-Za-z0-9]{0,63}$/)
    const reason = fc.stringMatching(/^[a-z][a-z0-9_.-]{0,63}$/)
    fc.assert(
      fc.property(wellFormed, kind, reason, json, (good, newKind, newReason, value) => {
        const bytes = formatBody({ ...good, kind: newKind, reason: newReason })
        expect(formatBody(parseBody(bytes))).toEqual(bytes)
        const fields = JSON.parse(Buffer.from(bytes).toString()) as Members
        for (const inside of [undefined, "actor", "subject"]) {
          const grown =
            inside === undefined
              ? { ...fields, zone: value }
              : { ...fields, [inside]: { ...(fields[inside] as Members), zone: value } }
          let grownBytes: Uint8Array
          try {
            grownBytes = recordBytes(grown)
          } catch (error) {
            if (error instanceof Rejected) continue
            throw error
          }
          expect(refusal(parseBody, grownBytes)).toBeDefined()
        }
      }),
      runs,
    )
  })
})

const frameOf = (v: number, seq: number, text: Uint8Array): Uint8Array => {
  const head = Buffer.alloc(13)
  head.writeUInt32LE(text.length, 0)
  head.writeUInt8(v, 4)
  head.writeBigUInt64LE(BigInt(seq), 5)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(67)
  return concat(head, text, length, utf8(b3Text(text)))
}

/** A chain whose links and hashes are right, each record of the version that is asked for. */
const writeChain = (
  { wal: root }: Place,
  versions: ReadonlyArray<{ readonly record: number; readonly frame: number }>,
): void => {
  const directory = chainDirectory(root, writerId, stream)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  let prev = "b3:0"
  const frames = versions.map(({ record, frame }, index) => {
    const opened = {
      log_id: "0123456789abcdef".repeat(2),
      signing: "batch",
      algs: ["ed25519"],
      checkpoint_algs: ["ed25519"],
      fsync: "always",
    }
    const text = recordBytes({
      v: record,
      ts_ms: 1_730_246_400_000,
      writer_id: writerId,
      seq: index + 1,
      stream,
      kind: index === 0 ? "StreamOpened" : "FromTheFuture",
      actor: { anon: true },
      subject: {},
      reason: "ok",
      attrs: index === 0 ? opened : {},
      prev,
    })
    prev = b3Text(text)
    return frameOf(frame, index + 1, text)
  })
  const bytes = concat(formatHeader(0), ...frames)
  writeFileSync(join(directory, "wal-000001.seg"), bytes, { mode: 0o600 })
}

describe("a chain with records of several versions", () => {
  const engines = (() => {
    try {
      return [engine, openNative()]
    } catch {
      return [engine]
    }
  })()

  it("is read to the first of another version, which is named, by any engine [A-332]", () => {
    const place = makePlace()
    const version = fc.constantFrom(1, 1, 1, 2, 0, 255)
    const versions = fc.array(
      fc.record({ record: version, frame: fc.option(version) }).map(({ record, frame }) => ({
        record,
        frame: frame ?? record,
      })),
      { minLength: 1, maxLength: 8 },
    )
    fc.assert(
      fc.property(versions, (rest) => {
        const all = [{ record: 1, frame: 1 }, ...rest]
        writeChain(place, all)
        const wrong = all.findIndex(({ record, frame }) => record !== 1 || frame !== 1) + 1
        for (const by of engines) {
          const report = verify(place, { trust: undefined, integrity: true }, by)
          const findings = report.streams.flatMap((one) => one.findings)
          expect(report.verdict).toBe(wrong === 0 ? "intact" : "invalid")
          expect(findings[0]?.seq ?? 0).toBe(wrong)
        }
      }),
      { numRuns: 150 },
    )
  })
})
