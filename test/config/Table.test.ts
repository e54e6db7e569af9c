import { describe, expect, it } from "vitest"
import { defaults, queueDepthFor } from "../../src/config/Config.ts"
import { isInBounds } from "../../src/config/Setting.ts"
import { keys, settingOf, valueAt, withValues } from "../../src/config/Table.ts"

const leaves = (value: object): number =>
  Object.values(value).reduce<number>((sum, held) => {
    if (held instanceof Map) return sum
    return sum + (typeof held === "object" && held !== null ? leaves(held) : 1)
  }, 0)

describe("the table", () => {
  it("has a row for every leaf of the configuration, and a leaf for every row", () => {
    expect(keys.filter((key) => valueAt(defaults, key) === undefined)).toEqual([])
    expect(leaves(defaults)).toBe(keys.length)
    for (const key of keys) {
      const setting = settingOf(key)
      expect(isInBounds(setting, valueAt(defaults, key)), key).toBe(true)
      expect(setting.doc).toMatch(/^[A-Z].*\.$/)
    }
  })

  it("sets a value where it reads it", () => {
    for (const key of keys) {
      const changed = withValues([[key, "other"]])
      expect(keys.filter((at) => valueAt(changed, at) !== valueAt(defaults, at))).toEqual([key])
    }
  })

  it("gives no name to two keys", () => {
    const all = keys.map(settingOf)
    for (const names of [
      all.flatMap(({ env, old }) => [...env, ...(old?.env ?? [])]),
      all.flatMap(({ flags }) => [...flags]),
    ]) {
      expect(new Set(names).size).toBe(names.length)
    }
    for (const { env } of all) expect(env[0]).toMatch(/^RON_AUDIT_[A-Z_]+$/)
    for (const { flags } of all) expect(flags[0]).toMatch(/^--audit-[a-z-]+$/)
  })

  it("has no key for an address, a port or TLS [A-255]", () => {
    const steps = keys.flatMap((key) => key.split(/[._]/))
    const foreign = ["addr", "address", "port", "tls", "bind", "listen", "host"]
    expect(steps.filter((step) => foreign.includes(step))).toEqual([])
  })
})

it("resolves a stream's queue depth: its own, else that of all [A-246]", () => {
  const streams = new Map([
    ["ingress", { queueDepth: 4096 }],
    ["policy", {}],
  ])
  const config = { ...defaults, streams }
  expect(["ingress", "policy", "other"].map((name) => queueDepthFor(config, name))).toEqual([
    4096, 1024, 1024,
  ])
})
