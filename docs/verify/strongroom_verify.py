#!/usr/bin/env python3
"""Independent offline verifier for Strongroom logs and receipts (format version 1).

Written from FORMATS.md alone; functions follow its sections in order. It reads nothing but
what it is given, writes nothing, and trusts no key found beside a log.

  strongroom_verify.py log DIR [--trust FILE] [--key ALG:HEX]... [--integrity]
                       [--require signed|checkpointed] [--expect-head FILE] [--json]
  strongroom_verify.py receipt FILE --trust FILE [--key ALG:HEX]... [--json]

Exit: 0 valid or intact, 1 wrong usage or input, 2 invalid, 3 unknown.
"""
import argparse
import base64
import errno
import functools
import io
import json
import os
import re
import stat
import struct
import sys
import time
import unicodedata
from bisect import bisect_left
from collections import namedtuple

from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.hazmat.primitives.hashes import SHA256

KIB, MIB = 1 << 10, 1 << 20
MAX_INT = 2**53 - 1
INF = 1 << 62
HASH, PREV, KEY_ID, LOG_ID = map(re.compile, (
    "b3:[0-9a-f]{64}", "b3:(0|[0-9a-f]{64})", "b3:[0-9a-f]{32}", "[0-9a-f]{32}"))


class Refuse(Exception):
    """Bytes the format refuses; kind is the finding kind, expected the rule in words."""

    def __init__(self, found, kind="canon", expected="FORMATS"):
        super().__init__(found)
        self.found, self.kind, self.expected = found, kind, expected


class Usage(Exception):
    """Wrong usage or input: exit 1."""


def b3(data):
    return blake3(data).digest()


def b3_text(digest):
    return "b3:" + digest.hex()


def unhex(text):
    return bytes.fromhex(text[3:])


def need(condition, found, kind="canon"):
    if not condition:
        raise Refuse(found, kind)


def is_int(value, low=0, high=MAX_INT):
    return type(value) is int and low <= value <= high


def matches(pattern, value):
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


def fits(value, rule):
    """rule: a type, a pattern, a function to truth, or the one value allowed."""
    if isinstance(rule, type):
        return isinstance(value, rule)
    if isinstance(rule, re.Pattern):
        return matches(rule, value)
    return rule(value) if callable(rule) else type(value) is type(rule) and value == rule


def shape(obj, rules, kind="canon"):
    """An object with exactly these members, each as its rule wants it; `name?` may be absent."""
    need(isinstance(obj, dict), "not an object", kind)
    for name, value in obj.items():
        rule = rules.get(name) or rules.get(name + "?")
        if rule is None or name.endswith("?"):
            raise Refuse(f"unknown member {name[:40]!r}", kind)
        if not fits(value, rule):
            raise Refuse(f"member {name}", kind)
    for name in rules:
        if name not in obj and not name.endswith("?"):
            raise Refuse(f"member {name} is missing", kind)
    return obj


def array(rule, least=0, most=INF):
    return lambda value: isinstance(value, list) and least <= len(value) <= most and all(fits(x, rule) for x in value)


def is_range(value):
    return array(is_int, 2, 2)(value) and 1 <= value[0] <= value[1]


# ---- Section 1: canonical JSON --------------------------------------------------------------

# Code points Unicode 16.0 leaves unassigned: each item is the distance from the end of the
# range before, and "+" the number of further code points, in base 36.
UNASSIGNED_16 = """
oo+1 7+3 8 2 l b2 13+1 1f+1 4 1k+7 s+3 7+a 7j 1p+1 2u+d 1o+1 1e+1 g t+1 2 c+4 w 3+4 6m 9+1 3+1 n 8 2+2 5+1 a+1
3+1 5+7 2+3 3 6+1 q+1 4 7+3 3+1 n 8 3 3 3+1 2 6+3 3+1 4+2 2+6 5 2+6 i+9 4 a 4 n 8 3 6+1 b 4 4+1 2+e 5+1 d+6 8 4
9+1 3+1 n 8 3 6+1 a+1 3+1 4+6 4+3 3 6+1 j+9 3 7+2 4 5+2 3 2 3+2 3+2 4+2 d+3 6+2 4 5+1 2+5 2+d m+4 e 4 o h+1 a 4
5+6 3 4+1 2+1 5+1 b+6 n 4 o b 6+1 a 4 5+6 3+5 3 5+1 b 4+b e 4 1g 4 7+3 h+1 r 4 j+2 p a 2+1 8+2 2+3 7 2 9+5 b+1
4+b 1n+3 u+10 3 2 6 p 2 o+1 6 2 8 b+1 5+v 21 11+3 14 11 g e+10 5j 2+4 2+1 ai 5+1 8 2 5+1 16 5+1 y 5+1 8 2 5+1 g
1m 5+1 1w+1 x+2 r+5 2f+1 7+1 im+2 2i+6 n+8 p+8 l+b e 4 3+b 2n+1 b+5 b+5 r+5 2i+6 18+4 1z+9 w d+3 d+3 2+2 17+1
6+a 19+3 r+5 c+2 1r+1 1u u+1 c+5 b+5 f+1 w+1c 26 4n+7 1p+2 g+2 1r+4 18+1 c+7 18+4 ev+1 7+1 13+1 7+1 9 2 2 2 w+1
1i g f+1 7 k+1 4 a 2u d+1 s e+2 y+e y+e 3x+3 ij+l c+k 1ed+1 x 9q+4 1a 2+4 2+1 1l+6 3+d p+8 8 8 8 8 8 8 8 8 3j+x
r 2i+b 5z+p 29 2f+1 2w+4 18 2n 2f+8 1d mlq+2 1k+8 9p+j 55+7 5r+1 3 2 9+k 1o+2 b+5 1l+7 1z+7 d+5 39+a v+2 27 c+3
y 1k+8 f+1 b+1 2w+n t+9 7+1 7+1 7+8 8 8 1p+3 3j+1 b+5 8md+b o+3 1e+3 6sv+1 2z+11 8+b 6+4 r 6 2 3 3 3i+f ce+1
1j+6 24+5 1g k 5+3 6 3s+1 2 5b+2 7+1 7+1 7+1 4+2 8 8+9 k r k 3 g+1 f+x 3g+4 4+3 1a+2 2h e+2 2+1a 1b+3l u+2 1e+e
t+3 11+8 v+4 18+4 v 12+3 f+15 4f+1 b+5 11+3 11+3 15+7 1h+a d g 8 3 c g 8 3+2 1h+b 8o+8 n+9 9+n 7 17 a+1w 7+1 2
19 3+2 2+1 o 21+7 a+1b k 3+4 y+2 s+4 2+1r 1l+3 l+1 1f 3+4 9 4 u+1 4+3 b+6 a+6 1t+v 14+3 d+8 1j+2 u+1 s+4 r+6 5+b
8+27 22+1i 1g+c 1g+6 1b+7 b+5 13+2 u+7 3+5r w 17 4+1 3+f 4+1i 19+7 17+l r+11 t+j o+8 27+3 11+8 1x+9 2+1 q+6 b+5
1i j+7 14+8 2p l+a j 1c+1p 8 2 5 g c+5 1o+4 b+5 5 9+1 3+1 n 8 3 6 b+1 3+1 4+1 2+5 2+4 8+1 8+2 6+a b 2+1 2 13 b
2+1 2 5 b 3+7 3+s 2l 6+t 21+7 b+4l 1j+1 13+x 1y+a b+5 e+i 1n+5 b+5 l+r s+1 g+3 o+54 1p+2r 2c+b 9+1 2+1 9 3 v 3+1
d+8 b+1x 9+1 1b+1 c+q 21+7 2c+c 22+6 b+51 z+d b+5 a 1a f+9 u+2 x+1 n f+20 8 3 19+2 2 3 a+7 b+5 7 3 12 3 7+6 b+8l
q+6 i 16+2 u+2c 2+e 1f+c po+2t 34 6+a 5h+217 2s+c uv+9 330+4 g8+5a0 1n+1c5 fu+6 w b+3 2a b+5 v+1 7+9 1z+9 b 8
m+4 k+bz 1n+5h 2k+2s 24+3 1m+6 i+1r 6+a 3+d 4qh+7 yf+14 b+6w6 5 8 3 84+e 2+s 4+1 2+d 5+7 b1+1s3 30+4 e+2 a+6 b+1
9+317 6z+5 c5+23 1b+1 o+8 39+1n 6v+9 14+1 5f+k 1z+3d l+b l+b 2g+8 q+3q 2e 20 3+1 2+1 3+1 5 d 2 8 1u 5+1 9 8 t 5
6 2+2 8 9h+1 85+1 jj+e 6 g+un w+5 7+5w 8 i+1 8 3 6+4 1r+w 2+33 1a+2 f+1 b+3 3+8v w+g 1n+4 2+cv 17+5x 18+3 2+db 8
5 3 g 5i+1 h+14 25+3 b+3 3+ls 1x+23 1q+5d 5 s 3 2+1 2 b 5 2 2+5 2+3 2 2 2 4 3 2+1 2 2 2 2 2 3 2+1 5 8 5 5 2 b
i+4 4 6 i+1f 3+7h 19+3 2t+b g+1 g g 12+9 4v+1j u+c 19+3 a+6 3+d 7+49 rd+3 i+2 e+2 3c+3 2o+5 d+3 2+e d+3 1l+7 b+5
15+7 v+1 d+3 3+1p 9h+b f+1 e+2 b+4 1l+6 g+1 c+5 a+6 44 2v+sj wyr+v 37f+5 67+1 4g3+d 5rm+e hb+1wh f3+15r 3ta+4
38h+17il 3+1ekd 3+1ekd 3+1ekd 3+1ekd 3+1ekd 3+1ekd 3+1ekd 3+1ekd 3+1ekd 3+1ekd 3 2+t 2p+3j 6p+1e6l
"""

# What Unicode 15.0 to 16.0 added and NFC depends on, for a Python with older tables (3.11 has 14.0):
# canonical combining classes, and the two characters each new composite decomposes to.
NEW_CLASS = {0x897: 230, 0x10D69: 230, 0x10D6A: 230, 0x10D6B: 230, 0x10D6C: 230, 0x10D6D: 230, 0x10EFD: 220,
             0x10EFE: 220, 0x10EFF: 220, 0x113CE: 9, 0x113CF: 9, 0x113D0: 9, 0x11F41: 9, 0x11F42: 9, 0x1612F: 9,
             0x1E08F: 230, 0x1E4EC: 232, 0x1E4ED: 232, 0x1E4EE: 220, 0x1E4EF: 230, 0x1E5EE: 230, 0x1E5EF: 220}
NEW_PAIR = {0x105C9: (0x105D2, 0x307), 0x105E4: (0x105DA, 0x307), 0x11383: (0x11382, 0x113C9),
            0x11385: (0x11384, 0x113BB), 0x1138E: (0x1138B, 0x113C2), 0x11391: (0x11390, 0x113C9),
            0x113C5: (0x113C2, 0x113C2), 0x113C7: (0x113C2, 0x113B8), 0x113C8: (0x113C2, 0x113C9),
            0x16121: (0x1611E, 0x1611E), 0x16122: (0x1611E, 0x16129), 0x16123: (0x1611E, 0x1611F),
            0x16124: (0x16129, 0x1611F), 0x16125: (0x1611E, 0x16120), 0x16126: (0x16121, 0x1611F),
            0x16127: (0x16122, 0x1611F), 0x16128: (0x16121, 0x16120), 0x16D68: (0x16D67, 0x16D67),
            0x16D69: (0x16D63, 0x16D67), 0x16D6A: (0x16D69, 0x16D67)}
NEW_COMPOSITE = {pair: cp for cp, pair in NEW_PAIR.items()}


def unassigned_ranges():
    end, ranges = 0, []
    for item in UNASSIGNED_16.split():
        gap, _, more = item.partition("+")
        start = end + int(gap, 36)
        end = start + int(more or "0", 36)
        ranges.append((start, end))
    return ranges


def char_class(ranges):
    return re.compile("[" + "".join(f"\\U{a:08x}-\\U{b:08x}" for a, b in ranges) + "]")


