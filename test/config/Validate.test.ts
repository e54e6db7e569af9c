import { readFileSync } from "node:fs"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type AuditConfig, defaults } from "../../src/config/Config.ts"
import { ConfigError, formatIssue } from "../../src/config/Issue.ts"
import type { Found } from "../../src/config/Rule.ts"
import { settings } from "../../src/config/Table.ts"
import { validate } from "../../src/config/Validate.ts"
import { algorithms } from "../../src/signing/Algorithm.ts"
import { directory, file, probeOf, resolve, secretFile, told, usual } from "./Place.ts"

type Flags = Readonly<Record<string, string>>

const flagged = (flags: Flags, options: Parameters<typeof resolve>[1] = {}) =>
  resolve(
    { flags: Object.entries(flags).map(([name, value]) => [`--audit-${name}`, value] as const) },
    options,
  )

const durable: Flags = {
  amnesia: "false",
  sink: "wal+export",
  "wal-dir": "/a/wal",
  "export-dir": "/a/export",
  "checkpoint-signer": "ops-hsm-1",
}

/** Keys that are told to be wrong. */
const wrong = (flags: Flags, options: Parameters<typeof resolve>[1] = {}) => [
  ...new Set(flagged(flags, options).issues.map(({ key }) => key)),
]

const withFound = (...found: ReadonlyArray<Found>) => ({ probe: probeOf(...found) })

describe("a valid configuration", () => {
  it("is what the defaults are, and a durable one in profile prod", () => {
    expect(flagged({}).config).toEqual(defaults)
    expect(wrong({ ...durable, profile: "prod" })).toEqual([])
  })

  it.each(["micronode", "macronode"])("is docs/examples/config/%s.toml", (name) => {
    const path = new URL(`../../docs/examples/config/${name}.toml`, import.meta.url)
    const text = readFileSync(path, "utf8")
    const at = "/var/lib/ron/audit"
    const probe = probeOf(directory(`${at}/wal`), directory(`${at}/export`))
    const resolved = resolve(file(text), { probe })
    expect([resolved.issues, resolved.warnings]).toEqual([[], []])
  })
})

describe("the sink", () => {
  it("cannot be a log on disk under amnesia, which is the default [A-257] [A-235]", () => {
    expect(wrong({ sink: "wal", "wal-dir": "/a/wal" })).toEqual(["sink"])
    expect(wrong({ ...durable, amnesia: "true" })).toEqual(["sink"])
    expect(wrong({ sink: "export" })).toEqual([])
    expect(wrong({ sink: "ram" })).toEqual([])
    const [issue] = flagged({ sink: "wal", "wal-dir": "/a/wal" }).issues
    expect(formatIssue(issue ?? { key: "", source: "", wanted: "" })).toBe(
      "sink is wal (--audit-sink), wanted: ram or export, amnesia is true (default); " +
        "a log on disk needs amnesia false",
    )
  })

  it("is one of four [A-121] [A-229]", () => {
    for (const sink of ["ram", "export", "wal", "wal+export"]) {
      expect(wrong({ ...durable, sink })).toEqual([])
    }
    for (const sink of ["", "RAM", "file", "export+wal"]) expect(wrong({ sink })).toEqual(["sink"])
  })

  it("needs wal.dir for wal and export.dir for export, and both to exist [A-260]", () => {
    const bare = { amnesia: "false", sink: "wal+export" }
    expect(wrong(bare)).toEqual(["wal.dir", "export.dir"])
    const gone = { ...durable, "wal-dir": "/none", "export-dir": "/no" }
    expect(wrong(gone)).toEqual(["wal.dir", "export.dir"])
    expect(wrong({ ...gone, sink: "export" })).toEqual(["export.dir"])
    expect(wrong({ ...gone, sink: "wal" })).toEqual(["wal.dir"])
    expect(wrong({ ...gone, sink: "ram" })).toEqual([])
  })

  it.each([
    ["a mode beyond 0700", { mode: 0o750 }, /it has mode 0750/],
    ["a mode below 0700", { mode: 0o500 }, /it has mode 0500/],
    ["another owner", { isOwn: false }, /belongs to another user/],
    ["no way to write", { isWritable: false }, /cannot be written/],
    ["a file in its place", { kind: "file" as const }, /it is a file/],
  ])("refuses directories with %s", (_, more, sentence) => {
    const options = withFound(directory("/a/wal", more), directory("/a/export", more))
    const { issues } = flagged(durable, options)
    expect(issues.map(({ key }) => key)).toEqual(["wal.dir", "export.dir"])
    for (const issue of issues) expect(formatIssue(issue)).toMatch(sentence)
  })

  it("keeps its two directories apart", () => {
    const nested = ["/a", "/a/wal/export", "/a/wal", "/a/./x/../wal/", "/link"]
    const probe = (path: string) =>
      directory(path === "/link" ? "/a/wal/inside" : path.replace(/\/$/, ""))
    for (const dir of nested)
      expect(wrong({ ...durable, "export-dir": dir }, { probe })).toEqual(["export.dir"])
    for (const dir of ["/a/wal2", "/a/export", "/b"])
      expect(wrong({ ...durable, "export-dir": dir }, { probe })).toEqual([])
  })

  it("makes the directories below data_dir itself", () => {
    const flags = { amnesia: "false", sink: "wal+export", "data-dir": "d" }
    expect(wrong(flags)).toEqual([])
    expect(wrong(flags, withFound(directory("d/wal", { mode: 0o755 })))).toEqual(["wal.dir"])
  })
})

