//! BLAKE3 of many records at once, although each holds the hash of the one before.
//!
//! `prev` is the last field and of fixed length, so all bytes of a record but the last 66 are known
//! before the chain runs. [`Lanes::lead`] compresses the whole blocks of those leading bytes, up to
//! 16 records side by side in SIMD lanes; [`Lanes::finish`] adds the last one or two blocks when
//! they are known. The digests are those of `blake3::hash`; a test says so for every length.
//!
//! `blake3::platform` is not documented and promises nothing: the version is pinned.
//!
//! Source: the BLAKE3 paper, section 2; FORMATS, introduction.

use blake3::IncrementCounter;
use blake3::platform::{Platform, le_bytes_from_words_32, words_from_le_bytes_32};

pub use blake3::Hasher;

pub type Digest = [u8; 32];
type Words = [u32; 8];

pub(crate) const IV: Words = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];
pub(crate) const CHUNK_START: u8 = 1;
pub(crate) const CHUNK_END: u8 = 2;
const PARENT: u8 = 4;
pub(crate) const ROOT: u8 = 8;

pub(crate) const BLOCK: usize = 64;
const CHUNK: usize = 1024;
const CHUNK_BLOCKS: usize = CHUNK / BLOCK;
/// Chunks of the longest record; longer bodies are hashed by the library.
const CHUNKS_MAX: usize = 4;
/// Lanes of the widest vectors that the library knows.
pub(crate) const LANES: usize = 16;

/// A record's canonical bytes in a buffer, the first `known` of them final.
#[derive(Clone, Copy, Debug)]
pub struct Body {
    pub at: usize,
    pub len: usize,
    pub known: usize,
}

/// The leading whole blocks of one chunk.
#[derive(Clone, Copy, Debug, Default)]
struct Job {
    at: usize,
    slot: u32,
    chunk: u8,
    /// 1 to 16; with 16 the chunk is complete (and not the only one of its record).
    blocks: u8,
}

/// One chunk's compression so far.
#[derive(Clone, Copy, Debug)]
struct Slot {
    words: Words,
    blocks: u8,
}

#[derive(Debug)]
pub struct Lanes {
    platform: Platform,
    jobs: Vec<Job>,
    sorted: Vec<Job>,
    slots: Vec<Slot>,
    /// First slot of each body.
    first_slot: Vec<u32>,
}

impl Default for Lanes {
    fn default() -> Self {
        Lanes::on(Platform::detect())
    }
}

fn chunks_of(len: usize) -> usize {
    len.div_ceil(CHUNK).max(1)
}

impl Lanes {
    fn on(platform: Platform) -> Self {
        Lanes {
            platform,
            jobs: Vec::new(),
            sorted: Vec::new(),
            slots: Vec::new(),
            first_slot: Vec::new(),
        }
    }

    /// Compresses what is known of the bodies; forgets those of the call before.
    pub fn lead(&mut self, buffer: &[u8], bodies: &[Body]) {
        self.jobs.clear();
        self.slots.clear();
        self.first_slot.clear();
        for body in bodies {
            self.first_slot.push(self.slots.len() as u32);
            let chunks = chunks_of(body.len);
            if chunks <= CHUNKS_MAX {
                for chunk in 0..chunks {
                    self.plan(body, chunk, chunks);
                }
            }
        }
        self.sort();
        let mut rest = std::mem::take(&mut self.sorted);
        let mut from = 0;
        while from < rest.len() {
            let group = group_at(&rest, from);
            self.compress(buffer, group);
            from += group.len();
        }
        rest.clear();
        self.sorted = rest;
    }

