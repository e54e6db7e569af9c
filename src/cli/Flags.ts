/** Flags that several commands share. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"

export const optionalText = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.optional)

const optionalFile = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar("FILE"), Flag.withDescription(description), Flag.optional)

export const time = (name: string, alias: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withAlias(alias),
    Flag.withMetavar("TIME"),
    Flag.withDescription(`${description}: RFC 3339 or Unix milliseconds`),
    Flag.optional,
  )

export const given = <A>(option: Option.Option<A>): A | undefined => Option.getOrUndefined(option)

/** A whole number from 1, in digits and nothing else. */
export const counting = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withMetavar("N"),
    Flag.withDescription(description),
    Flag.filterMap(
      (text) => {
        const value = /^[1-9]\d{0,15}$/.test(text) ? Number(text) : 0
        return Number.isSafeInteger(value) && value > 0 ? Option.some(value) : Option.none()
      },
      () => "a whole number from 1 on, in digits",
    ),
  )

export const switchOn = (name: string, description: string) =>
  Flag.Boolean(name).pipe(
    Flag.withoutNegation,
    Flag.withDescription(description),
    Flag.withDefault(false),
  )

export const files = Argument.String("FILE").pipe(
  Argument.withDescription("Files to read; - is stdin"),
  Argument.variadic(),
)

export const keys = Flag.String("key").pipe(
  Flag.withMetavar("ALG:HEX"),
  Flag.withDescription("A public key to trust for everything; may be repeated"),
  Flag.atLeast(0),
)

export const trust = optionalFile(
  "trust",
  "The keys to believe; nothing is trusted without it or --key",
)

export const integrity = switchOn(
  "integrity",
  "Chain and roots only, no signatures: intact or invalid",
)

export const require = Flag.Literals("require", ["signed", "checkpointed"]).pipe(
  Flag.withDescription("What must cover a record"),
  Flag.optional,
)

export const signing = Flag.Literals("signing", ["record", "batch", "checkpoint"]).pipe(
  Flag.withDescription("What is signed; default: as the log declares, batch for a new one"),
  Flag.optional,
)

export const fsync = Flag.Literals("fsync", ["always", "on_checkpoint", "never"]).pipe(
  Flag.withDescription("When data is forced to the disk; default: as declared, on_checkpoint"),
  Flag.optional,
)

export const level = Flag.Literals("level", ["accepted", "durable", "signed", "checkpointed"]).pipe(
  Flag.withDescription("The level that --acks waits for; default durable"),
  Flag.optional,
)

export const writer = Flag.String("writer").pipe(
  Flag.withMetavar("W"),
  Flag.withDescription("The chain's writer_id"),
)

export const stream = Flag.String("stream").pipe(
  Flag.withMetavar("S"),
  Flag.withDescription("The chain's stream"),
)
