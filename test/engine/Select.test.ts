import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"

const reason = "cannot open strongroom.linux-x64-gnu.node: no such file"

/** A fresh process, as far as modules go, with or without an addon. */
const load = async (addon: "there" | "missing" | "broken") => {
  const { EngineError } = await import("../../src/engine/EngineError.ts")
  const { openJs } = await import("../../src/engine/EngineJs.ts")
  vi.doMock("../../src/engine/EngineNative.ts", () => ({
    openNative: () => {
      if (addon === "missing") {
        throw new EngineError({ code: "ENGINE_UNAVAILABLE", message: reason })
      }
      if (addon === "broken") throw new TypeError("a defect")
      return { ...openJs(), name: "native" }
    },
  }))
  const { selectEngine } = await import("../../src/engine/Select.ts")
  const lines: Array<string> = []
  return { EngineError, lines, warn: (line: string) => void lines.push(line), selectEngine }
}

beforeEach(() => {
  vi.resetModules()
})

afterEach(() => {
  vi.doUnmock("../../src/engine/EngineNative.ts")
})

describe("selectEngine", () => {
  it("takes the native engine where there is one, and says nothing", async () => {
    const { selectEngine, warn, lines } = await load("there")
    expect(selectEngine("auto", warn).name).toBe("native")
    expect(selectEngine("native", warn).name).toBe("native")
    expect(selectEngine("js", warn).name).toBe("js")
    expect(lines).toEqual([])
  })

  it("falls back from auto, and says so once with the loader's reason", async () => {
    const { selectEngine, warn, lines } = await load("missing")
    expect(selectEngine("auto", warn).name).toBe("js")
    expect(selectEngine("auto", warn).name).toBe("js")
    expect(lines.length).toBe(1)
    expect(lines[0]).toContain(reason)
    expect(lines[0]).toContain("WARNING")
  })

  it("never falls back from a forced engine", async () => {
    const { EngineError, selectEngine, warn, lines } = await load("missing")
    expect(() => selectEngine("native", warn)).toThrow(EngineError)
    expect(() => selectEngine("native", warn)).toThrow(reason)
    expect(selectEngine("js", warn).name).toBe("js")
    expect(lines).toEqual([])
  })

  it("does not take a defect for a missing addon", async () => {
    const { selectEngine, warn, lines } = await load("broken")
    expect(() => selectEngine("auto", warn)).toThrow("a defect")
    expect(lines).toEqual([])
  })
})