describe("bounds", () => {
  it("leave 512 bytes around attrs [A-073] [A-258]", () => {
    const sizes = (attrs: string, record: string) =>
      wrong({ "max-attrs": attrs, "max-record": record })
    expect(sizes("2KiB", "2KiB")).toEqual(["max_attrs_bytes", "max_record_bytes"])
    expect(sizes("1KiB", "1535B")).toEqual(["max_record_bytes"])
    expect(sizes("1KiB", "1536B")).toEqual([])
    expect(sizes("255B", "4KiB")).toEqual(["max_attrs_bytes"])
    expect(sizes("256B", "768B")).toEqual([])
    expect(sizes("1KiB", "4097B")).toEqual(["max_record_bytes"])
  })

  it.each([
    ["workers", "workers", "1", "8", "0", "9"],
    ["queue_depth", "queue-depth", "1", "4294967295", "0", "4294967296"],
    ["wal.rotate_bytes", "wal-rotate", "8MiB", "10GiB", "8388607B", "-1"],
    ["export.checkpoint_every", "checkpoint-every", "1000", "9007199254740991", "999", "1e6"],
    ["deadline.enqueue", "deadline-enqueue", "5ms", "25ms", "4ms", "26ms"],
    ["deadline.wal", "deadline-wal", "5ms", "50ms", "4ms", "51ms"],
    ["deadline.drain", "deadline-drain", "1s", "5s", "999ms", "5001ms"],
    ["export.export_every", "export-every", "1s", "24h", "999ms", "25h"],
    ["amnesia", "amnesia", "true", "false", "yes", "1"],
  ])("of %s hold", (key, flag, low, high, below, above) => {
    expect([wrong({ [flag]: low }), wrong({ [flag]: high })]).toEqual([[], []])
    expect([wrong({ [flag]: below }), wrong({ [flag]: above })]).toEqual([[key], [key]])
  })

  it("hold for the streams, and their names do", () => {
    expect(
      told(resolve(file("streams.a.queue_depth = 0\nstreams.'a\\n'.queue_depth = 1"))),
    ).toEqual(["streams.a.queue_depth (audit.toml:1)"])
    const long = resolve(file(`streams.${"a".repeat(65)}.queue_depth = 1`))
    expect(long.issues[0]?.wanted).toMatch(/a stream, its name 65 bytes/)
  })

  it("know every algorithm", () => {
    expect(settings["export.alg"].type.choices).toEqual(Object.keys(algorithms))
  })
})

describe("texts", () => {
  it("have no control character, and no code point that Unicode does not assign", () => {
    expect(wrong({ "wal-dir": "a\nb", "checkpoint-signer": "\u0378" })).toEqual([
      "wal.dir",
      "export.signer_key_id",
    ])
  })

  it("that amnesia leaves without use are told", () => {
    const flags = { "data-dir": "d", sink: "export", "export-dir": "e" }
    expect(flagged(flags).warnings).toEqual([
      "export.dir is not used: amnesia is true, exports are handed to the host",
      "data_dir is not used: amnesia is true",
    ])
  })
})

describe("privacy", () => {
  const hash = { "privacy-ip": "hash" }
  const salted = { ...hash, "privacy-hash-salt": "/salt" }

  it("hash needs a salt [A-259]", () => {
    expect(wrong(hash)).toEqual(["privacy.hash_salt_path"])
    expect(wrong(salted)).toEqual([])
  })

  it("the salt file exists, is not empty and has mode 0600 [A-237]", () => {
    const found = (more: Partial<Found>) => wrong(salted, withFound(secretFile("/salt", more)))
    expect([found({}), found({ mode: 0o400 })]).toEqual([[], []])
    for (const more of [{ mode: 0o640 }, { size: 0 }, { kind: "other" as const }, { isOwn: false }])
      expect(found(more)).toEqual(["privacy.hash_salt_path"])
    expect(wrong(salted, { probe: () => undefined })).toEqual(["privacy.hash_salt_path"])
  })

  it("no report shows what was given as a secret's path", () => {
    const secret = "correct-horse-battery"
    const resolved = flagged({ ...hash, "privacy-hash-salt": secret, "passphrase-file": secret })
    expect(resolved.issues).toHaveLength(2)
    const text = JSON.stringify(resolved) + resolved.issues.map(formatIssue).join()
    expect(text).toContain("[redacted]")
    expect(text + ConfigError.invalid(resolved.issues).message).not.toContain(secret)
  })
})

