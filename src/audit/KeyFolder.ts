/**
 * The certificates and revocations that lie beside a log, in `~keys`. They are never anchors: what
 * they say counts as far as an anchor signed it. Source: FORMATS 6.
 */
import { lstatSync, readdirSync } from "node:fs"
import { attempt } from "../sink/SinkError.ts"

const pattern = /^[0-9a-f]{32}\.(cert|revoked)\.json$/

/** Base names in order; empty where there is no folder. Errors: SinkError. */
export const certificateFiles = (directory: string): Array<string> =>
  attempt("read the directory", directory, () =>
    lstatSync(directory, { throwIfNoEntry: false })?.isDirectory() === true
      ? readdirSync(directory)
          .filter((name) => pattern.test(name))
          .sort()
      : [],
  )
