//! The record tree: RFC 9162 with BLAKE3-256, leaf data the raw bytes of self_hash.
//!
//! The tree is built level by level; a node without a partner moves up unchanged, which is the
//! split at the largest power of two that the RFC describes. A leaf is one block of 33 bytes and
//! is compressed by itself; the first block of each node goes in lanes.
//!
//! Source: FORMATS 3.1, RFC 9162 section 2.1.1.

use crate::hash::{BLOCK, CHUNK_END, CHUNK_START, Digest, IV, LANES, ROOT};
use blake3::IncrementCounter;
use blake3::platform::{Platform, le_bytes_from_words_32, words_from_le_bytes_32};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Leaf data.
    Leaves,
    /// Roots of finished subtrees of one size, the last perhaps smaller.
    Nodes,
}

#[derive(Debug)]
pub struct Tree {
    platform: Platform,
    nodes: Vec<Digest>,
}

impl Default for Tree {
    fn default() -> Self {
        Tree { platform: Platform::detect(), nodes: Vec::new() }
    }
}

impl Tree {
    /// The root over hashes of 32 bytes each; `None` for an empty tree or a part of a hash.
    pub fn root(&mut self, hashes: &[u8], level: Level) -> Option<Digest> {
        if hashes.is_empty() || !hashes.len().is_multiple_of(32) {
            return None;
        }
        self.nodes.clear();
        self.nodes.extend(hashes.chunks_exact(32).map(|hash| match level {
            Level::Leaves => leaf(self.platform, hash),
            Level::Nodes => hash.try_into().expect("32 bytes"),
        }));
        let mut count = self.nodes.len();
        while count > 1 {
            for from in (0..count / 2).step_by(LANES) {
                self.join(from, (count / 2 - from).min(LANES));
            }
            if count % 2 == 1 {
                self.nodes[count / 2] = self.nodes[count - 1];
            }
            count = count.div_ceil(2);
        }
        self.nodes.first().copied()
    }

    /// Writes the parents `from..from + pairs` over nodes that are not needed any more.
    fn join(&mut self, from: usize, pairs: usize) {
        let mut blocks = [[1u8; BLOCK]; LANES];
        let mut lasts = [0u8; LANES];
        for pair in 0..pairs {
            let [left, right] = [0, 1].map(|side| &self.nodes[2 * (from + pair) + side]);
            blocks[pair][1..33].copy_from_slice(left);
            blocks[pair][33..].copy_from_slice(&right[..31]);
            lasts[pair] = right[31];
        }
        let mut inputs = [&blocks[0]; LANES];
        for (input, block) in inputs.iter_mut().zip(&blocks) {
            *input = block;
        }
        let mut firsts = [0u8; LANES * 32];
        let firsts = &mut firsts[..pairs * 32];
        let inputs = &inputs[..pairs];
        self.platform.hash_many(inputs, &IV, 0, IncrementCounter::No, 0, CHUNK_START, 0, firsts);
        for (pair, first) in firsts.chunks_exact(32).enumerate() {
            let mut words = words_from_le_bytes_32(first.try_into().expect("32 bytes"));
            let mut block = [0; BLOCK];
            block[0] = lasts[pair];
            self.platform.compress_in_place(&mut words, &block, 1, 0, CHUNK_END | ROOT);
            self.nodes[from + pair] = le_bytes_from_words_32(&words);
        }
    }
}

fn leaf(platform: Platform, hash: &[u8]) -> Digest {
    let mut block = [0; BLOCK];
    block[1..33].copy_from_slice(hash);
    let mut words = IV;
    platform.compress_in_place(&mut words, &block, 33, 0, CHUNK_START | CHUNK_END | ROOT);
    le_bytes_from_words_32(&words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9162 section 2.1.1, word for word, over node values.
    fn tree_hash(nodes: &[Digest]) -> Digest {
        if let [node] = nodes {
            return *node;
        }
        let split = nodes.len().next_power_of_two() / 2;
        let mut input = vec![1];
        input.extend(tree_hash(&nodes[..split]));
        input.extend(tree_hash(&nodes[split..]));
        *blake3::hash(&input).as_bytes()
    }

    #[test]
    fn every_size_is_the_tree_of_the_rfc() {
        let mut tree = Tree::default();
        for size in 1..=300usize {
            let data: Vec<Digest> =
                (0..size).map(|i| *blake3::hash(&i.to_le_bytes()).as_bytes()).collect();
            let leaves: Vec<Digest> = data
                .iter()
                .map(|data| *blake3::hash(&[&[0u8][..], data].concat()).as_bytes())
                .collect();
            assert_eq!(tree.root(data.as_flattened(), Level::Leaves), Some(tree_hash(&leaves)));
            assert_eq!(tree.root(data.as_flattened(), Level::Nodes), Some(tree_hash(&data)));
        }
    }

    #[test]
    fn no_root_of_nothing_or_of_a_part() {
        assert_eq!(Tree::default().root(&[], Level::Leaves), None);
        assert_eq!(Tree::default().root(&[0; 33], Level::Nodes), None);
    }
}
