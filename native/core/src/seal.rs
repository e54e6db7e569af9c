//! Sealing a batch: drafts become chained, hashed, framed and signed records.
//!
//! All of it happens in this crate's memory; the caller's buffer is written at the end and only if
//! everything went well. A refused draft leaves no trace but its status.
//!
//! What crosses the seam, little-endian (`src/engine/EngineNative.ts` is the other side):
//!
//! ```text
//! chain   u32 len | writer_id | u32 len | stream | 32 bytes log_id
//!         | u32 attrs bytes max | u32 record bytes max
//!         writer_id and stream are canonical JSON strings with their quotes
//! call    state: u64 seq | u64 ts_ms | 32 bytes head
//!         | u64 ts_ms | u32 count | u32 mode: 0 unsigned, 1 batch, 2 record | u32 frames max
//!         | privacy: u32 mode: 0 drop, 1 prefix, 2 hash, 3 none | u32 epoch | 32 bytes key
//! input   without marks: count lines `[kind,actor,subject,reason,attrs]`, each ended by a newline;
//!         with them: what they say (core/src/shape.rs)
//! out     state, new
//!         | u32 consumed | u32 sealed | u32 signature bytes | u32 frame bytes
//!         | u32 records that privacy changed | u32 values in them
//!         | one status byte a consumed draft | 32 bytes of self_hash a sealed record
//!         | signatures: `.sig` entries | frames
//! ```
//!
//! Source: FORMATS 2, 3.1, 4 and 6.

use crate::canonical::Scratch;
use crate::chain::{Chain, STATE_BYTES, State};
use crate::draft;
use crate::ed25519::{BATCH_CONTEXT, RECORD_CONTEXT, Signer};
use crate::entry::Entry;
use crate::failure::Failure;
use crate::frame::{self, write_hash};
use crate::hash::{Body, Digest, Lanes};
use crate::merkle::{Level, Tree};
use crate::number::{self, INTEGER_MAX};
use crate::privacy::{POLICY_BYTES, Policy, Redactor};
use crate::record::HASH_TEXT_BYTES;
use crate::reject::{Checked, Reject};
use crate::secret::Traces;
use crate::shape::{Draft, Drafts};

/// Bytes of a record from the text of prev on, without `b3:`.
const PREV_BYTES: usize = 64 + 2;
const CALL_BYTES: usize = STATE_BYTES + 20 + POLICY_BYTES;
const HEAD_BYTES: usize = STATE_BYTES + 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Unsigned,
    Batch,
    Record,
}

pub struct Request<'a> {
    pub chain: Chain<'a>,
    pub state: State,
    pub input: &'a [u8],
    /// Templates, and what each draft is: `shape`. Without marks the input is lines.
    pub table: &'a [u8],
    pub marks: &'a [u8],
    pub count: u32,
    pub ts_ms: u64,
    pub mode: Mode,
    pub privacy: Policy,
    /// Needed by the modes batch and record.
    pub signer: Option<&'a Signer>,
    pub frames_bytes_max: usize,
}

/// Memory that one batch leaves to the next; no chain's state is kept in it.
#[derive(Default)]
pub struct Sealer {
    scratch: Scratch,
    redactor: Redactor,
    lanes: Lanes,
    tree: Tree,
    frames: Vec<u8>,
    bodies: Vec<Body>,
    statuses: Vec<u8>,
    hashes: Vec<Digest>,
    signatures: Vec<u8>,
    redacted_records: u32,
    redacted_values: u32,
}

impl<'a> Request<'a> {
    /// Reads what crosses the seam.
    pub fn decode(
        signer: Option<&'a Signer>,
        chain: &'a [u8],
        call: &[u8],
        input: &'a [u8],
        table: &'a [u8],
        marks: &'a [u8],
    ) -> Result<Self, Failure> {
        let call: &[u8; CALL_BYTES] = call.try_into().map_err(|_| Failure::Input)?;
        let (state, rest) = call.split_at(STATE_BYTES);
        let (ts_ms, rest) = rest.split_at(8);
        let word = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().expect("four"));
        Ok(Request {
            chain: Chain::decode(chain)?,
            state: State::decode(state)?,
            input,
            table,
            marks,
            count: word(0),
            ts_ms: u64::from_le_bytes(ts_ms.try_into().expect("eight")),
            mode: match word(4) {
                0 => Mode::Unsigned,
                1 => Mode::Batch,
                2 => Mode::Record,
                _ => return Err(Failure::Input),
            },
            privacy: Policy::decode(rest[12..].try_into().map_err(|_| Failure::Input)?)?,
            signer,
            frames_bytes_max: word(8) as usize,
        })
    }
}