    fn plan(&mut self, body: &Body, chunk: usize, chunks: usize) {
        let start = chunk * CHUNK;
        let len = (body.len - start).min(CHUNK);
        let known = body.known.saturating_sub(start).min(len);
        let is_whole = chunks > 1 && known == CHUNK;
        // A chunk's last block carries other flags, and the root's too: it is left to `finish`.
        let blocks = if is_whole {
            CHUNK_BLOCKS
        } else {
            (known / BLOCK).min(len.saturating_sub(1) / BLOCK)
        };
        if blocks > 0 {
            self.jobs.push(Job {
                at: body.at + start,
                slot: self.slots.len() as u32,
                chunk: chunk as u8,
                blocks: blocks as u8,
            });
        }
        self.slots.push(Slot { words: IV, blocks: 0 });
    }

    /// Counting sort by chunk number, then by blocks.
    fn sort(&mut self) {
        let class =
            |job: &Job| usize::from(job.chunk) * (CHUNK_BLOCKS + 1) + usize::from(job.blocks);
        let mut starts = [0u32; CHUNKS_MAX * (CHUNK_BLOCKS + 1) + 1];
        for job in &self.jobs {
            starts[class(job) + 1] += 1;
        }
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        self.sorted.clear();
        self.sorted.resize(self.jobs.len(), Job::default());
        for job in &self.jobs {
            let start = &mut starts[class(job)];
            self.sorted[*start as usize] = *job;
            *start += 1;
        }
    }

    /// Compresses as many blocks of each job as the first, which has the fewest.
    fn compress(&mut self, buffer: &[u8], group: &[Job]) {
        let mut out = [0u8; LANES * 32];
        let out = &mut out[..group.len() * 32];
        let platform = self.platform;
        macro_rules! by_block_count {
            ($($blocks:literal)*) => {
                match group[0].blocks {
                    $($blocks => hash_many::<{ $blocks * BLOCK }>(platform, buffer, group, out),)*
                    _ => unreachable!("a chunk has 16 blocks"),
                }
            };
        }
        by_block_count!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
        for (job, bytes) in group.iter().zip(out.chunks_exact(32)) {
            let words = words_from_le_bytes_32(bytes.try_into().expect("32 bytes"));
            self.slots[job.slot as usize] = Slot { words, blocks: group[0].blocks };
        }
    }

    /// The digest of body `index` of the last `lead`, of which all bytes are known now.
    #[inline]
    pub fn finish(&mut self, index: usize, body: &[u8]) -> Digest {
        let first = self.first_slot[index] as usize;
        let chunks = chunks_of(body.len());
        if chunks > CHUNKS_MAX {
            return *blake3::hash(body).as_bytes();
        }
        if chunks == 1 {
            return le_bytes_from_words_32(&self.finish_chunk(first, body, 0, ROOT));
        }
        let mut words = [IV; CHUNKS_MAX];
        for (chunk, bytes) in body.chunks(CHUNK).enumerate() {
            words[chunk] = self.finish_chunk(first + chunk, bytes, chunk as u64, 0);
        }
        let (left, right) = match chunks {
            2 => (words[0], words[1]),
            3 => (self.parent(&words[0], &words[1], 0), words[2]),
            _ => (self.parent(&words[0], &words[1], 0), self.parent(&words[2], &words[3], 0)),
        };
        le_bytes_from_words_32(&self.parent(&left, &right, ROOT))
    }

    #[inline]
    fn finish_chunk(&self, slot: usize, chunk: &[u8], counter: u64, root: u8) -> Words {
        let Slot { mut words, blocks } = self.slots[slot];
        let mut at = usize::from(blocks) * BLOCK;
        if blocks as usize == CHUNK_BLOCKS {
            return words;
        }
        let mut flags = if at == 0 { CHUNK_START } else { 0 };
        while chunk.len() - at > BLOCK {
            let block = chunk[at..at + BLOCK].try_into().expect("a whole block");
            self.platform.compress_in_place(&mut words, block, BLOCK as u8, counter, flags);
            flags = 0;
            at += BLOCK;
        }
        let mut last = [0u8; BLOCK];
        let len = chunk.len() - at;
        last[..len].copy_from_slice(&chunk[at..]);
        flags |= CHUNK_END | root;
        self.platform.compress_in_place(&mut words, &last, len as u8, counter, flags);
        words
    }

