/**
 * The floor of every room. A file imports from its own room and from rooms on lower floors, never
 * from the same floor, never upward. There are no exceptions.
 */
export const floors: Readonly<Record<string, number>> = {
  base: 0,
  record: 1,
  chain: 2,
  merkle: 2,
  signing: 2,
  checkpoint: 3,
  attestation: 3,
  config: 3,
  engine: 4,
  sink: 4,
  ingress: 4,
  bus: 4,
  custody: 4,
  audit: 5,
  access: 6,
  governance: 6,
  timeline: 7,
  evidence: 7,
  telemetry: 8,
  api: 8,
  http: 9,
  cli: 9,
  console: 9,
  supervisors: 10,
}

/** Rooms up to this floor are pure: no clock, randomness, files, network, process, logging. */
export const pureFloorMax = 3

/** The public surface `src/index.ts`: it gives out the supervised log (docs/decisions/0010). */
export const indexFloor = 11

/** Files nobody has to import: where a program, a package or a test run begins. */
export const entries: ReadonlyArray<string> = [
  "src/index.ts",
  // The package's ./runtime.
  "supervisors/Runtime.ts",
  "supervisors/main.ts",
  "bench/run.ts",
  ".ci/test.ts",
  ".ci/ready.ts",
  ".ci/build.ts",
  ".ci/fill-lock.ts",
  // vitest loads it by its path.
  ".ci/Report.ts",
]

/** Benches are found by their ending: `bench/run.ts` loads them by name. */
export const benchEntry = /^bench\/[a-z-]+\.bench\.ts$/

/** The only file that may load the addon. */
export const nativeDoor = "src/engine/EngineNative.ts"

/** The folders whose code may import the reference models. */
export const modelReaders: ReadonlyArray<string> = ["test", "bench", "models"]
