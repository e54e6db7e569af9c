/**
 * The Effect door of the runtime: the same log as a service, open as long as its layer's scope.
 *
 *     const program = Effect.gen(function* () {
 *       const log = yield* AuditLog
 *       return yield* log.gate(draft, "durable", () => serve)
 *     })
 *     Effect.runPromise(Effect.provide(program, AuditLog.layer({ wal: { dir } })))
 *
 * - What the promise door rejects with is a typed failure here; anything else is a defect.
 * - However the scope ends (success, failure, interruption) the log is drained and closed.
 * - Interrupting an append takes nothing back: its record may be written all the same.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AuditError } from "../src/audit/AuditError.ts"
import type { AppendReceipt, Level } from "../src/audit/Progress.ts"

import { KeyFileError } from "../src/custody/backend/BackendFile.ts"
import { EngineError } from "../src/engine/EngineError.ts"
import type { Draft } from "../src/record/Draft.ts"
import { Rejected } from "../src/record/Reject.ts"
import { DocumentError } from "../src/signing/Document.ts"
import { SinkError } from "../src/sink/SinkError.ts"
import type { OpenOptions } from "./Setup.ts"
import { Strongroom } from "./Strongroom.ts"

/** Why a draft did not become a record, or a record does not reach a level. */
export type AppendFailure = AuditError | EngineError | Rejected | SinkError

/** Why a log did not open. */
export type OpenFailure = AppendFailure | DocumentError | KeyFileError

/** What a program does with an open log. */
export interface AuditLogOperations {
  /** The log itself, for everything that is not below: export, heads, subscriptions. */
  readonly room: Strongroom
  /** Takes a draft; succeeds when its record is accepted, fails at once when the queue is full. */
  readonly append: (draft: Draft) => Effect.Effect<AppendReceipt, AppendFailure>
  /** Succeeds when the record is at `level`. */
  readonly reached: (receipt: AppendReceipt, level: Level) => Effect.Effect<void, AppendFailure>
  /** Runs an action only if its record has reached the level. */
  readonly gate: <A, E, R>(
    draft: Draft,
    level: Level,
    action: (receipt: AppendReceipt) => Effect.Effect<A, E, R>,
  ) => Effect.Effect<A, E | AppendFailure, R>
}

/** The log as a service of Effect. */
export class AuditLog extends Context.Service<AuditLog, AuditLogOperations>()(
  "strongroom/AuditLog",
) {
  /** Opens the log, and closes it with the scope; a close that fails is a defect. */
  static layer(options: OpenOptions): Layer.Layer<AuditLog, OpenFailure> {
    // Opening cannot be interrupted half-way: it makes keys, and takes locks.
    const opened = Effect.acquireRelease(
      attempt(isOpenFailure, () => Strongroom.open(options)),
      (room) => Effect.promise(() => room.close("scope")),
    )
    return Layer.effect(AuditLog, Effect.map(opened, operationsOf))
  }
}

const operationsOf = (room: Strongroom): AuditLogOperations => {
  const append = (draft: Draft) => attempt(isAppendFailure, () => room.append(draft))
  const reached = (receipt: AppendReceipt, level: Level) =>
    attempt(isAppendFailure, () => receipt.reached(level))
  return {
    room,
    append,
    reached,
    gate: (draft, level, action) =>
      Effect.flatMap(append(draft), (receipt) =>
        Effect.andThen(
          reached(receipt, level),
          Effect.suspend(() => action(receipt)),
        ),
      ),
  }
}

const isAppendFailure = (error: unknown): error is AppendFailure =>
  error instanceof AuditError ||
  error instanceof EngineError ||
  error instanceof Rejected ||
  error instanceof SinkError

const isOpenFailure = (error: unknown): error is OpenFailure =>
  isAppendFailure(error) || error instanceof DocumentError || error instanceof KeyFileError

/** The failures that are expected, typed; any other is a defect. */
const attempt = <A, E>(
  isExpected: (error: unknown) => error is E,
  step: () => Promise<A>,
): Effect.Effect<A, E> =>
  Effect.catch(Effect.tryPromise({ try: step, catch: (error) => error }), (error) =>
    isExpected(error) ? Effect.fail(error) : Effect.die(error),
  )
