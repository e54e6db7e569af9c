//! Drafts: the line `[kind,actor,subject,reason,attrs]` becomes those fields of a record.
//!
//! Of several faults the first of these is told: the first of the JSON in reading order, a wrong
//! number of parts, the first part that breaks its rule. So a broken rule does not end the reading,
//! and a line that is refused is read once more for the first fault of its JSON.
//!
//! Source: FORMATS 2 (draft, op_id).

use crate::canonical::{self, Canonicalizer, Scratch};
use crate::record;
use crate::reject::{Checked, Reject};

/// Appends `"kind":…,"actor":…,"subject":…,"reason":…,"attrs":…` to a record. Duty: what was
/// appended by a call that fails is for the caller to cut off.
pub(crate) fn append(
    line: &str,
    attrs_bytes_max: usize,
    record: &mut Vec<u8>,
    scratch: &mut Scratch,
) -> Checked<()> {
    let mut reader = Canonicalizer::new(line, record, scratch);
    read(&mut reader, attrs_bytes_max)
        .map_err(|broken| canonical::first_fault(line).unwrap_or(broken))
}

fn read(reader: &mut Canonicalizer, attrs_bytes_max: usize) -> Checked<()> {
    reader.skip_space();
    if reader.peek() != b'[' {
        return Err(Reject::FieldType);
    }
    let kind = record::check_kind(part(reader, b'[', b"\"kind\":")?).map(|_| ());
    let actor = record::check_actor(part(reader, b',', b",\"actor\":")?);
    let subject = record::check_subject(part(reader, b',', b",\"subject\":")?);
    let reason = record::check_reason(part(reader, b',', b",\"reason\":")?);
    open(reader, b',', b",\"attrs\":")?;
    let attrs = attrs(reader, attrs_bytes_max)?;
    reader.skip_space();
    reader.drop_byte(b']').map_err(|_| Reject::FieldUnknown)?;
    reader.end()?;
    kind.and(actor).and(subject).and(reason).and(attrs)
}

/// Writes a field's name in place of the byte before its value.
fn open(reader: &mut Canonicalizer, before: u8, name: &[u8]) -> Checked<()> {
    reader.skip_space();
    reader.drop_byte(before).map_err(|_| Reject::FieldMissing)?;
    reader.skip_space();
    reader.flush().extend_from_slice(name);
    Ok(())
}

/// A field's name and value; the canonical text of the value.
fn part<'r>(reader: &'r mut Canonicalizer, before: u8, name: &[u8]) -> Checked<&'r str> {
    open(reader, before, name)?;
    let start = reader.flush().len();
    // `[]` has no value here; as JSON it is right, so it lacks a field.
    reader.value(1).map_err(|_| Reject::FieldMissing)?;
    std::str::from_utf8(&reader.flush()[start..]).map_err(|_| Reject::Utf8)
}

/// The outer error is a fault of the JSON, the inner one a broken rule.
fn attrs(reader: &mut Canonicalizer, bytes_max: usize) -> Checked<Checked<()>> {
    if reader.peek() != b'{' {
        reader.value(1)?;
        return Ok(Err(Reject::FieldType));
    }
    let start = reader.flush().len();
    let members = reader.members(2)?;
    let op_id_holds = match reader.find(&members, b"\"op_id\"") {
        Some(value) => std::str::from_utf8(value).is_ok_and(|id| record::parse_uuid(id).is_some()),
        None => true,
    };
    reader.settle(&members)?;
    Ok(if !op_id_holds {
        Err(Reject::OpId)
    } else if reader.flush().len() - start > bytes_max {
        Err(Reject::AttrsSize)
    } else {
        Ok(())
    })
}