describe("profiles", () => {
  it("prod refuses fsync never, whoever says that it is prod [A-240] [A-248] [A-261]", () => {
    const never = { ...durable, "wal-fsync": "never" }
    expect(wrong(never)).toEqual([])
    expect(wrong({ ...never, profile: "test" })).toEqual([])
    expect(wrong({ ...never, profile: "prod" })).toEqual(["wal.fsync"])
    expect(wrong(never, { probe: usual, profileProd: true })).toEqual(["wal.fsync"])
    expect(flagged(never).warnings.join()).toMatch(/wal.fsync is never/)
  })

  it("only test takes shed_policy block [A-108] [A-234]", () => {
    const block = (profile: string) => wrong({ shed: "block", profile })
    expect([block("test"), block("dev"), block("prod")]).toEqual([
      [],
      ["shed_policy"],
      ["shed_policy"],
    ])
  })

  it("prod needs a signer for a durable sink, the others warn [A-244]", () => {
    const unsigned = { ...durable, "checkpoint-signer": "" }
    expect(wrong({ ...unsigned, profile: "prod" })).toEqual(["export.signer_key_id"])
    expect(wrong(unsigned)).toEqual([])
    expect(flagged(unsigned).warnings.join()).toMatch(/signer_key_id is empty/)
    expect(wrong({ sink: "ram", profile: "prod" })).toEqual([])
  })

  it("no profile takes post-quantum signatures that nobody makes", () => {
    expect(wrong({ "pq-hybrid": "true", "pq-only": "true" })).toEqual([
      "signing.pq_hybrid",
      "signing.pq_only",
    ])
  })
})

/** Violations that touch different rules: a change, and the key that is told for it. */
const violations: ReadonlyArray<readonly [Flags, string]> = [
  [{ workers: "9" }, "workers"],
  [{ "queue-depth": "x" }, "queue_depth"],
  [{ "max-attrs": "4KiB" }, "max_attrs_bytes"],
  [{ "max-record": "300B" }, "max_record_bytes"],
  [{ shed: "block" }, "shed_policy"],
  [{ "privacy-ip": "hash" }, "privacy.hash_salt_path"],
  [{ "passphrase-file": "/none" }, "signing.passphrase_file"],
  [{ "wal-dir": "/none" }, "wal.dir"],
  [{ "export-dir": "/no" }, "export.dir"],
  [{ "wal-rotate": "1MiB" }, "wal.rotate_bytes"],
  [{ "wal-fsync": "never" }, "wal.fsync"],
  [{ "checkpoint-signer": "" }, "export.signer_key_id"],
  [{ "checkpoint-alg": "none" }, "export.alg"],
  [{ "writer-id": "a/b" }, "writer_id"],
  [{ "pq-hybrid": "true" }, "signing.pq_hybrid"],
  [{ amnesia: "true" }, "sink"],
  [{ unheard: "of" }, "--audit-unheard"],
  [{ "stream-queue-depth": "s=0" }, "streams.s.queue_depth"],
]

describe("whatever is wrong", () => {
  it("is told all at once, and nothing else is", () => {
    fc.assert(
      fc.property(fc.subarray([...violations]), (chosen) => {
        const flags = Object.assign(
          { ...durable, profile: "prod" },
          ...chosen.map(([flag]) => flag),
        )
        const expected = new Set(chosen.map(([, key]) => key))
        // A large attrs bound breaks the rule between the two as well; amnesia needs no export.
        if (expected.has("max_attrs_bytes")) expected.add("max_record_bytes")
        if (flags.amnesia === "true") expected.delete("export.dir")
        const resolved = flagged(flags)
        expect(new Set(resolved.issues.map(({ key }) => key))).toEqual(expected)
        expect(resolved.config === undefined).toBe(expected.size > 0)
        for (const { source, wanted } of resolved.issues) {
          expect(source).toMatch(/^(--audit-|flag|default)/)
          expect(wanted).not.toBe("")
        }
      }),
      { numRuns: 300 },
    )
  })

  it("of a typed configuration is told too, without any source [A-227]", () => {
    const typed: AuditConfig = {
      ...defaults,
      workers: 1.5,
      sink: "tape" as "ram",
      queueDepth: Number.NaN,
      streams: new Map([["", { queueDepth: -1 }]]),
    }
    const issues = validate(typed, { profileProd: true, probe: usual })
    expect(issues.map(({ key, source }) => `${key} ${source}`)).toEqual([
      "sink given",
      "queue_depth given",
      "workers given",
      "export.signer_key_id given",
      "streams..queue_depth given",
      "streams..queue_depth given",
    ])
    expect(ConfigError.invalid(issues)).toMatchObject({
      code: "CONFIG_INVALID",
      isRetryable: false,
    })
  })
})
