/**
 * The reasons that our own records give, and that hosts are asked to use where they fit. The list
 * is open: any snake_case word of up to 64 bytes is a reason.
 *
 * Source: FORMATS 2; LEDGER A-012, C-72. docs/reference/reasons.md is this list.
 */
export const reasons = {
  ok: "done as asked",
  denied: "refused by a policy or for want of a right",
  error: "failed for another cause",
  not_found: "what was asked for is not there",
  invalid: "the request breaks a rule",
  quota: "refused: over a quota or a rate",
  timeout: "not done in time",
  canceled: "given up by the caller or by a shutdown",
  audit_backpressure: "refused: the audit log was full",
  io_backpressure: "refused: the audit log's device was too slow",
} as const

export type Reason = keyof typeof reasons
