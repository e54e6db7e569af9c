/**
 * Names that a flag or the configuration gives, refused before anything is read or made.
 * Source: FORMATS 2 (writer_id, stream).
 */
import { checkStream, checkWriterId, encodeName } from "../record/Name.ts"
import { Rejected } from "../record/Reject.ts"
import { UsageError } from "./Exit.ts"

/** Why a text is no name of that sort, `undefined` where it is one. */
export const nameFault = (sort: "writer_id" | "stream", name: string): string | undefined => {
  try {
    if (sort === "stream") checkStream(name)
    else checkWriterId(name)
    encodeName(name)
    return undefined
  } catch (error) {
    if (!(error instanceof Rejected)) throw error
    return error.message.replace(/^(writer_id|stream): /, "")
  }
}

export interface NamedFlags {
  readonly writer?: string | undefined
  readonly stream?: string | undefined
}

/** Errors: UsageError for a `--writer` or `--stream` that can name nothing. */
export const checkNames = ({ writer, stream }: NamedFlags): void => {
  for (const [flag, sort, name] of [
    ["writer", "writer_id", writer],
    ["stream", "stream", stream],
  ] as const) {
    const fault = name === undefined ? undefined : nameFault(sort, name)
    if (fault === undefined) continue
    throw UsageError.of("USAGE", `--${flag} ${JSON.stringify(name)} is no ${sort}: ${fault}`)
  }
}
