/** A file system of a few paths, and inputs without a file. */
import { utf8 } from "../../src/base/Bytes.ts"
import { type Resolved, resolveConfig } from "../../src/config/Resolve.ts"
import type { Found, Probe } from "../../src/config/Rule.ts"
import type { Inputs } from "../../src/config/Sources.ts"

export const directory = (realPath: string, more: Partial<Found> = {}): Found => ({
  kind: "directory",
  mode: 0o700,
  size: 4096,
  isOwn: true,
  isWritable: true,
  realPath,
  ...more,
})

export const secretFile = (realPath: string, more: Partial<Found> = {}): Found => ({
  ...directory(realPath),
  kind: "file",
  mode: 0o600,
  size: 32,
  ...more,
})

export const probeOf =
  (...found: ReadonlyArray<Found>): Probe =>
  (path) =>
    found.find(({ realPath }) => realPath === path)

/** `wal` and `export` side by side, and a salt. */
export const usual: Probe = probeOf(
  directory("/a/wal"),
  directory("/a/export"),
  secretFile("/salt"),
)

export const file = (text: string, path = "audit.toml") => ({ file: { path, bytes: utf8(text) } })

export const resolve = (
  inputs: Partial<Inputs>,
  options: { readonly probe?: Probe; readonly profileProd?: boolean } = {},
): Resolved => resolveConfig({ flags: [], env: {}, ...inputs }, { probe: usual, ...options })

/** Key and source of every issue, in order. */
export const told = ({ issues }: Resolved): ReadonlyArray<string> =>
  issues.map(({ key, source }) => `${key} (${source})`)

export const valueIn = ({ effective }: Resolved, key: string): string | undefined =>
  effective.find((held) => held.key === key)?.value

export const sourceIn = ({ effective }: Resolved, key: string): string | undefined =>
  effective.find((held) => held.key === key)?.source
