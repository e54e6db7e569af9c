import { describe, it } from "vitest"
import { noble } from "../../src/engine/Ed25519Js.ts"
import type { Engine } from "../../src/engine/Engine.ts"
import { EngineError } from "../../src/engine/EngineError.ts"
import { openJs } from "../../src/engine/EngineJs.ts"
import { openNative } from "../../src/engine/EngineNative.ts"
import { engineSuite } from "../conformance/Engine.ts"

const tryNative = (): Engine | EngineError => {
  try {
    return openNative()
  } catch (error) {
    if (error instanceof EngineError) return error
    throw error
  }
}

const native = tryNative()

describe("engine js", () => engineSuite("js", () => openJs()))

describe("engine js with @noble/curves", () => engineSuite("js", () => openJs(noble)))

if (native instanceof EngineError) {
  it.skip(`engine native: skipped, ${native.message}`, () => {})
} else {
  describe("engine native", () => engineSuite("native", () => native))
}
