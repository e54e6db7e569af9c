//! IP addresses as people write them in a log, and what privacy leaves of them.
//!
//! The rule is the table of `src/record/Privacy.ts`; that file and this one are held together by a
//! model and by property tests. Text forms are read by the standard library but for one kind it
//! does not know: dotted quads with leading zeros, which anonymizers write.
//!
//! Source: LEDGER C-82, RFC 4291 section 2.2, RFC 5952.

use std::net::Ipv6Addr;

/// Characters; no longer text is an address.
pub(crate) const TEXT_MAX: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    V4([u8; 4]),
    V6([u8; 16]),
}

/// A host's address; `None` for any other text, networks of a /24 or /64 and wider among them.
pub(crate) fn parse(text: &str) -> Option<Address> {
    match parse_form(text)? {
        (_, true) => None,
        (address, false) => Some(address),
    }
}

/// Whether a text is a network that says no more than mode prefix leaves.
pub(crate) fn is_coarse(text: &str) -> bool {
    parse_form(text).is_some_and(|(_, coarse)| coarse)
}

/// The address, and whether it is that of a coarse network.
fn parse_form(text: &str) -> Option<(Address, bool)> {
    if text.len() > TEXT_MAX {
        return None;
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        let has_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return if has_port { Some((parse_v6(without_zone(host)?)?, false)) } else { None };
    }
    if let Some((host, bits)) = text.split_once('/') {
        let bits = parse_number(bits, 3)?;
        let address = parse_quad(host).map(Address::V4).or_else(|| parse_v6(host))?;
        let is_mapped = host.contains(':') && matches!(address, Address::V4(_));
        return match address {
            Address::V4([.., last]) if bits <= 32 && !is_mapped => {
                Some((address, bits <= 24 && last == 0))
            }
            Address::V4(_) if is_mapped && bits <= 128 => Some((address, false)),
            Address::V6(bytes) if bits <= 128 => {
                Some((address, bits <= 64 && bytes[8..] == [0; 8]))
            }
            _ => None,
        };
    }
    let (host, port) = text.split_once(':').unwrap_or((text, "0"));
    if let Some(quad) = parse_quad(host) {
        return is_port(port).then_some((Address::V4(quad), false));
    }
    Some((parse_v6(without_zone(text)?)?, false))
}

fn is_port(text: &str) -> bool {
    parse_number(text, 5).is_some()
}

fn parse_number(text: &str, digits_max: usize) -> Option<u32> {
    let holds = (1..=digits_max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if holds { text.parse().ok() } else { None }
}

fn parse_quad(text: &str) -> Option<[u8; 4]> {
    let mut quad = [0; 4];
    let mut parts = text.split('.');
    for byte in &mut quad {
        *byte = u8::try_from(parse_number(parts.next()?, 3)?).ok()?;
    }
    if parts.next().is_none() { Some(quad) } else { None }
}

fn without_zone(text: &str) -> Option<&str> {
    let Some((host, zone)) = text.split_once('%') else { return Some(text) };
    let is_zone = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if !zone.is_empty() && zone.bytes().all(is_zone) { Some(host) } else { None }
}

/// An IPv4-mapped address is the IPv4 address in it.
fn parse_v6(text: &str) -> Option<Address> {
    let address: Ipv6Addr = text.parse().ok()?;
    Some(match address.to_ipv4_mapped() {
        Some(quad) => Address::V4(quad.octets()),
        None => Address::V6(address.octets()),
    })
}

impl Address {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Address::V4(bytes) => bytes,
            Address::V6(bytes) => bytes,
        }
    }

    /// `a.b.c.0/24`, or the first 64 bits as RFC 5952 writes them and `/64`.
    pub(crate) fn prefix(&self) -> String {
        match self {
            Address::V4([a, b, c, _]) => format!("{a}.{b}.{c}.0/24"),
            Address::V6(bytes) => {
                let network = u128::from_be_bytes(*bytes) >> 64 << 64;
                format!("{}/64", Ipv6Addr::from_bits(network))
            }
        }
    }
}
