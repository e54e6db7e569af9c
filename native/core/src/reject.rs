//! Why a text, a draft or a record is refused.
//!
//! The numbers are those of `src/record/Reject.ts`, of which a test reads the table.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reject {
    Json = 1,
    Utf8 = 2,
    Float = 3,
    NegativeZero = 4,
    IntegerRange = 5,
    DuplicateKey = 6,
    Surrogate = 7,
    Unassigned = 8,
    Depth = 9,
    NotCanonical = 10,
    KeyOrder = 11,
    NotNfc = 12,
    FieldUnknown = 14,
    FieldMissing = 15,
    FieldType = 16,
    Version = 17,
    TsMs = 18,
    WriterId = 19,
    Seq = 20,
    Stream = 21,
    Kind = 22,
    Actor = 24,
    Subject = 25,
    Reason = 26,
    AttrsSize = 27,
    RecordSize = 28,
    Prev = 29,
    SelfHash = 30,
    OpId = 31,
    PiiBlocked = 32,
}

pub type Checked<T> = Result<T, Reject>;

impl Reject {
    /// The status byte that crosses the seam; 0 there means sealed.
    pub fn number(self) -> u8 {
        self as u8
    }
}
