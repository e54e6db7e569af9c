// A program that logs by pino as ever; pino-transport.js makes records of what is marked.
//
//     AUDIT_DIR=./audit/wal node pino-main.js
import { pino } from "pino"

const log = pino({
  transport: {
    targets: [
      { target: "pino/file", options: { destination: 1 } },
      {
        target: new URL("pino-transport.js", import.meta.url).pathname,
        options: { wal: { dir: process.env.AUDIT_DIR ?? "./audit/wal" }, stream: "app", level: 50 },
      },
    ],
  },
})

log.info("starting") // an ordinary line: no record
log.info(
  { audit: { kind: "UserDeleted", actor: { cap_id: "cap-7" }, subject: { name: "user-31" } } },
  "user deleted",
)
log.error("the payment provider does not answer") // from level 50 on: a record of kind LogLine

// Nothing to close: pino ends its transports when the program ends, and they drain the log. After
// process.exit() they cannot; records that were accepted by then are kept all the same.