impl Sealer {
    /// Seals a batch into the caller's buffer; how many records were sealed.
    pub fn seal(&mut self, request: &Request, out: &mut [u8]) -> Result<u32, Failure> {
        let ts_ms = request.ts_ms.max(request.state.ts_ms);
        if ts_ms > INTEGER_MAX {
            return Err(Failure::State);
        }
        self.write_records(request, ts_ms)?;
        self.lanes.lead(&self.frames, &self.bodies);
        let state = self.chain(request.state, ts_ms);
        self.sign(request, state.seq)?;
        self.copy(state, out)
    }

    /// Frames of all accepted drafts, complete but for prev and self_hash.
    fn write_records(&mut self, request: &Request, ts_ms: u64) -> Result<(), Failure> {
        self.frames.clear();
        self.bodies.clear();
        self.statuses.clear();
        self.redacted_records = 0;
        self.redacted_values = 0;
        let fields = FixedFields::new(&request.chain, ts_ms);
        let is_packed = !request.marks.is_empty();
        let mut lines = lines(if is_packed { &[] } else { request.input });
        let Request { table, marks, input, .. } = *request;
        let mut drafts = Drafts { table, marks, input };
        let mut traces = Traces::new(input);
        for _ in 0..request.count {
            let seq = request.state.seq + self.bodies.len() as u64 + 1;
            if seq > INTEGER_MAX {
                return Err(Failure::State);
            }
            let start = self.frames.len();
            let draft = if is_packed {
                drafts.next().ok_or(Failure::Input)?
            } else {
                Draft::Line(lines.next().ok_or(Failure::Input)?)
            };
            let is_traced =
                request.privacy != Policy::None && is_traced(&mut traces, input, &draft);
            match self.write_record(&fields, seq, draft, is_traced, request)? {
                Ok(()) if self.frames.len() > request.frames_bytes_max => {
                    self.frames.truncate(start);
                    self.bodies.pop();
                    return Ok(());
                }
                Ok(()) => {
                    self.statuses.push(0);
                    self.redacted_values += self.redactor.redacted;
                    self.redacted_records += u32::from(self.redactor.redacted > 0);
                }
                Err(reject) => {
                    self.frames.truncate(start);
                    self.statuses.push(reject.number());
                }
            }
        }
        let is_used = if is_packed { drafts.is_empty() } else { lines.next().is_none() };
        if is_used { Ok(()) } else { Err(Failure::Input) }
    }

    fn write_record(
        &mut self,
        fields: &FixedFields,
        seq: u64,
        draft: Draft,
        is_traced: bool,
        request: &Request,
    ) -> Result<Checked<()>, Failure> {
        let Request { chain, privacy, .. } = request;
        let frames = &mut self.frames;
        let start = frames.len();
        frame::begin(seq, frames);
        let at = frames.len();
        frames.extend_from_slice(&fields.before_seq);
        number::append(seq, frames);
        frames.extend_from_slice(&fields.before_kind);
        let kind_at = frames.len();
        let attrs_max = chain.attrs_bytes_max;
        let appended = match draft {
            Draft::Line(line) => line
                .and_then(|line| draft::append(line, attrs_max, frames, &mut self.scratch))
                .map(|()| self.scratch.marks),
            Draft::Shaped(shaped) => {
                let marks = shaped.marks();
                shaped.append(attrs_max, frames)?.map(|()| marks)
            }
        };
        let redacted = appended.and_then(|marks| {
            self.redactor.redact(privacy, marks, attrs_max, kind_at, frames).map(|()| marks)
        });
        let marks = match redacted {
            Ok(marks) => marks,
            Err(reject) => return Ok(Err(reject)),
        };
        let attrs_end = frames.len();
        if seq == 1 {
            frames.extend_from_slice(b",\"prev\":\"b3:0\"}");
        } else {
            frames.extend_from_slice(b",\"prev\":\"b3:");
            frames.extend_from_slice(&[b'0'; 64]);
            frames.extend_from_slice(b"\"}");
        }
        let len = frames.len() - at;
        if len > chain.record_bytes_max {
            return Ok(Err(Reject::RecordSize));
        }
        let text = &frames[kind_at..attrs_end];
        if let Err(reject) = self.redactor.judge(privacy, marks, is_traced, text) {
            return Ok(Err(reject));
        }
        let known = if seq == 1 { len } else { len - PREV_BYTES };
        self.bodies.push(Body { at, len, known });
        frame::end(start, frames);
        Ok(Ok(()))
    }

    /// Links and hashes the records; the state behind the last.
    fn chain(&mut self, state: State, ts_ms: u64) -> State {
        self.hashes.clear();
        let mut head = state.head;
        let mut text = [0; HASH_TEXT_BYTES];
        write_hash(&head, &mut text);
        for (index, body) in self.bodies.iter().enumerate() {
            let end = body.at + body.len;
            if body.known < body.len {
                self.frames[body.at + body.known..end - 2].copy_from_slice(&text[3..]);
            }
            head = self.lanes.finish(index, &self.frames[body.at..end]);
            write_hash(&head, &mut text);
            self.frames[end + 4..end + frame::TAIL_BYTES].copy_from_slice(&text);
            self.hashes.push(head);
        }
        match self.bodies.len() as u64 {
            0 => state,
            sealed => State { seq: state.seq + sealed, ts_ms, head },
        }
    }

