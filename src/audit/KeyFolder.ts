/**
 * The certificates and revocations that lie beside a log, in `~keys`. They are never anchors: what
 * they say counts as far as an anchor signed it. Source: FORMATS 6.
 */
import { existsSync, readdirSync } from "node:fs"

const pattern = /^[0-9a-f]{32}\.(cert|revoked)\.json$/

/** Base names in order; empty where there is no folder. */
export const certificateFiles = (directory: string): Array<string> =>
  existsSync(directory)
    ? readdirSync(directory)
        .filter((name) => pattern.test(name))
        .sort()
    : []
