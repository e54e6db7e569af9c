/** Every engine that this machine has. */
import type { Engine } from "../../src/engine/Engine.ts"
import { EngineError } from "../../src/engine/EngineError.ts"
import { openJs } from "../../src/engine/EngineJs.ts"
import { openNative } from "../../src/engine/EngineNative.ts"

const nativeIfThere = (): ReadonlyArray<Engine> => {
  try {
    return [openNative()]
  } catch (error) {
    if (error instanceof EngineError) return []
    throw error
  }
}

export const engines: ReadonlyArray<Engine> = [openJs(), ...nativeIfThere()]
