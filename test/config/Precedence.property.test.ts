/** Whatever subset of the sources speaks, the highest one is heard, and said to be the source. */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { formatValue, type Setting, type Value } from "../../src/config/Setting.ts"
import { keys, settingOf } from "../../src/config/Table.ts"
import { file, resolve, sourceIn, valueIn } from "./Place.ts"

const valuesOf = ({ type }: Setting): fc.Arbitrary<Value> => {
  switch (type.kind) {
    case "choice":
      return fc.constantFrom(...type.choices)
    case "boolean":
      return fc.boolean()
    case "integer":
    case "size":
    case "duration":
      return fc.integer({ min: type.min, max: type.max })
    default:
      return fc.stringMatching(/^[a-z/.-]{1,12}$/)
  }
}

const tomlOf = (setting: Setting, value: Value): string => {
  const isBare = setting.type.kind === "integer" || setting.type.kind === "boolean"
  return isBare ? String(value) : JSON.stringify(formatValue(setting, value))
}

const cases = fc.constantFrom(...keys).chain((key) => {
  const setting = settingOf(key)
  const value = fc.option(valuesOf(setting), { nil: undefined })
  return fc.record({ key: fc.constant(key), flag: value, env: value, old: value, toml: value })
})

describe("precedence", () => {
  it("is flags, environment, file, defaults, for every key and subset of them [A-223]", () => {
    const heard = new Set<string>()
    fc.assert(
      fc.property(cases, ({ key, flag, env, old, toml }) => {
        const setting = settingOf(key)
        const text = (value: Value) => formatValue(setting, value)
        const oldName = setting.old?.env?.[0]
        const resolved = resolve({
          flags: flag === undefined ? [] : [[setting.flags[0], text(flag)]],
          env: {
            ...(env === undefined ? {} : { [setting.env[0]]: text(env) }),
            ...(old === undefined || oldName === undefined ? {} : { [oldName]: text(old) }),
          },
          ...(toml === undefined ? {} : file(`${key} = ${tomlOf(setting, toml)}`)),
        })
        const ranked = [
          [flag, setting.flags[0]],
          [env, setting.env[0]],
          [oldName === undefined ? undefined : old, oldName],
          [toml, "audit.toml:1"],
        ] as const
        const [value, source] = ranked.find(([said]) => said !== undefined) ?? [
          undefined,
          "default",
        ]
        expect(sourceIn(resolved, key)).toBe(source)
        if (value !== undefined) {
          const shown = setting.isSecret === true ? "[redacted]" : text(value)
          expect(valueIn(resolved, key)).toBe(shown)
        }
        heard.add(source ?? "")
      }),
      { numRuns: 400 },
    )
    expect(heard.size).toBeGreaterThan(50)
  })

  it("does not fall through a malformed value to a lower source", () => {
    const resolved = resolve({
      env: { RON_AUDIT_WAL_FSYNC: "sometimes" },
      ...file('wal.fsync = "always"'),
    })
    expect(resolved.config).toBeUndefined()
    expect(valueIn(resolved, "wal.fsync")).toBe("sometimes")
  })
})
