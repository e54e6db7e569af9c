import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type AuditConfig, defaults } from "../../src/config/Config.ts"
import { ConfigError } from "../../src/config/Issue.ts"
import {
  configHash,
  diff,
  formatChange,
  planReload,
  updatedAttrs,
} from "../../src/config/Reload.ts"
import { type Key, keys, settingOf, withValues } from "../../src/config/Table.ts"
import { canonicalizeValue } from "../../src/record/Canonical.ts"

const current = { version: 3, config: defaults }
const changed = (...pairs: ReadonlyArray<readonly [Key, string | number | boolean]>) =>
  withValues(pairs)

const classes: Readonly<Record<"hot" | "drain-and-switch" | "restart", ReadonlyArray<Key>>> = {
  hot: [
    "queue_depth",
    "workers",
    "max_attrs_bytes",
    "max_record_bytes",
    "shed_policy",
    "privacy.ip_mode",
    "privacy.hash_salt_path",
    "export.checkpoint_every",
    "export.export_every",
  ],
  "drain-and-switch": [
    "sink",
    "amnesia",
    "wal.dir",
    "wal.rotate_bytes",
    "wal.fsync",
    "export.dir",
    "export.signer_key_id",
    "export.alg",
  ],
  restart: ["profile"],
}

/** Some keys with another value of their type. */
const mutation = fc
  .subarray(keys.filter((key) => settingOf(key).reload !== "restart"))
  .map((some) => {
    const values = some.map((key) => {
      const { kind } = settingOf(key).type
      const value = kind === "boolean" ? "other" : kind === "choice" ? "other" : 4_242_424
      return [key, value] as const
    })
    return { some, config: withValues(values) }
  })

describe("a reload", () => {
  it("of an equal configuration changes nothing, and keeps the snapshot", () => {
    fc.assert(
      fc.property(mutation, fc.integer({ min: 1 }), ({ config }, version) => {
        const copy: AuditConfig = structuredClone(config)
        expect(diff(config, copy)).toEqual([])
        const snapshot = { version, config }
        const plan = planReload(snapshot, copy)
        expect(plan.needs).toBe("nothing")
        expect(plan.next).toBe(snapshot)
      }),
    )
  })

  it("names exactly the keys that differ, and counts the version up", () => {
    fc.assert(
      fc.property(mutation, ({ some, config }) => {
        expect(diff(defaults, config).map(({ key }) => key)).toEqual(some)
        const isHot = some.every((key) => settingOf(key).reload === "hot")
        const plan = planReload(current, config)
        expect(plan.needs).toBe(some.length === 0 ? "nothing" : isHot ? "hot" : "drain-and-switch")
        expect(plan.next.version).toBe(some.length === 0 ? 3 : 4)
      }),
    )
  })

  it("has the class of each key", () => {
    for (const [reload, some] of Object.entries(classes)) {
      for (const key of some) expect([key, settingOf(key).reload]).toEqual([key, reload])
    }
    const depths = { ...defaults, streams: new Map([["ingress", { queueDepth: 9 }]]) }
    expect(diff(defaults, depths)).toEqual([
      { key: "streams.ingress.queue_depth", reload: "hot", from: "inherited", to: "9" },
    ])
    expect(diff(depths, { ...defaults, streams: new Map([["ingress", {}]]) })).toHaveLength(1)
  })

  it("is refused as a whole where one key needs a restart", () => {
    const config = changed(["profile", "prod"], ["workers", 2])
    let refused: unknown
    try {
      planReload(current, config)
    } catch (error) {
      refused = error
    }
    expect(refused).toBeInstanceOf(ConfigError)
    expect(refused).toMatchObject({
      code: "CONFIG_RESTART",
      message: "profile is prod (reload), wanted: dev as before, a change needs a restart",
    })
  })
})

describe("what is told of a reload", () => {
  it("is a line for each change, no secret in it", () => {
    const config = changed(
      ["queue_depth", 2048],
      ["privacy.hash_salt_path", "hunter2"],
      ["export.export_every", 60_000],
      ["wal.dir", "/a"],
    )
    const plan = planReload(current, config)
    const told = [
      "queue_depth: 1024 -> 2048",
      "privacy.hash_salt_path: empty -> [redacted]",
      "wal.dir: empty -> /a",
      "export.export_every: 15m -> 1m",
    ]
    expect(plan.changes.map(formatChange)).toEqual(told)
    const attrs = updatedAttrs(plan)
    expect(attrs).toEqual({ config_b3: configHash(config), version: 4, changed: told })
    expect(JSON.stringify([plan.changes, attrs])).not.toContain("hunter2")
  })

  it("fits in a record however much changed", () => {
    const values = keys
      .filter((key) => settingOf(key).reload !== "restart")
      .map((key) => [key, `${"é".repeat(300)}${key}`] as const)
    const attrs = updatedAttrs(planReload(current, changed(["workers", 2], ...values)))
    expect(canonicalizeValue(attrs).length).toBeLessThan(800)
    expect(attrs.more).toBeGreaterThan(10)
  })

  it("has a digest that any change alters", () => {
    const digest = configHash(defaults)
    expect(digest).toMatch(/^b3:[0-9a-f]{64}$/)
    expect(configHash(structuredClone(defaults))).toBe(digest)
    const streams = new Map([["ingress", { queueDepth: 9 }]])
    for (const other of [changed(["workers", 2]), { ...defaults, streams }])
      expect(configHash(other)).not.toBe(digest)
  })
})