    fn parent(&self, left: &Words, right: &Words, root: u8) -> Words {
        let mut block = [0u8; BLOCK];
        block[..32].copy_from_slice(&le_bytes_from_words_32(left));
        block[32..].copy_from_slice(&le_bytes_from_words_32(right));
        let mut words = IV;
        self.platform.compress_in_place(&mut words, &block, BLOCK as u8, 0, PARENT | root);
        words
    }
}

/// Up to 16 jobs from `from` on that go side by side: the same chunk number, and complete chunks
/// (which end with other flags) not together with parts.
fn group_at(sorted: &[Job], from: usize) -> &[Job] {
    let rest = &sorted[from..sorted.len().min(from + LANES)];
    let is_whole = |job: &Job| usize::from(job.blocks) == CHUNK_BLOCKS;
    let end = rest
        .iter()
        .position(|job| job.chunk != rest[0].chunk || is_whole(job) != is_whole(&rest[0]))
        .unwrap_or(rest.len());
    &rest[..end]
}

fn hash_many<const N: usize>(platform: Platform, buffer: &[u8], group: &[Job], out: &mut [u8]) {
    let input = |job: &Job| -> &[u8; N] { buffer[job.at..job.at + N].try_into().expect("N bytes") };
    let mut inputs = [input(&group[0]); LANES];
    for (lane, job) in inputs.iter_mut().zip(group) {
        *lane = input(job);
    }
    let end = if N == CHUNK { CHUNK_END } else { 0 };
    platform.hash_many(
        &inputs[..group.len()],
        &IV,
        u64::from(group[0].chunk),
        IncrementCounter::No,
        0,
        CHUNK_START,
        end,
        out,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize) -> Vec<u8> {
        (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
    }

    /// Every vector width that this machine can run.
    fn platforms() -> Vec<Platform> {
        let mut platforms = vec![Platform::portable(), Platform::detect()];
        #[cfg(target_arch = "x86_64")]
        platforms
            .extend([Platform::sse2(), Platform::sse41(), Platform::avx2()].into_iter().flatten());
        platforms
    }

    fn check(lengths: &[usize], unknown: usize) {
        check_on(Platform::detect(), lengths, unknown);
    }

    /// Hashes bodies of these lengths whose last `unknown` bytes are wrong at first.
    fn check_on(platform: Platform, lengths: &[usize], unknown: usize) {
        let total = lengths.iter().sum::<usize>() + 5 * lengths.len();
        let right = noise(total);
        let mut early = right.clone();
        let mut bodies = Vec::new();
        let mut at = 3;
        for &len in lengths {
            let known = len.saturating_sub(unknown);
            bodies.push(Body { at, len, known });
            early[at + known..at + len].iter_mut().for_each(|byte| *byte ^= 0x5a);
            at += len + 1;
        }
        let mut lanes = Lanes::on(platform);
        lanes.lead(&early, &bodies);
        for (index, body) in bodies.iter().enumerate() {
            let bytes = &right[body.at..body.at + body.len];
            assert_eq!(lanes.finish(index, bytes), *blake3::hash(bytes).as_bytes(), "{}", body.len);
        }
    }

    #[test]
    fn every_length_alone() {
        for len in 0..=4200 {
            check(&[len], 66);
        }
    }

    #[test]
    fn every_length_beside_others() {
        let lengths: Vec<usize> = (0..=4096).collect();
        for platform in platforms() {
            check_on(platform, &lengths, 66);
        }
        for unknown in [0, 1, 6, 64, 66, 1024, 2000, 5000] {
            check(&lengths, unknown);
            for group in lengths.chunks(17) {
                check(group, unknown);
            }
        }
    }

    #[test]
    fn mixed_lengths() {
        let mut random = 12345u32;
        let mut next = |below: u32| {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            (random % below) as usize
        };
        for _ in 0..300 {
            let count = 1 + next(40);
            let lengths: Vec<usize> = (0..count).map(|_| 80 + next(2300)).collect();
            check(&lengths, 66);
        }
    }
}