REFUSED = char_class(unassigned_ranges())
SURROGATE = re.compile("[\ud800-\udfff]")
NEEDS_NEW_TABLES = char_class([(c, c) for c in sorted(NEW_CLASS.keys() | NEW_PAIR.keys() | {
    c for pair in NEW_PAIR.values() for c in pair if c != 0x307})])


def nfc(text):
    """Rule 2: NFC by Unicode 16.0; lone surrogates and code points it does not assign are refused."""
    if text.isascii():
        return text
    need(not SURROGATE.search(text), "a lone surrogate")
    bad = REFUSED.search(text)
    need(not bad, bad and f"U+{ord(bad[0]):04X}, which Unicode 16.0 does not assign")
    if not NEEDS_NEW_TABLES.search(text):
        return unicodedata.normalize("NFC", text)
    return "".join(compose(order(decompose(text))))


def decompose(text):
    for ch in text:
        if ord(ch) in NEW_PAIR:
            yield from decompose("".join(map(chr, NEW_PAIR[ord(ch)])))
        else:
            yield from unicodedata.normalize("NFD", ch)


def combining(ch):
    return NEW_CLASS.get(ord(ch)) or unicodedata.combining(ch)


def order(chars):
    out, marks = [], []
    for ch in chars:
        if combining(ch):
            marks.append(ch)
        else:
            out += sorted(marks, key=combining) + [ch]
            marks = []
    return out + sorted(marks, key=combining)


def compose(chars):
    out, starter, last = [], None, 0  # starter: index in out; last: class of the character before
    for ch in chars:
        cls = combining(ch)
        if starter is not None and (len(out) == starter + 1 or last < cls):
            new = NEW_COMPOSITE.get((ord(out[starter]), ord(ch)))
            both = chr(new) if new else unicodedata.normalize("NFC", out[starter] + ch)
            if len(both) == 1:
                out[starter] = both
                continue
        if cls == 0:
            starter = len(out)
        last = cls
        out.append(ch)
    return out


def _integer(text):
    need(text != "-0" and len(text) <= 17 and abs(int(text)) <= MAX_INT, f"number {text[:20]}")
    return int(text)


def _no_number(text):
    raise Refuse(f"number {text[:20]} is not an integer")


def _object(pairs):
    obj = dict(pairs)
    need(len(obj) == len(pairs), "a duplicate member")
    return obj


def parse_json(data):
    """Rules 1 and 3: one JSON value of the restricted domain, from UTF-8 bytes."""
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_int=_integer,
                          parse_float=_no_number, parse_constant=_no_number)
    except UnicodeDecodeError:
        raise Refuse("not UTF-8") from None
    except (ValueError, RecursionError) as why:
        raise Refuse(f"not JSON: {str(why)[:80]}") from None


def normalize(value, depth=1):
    """Rules 2, 4 and 6: NFC everywhere, no keys equal after it, at most 16 levels."""
    if isinstance(value, str):
        return nfc(value)
    if isinstance(value, (dict, list)):
        need(depth <= 16, "nested deeper than 16 levels")
        if isinstance(value, list):
            return [normalize(item, depth + 1) for item in value]
        return _object([(nfc(key), normalize(item, depth + 1)) for key, item in value.items()])
    return value


def dumps(value):
    """Rules 4 to 6 for a normalized value."""
    if isinstance(value, str):
        return json.encoder.encode_basestring(value)
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(dumps(key) + ":" + dumps(value[key]) for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dumps, value)) + "]"
    return {None: "null", True: "true", False: "false"}[value] if not is_int(value, -MAX_INT) else str(value)


def canonical(value):
    return dumps(normalize(value)).encode()


def canonicalize(data):
    """Ingress: JSON text to canonical bytes."""
    return canonical(parse_json(data))


def parse_canonical(data):
    """Verification: bytes that differ from their own canonical form are refused."""
    value = parse_json(data)
    need(canonical(value) == data, "not in canonical form")
    return value


# ---- Section 2: the audit record ------------------------------------------------------------

FIELDS = ("v", "ts_ms", "writer_id", "seq", "stream", "kind", "actor", "subject", "reason", "attrs", "prev")
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")  # general category Cc


def bounded(value, low, high):
    return isinstance(value, str) and low <= len(value.encode()) <= high


def is_id(value):
    return bounded(value, 1, 256)


def is_name(value):
    return bounded(value, 1, 512)


RECORD = dict.fromkeys(FIELDS, object)
ACTOR = {"cap_id?": is_id, "key_fpr?": is_id, "passport_id?": is_id, "anon?": bool}
SUBJECT = {"content_id?": re.compile("b3:[0-9a-f]{1,64}"), "ledger_txid?": is_name, "name?": is_name}


def record_bytes(record):
    """Canonical bytes without self_hash of a record (without self_hash); refuses what breaks a rule."""
    r = normalize(shape(record, RECORD))
    need(r["v"] == 1 and is_int(r["v"]), "v is not 1")
    need(is_int(r["ts_ms"]), "ts_ms")
    need(is_int(r["seq"], 1), "seq")
    for name, limit in (("writer_id", 128), ("stream", 64)):
        need(bounded(r[name], 1, limit) and not CONTROL.search(r[name]), name)
    need("/" not in r["writer_id"], "writer_id")
    need(matches("[A-Z][A-Za-z0-9]{0,63}", r["kind"]), "kind")
    need(matches("[a-z][a-z0-9_.-]{0,63}", r["reason"]), "reason")
    shape(r["actor"], ACTOR)
    shape(r["subject"], SUBJECT)
    need(isinstance(r["attrs"], dict) and len(dumps(r["attrs"]).encode()) <= 1024, "attrs")
    need(r["prev"] == "b3:0" if r["seq"] == 1 else matches(HASH, r["prev"]), "prev")
    data = ("{" + ",".join(f'"{name}":' + dumps(r[name]) for name in FIELDS) + "}").encode()
    need(len(data) <= 4096, "longer than 4096 bytes")
    return data


def parse_record(data):
    """A record as the WAL holds it: its bytes are its canonical bytes."""
    record = parse_json(data)
    need(record_bytes(record) == data, "not in canonical form")
    return record


# ---- Section 3.1: the record tree -----------------------------------------------------------

def leaf(data):
    return b3(b"\0" + data)


def node(left, right):
    return b3(b"\1" + left + right)


class Tree:
    """RFC 9162 section 2.1.1 root, leaf by leaf; holds one hash for each level."""

    def __init__(self):
        self.size, self.stack = 0, []

    def add(self, data):
        h, n = leaf(data), self.size
        while n & 1:
            h, n = node(self.stack.pop(), h), n >> 1
        self.stack.append(h)
        self.size += 1

    def root(self):
        need(self.size, "an empty tree", "root_mismatch")
        return functools.reduce(lambda right, left: node(left, right), reversed(self.stack))