    fn sign(&mut self, request: &Request, last: u64) -> Result<(), Failure> {
        self.signatures.clear();
        if request.mode == Mode::Unsigned {
            return Ok(());
        }
        let signer = request.signer.ok_or(Failure::SignerMissing)?;
        let first = request.state.seq + 1;
        match request.mode {
            Mode::Batch if last >= first => self.sign_batch(&request.chain, signer, first, last),
            Mode::Record => self.sign_records(signer, first),
            _ => Ok(()),
        }
    }

    fn sign_batch(
        &mut self,
        chain: &Chain,
        signer: &Signer,
        first: u64,
        last: u64,
    ) -> Result<(), Failure> {
        let root = self.tree.root(self.hashes.as_flattened(), Level::Leaves);
        let root = root.ok_or(Failure::Input)?;
        let digest = *blake3::hash(&batch_text(chain, first, last, &root)).as_bytes();
        let signature = &signer.sign(BATCH_CONTEXT, &digest)?;
        let entry = Entry { first, last, root: Some(&root), key_id: signer.key_id(), signature };
        entry.append(&mut self.signatures);
        Ok(())
    }

    fn sign_records(&mut self, signer: &Signer, first: u64) -> Result<(), Failure> {
        for (seq, hash) in (first..).zip(&self.hashes) {
            let signature = &signer.sign(RECORD_CONTEXT, hash)?;
            let key_id = signer.key_id();
            let entry = Entry { first: seq, last: seq, root: None, key_id, signature };
            entry.append(&mut self.signatures);
        }
        Ok(())
    }

    fn copy(&self, state: State, out: &mut [u8]) -> Result<u32, Failure> {
        let parts =
            [&self.statuses[..], self.hashes.as_flattened(), &self.signatures, &self.frames];
        let total = HEAD_BYTES + parts.iter().map(|part| part.len()).sum::<usize>();
        let (head, mut rest) =
            out.get_mut(..total).ok_or(Failure::Output)?.split_at_mut(HEAD_BYTES);
        for part in parts {
            rest.split_off_mut(..part.len()).ok_or(Failure::Output)?.copy_from_slice(part);
        }
        state.encode(&mut head[..STATE_BYTES]);
        let sealed = self.hashes.len();
        let counts = [self.statuses.len(), sealed, self.signatures.len(), self.frames.len()];
        let redacted = [self.redacted_records, self.redacted_values];
        let counts = counts.map(|count| count as u32).into_iter().chain(redacted);
        for (count, out) in counts.zip(head[STATE_BYTES..].chunks_exact_mut(4)) {
            out.copy_from_slice(&count.to_le_bytes());
        }
        Ok(sealed as u32)
    }
}

/// What every record of a batch has before its seq, and between that and its kind.
struct FixedFields {
    before_seq: Vec<u8>,
    before_kind: Vec<u8>,
}

impl FixedFields {
    fn new(chain: &Chain, ts_ms: u64) -> Self {
        FixedFields {
            before_seq: format!(
                "{{\"v\":1,\"ts_ms\":{ts_ms},\"writer_id\":{},\"seq\":",
                chain.writer_id
            )
            .into_bytes(),
            before_kind: format!(",\"stream\":{},", chain.stream).into_bytes(),
        }
    }
}

/// The canonical JSON that a batch signature is over.
fn batch_text(chain: &Chain, first: u64, last: u64, root: &Digest) -> Vec<u8> {
    let mut text = [0; HASH_TEXT_BYTES];
    write_hash(root, &mut text);
    let root = String::from_utf8_lossy(&text);
    let Chain { log_id, stream, writer_id, .. } = chain;
    format!(
        "{{\"first\":{first},\"last\":{last},\"log_id\":\"{log_id}\",\"root\":\"{root}\",\
         \"stream\":{stream},\"writer_id\":{writer_id}}}"
    )
    .into_bytes()
}

/// Whether a draft may hold a secret. Its text is a part of the input.
fn is_traced(traces: &mut Traces, input: &[u8], draft: &Draft) -> bool {
    let text = draft.text();
    let start = text.as_ptr().addr().wrapping_sub(input.as_ptr().addr());
    start <= input.len() && traces.lie_within(start, start + text.len())
}

/// Lines that end with a newline; text behind the last newline is a line too and no valid draft.
fn lines(input: &[u8]) -> Box<dyn Iterator<Item = Checked<&str>> + '_> {
    match std::str::from_utf8(input) {
        Ok(text) => Box::new(text.split_terminator('\n').map(Ok)),
        Err(_) => Box::new(input.split_inclusive(|&byte| byte == b'\n').map(|line| {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            std::str::from_utf8(line).map_err(|_| Reject::Utf8)
        })),
    }
}
