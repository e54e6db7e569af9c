/**
 * The door of one stream: what may come in, and what has come in already.
 *
 * Kinds that only the runtime writes are refused. A draft with attrs.op_id is taken once: a repeat
 * with the same content gets the first receipt, one with other content is refused. The last 65,536
 * ids are remembered; after a restart those of the last 65,536 records at least.
 *
 * Source: FORMATS 2 (op_id) and 10.
 */
import { equal, fromHex, utf8 } from "../base/Bytes.ts"
import { invariant } from "../base/Invariant.ts"
import { opIdWindow } from "../base/Limits.ts"
import type { Engine } from "../engine/Engine.ts"
import { type Draft, encodeDraft, opIdOf } from "../record/Draft.ts"
import { isReserved } from "../record/Kind.ts"
import { storedForms } from "../record/Privacy.ts"
import type { AuditRecord } from "../record/Record.ts"
import { Rejected } from "../record/Reject.ts"
import { AuditError } from "./AuditError.ts"
import { AppendReceipt } from "./Progress.ts"
import type { Writer } from "./Writer.ts"

interface Pending {
  readonly text: string
  readonly receipt: Promise<AppendReceipt>
}

export interface IntakeOptions {
  readonly engine: Engine
  readonly writerId: string
  readonly stream: string
  readonly writer: Writer
  /** Hex of known op_ids, oldest first, with their seq. */
  readonly opIds: Map<string, number>
  /** A stored record; only asked for what the op_id window names. */
  readonly read: (seq: number) => AuditRecord
}

export class Intake {
  readonly #options: IntakeOptions
  readonly #window: Map<string, number | Pending>

  constructor(options: IntakeOptions) {
    this.#options = options
    this.#window = options.opIds
  }

  get writer(): Writer {
    return this.#options.writer
  }

  /** Errors: Rejected; AuditError BUSY, OP_ID_CONFLICT; SinkError. */
  append(draft: Draft): Promise<AppendReceipt> {
    try {
      if (draft.attrs?.op_id === undefined && !isReserved(draft.kind)) {
        return this.writer.append(draft)
      }
      const text = encodeDraft(draft)
      if (isReserved(draft.kind)) throw Rejected.of("kind_reserved", "kind")
      const opId = opIdOf(draft)
      invariant(opId !== undefined, "a draft with op_id has one")
      return this.#appendOnce(opId.replaceAll("-", ""), text)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** A record of the runtime's own. */
  appendOwn(kind: string, attrs: Draft["attrs"]): Promise<AppendReceipt> {
    const { stream, writer } = this.#options
    const draft = { stream, kind, actor: { anon: true }, subject: {}, reason: "ok", attrs }
    return writer.appendOwn(draft)
  }

  #appendOnce(opId: string, text: string): Promise<AppendReceipt> {
    const known = this.#window.get(opId)
    if (known !== undefined) return this.#repeat(known, text)
    const receipt = this.writer.appendText(text)
    this.#window.set(opId, { text, receipt })
    for (const oldest of this.#window.keys()) {
      if (this.#window.size <= opIdWindow) break
      this.#window.delete(oldest)
    }
    receipt.then(
      ({ seq }) => {
        if (this.#window.has(opId)) this.#window.set(opId, seq)
      },
      (error: unknown) => {
        // Written and not confirmed: a repeat must not be written a second time.
        const seq = error instanceof AuditError ? error.receipt?.seq : undefined
        if (seq === undefined) this.#window.delete(opId)
        else if (this.#window.has(opId)) this.#window.set(opId, seq)
      },
    )
    return receipt
  }

  async #repeat(known: number | Pending, text: string): Promise<AppendReceipt> {
    if (typeof known !== "number") {
      this.#demandSame([this.#canonical(known.text)], text)
      return known.receipt
    }
    const { writerId, stream, read, writer } = this.#options
    await writer.flush()
    const record = read(known)
    const { kind, actor, subject, reason, attrs } = record
    const stored = encodeDraft({ stream, kind, actor, subject, reason, attrs })
    const given = storedForms(this.#canonical(text), writer.privacy)
    this.#demandSame(given, stored)
    const hashes = fromHex(record.self_hash.slice(3))
    invariant(hashes !== undefined, "a stored record has a full self_hash")
    const place = { writerId, stream, firstSeq: known, lastSeq: known }
    const sealed = { ...place, hashes, progress: writer.progress, waits: {} }
    return new AppendReceipt(sealed, 0)
  }

  #demandSame(forms: ReadonlyArray<Uint8Array>, text: string): void {
    const canonical = this.#canonical(text)
    if (forms.some((form) => equal(form, canonical))) return
    throw AuditError.of(
      "OP_ID_CONFLICT",
      `attrs.op_id was used in ${this.#options.stream} for other content`,
    )
  }

  #canonical(text: string): Uint8Array {
    const canonical = this.#options.engine.canonicalize(utf8(text))
    if (!canonical.ok) throw Rejected.of(canonical.code)
    return canonical.bytes
  }
}
