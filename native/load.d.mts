import type * as Addon from "./index.d.ts"

/** Errors: Error, with the system's reason, where the addon is missing or does not load. */
export declare const loadAddon: (folder?: URL) => typeof Addon