def root_from_path(index, size, data, path):
    """RFC 9162 section 2.1.3.2; None where the path does not fit the size."""
    if not 0 <= index < size:
        return None
    fn, sn, r = index, size - 1, leaf(data)
    for p in path:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            r = node(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    return r if sn == 0 else None


# ---- Section 4: WAL files -------------------------------------------------------------------

HEADER = struct.Struct("<8sHI18s")
FRAME = struct.Struct("<IBQ")
MAGIC = bytes.fromhex("524f4e2d41554401")
MAX_FRAME = 13 + 4096 + 4 + 67
MARK_AND_HASH = re.compile(b"\\x43\\0\\0\\0(b3:[0-9a-f]{64})")  # how a frame ends
NUMBERED = re.compile(r"(wal|checkpoint|manifest)-(?!0+\.)([0-9]{6}|[1-9][0-9]{6,12})\.(seg|sig|json|cosig)")


def enc(name):
    """Folder name of a writer_id or a stream."""
    out = "".join(chr(c) if re.fullmatch("[A-Za-z0-9._@-]", chr(c)) else f"%{c:02X}" for c in name.encode())
    out = out.replace(".", "%2E") if not out.strip(".") else out
    need(len(out) <= 255, "a name longer than 255 bytes when encoded", "wrong_stream")
    return out


def dec(folder):
    """The name whose enc is this folder, or None."""
    try:
        raw = re.sub(rb"%([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), folder.encode())
        name = raw.decode()
        return name if name and enc(nfc(name)) == folder else None
    except (UnicodeError, Refuse):
        return None


def open_file(path, kind="frame"):
    """A regular file, open for reading. Links are not followed, pipes and devices not waited for: what is
    there and cannot be read is refused. FileNotFoundError where nothing is there."""
    try:
        need(stat.S_ISREG(os.lstat(path).st_mode), "not a regular file", kind)
        f = open(path, "rb", MIB, opener=lambda p, flags: os.open(p, flags | os.O_NOFOLLOW | os.O_NONBLOCK))
    except FileNotFoundError:
        raise
    except OSError as why:
        raise Refuse(f"cannot be read: {why.strerror}", kind) from None
    if not stat.S_ISREG(os.fstat(f.fileno()).st_mode):  # exchanged in between
        f.close()
        raise Refuse("not a regular file", kind)
    return f


def read_small(path, limit=64 * MIB, kind="canon"):
    with open_file(path, kind) as f:
        try:
            data = f.read(limit + 1) if os.fstat(f.fileno()).st_size <= limit else bytes(limit + 1)
        except OSError as why:
            raise Refuse(f"cannot be read: {why.strerror}", kind) from None
    need(len(data) <= limit, f"longer than {limit} bytes", kind)
    return data


def size_and_digest(path, size):
    """What a manifest says of a file, or why it cannot be read; only a file of that size is hashed."""
    try:
        with open_file(path) as f:
            real, h = os.fstat(f.fileno()).st_size, blake3()
            while real == size and (chunk := f.read(MIB)):
                h.update(chunk)
        return f"{real} bytes" + (f", {b3_text(h.digest())}" if real == size else "")
    except (Refuse, OSError) as why:
        return str(why)


def read_header(f):
    """count of a segment (0 while it is open)."""
    data = f.read(32)
    need(len(data) == 32, "a header of fewer than 32 bytes", "frame")
    magic, flags, count, rest = HEADER.unpack(data)
    need(magic == MAGIC and flags == 0 and not any(rest), f"header {data.hex()}", "frame")
    return count


def check_frame(version, seq, body, tail):
    """(record or None, stored self_hash, finding or None) of a frame whose length is sound."""
    bad, record, stored = None, None, tail[4:].decode("ascii", "replace")
    try:
        record = parse_record(body)
        need(version == 1, f"v {version}, in the JSON {record['v']}", "frame")
        need(seq == record["seq"], f"seq {seq}, in the JSON {record['seq']}", "frame")
    except Refuse as why:
        bad = why
    real = b3_text(b3(body))
    if not bad and stored != real:
        bad = Refuse(stored[:80], "hash_mismatch", real)
    return record, stored if matches(HASH, stored) else real, bad


def windows(fd, start, end, overlap=0):
    """(offset, bytes) pieces of a file, holes of a sparse one left out; what begins with a byte other than
    zero in a piece's first MiB lies, up to overlap, wholly in it."""
    while start < end:
        try:
            start = os.lseek(fd, start, os.SEEK_DATA)
        except OSError as why:
            if why.errno == errno.ENXIO:  # a hole to the end
                return
        if start < end:
            yield start, os.pread(fd, min(MIB + overlap, end - start), start)
        start += MIB


def zeros_from(fd, start, end):
    """The offset from which on all bytes are zero (end if the last is not)."""
    for base, data in windows(fd, start, end):
        kept = len(data.rstrip(b"\0"))
        start = base + kept if kept else start
    return start


def lost_block(fd, start, size):
    """Is some aligned 512-byte block among the 4,180 bytes from start zero in all bytes from start on?"""
    for block in range(start - start % 512, min(start + MAX_FRAME, size - 511), 512):
        lo = max(block, start)
        if not any(os.pread(fd, block + 512 - lo, lo)):
            return True
    return False


def occurrences(fd, start, end, pattern, reach):
    """(bytes, index) of each place a pattern stands at, with what follows it up to reach."""
    for _, data in windows(fd, start, end, reach):
        i = data.find(pattern)
        while 0 <= i < MIB:
            yield data, i
            i = data.find(pattern, i + 1)


def hides_frame(fd, start, size, head):
    """Do the bytes hide a complete frame that follows the head (None: any frame)?"""
    end = b"" if head is None else f'"prev":"{head}"}}'.encode()
    for data, i in occurrences(fd, start, size, b'{"v":1,', 5 * KIB):
        for mark in MARK_AND_HASH.finditer(data, i, i + 4096 + 71):
            body = data[i:mark.start()]
            if body.endswith(end) and b3_text(b3(body)).encode() == mark[1]:
                return True
    return False


def hides_entry(fd, start, size, first):
    """The same for a .sig file: a complete entry that begins at the next seq."""
    pattern = b"\x84" + (bytes([first]) if first < 24 else next(
        bytes([code]) + first.to_bytes(n, "big") for code, n in ((24, 1), (25, 2), (26, 4), (27, 8)) if first < 256**n))
    for data, i in occurrences(fd, start, size, pattern, 257 * KIB):
        try:
            return bool(Cbor(data, i).entry())
        except Refuse:
            pass
    return False


def not_torn(fd, start, size, bad_end, incomplete, always, sealed, covered, hides):
    """Why the bytes from start on are not a torn tail, or None where they are one. bad_end is where
    the first bad frame or entry ends; hides() tells whether a complete one is in them."""
    if sealed:
        return "the segment is sealed or not the newest"
    if covered:
        return covered
    if always and size - start > MIB:
        return "more than 1 MiB"
    if not (incomplete or zeros_from(fd, start, size) < min(bad_end, size) or lost_block(fd, start, size)):
        return "complete, and no zeros"
    return "a complete one is hidden in it" if hides() else None


class SigFile:
    """wal-NNNNNN.sig, entry by entry; bad is (offset, end, incomplete, why) once it cannot go on."""

    def __init__(self, path, size):
        self.name, self.size, self.pos, self.last, self.bad = os.path.basename(path), size, 0, 0, None
        try:
            self.f = open_file(path)
        except Refuse as why:
            self.f, self.bad = io.BytesIO(), (0, 0, False, why.found)

    def next(self):
        if self.bad or self.pos >= self.size:
            return None
        head = self.f.read(4)
        n = int.from_bytes(head, "little")
        end = self.pos + 4 + n
        if len(head) < 4 or end > self.size or n > 256 * KIB:
            incomplete = len(head) < 4 or n <= 256 * KIB
            self.bad = (self.pos, end if incomplete else self.pos + MAX_FRAME, incomplete, f"an entry of length {n}")
            return None
        try:
            cbor = Cbor(self.f.read(n))
            entry = cbor.entry()
            need(cbor.pos == n, "bytes after the CBOR item", "frame")
            need(entry.first > self.last, f"entry {entry.first}..{entry.last} after seq {self.last}", "frame")
        except Refuse as why:
            self.bad = (self.pos, end, False, why.found)
            return None
        entry.offset, entry.file = self.pos, self.name
        self.pos, self.last = end, entry.last
        return entry


# ---- Section 5: checkpoints and manifests ---------------------------------------------------

OWNER = {"version": 1, "log_id": LOG_ID, "writer_id": str, "stream": str}
CHECKPOINT = {**OWNER, "range": is_range, "root": HASH, "prev": PREV, "ts_ms": is_int, "signer_key_id": str,
              "alg": str, "sig": str}


def file_named(ending, **more):
    """A file as a manifest lists it."""
    def is_file(value):
        name = isinstance(value, str) and NUMBERED.fullmatch(value)
        return name and (name[1], name[3]) == ("wal", ending)
    return {"file": is_file, "bytes": is_int, "digest": HASH, **more}


def is_sig_file(value):
    return value is None or shape(value, file_named("sig"))


def is_segment(value):
    return shape(value, file_named("seg", offset=is_int, count=is_int, range=is_range, root=HASH, sig=is_sig_file))


MANIFEST = {**OWNER, "segments": array(is_segment, 1), "checkpoints": array(object), "certificates": array(HASH),
            "prev_manifest": PREV, "created_ts_ms": is_int}


class Checkpoint:
    def __init__(self, obj, file):
        shape(obj, CHECKPOINT)
        self.first, self.last = obj["range"]
        self.root, self.prev = unhex(obj["root"]), obj["prev"]
        self.log_id, self.writer, self.stream, self.ts, self.file = \
            obj["log_id"], obj["writer_id"], obj["stream"], obj["ts_ms"], file
        self.digest = b3(canonical({k: v for k, v in obj.items() if k != "sig"}))
        self.envelopes = [check_envelope(Envelope(obj["alg"], obj["signer_key_id"], unbase64(obj["sig"])), (), "canon")]
        self.cosignatures, self.judged = [], []
        self.linked = self.bad_root = False  # linked: prev commits to the checkpoint before
        self.keys = set()  # ids of the trusted keys by whose signature it counts (section 7)

    def judge(self, auth):
        context = "strongroom/checkpoint/v1"
        self.judged = [judge(e, context, self.digest, "checkpoint", auth) for e in self.envelopes] \
            + [judge(e, context, self.digest, "cosignature", auth) for e in self.cosignatures]
        return [j for j in self.judged if j.state == "wrong"]


def parse_cosignatures(data):
    cbor = Cbor(data)
    out = cbor.envelopes()
    need(cbor.pos == len(data), "bytes after the CBOR item", "frame")
    return out


def read_cosignatures(path):
    """The envelope array of a file, [] where there is none."""
    try:
        return parse_cosignatures(read_small(path, 256 * KIB, "frame"))
    except FileNotFoundError:
        return []


def parse_manifest(data, file):
    m = shape(parse_canonical(data), MANIFEST)
    m["checkpoints"] = [Checkpoint(c, file) for c in m["checkpoints"]]
    return m


# ---- Section 6: signatures ------------------------------------------------------------------

CLASSICAL = ("ed25519", "ecdsa-p256-sha256")
ALGORITHMS = CLASSICAL + ("ml-dsa-44", "ml-dsa-65", "ml-dsa-87", "slh-dsa-sha2-128s")
PURPOSES = ("root", "checkpoint", "certificate", "record", "vote", "evidence", "attestation", "witness")
Envelope = namedtuple("Envelope", "algo key_id sig")
P25519 = 2**255 - 19
L25519 = 2**252 + 27742317777372353535851937790883648493
Y8 = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
SMALL_ORDER_Y = {0, 1, P25519 - 1, Y8, P25519 - Y8}  # y of the points of order 1, 2, 4 and 8
P256_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Entry:
    """One .sig entry, and the tree over the records of its range as they are read."""

    def __init__(self, first, last, root, envelopes):
        self.first, self.last, self.root, self.envelopes = first, last, root, envelopes
        self.tree, self.leaf, self.file, self.offset = Tree(), None, None, None


class Cbor:
    """The deterministic CBOR of FORMATS 4 and 6; every other encoding is refused."""

    def __init__(self, data, pos=0):
        self.data, self.pos = data, pos

    def take(self, n):
        need(len(self.data) - self.pos >= n, "CBOR ends early", "frame")
        self.pos += n
        return self.data[self.pos - n:self.pos]

    def head(self, major, limit):
        first = self.take(1)[0]
        need(first >> 5 == major, f"CBOR major type {first >> 5} instead of {major}", "frame")
        info = first & 31
        if info >= 24:
            need(info <= 27, "CBOR length form", "frame")
            n = 1 << (info - 24)
            value = int.from_bytes(self.take(n), "big")
            need(value >= (24 if n == 1 else 256 ** (n // 2)), "CBOR number not in its shortest form", "frame")
            info = value
        need(info <= limit, f"CBOR number {info} beyond {limit}", "frame")
        return info

    def text(self, limit):
        try:
            return self.take(self.head(3, limit)).decode("utf-8")
        except UnicodeDecodeError:
            raise Refuse("CBOR text is not UTF-8", "frame") from None

    def envelopes(self):
        out = []
        for _ in range(self.head(4, 8)):
            need(self.head(5, 3) == 3, "an envelope without its three members", "frame")
            fields = []
            for key in (1, 2, 3):
                need(self.head(0, 3) == key, "envelope members", "frame")
                fields.append(self.take(self.head(2, 24 * KIB)) if key == 2 else self.text(128))
            out.append(check_envelope(Envelope(fields[0], fields[2], fields[1]), out, "frame"))
        return out

    def entry(self):
        need(self.head(4, 4) == 4, "an entry without its four members", "frame")
        first, last = self.head(0, MAX_INT), self.head(0, MAX_INT)
        if self.data[self.pos:self.pos + 1] == b"\xf6":
            root = self.take(1) and None
        else:
            need(self.head(2, 32) == 32, "a root that is not 32 bytes", "frame")
            root = self.take(32)
        need(1 <= first <= last and (root is not None or first == last), f"range {first}..{last}", "frame")
        return Entry(first, last, root, self.envelopes())


def check_envelope(env, before, kind):
    """pubkey_id form, order and no duplicates."""
    need(matches(KEY_ID, env.key_id), "pubkey_id", kind)
    need(len(env.sig) <= 24 * KIB, "a signature beyond 24 KiB", kind)
    if before:
        a, b = ((e.algo.encode(), e.key_id.encode()) for e in (before[-1], env))
        need(a < b, "envelopes out of order, or one twice", kind)
    return env


def unbase64(text):
    need(isinstance(text, str), "base64")
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise Refuse("base64") from None
    need(base64.b64encode(data).decode() == text, "base64 with unused bits set")
    return data


def envelope_list(value):
    """Envelopes in JSON form."""
    need(isinstance(value, list) and len(value) <= 8, "an envelope array")
    out = []
    for item in value:
        shape(item, {"algo_id": str, "pubkey_id": KEY_ID, "sig": str})
        out.append(check_envelope(Envelope(item["algo_id"], item["pubkey_id"], unbase64(item["sig"])), out, "canon"))
    return out


def key_id_of(raw):
    return "b3:" + b3(raw).hex()[:32]


@functools.lru_cache(64)
def p256_key(raw):
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)


def check_public_key(algo, raw):
    """Length, and for P-256 that the point is on the curve."""
    need(algo in ALGORITHMS, f"algo_id {str(algo)[:40]!r}")
    if algo == "ed25519":
        need(len(raw) == 32, "an ed25519 key that is not 32 bytes")
    if algo == "ecdsa-p256-sha256":
        try:
            need(len(raw) == 65 and raw[0] == 4 and p256_key(raw), "a P-256 key that is not SEC1 uncompressed")
        except ValueError:
            raise Refuse("a P-256 key that is not on the curve") from None


def sound_point(raw):
    """Canonical and not of small order."""
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    return y < P25519 and y not in SMALL_ORDER_Y


def verify_signature(algo, raw, context, digest, sig):
    """True or False; None where this program does not know the algorithm (ml-dsa, slh-dsa)."""
    message = context.encode() + b"\0" + digest
    try:
        if algo == "ed25519":
            if len(raw) != 32 or len(sig) != 64 or not (sound_point(raw) and sound_point(sig[:32])) \
                    or int.from_bytes(sig[32:], "little") >= L25519:
                return False
            ed25519.Ed25519PublicKey.from_public_bytes(raw).verify(sig, message)  # OpenSSL: no cofactor
        elif algo == "ecdsa-p256-sha256":
            r, s = int.from_bytes(sig[:32], "big"), int.from_bytes(sig[32:], "big")
            if len(sig) != 64 or not (0 < r < P256_N and 0 < s <= P256_N // 2):
                return False
            p256_key(raw).verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
        else:
            return None
        return True
    except (InvalidSignature, ValueError):
        return False


def batch_digest(first, last, root, log_id, writer, stream):
    return b3(canonical({"first": first, "last": last, "log_id": log_id, "root": b3_text(root),
                         "stream": stream, "writer_id": writer}))


# Section 7's anchors, and section 6's certificates which lead to them.

class Key:
    """A trusted key: counts from start until before end; why_end is the finding after that."""

    def __init__(self, algo, raw, purposes, start=0, end=INF, why_end="key_expired"):
        self.algo, self.raw, self.id, self.purposes = algo, raw, key_id_of(raw), set(purposes)
        self.start, self.end, self.why_end = start, end, why_end

    def may(self, purpose):
        return not self.purposes.isdisjoint(("root", purpose))


class Trust:
    """The anchors: --trust FILE and --key ALG:HEX."""

    def __init__(self):
        self.keys, self.log_id, self.revoked, self.notes = {}, None, {}, []

    def add(self, key):
        old = self.keys.get(key.id)
        need(old is None, f"two keys of the id {key.id}")
        self.keys[key.id] = key

    def add_option(self, text):
        algo, _, hexed = text.partition(":")
        try:
            raw = bytes.fromhex(hexed)
        except ValueError:
            raise Refuse("--key wants ALG:HEX") from None
        check_public_key(algo, raw)
        old = self.keys.get(key_id_of(raw))
        if old and (old.algo, old.raw) == (algo, raw):
            old.purposes.add("root")  # the same whole key once more
        else:
            self.add(Key(algo, raw, ["root"]))

    def add_file(self, data):
        obj = parse_json(data)
        if canonical(obj) != data:
            self.notes.append("the trust file is not in canonical form")
        shape(obj, {"type": "strongroom/trust/v1", "keys": array(object), "log_id?": LOG_ID,
                    "revoked?": array(object)})
        self.log_id = obj.get("log_id")
        for item in obj["keys"]:
            shape(item, {"algo_id": str, "public_key": str, "pubkey_id": KEY_ID,
                         "purposes": array(PURPOSES.__contains__), "from_ts_ms?": is_int, "to_ts_ms?": is_int})
            raw = unbase64(item["public_key"])
            check_public_key(item["algo_id"], raw)
            need(item["pubkey_id"] == key_id_of(raw), "a pubkey_id that is not its key's")
            end = item["to_ts_ms"] + 1 if "to_ts_ms" in item else INF
            self.add(Key(item["algo_id"], raw, item["purposes"], item.get("from_ts_ms", 0), end))
        for item in obj.get("revoked", []):
            shape(item, {"pubkey_id": KEY_ID, "from_ts_ms": is_int})
            at = min(item["from_ts_ms"], self.revoked.get(item["pubkey_id"], INF))
            self.revoked[item["pubkey_id"]] = at
            key = self.keys.get(item["pubkey_id"])
            if key and at < key.end:
                key.end, key.why_end = at, "key_compromised"

    def describe(self):
        return "none" if not self.keys else f"log {self.log_id} pinned" if self.log_id else "log not pinned"


SIGNED = {"pubkey_id": KEY_ID, "issuer_key_id": KEY_ID, "issuer_algo_id": str, "sig": str}
CERT = {**SIGNED, "type": "strongroom/key-cert/v1", "log_id": LOG_ID, "algo_id": str, "public_key": str,
        "not_before_ms": is_int, "not_after_ms": is_int, "writer_id": str, "streams": array(str),
        "cosignatures?": object}
REVOCATION = {**SIGNED, "type": "strongroom/key-revoke/v1", "from_ts_ms": is_int, "reason": str, "ts_ms": is_int}


def signed_digest(obj):
    """Of a certificate or revocation; a record may announce it by this or by the hash of its file."""
    return b3(canonical({k: v for k, v in obj.items() if k not in ("sig", "cosignatures")}))


class Authority:
    """Who may sign: the anchors, and keys whose certificate an anchor signed."""

    def __init__(self, trust, keys_dir=None, given=()):
        self.trust, self.keys_dir, self.cache = trust, keys_dir, {}
        self.given = {c["pubkey_id"]: c for c in given if isinstance(c, dict) and isinstance(c.get("pubkey_id"), str)}

    def _read(self, key_id, ending):
        if self.keys_dir is None or not matches(KEY_ID, key_id):
            return None
        try:
            need(not os.path.islink(self.keys_dir), "~keys is a link")
            return read_small(os.path.join(self.keys_dir, f"{key_id[3:]}.{ending}.json"))
        except FileNotFoundError:
            return None

    def certificate(self, key_id):
        """None, a Key with the certificate's scope, or Refuse (cert_invalid, or key_unknown: its issuer)."""
        if key_id not in self.cache:
            try:
                self.cache[key_id] = self._certificate(key_id)
            except Refuse as why:
                self.cache[key_id] = why
        found = self.cache[key_id]
        if isinstance(found, Refuse):
            raise found
        return found

    def _certificate(self, key_id):
        obj, ids = self.given.get(key_id), []
        try:
            if obj is None:
                data = self._read(key_id, "cert")
                if data is None:
                    return None
                obj, ids = parse_canonical(data), [b3_text(b3(data))]
            raw = unbase64(shape(obj, CERT)["public_key"])
            check_public_key(obj["algo_id"], raw)
            need(obj["pubkey_id"] == key_id == key_id_of(raw), "a pubkey_id that is not its key's")
            need(obj["issuer_key_id"] != key_id, "a certificate issued by its own key")
            issuer = self._issued(obj, "strongroom/key-cert/v1", signed_digest(obj))
            key = Key(obj["algo_id"], raw, [])
            key.ids = ids + [b3_text(signed_digest(obj))]
            key.log_id, key.writer, key.streams = obj["log_id"], obj["writer_id"], obj["streams"]
            key.start = max(obj["not_before_ms"], issuer.start)
            key.end, key.issuer = obj["not_after_ms"] + 1, obj["issuer_key_id"]
            for end, why in ((issuer.end, issuer.why_end), (self.revoked_from(key), "key_compromised")):
                if end < key.end:
                    key.end, key.why_end = end, why
            return key
        except Refuse as why:
            kind = why.kind if why.kind == "key_unknown" else "cert_invalid"
            raise Refuse(why.found, kind, "a valid certificate") from None

    def _issued(self, obj, context, digest):
        """The anchor that signed a certificate or revocation."""
        first = Envelope(obj["issuer_algo_id"], obj["issuer_key_id"], unbase64(obj["sig"]))
        good = None
        for env in [first] + envelope_list(obj.get("cosignatures", [])):
            key = self.trust.keys.get(env.key_id)
            if key is None:
                need(env.key_id not in self.given and not self._read(env.key_id, "cert"), "issued by a certified key")
                continue
            ok = key.algo == env.algo and verify_signature(env.algo, key.raw, context, digest, env.sig)
            need(ok is not False and key.may("certificate"), "its signature does not verify, or its issuer may not")
            good = good or (key if ok else None)
        need(good, f"issuer {first.key_id} is not trusted, or its algorithm not supported", "key_unknown")
        return good

    def revoked_from(self, key):
        """From when on a certified key's signatures count no more."""
        at = self.trust.revoked.get(key.id, INF)
        revocation = self.revocation(key.id)
        if revocation:
            need(revocation["issuer_key_id"] == key.issuer, "revoked by another issuer")
            at = min(at, revocation["from_ts_ms"])
        return at

    def revocation(self, key_id, announced=None):
        """A checked revocation, None, or Refuse. announced: what the chain says its hash is; another file than
        that is refused whoever issued it."""
        data = self._read(key_id, "revoked")
        if data is None:
            return None
        obj = shape(parse_canonical(data), REVOCATION)
        need(obj["pubkey_id"] == key_id, "another key's revocation")
        digest = signed_digest(obj)
        need(announced is None or announced in [b3_text(b3(data)), b3_text(digest)], "not the revocation announced")
        self._issued(obj, "strongroom/key-revoke/v1", digest)
        return obj


# One envelope judged. state: good | wrong | open (cannot be judged: kind key_unknown, or None for an
# unsupported algorithm). A good one counts only in [start, end); certified: outside it is absent.
Judged = namedtuple("Judged", "state kind why key_id start end why_end certified",
                    defaults=(None, None, 0, INF, None, False))


def judge(env, context, digest, purpose, auth, scope=None):
    """scope: (log_id, writer, stream, announced(key) or None) for records and batches, which certified keys
    may sign; None for the rest, which they never sign."""
    key, certified = auth.trust.keys.get(env.key_id), False
    if key is None:
        try:
            key = auth.certificate(env.key_id)
        except Refuse as why:
            return Judged("wrong" if why.kind == "cert_invalid" and scope else "open",
                          why.kind if scope else "key_unknown", why.found, env.key_id)
        if key is None:
            return Judged("open", "key_unknown", f"key {env.key_id} is not trusted", env.key_id)
        if scope is None:
            return Judged("wrong", "sig_invalid", f"certified key {env.key_id} may not sign this", env.key_id)
        certified = True
        log_id, writer, stream, announced = scope
        in_scope = any(stream.startswith(s[:-1]) if s.endswith("*") else s == stream for s in key.streams)
        if (key.log_id, key.writer) != (log_id, writer) or not in_scope:
            return Judged("wrong", "cert_invalid", f"the certificate of {env.key_id} is not for this chain", env.key_id)
        if announced and not announced(key):
            return Judged("wrong", "cert_invalid", f"{env.key_id} is not announced before it signs", env.key_id)
    elif not key.may(purpose) and not (purpose == "cosignature" and key.purposes & {"checkpoint", "witness"}):
        return Judged("wrong", "sig_invalid", f"{env.key_id} is not trusted for this purpose", env.key_id)
    ok = env.algo == key.algo and verify_signature(env.algo, key.raw, context, digest, env.sig)
    if ok is None:
        return Judged("open", None, f"algorithm {env.algo} is not supported", env.key_id)
    if not ok:
        return Judged("wrong", "sig_invalid", f"the signature by {env.key_id} does not verify", env.key_id)
    if purpose == "cosignature" and not key.may("checkpoint"):
        return Judged("open", None, f"{env.key_id} is a witness", env.key_id)
    return Judged("good", None, None, key.id, key.start, key.end, key.why_end, certified)


def place(judged, ts, now):
    """A good record or batch signature in time: good | absent | late. ts is that of the earliest checkpoint
    over the record by another trusted key, None while there is none."""
    at = now if ts is None else ts
    if judged.start <= at < judged.end:
        return "good"
    return "absent" if judged.certified and (at < judged.start or judged.why_end == "key_expired") else "late"


def place_all(judgements, ts_for, now):
    """What an array of envelopes is worth (pq_mode or): (state, the judgement that says so)."""
    order, best = ("none", "open", "absent", "late", "wrong", "good"), ("none", None)
    for j in judgements:
        state = place(j, ts_for(j.key_id), now) if j.state == "good" else j.state
        if order.index(state) > order.index(best[0]):
            best = (state, j)
    return best


# ---- Section 7: a log and its verdict -------------------------------------------------------

VALID, UNKNOWN, INVALID = 0, 1, 2
WEIGHT = {"torn_tail": VALID, "recovered": VALID, "key_unknown": UNKNOWN, "segment_missing": UNKNOWN}
STRENGTH = {"checkpoint": 0, "batch": 1, "record": 2}
NO_ANCHOR = "no anchor: nothing is trusted by default; run again with --trust FILE or --key ALG:HEX"
MAX_FINDINGS = 1000  # of one chain; the rest is counted


def count_checkpoints(checkpoints, now):
    """Which keys' signatures count on each checkpoint. After its end a key's checkpoint counts only if a
    later one by another trusted key, dated before that end, commits to it through prev."""
    later = {}  # key id -> least ts_ms of a counting checkpoint of it that commits to this one
    for c in reversed(checkpoints):
        for j in c.judged:
            if j.state == "good" and j.start <= c.ts < j.end and (
                    now < j.end or any(ts < j.end for key, ts in later.items() if key != j.key_id)):
                c.keys.add(j.key_id)
        later = {**later, **{k: min(c.ts, later.get(k, INF)) for k in c.keys}} if c.linked else {}


class Ranges:
    """Builds the root of each range of a sorted list while the records pass; report(item, tree) when it is over."""

    def __init__(self, items, report):
        self.items, self.report = iter(items), report
        self.step()

    def step(self):
        self.item, self.tree = next(self.items, None), Tree()

    def add(self, seq, data):
        while self.item and seq > self.item.last:
            self.report(self.item, self.tree)
            self.step()
        if self.item and seq >= self.item.first:
            self.tree.add(data)

    def close(self):
        while self.item:
            self.report(self.item, self.tree)
            self.step()


Listed = namedtuple("Listed", "first last root segment manifest trusted")  # a segment as its manifest lists it


class Chain:
    """One folder: reads its files in the order a reader beside a live writer must, collects findings."""

    def __init__(self, run, path, folders):
        self.run, self.path, names = run, path, [dec(f) for f in folders]
        self.sound_name = None not in names
        self.writer, self.stream = (n or f for n, f in zip(names, folders))
        self.wanted = run.wanted.get((self.writer, self.stream), {})  # seq -> {self_hash: where from}
        self.findings, self.notes, self.weight, self.dropped, self.first_bad = [], {}, VALID, 0, INF
        self.growing = None  # a finding about consecutive ranges: (what they lack, first, last, finding)
        self.records, self.head, self.head_hash, self.first_seq, self.first_hash = 0, 0, "b3:0", None, None
        self.ts, self.broken, self.holes = 0, False, []  # holes: seqs that could not be read
        self.log_id, self.fsync, self.signing = None, "always", [(0, "checkpoint")]
        self.announced, self.compromised, self.opened, self.successor_of = {}, [], {}, None
        self.checkpoints, self.manifests, self.listed = [], [], {}
        self.entry, self.sigs, self.segment_first, self.sealed = None, None, None, False
        self.next = 1  # the first seq whose coverage is not settled
        self.uncovered, self.pending, self.place_cache = [], [], {}
        self.signed = self.checkpointed_to = self.proven_to = 0

    # findings

    def find(self, kind, seq=None, file=None, offset=None, expected=None, found=None, weight=None):
        weight = WEIGHT.get(kind, INVALID) if weight is None else weight
        self.weight = max(self.weight, weight)
        if weight == INVALID:
            self.first_bad = min(self.first_bad, seq or 1)
        if len(self.findings) == MAX_FINDINGS:
            self.dropped += 1
            return None
        self.findings.append({"kind": kind, "seq": seq, "file": file, "offset": offset,
                              "expected": expected, "found": found})
        return self.findings[-1]

    def find_range(self, kind, first, last, file, offset, expected, found):
        """One finding for consecutive ranges that lack the same; the ranges come in order."""
        key, growing = (kind, expected, found), self.growing
        if growing and growing[0] == key and growing[2] + 1 == first:
            growing[2] = last
            growing[3]["found"] = f"seq {growing[1]} to {last}: {found}"
        elif made := self.find(kind, first, file, offset, expected, f"seq {first} to {last}: {found}"):
            self.growing = [key, first, last, made]

    def note(self, text):
        if len(self.notes) < MAX_FINDINGS:
            self.notes.setdefault(text)

    # files

    def files(self, stem, ending):
        out = []
        for name in os.listdir(self.path):
            m = NUMBERED.fullmatch(name)
            if m and (m[1], m[3]) == (stem, ending):
                path = os.path.join(self.path, name)
                out.append((int(m[2]), path, os.lstat(path).st_size))
            elif re.fullmatch(r"wal-[0-9]{6,}(\.sig)?\.torn-[0-9]+", name):
                self.note(f"{name}: a tail cut by an earlier recovery, not checked")
            elif not m:
                self.note(f"{name}: not a file of this format, not read")
        return sorted(out)

    def verify(self):
        self.log_id = self.log_id or self.run.trust.log_id
        self.read_manifests()
        self.tile_checkpoints([self.read_checkpoint(n, path) for n, path, _ in self.files("checkpoint", "json")])
        self.cp_ranges = Ranges(self.checkpoints, self.checkpoint_root)
        self.listed_ranges = Ranges(sorted(self.listed.values(), key=lambda x: x.first),
                                    lambda x, tree: self.check_root(x.first, x.last, x.root, tree, x.manifest))
        sigs = {n: (path, size) for n, path, size in self.files("wal", "sig")}
        segments, expected = self.files("wal", "seg"), 1
        for n, path, _ in segments:
            if n != expected:
                self.segment_missing(f"wal-{expected:06}.seg", prefix=expected == 1)
            self.read_segment(path, sigs.pop(n, None), n == segments[-1][0])
            expected = n + 1
        if any(n >= expected for n in sigs):  # they lost their segment; what they sign is not here to be read
            self.segment_missing(f"wal-{expected:06}.seg", prefix=expected == 1)
        self.finish()

    # checkpoints and manifests (section 5)

    def read_checkpoint(self, number, path):
        """(number, Checkpoint, or None where it cannot be read)."""
        name, checkpoint = os.path.basename(path), None
        try:
            checkpoint = Checkpoint(parse_canonical(read_small(path)), name)
            name = name[:-5] + ".cosig"
            checkpoint.cosignatures = read_cosignatures(path[:-5] + ".cosig")
        except Refuse as why:
            self.find(why.kind, checkpoint and checkpoint.first, name, 0, why.expected, why.found)
        return number, checkpoint

    def owned(self, thing, log_id, writer, stream, seq, file):
        """Does a checkpoint or manifest belong to this chain and log?"""
        if (writer, stream) != (self.writer, self.stream):
            self.find("wrong_stream", seq, file, 0, f"{self.writer} {self.stream}", f"{thing} of {writer} {stream}")
            return False
        self.log_id = self.log_id or log_id
        if log_id != self.log_id:
            self.find("wrong_log", seq, file, 0, self.log_id, log_id)
        return log_id == self.log_id

    def tile_checkpoints(self, files):
        """files: (number, Checkpoint or None), by number. Numbers and ranges are gap-free, and what a manifest
        holds lies beside it too."""
        own, distinct = [c for _, c in files if c], {}
        for a, b in zip(own, own[1:]):
            if b.first <= a.first:
                self.find("checkpoint_gap", b.first, b.file, 0, f"a range after {a.last}", f"{b.first}..{b.last}")
        before = 0 if own and own[0].first == 1 else None  # a log may begin later, with its range then
        for n, c in files:
            if before not in (None, n - 1):
                self.find("checkpoint_gap", c and c.first, f"checkpoint-{n:06}.json", 0,
                          f"checkpoint-{before + 1:06}.json before it", "no such file")
            before = n
        for i, c in enumerate(own + [c for m in self.manifests for c in m["checkpoints"]]):
            if i >= len(own) and c.digest not in distinct:
                self.find("checkpoint_gap", c.first, c.file, 0, f"a file with the checkpoint over {c.first}..{c.last}",
                          "the manifest alone holds it")
            same = distinct.setdefault(c.digest, c)
            same.envelopes += [e for e in c.envelopes if e not in same.envelopes]
        tiles = self.checkpoints
        for c in sorted(distinct.values(), key=lambda c: (c.first, c.last)):
            if not self.owned("a checkpoint", c.log_id, c.writer, c.stream, c.first, c.file):
                continue
            if self.run.signatures:
                for j in c.judge(self.run.auth):
                    self.find(j.kind, c.first, c.file, 0, "a valid signature", j.why)
            if tiles and c.first <= tiles[-1].last:
                kind = "fork" if c.first == tiles[-1].first else "checkpoint_gap"
                self.find(kind, c.first, c.file, 0, f"a range after {tiles[-1].last}",
                          f"another checkpoint over {c.first}..{c.last}")
                continue
            if tiles:
                first, prev = tiles[-1].last + 1, b3_text(tiles[-1].digest)
                c.linked = (c.first, c.prev) == (first, prev)
                if not c.linked:
                    self.find("checkpoint_gap", first, c.file, 0, f"from {first}, prev {prev}",
                              f"from {c.first}, prev {c.prev}")
                if c.ts < tiles[-1].ts:
                    self.note(f"{c.file}: ts_ms falls")
            elif (c.first == 1) != (c.prev == "b3:0"):
                self.find("checkpoint_gap", c.first, c.file, 0, "prev b3:0 on the first checkpoint only", c.prev)
            tiles.append(c)
        count_checkpoints(tiles, self.run.now)
        self.cp_lasts = [c.last for c in tiles]
        self.covered_to = max([0] + self.cp_lasts)

    def read_manifests(self):
        number, prev, last = 0, "b3:0", 0  # last: where the next must go on; None where that is not known
        for n, path, _ in self.files("manifest", "json"):
            name = os.path.basename(path)
            try:
                data = read_small(path)
                gap = None if n == number + 1 else f"manifest-{number + 1:06}.json is missing"
                number, before, prev = n, prev, b3_text(b3(data))
                m = parse_manifest(data, name)
            except Refuse as why:
                self.find(why.kind, None, name, 0, why.expected, why.found)
                last = None
                continue
            first = m["segments"][0]["range"][0]
            m["name"], m["first"], m["last"] = name, first, m["segments"][-1]["range"][1]
            if not self.owned("a manifest", m["log_id"], m["writer_id"], m["stream"], first, name):
                continue
            if gap and not self.manifests:
                m["leading"], last = True, None  # judged when it is known where the records begin
            elif gap:
                self.find("manifest_gap", first, name, 0, gap, f"number {n}")
            elif m["prev_manifest"] != before:
                self.find("manifest_gap", first, name, 0, f"prev_manifest {before}", m["prev_manifest"])
            trusted = self.run.signatures and self.manifest_signed(path, m, b3(data))
            for s in m["segments"]:
                a, b = s["range"]
                if last is not None and a != last + 1 or s["count"] != b - a + 1 or s["file"] in self.listed:
                    self.find("manifest_gap", a, name, 0, f"each segment once, without gap after seq {last}",
                              f"{s['file']} {a}..{b}, count {s['count']}")
                last = b
                self.listed[s["file"]] = Listed(a, b, unhex(s["root"]), s, name, trusted)
            for h in m["certificates"]:
                if h not in self.run.certificate_hashes():
                    self.note(f"{name}: certificate {h} is not beside the log")
            self.manifests.append(m)

    def manifest_signed(self, path, m, digest):
        name = m["name"][:-4] + "sig"
        try:
            envelopes = read_cosignatures(path[:-4] + "sig")
        except Refuse as why:
            self.find(why.kind, m["first"], name, 0, why.expected, why.found)
            return False
        if not envelopes:
            self.find("sig_missing", m["first"], name, 0, "the manifest's signature", None)
        context, trusted = "strongroom/manifest/v1", False
        judged = [judge(e, context, digest, "checkpoint", self.run.auth) for e in envelopes]
        for j in judged:
            if j.state == "wrong":
                self.find(j.kind, m["first"], name, 0, "a valid signature", j.why)
            elif j.kind and not any(x.state == "good" for x in judged):
                self.find(j.kind, m["first"], name, 0, "a trusted key", j.why)
            elif j.state == "good" and j.start <= m["created_ts_ms"] < j.end and self.run.now < j.end:
                trusted = True
            else:
                self.note(f"{name}: {j.why or 'the time of ' + j.key_id + ' is over'}")
        return trusted

    def touches_hole(self, first, last):
        return any(a <= last and first <= b for a, b in self.holes)

    def check_root(self, first, last, root, tree, file, offset=0):
        """Reports root_mismatch; what could not be read (holes) or lies beyond the end is reported elsewhere."""
        if last > self.head or self.touches_hole(first, last):
            return True
        real = tree.root() if tree.size == last - first + 1 else None
        if real == root:
            return True
        self.find("root_mismatch", first, file, offset, b3_text(root),
                  b3_text(real) if real else f"{tree.size} records for {first}..{last}")
        return False

    def checkpoint_root(self, c, tree):
        c.bad_root = not self.check_root(c.first, c.last, c.root, tree, c.file)

    # segments (section 4)

    def segment_missing(self, file, prefix=False):
        """A gap in the numbers. Unknown; but in the middle, where a trusted signature covers what is gone, invalid."""
        seq = self.head + 1
        gone = not prefix and (any(c.keys and c.first <= seq <= c.last for c in self.checkpoints)
                               or any(x.trusted and x.first <= seq <= x.last for x in self.listed.values()))
        self.find("segment_missing", seq, file, None, file, None, INVALID if gone else UNKNOWN)
        self.broken = True

    def read_segment(self, path, sig, newest):
        name, frames, pos, broken, listed_at = os.path.basename(path), 0, 32, None, None
        listed = self.listed.get(name)
        try:
            f = open_file(path)
            count = read_header(f)
        except Refuse as why:
            self.find("frame", self.head + 1, name, 0, "a segment header", why.found)
            self.broken = True
            return
        with f:
            size, sealed = os.fstat(f.fileno()).st_size, bool(count) or not newest
            if sealed and os.path.lexists(path[:-3] + "sig"):  # final; a live writer may have just sealed it
                sig = (path[:-3] + "sig", os.lstat(path[:-3] + "sig").st_size)
            self.sealed = sealed
            if not count and not newest:
                self.find("header_count", self.head + 1, name, 12, "the number of frames", 0)
            self.segment_first = None
            self.sigs = SigFile(*sig) if sig else None
            self.entry = self.sigs and self.sigs.next()
            while pos < size:
                head = f.read(13) if size - pos >= 13 else b""
                n, version, seq = FRAME.unpack(head) if len(head) == 13 else (0, 0, 0)
                end = pos + 13 + n + 71
                incomplete = not head or n <= 4096 and end > size
                broken = record = bad = None
                if incomplete or n > 4096:
                    broken = Refuse("a frame beyond the file's end" if incomplete else f"frame length {n}", "frame")
                else:
                    body, tail = f.read(n), f.read(71)
                    if tail[:4] != b"\x43\0\0\0" or len(tail) < 71:
                        broken = Refuse(f"self_hash_len {int.from_bytes(tail[:4], 'little')}", "frame", 67)
                    else:
                        record, stored, bad = check_frame(version, seq, body, tail)
                        bad = bad or self.link(record, seq)
                bad = broken or bad
                if bad and newest and not count:
                    fd, bad_end = f.fileno(), pos + MAX_FRAME if n > 4096 or not head else end
                    before = None if self.broken else self.head_hash
                    why = not_torn(fd, pos, size, bad_end, incomplete, self.fsync == "always", False,
                                   self.why_covered(sig), lambda: hides_frame(fd, pos, size, before))
                    if why is None:
                        self.find("torn_tail", self.head + 1, name, pos, "a complete frame", f"{size - pos} bytes")
                        break
                    bad.found += f" (not a torn tail: {why})"
                if bad:
                    self.find(bad.kind, seq if not broken else self.head + 1, name, pos, bad.expected, bad.found)
                if broken:
                    self.broken = True
                    break
                if listed and seq == listed.first:
                    listed_at = pos
                self.take(record, seq, stored, name, pos)
                frames, pos = frames + 1, end
            if count and count != frames and not broken:
                self.find("header_count", self.segment_first or self.head + 1, name, 12, frames, count)
        self.end_signatures(sealed)
        if listed:
            self.check_listed(listed, path, count, frames, listed_at, sig)

    def why_covered(self, sig):
        """Does a checkpoint or manifest cover the position after the head, or with fsync always a sig entry?"""
        if self.covered_to > self.head:
            return "a checkpoint covers it"
        if any(x.last > self.head for x in self.listed.values()):
            return "a manifest covers it"
        if sig and self.fsync == "always":
            sigs = SigFile(*sig)
            while sigs.next():
                pass
            sigs.f.close()
            return "a signature covers it" if sigs.last > self.head else None
        return None

    def link(self, record, seq):
        """What ties a sound record to its place: folder, seq, prev."""
        if not self.sound_name or (record["writer_id"], record["stream"]) != (self.writer, self.stream):
            return Refuse(f"{record['writer_id']} {record['stream']}", "wrong_stream", f"{self.writer} {self.stream}")
        if seq <= self.head if self.broken else seq != self.head + 1:
            return Refuse(f"seq {seq}", "seq_gap", f"seq {self.head + 1}")
        if not self.broken and record["prev"] != self.head_hash:
            return Refuse(record["prev"], "prev_mismatch", self.head_hash)
        return None

    def take(self, record, seq, stored, file, offset):
        """One frame read: moves head, roots, the sig entry, and what records of reserved kinds say (section 10)."""
        if self.broken and seq > self.head + 1:
            self.holes.append((self.head + 1, seq - 1))
            self.cover(self.next, self.head)
            self.next = max(self.next, seq)
        self.broken = False
        if self.segment_first is None:
            self.segment_first = seq
        if self.first_seq is None:
            self.first_seq, self.first_hash = seq, stored
        data = unhex(stored)
        while self.entry and seq > self.entry.last:
            self.end_entry()
        self.cp_ranges.add(seq, data)
        self.listed_ranges.add(seq, data)
        if self.entry and seq >= self.entry.first:
            self.entry.tree.add(data)
            self.entry.leaf = data
        self.records, self.head, self.head_hash = self.records + 1, seq, stored
        for wanted, source in self.wanted.get(seq, {}).items():
            if wanted != stored:
                self.find("fork", seq, file, offset, f"{wanted} ({source})", stored)
        if not record:
            return
        if record["ts_ms"] < self.ts:
            self.note(f"ts_ms falls at seq {seq}")
        self.ts = record["ts_ms"]
        try:
            self.reserved(record["kind"], record["attrs"], seq, stored, file, offset)
        except Refuse as why:
            self.find(why.kind, seq, file, offset, why.expected, why.found)

    def reserved(self, kind, attrs, seq, stored, file, offset):
        def setting(name, allowed):
            need(attrs[name] in allowed if isinstance(attrs[name], str) else False, f"{kind}.{name}", "stream_opened")
            return attrs[name]

        if (kind == "StreamOpened") != (seq == 1):
            raise Refuse(f"{kind} at seq {seq}", "stream_opened", "StreamOpened at seq 1 and nowhere else")
        if kind in ("StreamOpened", "ConfigUpdated"):
            if kind == "StreamOpened":
                need(matches(LOG_ID, attrs.get("log_id")) and "signing" in attrs and "fsync" in attrs,
                     "StreamOpened without log_id, signing or fsync", "stream_opened")
                self.log_id = attrs["log_id"]
                self.successor(attrs.get("successor_of"))
            if attrs.get("log_id", self.log_id) != self.log_id:
                raise Refuse(str(attrs["log_id"])[:40], "wrong_log", self.log_id)
            self.fsync = setting("fsync", ("always", "on_checkpoint", "never")) if "fsync" in attrs else self.fsync
            if "signing" in attrs:
                new, old = setting("signing", STRENGTH), self.signing[-1][1]
                weaker = min(new, old, key=STRENGTH.get)  # the record of the change may be signed either way
                while len(self.signing) > 1 and self.signing[1][0] <= self.next:
                    del self.signing[0]  # settled
                self.signing += [(seq, new if seq == 1 else weaker), (seq + 1, new)]
        elif kind == "KeyCertified":
            if isinstance(attrs.get("pubkey_id"), str) and isinstance(attrs.get("cert_b3"), str):
                self.announced.setdefault(attrs["pubkey_id"], {}).setdefault(attrs["cert_b3"], seq)
        elif kind == "KeyCompromised":
            self.compromised.append((seq, file, offset, attrs.get("pubkey_id"), attrs.get("revocation_b3")))
        elif kind == "Recovered":
            self.find("recovered", seq, file, offset, None, dumps(attrs))
        elif kind == "ChainOpened" and self.stream == "control":
            if all(isinstance(attrs.get(k), str) for k in ("writer_id", "stream", "self_hash")):
                self.opened.setdefault((attrs["writer_id"], attrs["stream"]), (attrs["self_hash"], seq))

    def successor(self, of):
        if of is None:
            return
        shape(of, {"writer_id": str, "stream": self.stream, "seq": is_int, "self_hash": PREV, "finding": object},
              "stream_opened")
        base = re.sub(r"\+\d+$", "", of["writer_id"])  # <old>+K; the K of <old> itself may be kept or replaced
        need(re.fullmatch(re.escape(base) + r"(\+\d+)*\+[1-9]\d*", self.writer), "successor_of", "stream_opened")
        self.successor_of = (of["writer_id"], of["stream"])

    # signatures over records (section 6), coverage (section 7)

    def end_entry(self):
        """The records of the current sig entry have all passed."""
        e = self.entry
        self.entry = self.sigs.next()
        self.cover(self.next, e.first - 1)
        if self.segment_first is None or e.first < self.segment_first:
            self.find("frame", e.first, e.file, e.offset, "records of its own segment", f"{e.first}..{e.last}")
        root = e.root if e.root is not None else e.leaf
        if e.root is None and e.leaf is not None:
            sound = True
        else:
            sound = self.check_root(e.first, e.last, e.root or b"", e.tree, e.file, e.offset)
        judgements = []
        if self.run.signatures and e.envelopes and not (self.log_id and self.sound_name):
            judgements = [Judged("open", None, "nothing says which log and chain the batch signatures name")]
        elif self.run.signatures and root is not None:
            context, digest = "strongroom/r1", root
            if e.root is not None:
                context = "strongroom/batch/v1"
                digest = batch_digest(e.first, e.last, root, self.log_id, self.writer, self.stream)

            def announced(key):
                seqs = [s for h, s in self.announced.get(key.id, {}).items() if h in key.ids]
                return self.holes or any(s <= e.first for s in seqs)
            scope = (self.log_id, self.writer, self.stream, announced)
            judgements = [judge(x, context, digest, "record", self.run.auth, scope) for x in e.envelopes]
            for j in judgements:
                if j.state == "wrong":
                    self.find(j.kind, e.first, e.file, e.offset, "a valid signature", j.why)
        if not sound:
            judgements = [Judged("wrong", "root_mismatch")]
        self.cover(e.first, e.last, judgements, "batch" if e.root is not None else "record", (e.file, e.offset))

    def end_signatures(self, sealed):
        """The segment is over: what is left of its .sig, and its unsigned end."""
        sigs, always = self.sigs, self.fsync == "always"
        while self.entry and self.entry.last <= self.head:
            self.end_entry()
        while e := self.entry:
            if not sealed and not always and e.last > self.covered_to:
                self.find("torn_tail", e.first, e.file, e.offset, f"records to {e.last}", f"records to {self.head}")
            elif not self.broken:
                self.find("frame" if sealed else "truncated", e.first, e.file, e.offset,
                          f"records to {e.last}", f"records to {self.head}")
            self.entry = sigs.next()
        state = None
        if sigs and sigs.bad:
            pos, end, incomplete, found = sigs.bad
            first = sigs.last + 1 if sigs.last else self.segment_first or self.head + 1
            covered = "a checkpoint covers it" if self.covered_to >= first else None
            if isinstance(sigs.f, io.BytesIO):
                why = "the file cannot be read"
            else:
                fd = sigs.f.fileno()
                why = not_torn(fd, pos, sigs.size, end, incomplete, always, sealed, covered,
                               lambda: hides_entry(fd, pos, sigs.size, first))
            if why is None:
                self.find("torn_tail", first, sigs.name, pos, "a complete entry", f"{sigs.size - pos} bytes")
            else:
                self.find("frame", first, sigs.name, pos, "a sig entry", f"{found} (not a torn tail: {why})")
                state = [Judged("wrong", "frame")]
        self.cover(self.next, self.head, state or [])
        if sigs:
            sigs.f.close()
        self.sigs = self.entry = None

    def pieces(self, first, last):
        """first..last cut at checkpoints and changes of signing: (first, last, checkpoint index, mode)."""
        while first <= last:
            i, end = bisect_left(self.cp_lasts, first), last
            if i < len(self.cp_lasts):
                c = self.checkpoints[i]
                end = min(end, c.last if c.first <= first else c.first - 1)
            for seq, declared in self.signing:
                if seq <= first:
                    mode = declared
                else:
                    end = min(end, seq - 1)
                    break
            yield first, end, i, mode
            first = end + 1

    def placed(self, index, key_id):
        """ts_ms of the earliest counting checkpoint from index on signed by another key than this."""
        if key_id not in self.place_cache:
            times = [None]
            for c in reversed(self.checkpoints):
                times.append(c.ts if c.keys - {key_id} else times[-1])
            self.place_cache[key_id] = times[::-1]
        return self.place_cache[key_id][index]

    def cover(self, first, last, judgements=(), level="checkpoint", where=(None, None)):
        """Records first..last carry these signatures: what covers them, what do they lack?"""
        first = max(first, self.next)
        self.next = max(self.next, last + 1)
        if not self.run.signatures:
            return
        for a, b, i, mode in self.pieces(first, last):
            over = self.checkpoints[i] if i < len(self.cp_lasts) and self.checkpoints[i].first <= a else None
            by_checkpoint = over is not None and bool(over.keys)
            state, j = place_all(judgements, lambda key: self.placed(i, key), self.run.now)
            lacks = state in ("none", "good") and STRENGTH[mode] > (STRENGTH[level] if state == "good" else 0)
            if state == "good" or by_checkpoint:
                for x, y in self.pending:
                    self.find_range("sig_missing", x, y, None, None, "a signature", "uncovered before covered records")
                self.pending = []
                if lacks:
                    self.find_range("sig_missing", a, b, *where, f"signing {mode}", "a weaker signature than declared")
                elif state in ("open", "late"):
                    self.note(f"{j.why or 'a signature out of its time'} (covered otherwise)")
                continue
            if self.uncovered and self.uncovered[-1][1] + 1 == a:
                self.uncovered[-1][1] = b
            else:
                self.uncovered.append([a, b])
            if state == "none" and self.sealed and mode != "checkpoint":
                self.find_range("sig_missing", a, b, *where, f"signing {mode}", "no signature in a sealed segment")
            elif state == "none" and (over is None or mode != "checkpoint"):
                self.pending.append((a, b))
            elif state == "late":
                self.find_range(j.why_end, a, b, *where, "a signature in its key's time", j.key_id)
            elif state == "open" and j.kind:
                self.find_range(j.kind, a, b, *where, "a trusted key", j.why)
            elif state == "open":
                self.note(j.why)

    def check_listed(self, item, path, count, frames, at, sig):
        """A segment and its .sig against the manifest that lists them."""
        s = item.segment
        parts = [(s, path)]
        if s["sig"] and os.path.lexists(p := os.path.join(self.path, s["sig"]["file"])):
            parts.append((s["sig"], p))
        elif s["sig"]:
            self.find("sig_missing", item.first, s["sig"]["file"], 0, s["sig"]["digest"], None)
        elif sig:
            self.note(f"{item.manifest} lists no signatures for {s['file']}, but there are")
        for part, p in parts:
            listed, real = f"{part['bytes']} bytes, {part['digest']}", size_and_digest(p, part["bytes"])
            if listed != real:
                self.find("hash_mismatch", item.first, part["file"], 0, listed, real)
        if not count:
            self.find("header_count", item.first, s["file"], 12, "a sealed segment, as a manifest lists it", 0)
        if s["count"] != frames or at != 32 + s["offset"]:
            self.find("manifest_gap", item.first, item.manifest, 0, f"{s['count']} frames from offset {s['offset']}",
                      f"{frames} frames, seq {item.first} at byte {at} of the file")

    def finish(self):
        if self.broken:
            self.holes.append((self.head + 1, INF))
        self.cp_ranges.close()
        self.listed_ranges.close()
        start = self.first_seq or 1
        if self.checkpoints and self.checkpoints[0].first > start:
            c = self.checkpoints[0]
            self.find("checkpoint_gap", start, c.file, 0, f"a checkpoint from {start}", f"from {c.first}")
        for m in self.manifests[:1]:
            if "leading" in m and (start == 1 or start < m["first"]):
                self.find("manifest_gap", start, m["name"], 0, "manifest-000001.json and those after it", None)
        if self.covered_to > self.head:
            file = self.checkpoints[-1].file
            self.find("truncated", self.head + 1, file, 0, f"seq {self.covered_to}", f"seq {self.head}")
        beyond = [x for x in self.listed.values() if x.last > self.head]
        if beyond:
            self.find("truncated", self.head + 1, beyond[-1].manifest, 0, f"seq {beyond[-1].last}", f"seq {self.head}")
        if (last := max(self.wanted, default=0)) > self.head:
            source = next(iter(self.wanted[last].values()))
            self.find("truncated", self.head + 1, None, None, f"seq {last} ({source})", f"seq {self.head}")
        if self.run.trust.log_id and self.log_id and self.log_id != self.run.trust.log_id:
            self.find("wrong_log", start, None, None, self.run.trust.log_id, self.log_id)
        if self.run.signatures:
            self.judge_rest()
            ends = self.uncovered[:1] + [hole for hole in self.holes if hole[0] >= start]
            self.signed = min([first - 1 for first, _ in ends] + [self.head])
            to = start - 1
            for c in self.checkpoints:
                if c.first > to + 1 or c.last > self.signed or not c.keys or c.bad_root:
                    break
                to = max(to, c.last)
            self.checkpointed_to = to if to >= start else 0
            proven = self.checkpointed_to if self.run.require == "checkpointed" else self.signed
            self.proven_to = max(0, min(proven, self.first_bad - 1))
            if self.proven_to < self.head:
                self.weight = max(self.weight, UNKNOWN)
            self.note(f"not proven beyond seq {self.proven_to}")
        if not self.records:
            self.weight = max(self.weight, UNKNOWN)
            self.note("no records")
        elif self.head_hash:
            self.note(f"head: seq {self.head} {self.head_hash}")
        if self.dropped:
            self.note(f"{self.dropped} more findings")

    def judge_rest(self):
        """Checkpoints that do not count, and compromised keys."""
        for c in self.checkpoints:
            for j in c.judged:
                if c.keys or not any(a <= c.last and c.first <= b for a, b in self.uncovered):
                    if j.key_id not in c.keys and j.state != "wrong":
                        self.note(f"{c.file}: {j.why or 'the time of ' + j.key_id + ' is over'} (covered otherwise)")
                elif j.state == "good":
                    self.find(j.why_end, c.first, c.file, 0, "a checkpoint in its key's time", j.key_id)
                elif j.state == "open" and j.kind:
                    self.find(j.kind, c.first, c.file, 0, "a trusted key", j.why)
                elif j.state == "open":
                    self.note(f"{c.file}: {j.why}")
        for seq, file, offset, key_id, announced in self.compromised:
            try:
                if not isinstance(key_id, str) or key_id in self.run.trust.keys:
                    if not isinstance(key_id, str) or key_id not in self.run.trust.revoked:
                        self.find("key_unknown", seq, file, offset, "revoked in the trust file", key_id)
                    continue
                if self.run.auth.revocation(key_id, announced or "") is None:
                    self.find("key_unknown", seq, file, offset, "its revocation beside the log", key_id)
            except Refuse as why:
                kind = why.kind if why.kind == "key_unknown" else "cert_invalid"
                self.find(kind, seq, file, offset, "the announced revocation", why.found)

    def report(self):
        return {"writer_id": self.writer, "stream": self.stream, "log_id": self.log_id, "records": self.records,
                "head": self.head, "signed": self.signed, "checkpointed_to": self.checkpointed_to,
                "findings": self.findings}


class Run:
    """One verification of a directory."""

    def __init__(self, directory, trust, integrity=False, require="signed", wanted=None, now=None):
        self.directory, self.trust, self.integrity, self.require = directory, trust, integrity, require
        self.now = int(time.time() * 1000) if now is None else now
        self.auth = Authority(trust, os.path.join(directory, "~keys"))
        self.signatures = bool(trust.keys)  # without anchors only chain and roots can be checked
        self.wanted, self.notes, self._hashes = wanted or {}, list(trust.notes), None
        self.unread = []  # names of chains (writer, stream) or writers that are there and are no folders we can read
        keys = self.auth.keys_dir
        self.keys_folder = os.path.isdir(keys) and not os.path.islink(keys)
        if os.path.lexists(keys) and not self.keys_folder:
            self.notes.append("~keys: not a folder, not read")

    def certificate_hashes(self):
        """Hashes of the certificate files beside the log, as manifests name them."""
        if self._hashes is None:
            self._hashes, folder = set(), self.auth.keys_dir
            for name in os.listdir(folder) if self.keys_folder else ():
                try:
                    if name.endswith(".cert.json"):
                        self._hashes.add(b3_text(b3(read_small(os.path.join(folder, name)))))
                except (Refuse, OSError):
                    pass  # a finding where a signature needs it
        return self._hashes

    def folders(self):
        """(path, folder names) of each chain."""
        for writer in sorted(os.listdir(self.directory)):
            for stream in self.listing(writer) or () if not writer.startswith("~") else ():
                names = self.listing(writer, stream)
                if any(map(NUMBERED.fullmatch, names or ())):
                    yield os.path.join(self.directory, writer, stream), (writer, stream)
                elif names is not None:
                    self.notes.append(f"{writer}/{stream}: no file of a chain")

    def listing(self, *folders):
        """Names in a folder. What is none is not read and noted; where its name could be a chain's, and it is more
        than a file that lies about, something is there that was not verified."""
        path, mode = os.path.join(self.directory, *folders), 0
        try:
            mode = os.lstat(path).st_mode
            if stat.S_ISDIR(mode):
                return sorted(os.listdir(path))
            why = "not a folder"
        except OSError as error:
            why = error.strerror
        self.notes.append(f"{'/'.join(folders)}: {why}, not read")
        if not stat.S_ISREG(mode) and None not in map(dec, folders):
            self.unread.append(folders)
        return None

    def first_record(self, path):
        """The first record of a chain, if it can be read (for log_id and successor_of)."""
        try:
            with open_file(os.path.join(path, "wal-000001.seg")) as f:
                read_header(f)
                n, _, _ = FRAME.unpack(f.read(13))
                return parse_record(f.read(min(n, 4096)))
        except (Refuse, OSError, struct.error):
            return None

    def verify(self):
        chains, found = {}, list(self.folders())
        if not found and any(map(NUMBERED.fullmatch, os.listdir(self.directory))):
            raise Usage(f"{self.directory} is the folder of one chain; give the directory that holds <writer>/<stream>")
        for path, folders in found:
            chain = Chain(self, path, folders)
            chains[chain.writer, chain.stream] = chain
            first = self.first_record(path)
            if first and first["kind"] == "StreamOpened":
                log_id, of = first["attrs"].get("log_id"), first["attrs"].get("successor_of")
                chain.log_id = log_id if matches(LOG_ID, log_id) else None
                if isinstance(of, dict) and is_int(of.get("seq"), 1) and matches(HASH, of.get("self_hash")):
                    seqs = self.wanted.setdefault((str(of.get("writer_id")), str(of.get("stream"))), {})
                    seqs.setdefault(of["seq"], {}).setdefault(of["self_hash"], f"successor {chain.writer}")
        for chain in chains.values():
            chain.wanted = self.wanted.get((chain.writer, chain.stream), {})
            try:
                chain.verify()
            except OSError as why:  # gone, or the disk failed, while it was read
                file = why.filename and os.path.basename(why.filename)
                chain.find("frame", chain.head + 1, file, None, "a file that can be read", why.strerror)
        self.across(chains)
        return self.report(list(chains.values()))

    def absent(self, chains, key, kind, expected):
        chain = chains.setdefault(key, Chain(self, None, key))
        chain.writer, chain.stream = key
        chain.find(kind, 1, None, None, expected, "no such chain here")
        chain.weight = max(chain.weight, UNKNOWN)

    def across(self, chains):
        """What one chain says about another; one log for all."""
        real = list(chains.values())
        for folders in self.unread:
            if len(folders) == 2:
                self.absent(chains, tuple(map(dec, folders)), "segment_missing", "a folder that can be read")
        log_ids = [c.log_id for c in real if c.log_id]
        for c in real:
            if not self.trust.log_id and c.log_id and c.log_id != log_ids[0]:
                c.find("wrong_log", c.first_seq, None, None, f"{log_ids[0]} as the first chain here", c.log_id)
            if c.successor_of and c.successor_of not in chains:
                c.note(f"the chain it continues, {' '.join(c.successor_of)}, is not here")
        for control in [c for c in real if c.stream == "control"]:
            for key, (first_hash, seq) in control.opened.items():
                if key not in chains:
                    self.absent(chains, key, "segment_missing", f"opened by {control.writer} control, seq {seq}")
                elif chains[key].path and not chains[key].records and not chains[key].findings:
                    chains[key].find("stream_opened", 1, None, None,
                                     f"{first_hash} by {control.writer} control, seq {seq}", "no record")
                elif chains[key].first_seq == 1 and chains[key].first_hash != first_hash:
                    chains[key].find("fork", 1, None, None, f"{first_hash} by {control.writer} control, seq {seq}",
                                     chains[key].first_hash)
        announced = {key for c in real for key in c.opened}
        controls = [c for c in real if c.stream == "control"]
        for key, c in chains.items():
            if controls and c.stream != "control" and key not in announced:
                c.note("not announced in the control chain")
        for key, seqs in self.wanted.items():
            missing = key not in chains or not chains[key].path
            if missing and any("--expect-head" in sources.values() for sources in seqs.values()):
                self.absent(chains, key, "truncated", f"seq {max(seqs)} (--expect-head)")
        if not any(c.weight == VALID for c in controls) or not self.signatures:
            self.notes.append("not proven that no chain is missing")

    def report(self, chains):
        weight = max([c.weight for c in chains] + [UNKNOWN for _ in self.unread], default=UNKNOWN)
        if not chains:
            self.notes.append("no chain in this directory")
        verdict = ("valid", "unknown", "invalid")[weight]
        if not self.signatures:
            if self.integrity:
                verdict = "intact" if weight == VALID else verdict
                self.notes.append("chain and roots only: no signature was checked, nothing is proven")
            else:
                verdict = "invalid" if weight == INVALID else "unknown"
                self.notes.append(NO_ANCHOR)
        elif not self.trust.log_id:
            self.notes.append("log not pinned")
        if self.signatures and self.integrity:
            self.notes.append("--integrity is without effect where anchors are given")
        for c in chains:
            self.notes += [f"{c.writer} {c.stream}: {n}" for n in c.notes]
        return {"verdict": verdict, "trust": self.trust.describe(), "proven_to": sum(c.proven_to for c in chains),
                "records": sum(c.records for c in chains), "streams": [c.report() for c in chains], "notes": self.notes}


def read_expected(path):
    """--expect-head: receipts, or the lines of --acks. {(writer, stream): {seq: {self_hash: source}}}"""
    wanted = {}

    def add(obj):
        r = obj.get("record", obj) if isinstance(obj, dict) else {}
        need(isinstance(r, dict) and bounded(r.get("writer_id"), 1, 128) and bounded(r.get("stream"), 1, 64)
             and is_int(r.get("seq"), 1) and matches(HASH, r.get("self_hash")), "no receipt and no line of --acks")
        seqs = wanted.setdefault((r["writer_id"], r["stream"]), {})
        seqs.setdefault(r["seq"], {})[r["self_hash"]] = "--expect-head"

    path = os.path.realpath(path)  # the user named it
    try:
        with open_file(path) as f:
            for line in iter(lambda: f.readline(MIB), b""):
                if line.strip():
                    add(parse_json(line))
    except Refuse as why:
        try:  # one receipt over several lines, or an array
            wanted.clear()
            value = parse_json(read_small(path))
            for obj in value if isinstance(value, list) else [value]:
                add(obj)
        except Refuse:
            raise Usage(f"{path}: {why.found}") from None
    if not wanted:
        raise Usage(f"{path}: no receipt and no line of --acks in it")
    return wanted


# ---- Section 8: a receipt -------------------------------------------------------------------

def hash_list(value, limit):
    need(array(HASH, 0, limit)(value), "path")
    return list(map(unhex, value))


def parse_receipt(data):
    """The outer form; what lacks it is no receipt."""
    obj = parse_json(data)
    need(normalize(obj) == obj, "strings that are not NFC")
    shape(obj, {"type": "strongroom/receipt/v1", "log_id": LOG_ID, "signatures?": object, "batch?": object,
                "record": lambda x: isinstance(x, dict) and "self_hash" in x, "checkpoint?": object,
                "cosignatures?": object, "path?": object, "certificates?": array(object, 0, 8)})
    need(("checkpoint" in obj) == ("path" in obj), "checkpoint and path belong together")
    need("cosignatures" not in obj or "checkpoint" in obj, "cosignatures without a checkpoint")
    need(any(name in obj for name in ("signatures", "batch", "checkpoint")), "no proof in it")
    return obj


def verify_receipt(data, trust, now=None):
    now = int(time.time() * 1000) if now is None else now
    notes, findings, proofs, r = list(trust.notes), [], [], {}

    def bad(kind, found, expected=None):
        findings.append({"kind": kind, "seq": r.get("seq"), "file": None, "offset": None,
                         "expected": expected, "found": found})

    try:
        obj = parse_receipt(data)
        certificates = obj.get("certificates", [])
        body = record_bytes({k: v for k, v in obj["record"].items() if k != "self_hash"})
        r, log_id = obj["record"], obj["log_id"]
        seq, leaf_data = r["seq"], b3(body)
        if r["self_hash"] != b3_text(leaf_data):
            bad("hash_mismatch", r["self_hash"], b3_text(leaf_data))
        if trust.log_id not in (None, log_id):
            bad("wrong_log", log_id, trust.log_id)
        if r["kind"] == "StreamOpened" and r["attrs"].get("log_id") != log_id:
            bad("wrong_log", r["attrs"].get("log_id"), log_id)
        auth = Authority(trust, None, certificates)
        for c in certificates:
            need(isinstance(c, dict) and auth.given.get(str(c.get("pubkey_id"))) is c, "certificates")
            try:
                auth.certificate(c["pubkey_id"])
            except Refuse as why:
                bad(why.kind, why.found) if why.kind == "cert_invalid" and trust.keys else notes.append(why.found)

        times, scope = {}, (log_id, r["writer_id"], r["stream"], None)
        if "checkpoint" in obj:
            c = Checkpoint(obj["checkpoint"], "receipt")
            c.cosignatures = envelope_list(obj.get("cosignatures", []))
            if c.log_id != log_id:
                bad("wrong_log", c.log_id, log_id)
            if (c.writer, c.stream) != scope[1:3]:
                bad("wrong_stream", f"{c.writer} {c.stream}", f"{r['writer_id']} {r['stream']}")
            path = hash_list(obj["path"], 64)
            if root_from_path(seq - c.first, c.last - c.first + 1, leaf_data, path) != c.root:
                bad("root_mismatch", "the path does not lead to it", b3_text(c.root))
            c.judge(auth)
            count_checkpoints([c], now)
            times = {key: c.ts for key in c.keys}
            state = "good" if c.keys else "late" if any(j.state == "good" for j in c.judged) else "open"
            proofs.append(("checkpoint", state, c.judged))

        def ts_for(key_id):
            return next((t for key, t in times.items() if key != key_id), None)
        parts = []
        if "batch" in obj:
            b = obj["batch"]
            shape(b, {"first": is_int, "last": is_int, "root": HASH, "path": object, "signatures": object})
            need(is_range([b["first"], b["last"]]), "range")
            root = unhex(b["root"])
            path = hash_list(b["path"], 64)
            if root_from_path(seq - b["first"], b["last"] - b["first"] + 1, leaf_data, path) != root:
                bad("root_mismatch", "the path does not lead to it", b["root"])
            digest = batch_digest(b["first"], b["last"], root, *scope[:3])
            parts.append(("batch", "strongroom/batch/v1", digest, b["signatures"]))
        if "signatures" in obj:
            parts.append(("record", "strongroom/r1", leaf_data, obj["signatures"]))
        for name, context, digest, envelopes in parts:
            judged = [judge(e, context, digest, "record", auth, scope) for e in envelope_list(envelopes)]
            state, _ = place_all(judged, ts_for, now)
            certified = [j for j in judged if j.certified]  # their certificate names the log
            if name == "record" and state == "good" and place_all(certified, ts_for, now)[0] != "good":
                state = "unbound"
            proofs.append((name, state, judged))
    except Refuse as why:
        bad(why.kind, why.found)
    states = {state for _, state, _ in proofs}
    for name, state, judged in proofs:
        for j in judged:
            if not trust.keys:
                continue
            if j.state == "wrong":
                bad(j.kind, j.why, f"a valid {name} signature")
            elif "good" not in states and state == "late" and j.state == "good":
                bad(j.why_end, f"{j.key_id} in the {name}", "a signature in its key's time")
            elif "good" not in states and j.state == "open" and j.kind:
                bad(j.kind, j.why, "a trusted key")
            elif j.why:
                notes.append(f"{name}: {j.why}")
        if state == "absent" or state == "unbound" and "good" not in states:
            notes.append(f"{name}: " + ("a certified key out of its window" if state == "absent"
                                        else "a record signature alone does not name the log"))
    invalid = any(WEIGHT.get(f["kind"], INVALID) == INVALID for f in findings)
    proven = "good" in states and "absent" not in states  # every certified signature given must hold in time
    verdict = "invalid" if invalid else "valid" if proven and trust.keys else "unknown"
    if not trust.keys:
        notes.append(NO_ANCHOR)
    elif not trust.log_id:
        notes.append("log not pinned")
    ok, seq = verdict == "valid", r.get("seq", 0)
    by_checkpoint = ok and ("checkpoint", "good") in [p[:2] for p in proofs]
    stream = {"writer_id": r.get("writer_id"), "stream": r.get("stream"), "log_id": obj["log_id"] if r else None,
              "records": 1 if r else 0, "head": seq, "signed": seq if ok else 0,
              "checkpointed_to": seq if by_checkpoint else 0, "findings": findings}
    return {"verdict": verdict, "trust": trust.describe(), "proven_to": seq if ok else 0, "records": stream["records"],
            "streams": [stream], "notes": notes}


# ---- Command line ---------------------------------------------------------------------------

class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Usage(message)


def summary(report):
    lines = [f"{report['verdict'].upper()}  trust: {report['trust']}  records: {report['records']}  "
             f"proven to: {report['proven_to']}"]
    for s in report["streams"]:
        lines.append(f"{s['writer_id']} {s['stream']}: {s['records']} records, head {s['head']}, signed to "
                     f"{s['signed']}, checkpointed to {s['checkpointed_to']}, log {s['log_id']}")
        for f in s["findings"]:
            at = " ".join(f"{k} {f[k]}" for k in ("seq", "file", "offset") if f[k] is not None)
            lines.append(f"  {f['kind']}: {at}; expected {f['expected']}; found {f['found']}")
    lines += ["note: " + n for n in report["notes"]]
    return "\n".join(CONTROL.sub(lambda m: f"\\x{ord(m[0]):02x}", line) for line in lines)


def main(argv):
    parser = Parser(prog="strongroom_verify.py", description="Verifies a Strongroom log or receipt offline.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    log = commands.add_parser("log", help="a WAL or export directory")
    log.add_argument("path", metavar="DIR")
    log.add_argument("--integrity", action="store_true", help="without anchors: chain and roots only")
    log.add_argument("--require", choices=("signed", "checkpointed"), default="signed")
    log.add_argument("--expect-head", metavar="FILE", help="receipts or --acks lines the log must contain")
    receipt = commands.add_parser("receipt", help="one receipt")
    receipt.add_argument("path", metavar="FILE")
    for p in (log, receipt):
        p.add_argument("--trust", metavar="FILE")
        p.add_argument("--key", metavar="ALG:HEX", action="append", default=[])
        p.add_argument("--json", action="store_true")
    try:
        args = parser.parse_args(argv)
        trust = Trust()
        try:
            if args.trust:
                trust.add_file(read_small(os.path.realpath(args.trust)))
            for key in args.key:
                trust.add_option(key)
        except Refuse as why:
            raise Usage(f"trust: {why.found}") from None
        if args.command == "receipt":
            data = read_small(os.path.realpath(args.path))
            try:
                parse_receipt(data)
            except Refuse as why:
                raise Usage(f"{args.path} is no receipt: {why.found}") from None
            report = verify_receipt(data, trust)
        else:
            if not os.path.isdir(args.path):
                raise Usage(f"{args.path} is not a directory")
            wanted = read_expected(args.expect_head) if args.expect_head else {}
            report = Run(args.path, trust, args.integrity, args.require, wanted).verify()
    except Usage as why:
        print(f"strongroom_verify: {why}", file=sys.stderr)
        return 1
    except (OSError, MemoryError, Refuse) as why:
        print(f"strongroom_verify: cannot read: {why}", file=sys.stderr)
        return 1
    print(json.dumps(report) if args.json else summary(report))
    return {"valid": 0, "intact": 0, "invalid": 2}.get(report["verdict"], 3)


if __name__ == "__main__":
    try:
        sys.stdout.reconfigure(errors="backslashreplace")
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as why:  # a fault of this program: never a verdict, never a traceback
        print(f"strongroom_verify: internal error: {why!r}", file=sys.stderr)
        sys.exit(1)
