#!/usr/bin/env python3
"""Self-check of strongroom_verify.py: python3 test_vectors.py VECTORS_DIR

Runs every vector file through the verifier's functions, then builds logs with the vectors' TEST keys
in a temporary directory, damages them in every way FORMATS names, and checks verdict and findings.
Prints counts, exits 1 on any mismatch or where a file gave no case.
"""
import base64
import io
import json
import locale  # noqa: F401  (argparse wants it when it can no longer be read)
import os
import shutil
import signal
import socket
import stat
import struct
import sys
import tempfile
import unicodedata
from contextlib import redirect_stderr, redirect_stdout

sys.dont_write_bytecode = True
import strongroom_verify as v
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.hazmat.primitives.hashes import SHA256

COUNT, FAILED = {}, []


def case(group, name, ok, detail=""):
    COUNT[group] = COUNT.get(group, 0) + 1
    if not ok:
        FAILED.append(f"{group}: {name} {detail}")


def refused(call, *args):
    try:
        call(*args)
        return False
    except v.Refuse:
        return True


def h(text):
    return bytes.fromhex(text[3:])


# ---- vector files ---------------------------------------------------------------------------

def check_canonical(data, g):
    for c in data["cases"]:
        raw = c["text"].encode("utf-8", "surrogatepass")
        if "reject" in c:
            case(g, c["text"][:60], refused(v.canonicalize, raw))
            continue
        out = c["canonical"].encode()
        case(g, c["text"][:60], v.canonicalize(raw) == out and v.b3_text(v.b3(out)) == c["b3"] and v.canonical(v.parse_canonical(out)) == out)
        if raw != out:
            case(g, "not canonical: " + c["text"][:50], refused(v.parse_canonical, raw))


def check_records(data, g):
    for c in data["cases"]:
        if "reject" in c:
            case(g, c["name"], refused(v.record_bytes, c["record"]))
        else:
            out = v.record_bytes(c["record"])
            case(g, c["name"], out.decode() == c["canonical"] and v.b3_text(v.b3(out)) == c["self_hash"])


def check_chain(data, g):
    prev = "b3:0"
    for r in data["records"]:
        body = v.record_bytes({k: x for k, x in r.items() if k != "self_hash"})
        case(g, f"seq {r['seq']}", v.parse_record(body)["prev"] == prev and v.b3_text(v.b3(body)) == r["self_hash"])
        prev = r["self_hash"]
    for tampered in (None, data["tampered_seq"]):
        tree = v.Tree()
        for r in data["records"][data["range"][0] - 1:data["range"][1]]:
            tree.add(v.b3(h(r["self_hash"])) if r["seq"] == tampered else h(r["self_hash"]))
        case(g, "root", v.b3_text(tree.root()) == data["tampered_root" if tampered else "root"])


def consistent(size1, root1, size2, root2, path):
    """RFC 9162 section 2.1.4.2."""
    if size1 == size2:
        return not path and root1 == root2
    if not 0 < size1 < size2 or not path:
        return False
    path = ([root1] if size1 & (size1 - 1) == 0 else []) + list(path)
    fn, sn = size1 - 1, size2 - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = v.node(c, fr), v.node(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = v.node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return fr == root1 and sr == root2 and sn == 0


def check_merkle(data, g, leaves):
    roots = {}
    for c in data["cases"]:
        tree, n = v.Tree(), c["size"]
        for x in leaves[:n]:
            tree.add(x)
        roots[n] = tree.root()
        case(g, f"root {n}", v.b3_text(roots[n]) == c["root"])
        for i in c["inclusion"]:
            path = list(map(h, i["path"]))
            args = (i["index"], n, leaves[i["index"]])
            case(g, f"inclusion {i['index']} of {n}", v.root_from_path(*args, path) == roots[n])
            case(g, f"inclusion {i['index']} of {n}, wrong", all(x != roots[n] for x in (
                v.root_from_path(*args, path + [leaves[0]]), v.root_from_path(i["index"] + 1, n, args[2], path),
                v.root_from_path(n, n, args[2], path), *([v.root_from_path(*args, path[:-1])] if path else []))))
        for i in c["consistency"]:
            tree = v.Tree()
            for x in leaves[:i["from"]]:
                tree.add(x)
            path = list(map(h, i["path"]))
            case(g, f"consistency {i['from']} to {n}", consistent(i["from"], tree.root(), n, roots[n], path))
            case(g, f"consistency {i['from']} to {n}, wrong", not consistent(i["from"], leaves[0], n, roots[n], path)
                 and not consistent(i["from"], tree.root(), n, roots[n], path + [leaves[0]]))
    case(g, "empty tree", refused(v.Tree().root))


def trust_of(obj):
    trust = v.Trust()
    trust.add_file(v.canonical(obj))
    return trust


def check_signatures(data, g, chain):
    trust, receipt = data["trust"], data["receipt"]

    def verdict(r, t=trust, **kw):
        return v.verify_receipt(json.dumps(r).encode(), trust_of(t) if t else v.Trust(), **kw)["verdict"]
    case(g, "receipt", verdict(receipt) == "valid")
    case(g, "receipt, log pinned", verdict(receipt, {**trust, "log_id": receipt["log_id"]}) == "valid")
    case(g, "receipt, other log pinned", verdict(receipt, {**trust, "log_id": "0" * 32}) == "invalid")
    case(g, "receipt, no anchor", verdict(receipt, None) == "unknown")
    for c in data["rejected"]:
        case(g, c["name"], verdict(c["receipt"]) in ("invalid", "unknown"))
    parts = {"record": ("signatures",), "batch": ("batch", "certificates"), "checkpoint": ("checkpoint", "path")}
    for name, kept in parts.items():
        r = {k: x for k, x in receipt.items() if k in ("type", "log_id", "record") + kept}
        expected = "unknown" if name == "record" else "valid"
        case(g, f"{name} part alone", verdict(r, now=1730246500000) == expected, verdict(r, now=1730246500000))
    r = {k: x for k, x in receipt.items() if k not in ("checkpoint", "path", "signatures")}
    case(g, "certified batch, now outside its window", verdict(r, now=1730250000001) == "unknown")
    case(g, "certified batch, no certificate", verdict({k: x for k, x in r.items() if k != "certificates"}) == "unknown")
    text = json.dumps(receipt)
    for name, raw in (("duplicate member", text[:-1] + ',"log_id":"x"}'), ("fraction", text.replace('"v": 1', '"v": 1.0')),
                      ("unknown member", text[:-1] + ',"x":1}'), ("not NFC", text.replace('"GetServed"', '"e\\u0301"')),
                      ("empty", ""), ("deep", "[" * 100000), ("not UTF-8", "\udcff"), ("path without checkpoint", None)):
        raw = raw if raw is not None else json.dumps({k: x for k, x in receipt.items() if k != "checkpoint"})
        case(g, name, v.verify_receipt(raw.encode("utf-8", "surrogateescape"), trust_of(trust))["verdict"] == "invalid")
    other = {**trust, "keys": [{**trust["keys"][0], "purposes": ["record"]}]}
    case(g, "checkpoint by a key for records only", verdict(receipt, other) == "invalid")
    for extra in ({"to_ts_ms": 1730246500001}, {"from_ts_ms": 1730246500001}):
        case(g, f"key {extra}", verdict(receipt, {**trust, "keys": [{**trust["keys"][0], **extra}]}) != "valid")
    case(g, "key revoked", verdict(receipt, {**trust, "revoked": [{"pubkey_id": trust["keys"][0]["pubkey_id"], "from_ts_ms": 1}]}) == "invalid")
    cps = [v.Checkpoint(c, "x") for c in data["checkpoints"]]
    for c, prev in zip(cps, ("b3:0", v.b3_text(cps[0].digest))):
        case(g, f"checkpoint {c.first}", not c.judge(v.Authority(trust_of(trust))) and c.judged[0].state == "good" and c.prev == prev)
    case(g, "checkpoint digest", v.b3(data["checkpoint_signed_bytes"].encode()) == cps[0].digest)
    b = receipt["batch"]
    case(g, "batch digest", v.b3(data["batch_signed_bytes"].encode()) == v.batch_digest(
        b["first"], b["last"], h(b["root"]), receipt["log_id"], "svc-gateway@inst-1", "ingress"))
    raw = bytes.fromhex(data["envelopes_cbor_hex"])
    envs = v.parse_cosignatures(raw)
    case(g, "envelopes", envs == v.envelope_list(receipt["signatures"]) and cbor_envelopes(envs) == raw)
    for i in range(len(raw)):
        case(g, f"envelopes cut at {i}", refused(v.parse_cosignatures, raw[:i]))
    for name, bad in (("trailing byte", raw + b"\0"), ("long array head", b"\x98\x01" + raw[1:]), ("indefinite array", b"\x9f" + raw[1:] + b"\xff"),
                      ("long key", raw[:2] + b"\x18\x01" + raw[3:]), ("twice", b"\x82" + raw[1:] * 2), ("nine", b"\x89" + raw[1:] * 9)):
        case(g, f"envelopes: {name}", refused(v.parse_cosignatures, bad))
    auth = v.Authority(trust_of(trust), None, [data["certificate"]])
    case(g, "certificate", auth.certificate(data["certificate"]["pubkey_id"]).streams == ["ing*"])


def check_unicode(data, g):
    case(g, "ranges", v.unassigned_ranges() == [tuple(r) for r in data["ranges"]])
    for a, b in data["ranges"]:
        case(g, hex(a), all(refused(v.nfc, chr(c)) for c in (a, b)))
        case(g, f"around {a:x}", not any(refused(v.nfc, chr(c)) for c in (a - 1, b + 1) if c < 0x110000 and not 0xD800 <= c < 0xE000
                                         and not any(x <= c <= y for x, y in data["ranges"])))
    for cp, (a, b) in v.NEW_PAIR.items():
        case(g, f"compose {cp:x}", v.nfc(chr(a) + chr(b)) == chr(cp) == v.nfc(chr(cp)))
    for c in range(0, 0x110000):  # the slow path agrees with unicodedata where both know the characters
        ch = chr(c)
        if unicodedata.decomposition(ch) and not unicodedata.decomposition(ch).startswith("<") or 0xAC00 <= c < 0xAC40:
            t = "a\u0301" + ch + "\u0323\u0301" + unicodedata.normalize("NFD", ch) + "\u0345"
            case(g, f"slow NFC {c:x}", "".join(v.compose(v.order(v.decompose(t)))) == unicodedata.normalize("NFC", t))


# ---- building logs --------------------------------------------------------------------------

T0 = 1730246400000
NOW = T0 + 3_600_000
LOG = "a75e72aaf01d6331dd8c22950dfe1c76"


class Signer:
    def __init__(self, private_hex):
        self.key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private_hex))
        self.raw = self.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.algo, self.id = "ed25519", v.key_id_of(self.raw)

    def sign(self, context, digest):
        return self.key.sign(context.encode() + b"\0" + digest)

    def envelope(self, context, digest):
        return v.Envelope(self.algo, self.id, self.sign(context, digest))

    def entry(self, purposes=("root",), **times):
        return {"algo_id": self.algo, "public_key": base64.b64encode(self.raw).decode(), "pubkey_id": self.id,
                "purposes": list(purposes), **times}


class P256(Signer):
    def __init__(self, number):
        self.key = ec.derive_private_key(number, ec.SECP256R1())
        self.raw = self.key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        self.algo, self.id = "ecdsa-p256-sha256", v.key_id_of(self.raw)

    def sign(self, context, digest, low=True):
        r, s = utils.decode_dss_signature(self.key.sign(context.encode() + b"\0" + digest, ec.ECDSA(SHA256())))
        s = v.P256_N - s if (s > v.P256_N // 2) == low else s
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def cbor_head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    size = next(i for i in range(4) if n < 256 ** (1 << i))
    return bytes([major << 5 | 24 + size]) + n.to_bytes(1 << size, "big")


def cbor_envelopes(envs):
    out = cbor_head(4, len(envs))
    for e in envs:
        a, k = e.algo.encode(), e.key_id.encode()
        out += b"\xa3\x01" + cbor_head(3, len(a)) + a + b"\x02" + cbor_head(2, len(e.sig)) + e.sig + b"\x03" + cbor_head(3, len(k)) + k
    return out


def cbor_entry(first, last, root, envs):
    body = b"\x84" + cbor_head(0, first) + cbor_head(0, last) + (b"\xf6" if root is None else cbor_head(2, 32) + root) + cbor_envelopes(envs)
    return struct.pack("<I", len(body)) + body


def sealed(record):
    body = v.record_bytes(record)
    return body, v.b3(body)


def frame(body, hash_, seq, version=1):
    return struct.pack("<IBQ", len(body), version, seq) + body + struct.pack("<I", 67) + v.b3_text(hash_).encode()


def header(count=0):
    return struct.pack("<8sHI18s", v.MAGIC, 0, count, bytes(18))


class Log:
    """A chain in memory: files maps base names to bytes; keys to ~keys files."""

    def __init__(self, root, writer="w@1", stream="ingress", signing="batch", fsync="always", per_segment=10, log_id=LOG, first=None):
        self.root, self.writer, self.stream, self.signing, self.log_id = root, writer, stream, signing, log_id
        self.files, self.keys, self.hashes, self.ts, self.per = {}, {}, [], T0, per_segment
        self.seg, self.unsigned, self.cps, self.cp_to, self.frames, self.records = 0, 1, [], 0, [], []
        self.starts, self.manifests, self.new_cps, self.new_segs, self.ranges = {}, [], [], [], {}
        self.rotate()
        self.append("StreamOpened", {"log_id": log_id, "signing": signing, "algs": ["ed25519"], "checkpoint_algs": ["ed25519"],
                                     "fsync": fsync, **(first or {})})

    def name(self, ending="seg", n=None):
        return f"wal-{n or self.seg:06}.{ending}"

    def rotate(self):
        if self.seg:
            self.seal()
        self.seg, self.frames = self.seg + 1, []
        self.files[self.name()] = header()

    def seal(self):
        self.files[self.name()] = header(len(self.frames)) + self.files[self.name()][32:]
        self.new_segs.append(self.name())

    def append(self, kind="GetServed", attrs=None, signer=None, sign=False, ts=None):
        if len(self.frames) == self.per:
            self.sign()
            self.rotate()
        self.ts = self.ts + 1000 if ts is None else ts
        seq = len(self.hashes) + 1
        record = {"v": 1, "ts_ms": self.ts, "writer_id": self.writer, "seq": seq, "stream": self.stream, "kind": kind,
                  "actor": {"anon": True}, "subject": {}, "reason": "ok", "attrs": attrs if attrs is not None else {"i": seq},
                  "prev": v.b3_text(self.hashes[-1]) if self.hashes else "b3:0"}
        body, hash_ = sealed(record)
        self.records.append(record)
        self.starts[seq] = (self.name(), len(self.files[self.name()]))
        self.files[self.name()] += frame(body, hash_, seq)
        self.frames.append(seq)
        self.hashes.append(hash_)
        a, b = self.ranges.get(self.name(), (seq, seq))
        self.ranges[self.name()] = (a, seq)
        if sign or self.signing == "record":
            self.sign(signer)
        return seq

    def run(self, n, every=4):
        for i in range(n):
            self.append()
            if len(self.hashes) % every == 0:
                self.sign()
        return self

    def tree(self, first, last):
        tree = v.Tree()
        for x in self.hashes[first - 1:last]:
            tree.add(x)
        return tree.root()

    def sign(self, signer=None, mode=None, envelopes=None):
        """Signs what is unsigned, as the chain declares."""
        first, last, mode = self.unsigned, len(self.hashes), mode or self.signing
        self.unsigned = last + 1
        if mode == "checkpoint" or last < first:
            return
        signers = signer if isinstance(signer, list) else [signer or self.root]
        sig = self.name("sig")
        if mode == "record":
            for seq in range(first, last + 1):
                envs = [s.envelope("strongroom/r1", self.hashes[seq - 1]) for s in signers]
                self.files[sig] = self.files.get(sig, b"") + cbor_entry(seq, seq, None, envs)
            return
        root = self.tree(first, last)
        digest = v.batch_digest(first, last, root, self.log_id, self.writer, self.stream)
        envs = [s.envelope("strongroom/batch/v1", digest) for s in signers] if envelopes is None else envelopes
        envs.sort(key=lambda e: (e.algo, e.key_id))
        self.files[sig] = self.files.get(sig, b"") + cbor_entry(first, last, root, envs)

    def checkpoint(self, signer=None, ts=None, cosigners=(), last=None, **changes):
        self.sign()
        signer, first, last = signer or self.root, self.cp_to + 1, last or len(self.hashes)
        cp = {"version": 1, "log_id": self.log_id, "writer_id": self.writer, "stream": self.stream, "range": [first, last],
              "root": v.b3_text(self.tree(first, last)), "prev": v.b3_text(self.cps[-1]) if self.cps else "b3:0",
              "ts_ms": ts or self.ts + 500, "signer_key_id": signer.id, "alg": signer.algo, **changes}
        digest = v.b3(v.canonical(cp))
        self.cps.append(digest)
        self.cp_to = last
        full = {**cp, "sig": base64.b64encode(signer.sign("strongroom/checkpoint/v1", digest)).decode()}
        n = f"checkpoint-{len(self.cps):06}"
        self.files[n + ".json"] = v.canonical(full)
        self.new_cps.append(full)
        if cosigners:
            envs = [s.envelope("strongroom/checkpoint/v1", digest) for s in cosigners]
            self.files[n + ".cosig"] = cbor_envelopes(sorted(envs, key=lambda e: (e.algo, e.key_id)))
        return self

    def export(self, signer=None, signed=True, **changes):
        """Seals, checkpoints, writes a manifest."""
        self.sign()
        self.rotate()
        self.checkpoint()
        segments = []
        for s in self.new_segs:
            a, b = self.ranges[s]
            sig = self.files.get(s[:-3] + "sig")
            segments.append({"file": s, "offset": 0, "count": b - a + 1, "range": [a, b], "root": v.b3_text(self.tree(a, b)),
                             "bytes": len(self.files[s]), "digest": v.b3_text(v.b3(self.files[s])),
                             "sig": sig and {"file": s[:-3] + "sig", "bytes": len(sig), "digest": v.b3_text(v.b3(sig))}})
        m = {"version": 1, "log_id": self.log_id, "stream": self.stream, "writer_id": self.writer, "segments": segments,
             "checkpoints": self.new_cps, "certificates": [], "created_ts_ms": self.ts + 900,
             "prev_manifest": v.b3_text(v.b3(self.manifests[-1])) if self.manifests else "b3:0", **changes}
        self.new_cps, self.new_segs = [], []
        data = v.canonical(m)
        self.manifests.append(data)
        n = f"manifest-{len(self.manifests):06}"
        self.files[n + ".json"] = data
        if signed:
            self.files[n + ".sig"] = cbor_envelopes([(signer or self.root).envelope("strongroom/manifest/v1", v.b3(data))])
        return self

    def exported(self):
        """What an export directory holds: not the open segment."""
        self.files = {k: x for k, x in self.files.items() if k not in (self.name(), self.name("sig"))}
        return self

    def certify(self, leaf, issuer=None, start=T0, end=NOW, announce=True, sign=True, **changes):
        issuer = issuer or self.root
        cert = {"type": "strongroom/key-cert/v1", "log_id": self.log_id, "algo_id": leaf.algo, "public_key": base64.b64encode(leaf.raw).decode(),
                "pubkey_id": leaf.id, "issuer_key_id": issuer.id, "issuer_algo_id": issuer.algo, "not_before_ms": start,
                "not_after_ms": end, "writer_id": self.writer, "streams": ["ing*"], **changes}
        cert["sig"] = base64.b64encode(issuer.sign("strongroom/key-cert/v1", v.b3(v.canonical(cert)))).decode()
        data = v.canonical(cert)
        self.keys[f"{leaf.id[3:]}.cert.json"] = data
        if announce:
            self.sign()
            self.append("KeyCertified", {"cert_b3": v.b3_text(v.b3(data)), "pubkey_id": leaf.id, "issuer_key_id": issuer.id,
                                         "not_after_ms": end})
        return self

    def revoke(self, leaf, at, issuer=None, announce=True, **changes):
        issuer = issuer or self.root
        obj = {"type": "strongroom/key-revoke/v1", "pubkey_id": leaf.id, "from_ts_ms": at, "reason": "stolen", "issuer_key_id": issuer.id,
               "issuer_algo_id": issuer.algo, "ts_ms": self.ts, **changes}
        obj["sig"] = base64.b64encode(issuer.sign("strongroom/key-revoke/v1", v.b3(v.canonical(obj)))).decode()
        data = v.canonical(obj)
        self.keys[f"{leaf.id[3:]}.revoked.json"] = data
        if announce:
            self.append("KeyCompromised", {"pubkey_id": leaf.id, "from_ts_ms": at, "revocation_b3": v.b3_text(v.b3(data))})
        return self

    # damage

    def edit(self, name, change):
        data = bytearray(self.files[name])
        changed = change(data)
        self.files[name] = bytes(data if changed is None else changed)
        return self

    def flip(self, name, at, mask=1):
        def change(data):
            data[at] ^= mask
        return self.edit(name, change)

    def span(self, seq):
        name, at = self.starts[seq]
        n = struct.unpack_from("<I", self.files[name], at)[0]
        return name, at, at + 13 + n + 71

    def remove(self, seq):
        name, a, b = self.span(seq)
        return self.edit(name, lambda d: d[:a] + d[b:])

    def cut(self, name, at):
        return self.edit(name, lambda d: d[:at])

    def without(self, *names):
        for n in names:
            del self.files[n]
        return self

    def write(self, directory):
        folder = os.path.join(directory, v.enc(self.writer), v.enc(self.stream))
        os.makedirs(folder, exist_ok=True)
        for name, data in self.files.items():
            with open(os.path.join(folder, name), "wb") as f:
                f.write(data)
        for name, data in self.keys.items():
            os.makedirs(os.path.join(directory, "~keys"), exist_ok=True)
            with open(os.path.join(directory, "~keys", name), "wb") as f:
                f.write(data)
        return folder


def verify(logs, trust, now=NOW, expect=None, **options):
    with tempfile.TemporaryDirectory() as directory:
        for log in logs if isinstance(logs, list) else [logs]:
            log.write(directory)
        wanted = None
        if expect is not None:
            path = os.path.join(directory, "~expect")
            with open(path, "wb") as f:
                f.write(expect)
            wanted = v.read_expected(path)
        return v.Run(directory, trust_of(trust) if trust else v.Trust(), now=now, wanted=wanted, **options).verify()


def expect_case(group, name, logs, trust, verdict, *kinds, absent=(), **options):
    """kinds: "kind" or ("kind", seq) that must be among the findings; with none given there may be none
    but the shown ones; absent: kinds that must not be there."""
    try:
        report = verify(logs, trust, **options)
    except Exception as why:  # a traceback is a failure of its own
        case(group, name, False, f"raised {why!r}")
        return None
    found = [(f["kind"], f["seq"]) for s in report["streams"] for f in s["findings"]]
    ok = report["verdict"] == verdict and all((k in found) if isinstance(k, tuple) else k in [x for x, _ in found] for k in kinds)
    ok = ok and (kinds or not found) and not any(x in absent for x, _ in found)
    case(group, name, ok, f"-> {report['verdict']} {found[:6]} {report['notes'][-3:]}; expected {verdict} {kinds}")
    return report


# ---- wal.json -------------------------------------------------------------------------------

def check_wal(data, g, trust):
    def build():
        log = Log.__new__(Log)
        log.writer, log.stream, log.keys = "svc-gateway@inst-1", "ingress", {}
        log.files = {data["file"]: bytes.fromhex(data["hex"]), data["sig_file"]: bytes.fromhex(data["sig_hex"]),
                     "manifest-000001.json": data["manifest"].encode(), "manifest-000001.sig": bytes.fromhex(data["manifest_sig_hex"]),
                     "checkpoint-000001.json": v.canonical(json.loads(data["manifest"])["checkpoints"][0])}
        return log
    case(g, "directory", data["directory"] == v.enc("svc-gateway@inst-1") + "/" + v.enc("ingress"))
    # seq 2-3 batch, seq 1 record-signed, declared batch: nothing weaker than declared
    report = expect_case(g, "as it is", build(), trust, "valid")
    case(g, "report", report and report["records"] == 3 and report["proven_to"] == 3
         and report["streams"][0]["checkpointed_to"] == 3)
    expect_case(g, "no anchor", build(), None, "unknown")
    expect_case(g, "integrity", build(), None, "intact", integrity=True)
    for name, content in build().files.items():
        for i in range(len(content)):
            report = verify(build().flip(name, i, 1 << i % 8), trust)
            case(g, f"{name} byte {i} flipped", report["verdict"] == "invalid" or report["verdict"] == "unknown" and name.endswith(".sig"),
                 f"{report['verdict']} {report['streams'][0]['findings']}")
            case(g, f"{name} cut at {i}", verify(build().cut(name, i), trust)["verdict"] != "valid")


# ---- logs built here ------------------------------------------------------------------------

def check_logs(g, signatures):
    root, leaf, other, third = (Signer(x) for x in (signatures["private_key_hex"], signatures["leaf_private_key_hex"], "11" * 32, "22" * 32))
    p256 = P256(7)
    trust = {"type": "strongroom/trust/v1", "log_id": LOG, "keys": [root.entry()]}

    def keys(*entries, **more):
        return {**trust, "keys": list(entries), **more}

    def t(name, log, verdict, *kinds, trust=trust, **options):
        return expect_case(g, name, log, trust, verdict, *kinds, **options)

    def batch(n=30, **kw):
        log = Log(root, **kw).run(n)
        log.sign()
        return log

    # clean logs
    t("batch, no checkpoint", batch(), "valid")
    t("batch and checkpoints", batch().checkpoint().run(12).checkpoint(), "valid")
    t("record signing", batch(signing="record").checkpoint(), "valid")
    t("checkpoint signing", batch(signing="checkpoint").checkpoint(), "valid")
    t("checkpoint signing, tail", batch(signing="checkpoint").checkpoint().run(25), "unknown")
    t("unsigned tail", batch().run(3, 99), "unknown")
    report = t("unsigned tail, how far", batch(5).run(2, 99), "unknown")
    case(g, "proven_to", report["proven_to"] == 6 and report["streams"][0]["head"] == 8 and report["streams"][0]["signed"] == 6)
    report = t("require checkpointed", batch().checkpoint().run(3, 1), "unknown", require="checkpointed")
    case(g, "checkpointed_to", report["proven_to"] == 31 and report["streams"][0]["signed"] == 34)
    t("require signed", batch().checkpoint().run(3, 1), "valid", require="signed")
    t("checkpoint splits a batch", (lambda x: x.sign() or x)(batch(3).run(3, 99).checkpoint(last=6).run(3)), "valid")
    t("empty newest segment", Log(root).run(9, 1), "valid")
    log = Log(root).run(9, 1)
    log.rotate()
    t("empty newest segment", log, "valid")
    t("export", batch().export().run(15).export().exported(), "valid")
    t("WAL beside manifests", batch().export().run(3, 1), "valid")
    t("several chains", [batch(), batch(stream="egress"), batch(writer="ü/%".replace("/", ""), stream="..")], "valid")
    t("no anchor", batch(), "unknown", trust=None)
    t("integrity", batch().checkpoint(), "intact", trust=None, integrity=True)
    t("wrong trust", batch().checkpoint(), "unknown", ("key_unknown", 1), trust=keys(other.entry()))
    t("wrong trust, checkpoint signing", batch(signing="checkpoint").checkpoint(), "unknown", ("key_unknown", 1), trust=keys(other.entry()))
    t("other log pinned", batch(), "invalid", "wrong_log", trust=keys(root.entry(), log_id="0" * 32))
    t("two logs, none pinned", [batch(), batch(stream="z", log_id="0" * 32)], "invalid", "wrong_log", trust={**trust, "log_id": LOG})
    t("not pinned", batch(), "valid", trust={k: x for k, x in trust.items() if k != "log_id"})
    t("p256 anchors", Log(p256).run(9, 1).checkpoint(), "valid", trust=keys(p256.entry()))
    t("p256 beside ed25519", Log(root).run(9, 99).checkpoint(), "valid", trust=keys(root.entry(), p256.entry()))
    high = Log(p256)
    high.sign(envelopes=[v.Envelope(p256.algo, p256.id, p256.sign("strongroom/batch/v1", v.batch_digest(
        1, 1, high.tree(1, 1), LOG, high.writer, high.stream), low=False))])
    t("p256 high s", high, "invalid", ("sig_invalid", 1), trust=keys(p256.entry()))
    pq = v.Envelope("ml-dsa-65", "b3:" + "0" * 32, b"x" * 3309)
    log = Log(root)
    log.sign(envelopes=[root.envelope("strongroom/batch/v1", v.batch_digest(1, 1, log.tree(1, 1), LOG, log.writer, log.stream)), pq])
    t("ml-dsa beside ed25519", log, "valid")
    raw = b"\1" * 1952
    pq_entry = {"algo_id": "ml-dsa-65", "public_key": base64.b64encode(raw).decode(), "pubkey_id": v.key_id_of(raw), "purposes": ["root"]}
    log = Log(root)
    log.sign(envelopes=[v.Envelope("ml-dsa-65", v.key_id_of(raw), b"x" * 3309)])
    t("ml-dsa alone", log, "unknown", trust=keys(root.entry(), pq_entry))

    # one bit anywhere
    small = Log(root, per_segment=3).run(6, 2).checkpoint().files
    for name, content in small.items():
        for at in range(0, len(content), 3):
            log = Log(root, per_segment=3).run(6, 2).checkpoint().flip(name, at, 1 << at % 8)
            report = verify(log, trust)
            case(g, f"flip {name} {at}", report["verdict"] == "invalid" or
                 name.endswith((".sig", ".json")) and report["verdict"] == "unknown" and any(
                     f["kind"] == "key_unknown" for f in report["streams"][0]["findings"]) or
                 report["verdict"] == "valid" and "not trusted" in str(report["notes"]),  # another key's name, covered otherwise
                 f"{report['verdict']} {report['streams'][0]['findings']}")

    # records deleted, swapped, repeated, edited
    t("record deleted", batch().remove(14), "invalid", ("seq_gap", 15), ("header_count", 11), "root_mismatch")
    t("record deleted in the newest segment", batch(35).remove(34), "invalid", ("seq_gap", 35))
    log = batch()
    (n, a, b), (_, c, d) = log.span(13), log.span(14)
    t("records swapped", log.edit(n, lambda x: x[:a] + x[c:d] + x[a:b] + x[d:]), "invalid", ("seq_gap", 14))
    log = batch()
    n, a, b = log.span(13)
    t("record twice", log.edit(n, lambda x: x[:b] + x[a:b] + x[b:]), "invalid", ("seq_gap", 13), "header_count")

    def rewrite(log, seq, rehash=True, **changes):
        n, a, b = log.span(seq)
        record = {**log.records[seq - 1], **changes}
        body, hash_ = sealed(record)
        return log.edit(n, lambda x: x[:a] + frame(body, hash_ if rehash else log.hashes[seq - 1], seq) + x[b:])
    t("record edited", rewrite(batch(), 13, False, reason="no"), "invalid", ("hash_mismatch", 13))
    t("record edited and hashed again", rewrite(batch(), 13, reason="no"), "invalid", ("prev_mismatch", 14), "root_mismatch")
    t("last record edited and hashed again", rewrite(batch(), 31, reason="no"), "invalid", ("root_mismatch", 31), absent=("prev_mismatch",))
    t("last record, integrity", rewrite(batch(), 31, reason="no"), "invalid", ("root_mismatch", 31), trust=None, integrity=True)
    t("other stream", rewrite(batch(), 13, stream="egress"), "invalid", ("wrong_stream", 13))
    t("other prev", rewrite(batch(), 13, prev="b3:" + "0" * 64), "invalid", ("prev_mismatch", 13))
    t("v in the frame", batch().edit(*(lambda s: (s[0], lambda x: x[:s[1] + 4] + b"\2" + x[s[1] + 5:]))(batch().span(13))), "invalid", "frame")
    log = batch()
    n, a, b = log.span(13)
    body = log.files[n][a + 13:b - 71].replace(b'"i":13', b'"i": 13')
    t("not canonical", log.edit(n, lambda x: x[:a] + frame(body, v.b3(body), 13) + x[b:]), "invalid", ("canon", 13))

    # segments and headers
    t("segment missing at the start", batch().without("wal-000001.seg", "wal-000001.sig"), "unknown", ("segment_missing", 1))
    t("segment missing in the middle", batch().without("wal-000002.seg", "wal-000002.sig"), "unknown", ("segment_missing", 11), absent=("seq_gap", "root_mismatch"))
    t("segment missing in the middle, its .sig there", batch().without("wal-000002.seg"), "unknown", ("segment_missing", 11))
    t("segment missing under a checkpoint", batch().checkpoint().without("wal-000002.seg", "wal-000002.sig"), "invalid", ("segment_missing", 11))
    t("segment missing, integrity", batch().checkpoint().without("wal-000002.seg"), "unknown", ("segment_missing", 11), trust=None, integrity=True)
    log = batch(35).without("wal-000002.seg", "wal-000002.sig")
    log.files["wal-000002.seg"], log.files["wal-000003.seg"] = log.files.pop("wal-000003.seg"), log.files["wal-000004.seg"]
    t("segment removed and the others renamed", log, "invalid", "seq_gap")
    t("newest segment missing", batch(35).without("wal-000004.seg"), "unknown", ("segment_missing", 31))
    t("newest segment missing with its .sig", batch(35).without("wal-000004.seg", "wal-000004.sig"), "valid")
    t("first segment empty", batch().edit("wal-000001.seg", lambda x: header()), "invalid", "header_count")
    for name, change in (("count 0 in an old segment", header()), ("count one more", header(11)), ("count one less", header(9))):
        t(name, batch().edit("wal-000002.seg", lambda x: change + x[32:]), "invalid", ("header_count", 11) if change == header() else "header_count")
    t("count in the newest", batch(33).edit("wal-000004.seg", lambda x: header(4) + x[32:]), "valid")
    t("wrong count in the newest", batch(33).edit("wal-000004.seg", lambda x: header(5) + x[32:]), "invalid", ("header_count", 31))
    for at, what in ((0, "magic"), (7, "version"), (8, "flags"), (20, "reserved")):
        t(f"header {what}", batch().flip("wal-000002.seg", at), "invalid", ("frame", 11))
    t("header short", batch(30).cut("wal-000004.seg", 20), "invalid", "frame")
    t("sealed segment with a tail", batch().edit("wal-000002.seg", lambda x: x + b"\0" * 9), "invalid", ("frame", 21))
    t("sealed segment cut", batch().edit("wal-000002.seg", lambda x: x[:-9]), "invalid", ("frame", 20))
    t("wrong folder", [batch(), (lambda x: setattr(x, "stream", "egress") or x)(batch())], "invalid", ("wrong_stream", 1))

    # truncation
    def tail_cut(log, seq):
        n, a, _ = log.span(seq)
        return log.cut(n, a)
    log = batch(34).run(3, 99)
    acks = b"".join(json.dumps({"writer_id": "w@1", "stream": "ingress", "seq": s, "self_hash": v.b3_text(log.hashes[s - 1]),
                                "level": "durable"}).encode() + b"\n" for s in range(1, 39))
    t("cut unsigned records, nothing says so", tail_cut(batch(34).run(3, 99), 36), "valid")
    t("cut unsigned records, acks", tail_cut(batch(34).run(3, 99), 36), "invalid", ("truncated", 36), expect=acks)
    t("acks hold", batch(34).run(3, 99), "unknown", expect=acks)
    t("acks, other hash", batch(34).run(3, 99), "invalid", ("fork", 38), expect=acks.replace(v.b3_text(log.hashes[37]).encode(), b"b3:" + b"0" * 64))
    t("acks, a chain that is not there", batch(), "invalid", ("truncated", 1), expect=acks.replace(b"ingress", b"egress"))
    t("expect a receipt", batch(), "invalid", "truncated", expect=json.dumps(signatures["receipt"], indent=1).encode())
    t("cut signed records", tail_cut(batch(34), 34), "invalid", ("truncated", 33))
    t("cut signed records, fsync never", tail_cut(batch(34, fsync="never"), 34), "unknown", ("torn_tail", 33))
    t("cut under a checkpoint", tail_cut(batch(34).checkpoint(), 34), "invalid", ("truncated", 34))
    t("cut under a checkpoint, fsync never", tail_cut(batch(34, fsync="never").checkpoint(), 34), "invalid", ("truncated", 34))
    t("cut under a checkpoint, integrity", tail_cut(batch(34).checkpoint(), 34), "invalid", "truncated", trust=None, integrity=True)
    t("manifest beyond the end", batch().export().run(12).export().exported().without("wal-000005.seg", "wal-000005.sig", "wal-000006.seg", "wal-000006.sig"),
      "invalid", ("truncated", 32), absent=("segment_missing",))
    t("everything but checkpoints gone", batch(5).checkpoint().without("wal-000001.seg", "wal-000001.sig"), "invalid", ("truncated", 1))

    # signatures stripped, weakened, wrong
    t("a .sig stripped", batch().without("wal-000002.sig"), "invalid", ("sig_missing", 11))
    t("the last .sig stripped, sealed", batch(29).without("wal-000003.sig").edit("wal-000003.seg", lambda x: header(10) + x[32:]), "invalid", ("sig_missing", 21))
    t("the newest .sig stripped", batch(33).without("wal-000004.sig"), "unknown")
    t("every .sig stripped under a checkpoint", batch(8).checkpoint().without("wal-000001.sig"), "invalid", ("sig_missing", 1))
    t("every .sig stripped, fresh", batch(8).without("wal-000001.sig"), "unknown")
    log = Log(root)
    log.sign()
    log.run(4, 99).sign(mode="none", envelopes=[])
    t("batch without envelopes", log, "unknown")
    log = Log(root)
    log.sign()
    log.run(4, 99)
    log.unsigned = len(log.hashes)
    log.sign()
    t("records skipped before signed ones", log, "invalid", ("sig_missing", 2))
    log = Log(root, signing="record").run(4)
    log.signing = "batch"
    t("weaker than declared", log.run(4), "invalid", ("sig_missing", 6))
    log = Log(root, signing="record").run(4)
    log.append("ConfigUpdated", {"signing": "batch", "config_b3": "x"})
    log.signing = "batch"
    t("ConfigUpdated to batch", log.run(4, 1), "valid")
    log = batch(8)
    log.append("ConfigUpdated", {"signing": "checkpoint"})
    log.signing = "checkpoint"
    t("ConfigUpdated to checkpoint", log.run(15).checkpoint(), "valid")
    log = batch(8, signing="checkpoint")
    log.append("ConfigUpdated", {"signing": "record"})
    log.unsigned, log.signing = 11, "record"
    t("ConfigUpdated to record", log.run(3).checkpoint(), "valid")
    t("ConfigUpdated to nonsense", (lambda x: x.append("ConfigUpdated", {"signing": "none"}) and x.sign() or x)(batch(8)), "invalid", ("stream_opened", 10))
    for field, purposes in (("batch by a key for checkpoints", ("checkpoint",)), ("batch by a key for votes", ("vote",))):
        t(field, batch(8), "invalid", ("sig_invalid", 1), trust=keys(root.entry(purposes)))
    t("checkpoint by a key for records", batch(8).checkpoint(), "invalid", ("sig_invalid", 1), trust=keys(root.entry(("record",))))
    t("two purposes, two keys", Log(other).run(8).checkpoint(root), "valid", trust=keys(root.entry(("checkpoint",)), other.entry(("record",))))
    t("unknown key under a trusted checkpoint", Log(other).run(8).checkpoint(root), "valid", trust=keys(root.entry(("checkpoint",))))
    t("checkpoint by an unknown key over good batches", batch(8).checkpoint(other), "valid")
    t("batch of another stream", (lambda a, b: a.files.update({"wal-000001.sig": b.files["wal-000001.sig"]}) or a)(batch(8), batch(8, stream="x")),
      "invalid", ("root_mismatch", 1))
    for name, change in (("trailing byte in an entry", lambda d: struct.pack("<I", struct.unpack_from("<I", d)[0] + 1) + d[4:] + b"\0"),
                         ("non-null root of a record entry", lambda d: d[:4] + d[4:].replace(b"\x84\x01\x01", b"\x84\x01\x02")),
                         ("entry twice", lambda d: d + d), ("entry too long", lambda d: struct.pack("<I", 300000) + d[4:])):
        log = Log(root, signing="record")
        t(name, log.edit("wal-000001.sig", change), "invalid", "frame")
    log = batch(12)
    log.files["wal-000001.sig"] += cbor_entry(11, 13, log.tree(11, 13), [root.envelope("strongroom/batch/v1", v.batch_digest(
        11, 13, log.tree(11, 13), LOG, log.writer, log.stream))])
    t("entry in the .sig of another segment", log, "invalid", ("frame", 11))

    log = batch(12)
    log.files["wal-000002.sig"] = cbor_entry(9, 10, log.tree(9, 10), [root.envelope("strongroom/batch/v1", v.batch_digest(
        9, 10, log.tree(9, 10), LOG, log.writer, log.stream))]) + log.files["wal-000002.sig"]
    t("entry of an earlier segment", log, "invalid", ("frame", 9))

    # torn tails, both sides of each condition
    def torn(n=33, fsync="always", bare=3, checkpoint=False):
        """Signed (and checkpointed) to n + 1, then bare unsigned records."""
        log = batch(n, fsync=fsync)
        if checkpoint:
            log.checkpoint()
        return log.run(bare, 99)
    n, a, b = torn().span(37)
    t("incomplete frame", torn().cut(n, b - 100), "unknown", ("torn_tail", 37))
    t("incomplete frame header", torn().cut(n, a + 5), "unknown", ("torn_tail", 37))
    t("incomplete after signed records only", torn(bare=0).edit(n, lambda x: x + b"\x50\1\0\0\1"), "valid", ("torn_tail", 35))
    t("torn tail, integrity", torn().cut(n, b - 100), "intact", ("torn_tail", 37), trust=None, integrity=True)
    t("incomplete, sealed", torn().edit(n, lambda x: header(6) + x[32:b - 100]), "invalid", ("frame", 37))
    t("incomplete, signed", batch(36).cut(n, b - 100), "invalid", ("frame", 37))
    t("incomplete, checkpointed", torn(36, bare=0, checkpoint=True, fsync="never").cut(n, b - 100), "invalid", ("frame", 37), "truncated")
    t("incomplete, signed, fsync never", batch(36, fsync="never").cut(n, torn(fsync="never").span(37)[2] - 100), "valid", ("torn_tail", 37))
    t("zero from some byte on", torn().edit(n, lambda x: x[:a + 50] + b"\0" * (b - a - 50)), "unknown", ("torn_tail", 37))
    t("zeros appended", torn().edit(n, lambda x: x + b"\0" * 5000), "unknown", ("torn_tail", 38))
    t("zeros appended, then a byte", torn().edit(n, lambda x: x + b"\0" * 100 + b"\1"), "invalid", ("frame", 38))
    t("zeros appended, then a byte after a block", torn().edit(n, lambda x: x + b"\0" * 1100 + b"\1"), "unknown", ("torn_tail", 38))
    t("an edited frame, a sound one, then zeros", torn().flip(n, a - 80).edit(n, lambda x: x + b"\0" * 100), "invalid", ("hash_mismatch", 36))
    t("garbage appended", torn().edit(n, lambda x: x + b"\x7f" * 5000), "invalid", ("frame", 38))
    t("1 MiB", torn().edit(n, lambda x: x + b"\0" * v.MIB), "unknown", ("torn_tail", 38))
    t("more than 1 MiB", torn().edit(n, lambda x: x + b"\0" * (v.MIB + 1)), "invalid", ("frame", 38))
    t("more than 1 MiB, fsync never", torn(fsync="never").edit(n, lambda x: x + b"\0" * (v.MIB + 1)), "unknown", ("torn_tail", 38))
    t("a lost block in the middle", torn(bare=5).edit(n, lambda x: x[:-(-a // 512) * 512] + b"\0" * 512 + x[-(-a // 512) * 512 + 512:]), "unknown", "torn_tail")
    t("part of a lost block", torn(bare=5).edit(n, lambda x: x[:-(-a // 512) * 512] + b"\0" * 511 + x[-(-a // 512) * 512 + 511:]), "invalid", ("frame", 37))
    t("a hidden frame behind a longer length", torn().flip(n, a, 64).flip(n, a + 1, 4), "invalid", ("frame", 37))
    t("a hidden frame behind junk and zeros", torn().edit(n, lambda x: x[:a] + b"\x40\0\0\0" + b"\7" * 200 + x[a:] + b"\0" * 600), "invalid", "frame")
    t("one flipped byte in the last frame", torn().flip(n, b - 80), "invalid", ("hash_mismatch", 37))
    t("one flipped length bit in the last frame", torn().flip(n, a + 1, 8), "invalid", ("frame", 37))
    t("frame length beyond 4096", torn().flip(n, a + 1, 32), "invalid", ("frame", 37))
    t("sound frame after a torn one", torn(bare=4).edit(n, lambda x: x[:a] + b"\0" * (b - a) + x[b:]), "unknown", ("torn_tail", 37))
    log = torn()
    body, hash_ = sealed({**log.records[36], "prev": v.b3_text(log.hashes[34])})
    t("complete frame with a wrong prev at the end", log.edit(n, lambda x: x[:a] + frame(body, hash_, 37)), "invalid", ("prev_mismatch", 37))
    e = len(batch(33).files["wal-000004.sig"])
    t("incomplete sig entry", batch(33).edit("wal-000004.sig", lambda x: x + x[:50]), "valid", ("torn_tail", 35))
    t("sig zeros", batch(33).edit("wal-000004.sig", lambda x: x + b"\0" * 50), "valid", ("torn_tail", 35))
    t("sig garbage", batch(33).edit("wal-000004.sig", lambda x: x + b"\x05\0\0\0" + b"\7" * 50), "invalid", ("frame", 35))
    t("sig cut", batch(33).cut("wal-000004.sig", e - 9), "unknown", "torn_tail")
    t("sig cut in an old segment", batch(33).cut("wal-000003.sig", 80), "invalid", "frame")
    t("sig cut under a checkpoint", batch(33).checkpoint().cut("wal-000004.sig", e - 9), "invalid", "frame")
    t("sig entry hidden behind its length", batch(33).flip("wal-000004.sig", 1), "invalid", ("frame", 31))
    log = batch(33, fsync="on_checkpoint")
    t("sig beyond the records, fsync on_checkpoint", tail_cut(log, 34), "unknown", "torn_tail")
    log = batch(20)
    log.append("Recovered", {"first": 20, "last": 21, "cut_bytes": 9, "file": "wal-000003.seg"}, sign=True)
    log.files["wal-000003.torn-1"] = b"x"
    t("recovered", log, "valid", ("recovered", 22))

    # opening
    def opened(kind="GetServed", attrs=None, **kw):
        log = Log.__new__(Log)
        original = Log.append
        Log.append = lambda self, k="GetServed", a=None, **x: original(self, kind if k == "StreamOpened" else k, attrs if k == "StreamOpened" and attrs is not None else a, **x)
        try:
            log.__init__(root, **kw)
            log.sign()
            return log.run(3, 1)
        finally:
            Log.append = original
    t("no StreamOpened", opened(), "invalid", ("stream_opened", 1))
    t("StreamOpened without log_id", opened("StreamOpened", {"signing": "batch", "fsync": "always"}), "invalid", ("stream_opened", 1))
    t("StreamOpened twice", (lambda x: x.append("StreamOpened", {"log_id": LOG, "signing": "batch", "fsync": "always"}, sign=True) and x)(batch(3)), "invalid", ("stream_opened", 5))
    report = t("falling ts_ms", (lambda x: x.append(ts=T0, sign=True) and x)(batch(3)), "valid")
    case(g, "falling ts_ms is a note", "ts_ms falls" in str(report["notes"]))

    # checkpoints
    def three():
        return batch(8).checkpoint().run(4).checkpoint().run(4).checkpoint()
    t("three checkpoints", three(), "valid")
    t("second checkpoint missing", three().without("checkpoint-000002.json"), "invalid", ("checkpoint_gap", 10))
    t("first checkpoint missing", three().without("checkpoint-000001.json"), "invalid", ("checkpoint_gap", 1))
    t("last checkpoint missing", three().without("checkpoint-000003.json"), "valid")
    t("checkpoint files swapped", (lambda x: x.files.update({"checkpoint-000001.json": x.files["checkpoint-000002.json"],
      "checkpoint-000002.json": x.files["checkpoint-000001.json"]}) or x)(three()), "invalid", "checkpoint_gap")
    for name, changes, kind in (("root", {"root": "b3:" + "0" * 64}, ("root_mismatch", 10)), ("prev", {"prev": "b3:" + "0" * 64}, ("checkpoint_gap", 10)),
                                ("overlap", {"range": [9, 13]}, ("checkpoint_gap", 9)), ("same start", {"range": [1, 13]}, ("fork", 1)),
                                ("gap", {"range": [11, 13]}, ("checkpoint_gap", 10)), ("stream", {"stream": "x"}, ("wrong_stream", 10)),
                                ("log", {"log_id": "0" * 32}, ("wrong_log", 10)), ("version", {"version": 2}, "canon")):
        t(f"checkpoint {name}, validly signed", batch(8).checkpoint().run(4).checkpoint(**changes), "invalid", kind)
    t("checkpoint with a trailing newline", three().edit("checkpoint-000002.json", lambda d: d + b"\n"), "invalid", "canon")
    t("cosignature", batch(8).checkpoint(cosigners=[other]), "valid", trust=keys(root.entry(), other.entry()))
    t("cosignature by an unknown key", batch(8).checkpoint(cosigners=[other]), "valid")
    t("cosignature by a witness", batch(8, signing="checkpoint").checkpoint(cosigners=[other]), "valid", trust=keys(root.entry(), other.entry(("witness",))))
    t("witness alone", batch(8, signing="checkpoint").checkpoint(third, cosigners=[other]), "unknown", "key_unknown", trust=keys(root.entry(), other.entry(("witness",))))
    t("cosignature carries", batch(8, signing="checkpoint").checkpoint(third, cosigners=[root]), "valid")
    t("cosignature wrong", batch(8).checkpoint(cosigners=[root]).edit("checkpoint-000001.cosig", lambda d: d[:30] + bytes([d[30] ^ 1]) + d[31:]), "invalid", ("sig_invalid", 1))
    t("cosig file damaged", batch(8).checkpoint(cosigners=[root]).edit("checkpoint-000001.cosig", lambda d: d[:-1]), "invalid", "frame")

    # times of trusted keys; root signs checkpoints at T0 + 9500, T0 + 13500, ...
    def rotated(ts_new=None):
        """Checkpoint 1 by other, checkpoint 2 by root at ts_new."""
        return Log(root, signing="checkpoint").run(8).checkpoint(other).run(4).checkpoint(root, ts=ts_new)
    both = lambda **times: keys(root.entry(), other.entry(**times))
    t("key not over yet", rotated(), "valid", trust=both(to_ts_ms=NOW + 9))
    t("key over, committed before", rotated(), "valid", trust=both(to_ts_ms=T0 + 20000))
    t("key over, committed too late", rotated(T0 + 30000), "invalid", ("key_expired", 1), trust=both(to_ts_ms=T0 + 20000))
    t("key over, nothing commits", Log(root, signing="checkpoint").run(8).checkpoint(other), "invalid", ("key_expired", 1), trust=both(to_ts_ms=T0 + 20000))
    t("key over, commits by itself only", Log(root, signing="checkpoint").run(8).checkpoint(other).run(4).checkpoint(other), "invalid", "key_expired", trust=both(to_ts_ms=T0 + 20000))
    t("checkpoint dated after the end", rotated(T0 + 11000), "invalid", ("key_expired", 1), trust=both(to_ts_ms=T0 + 9000))
    t("checkpoint dated before the start", rotated(), "invalid", ("key_expired", 1), trust=both(from_ts_ms=T0 + 10000))
    t("key over, batches cover", batch(8).checkpoint(other), "valid", trust=both(to_ts_ms=T0 + 20000))
    revoked = dict(revoked=[{"pubkey_id": other.id, "from_ts_ms": T0 + 20000}])
    t("key revoked, committed before", rotated(), "valid", trust=keys(root.entry(), other.entry(), **revoked))
    t("key revoked, committed too late", rotated(T0 + 20000), "invalid", ("key_compromised", 1), trust=keys(root.entry(), other.entry(), **revoked))
    record_key = lambda **times: keys(root.entry(), other.entry(("record",), **times))
    t("record key over, placed by a checkpoint", Log(other).run(8).checkpoint(root), "valid", trust=record_key(to_ts_ms=T0 + 20000))
    t("record key over, not placed", (lambda x: x.sign() or x)(Log(other).run(8)), "invalid", ("key_expired", 1), trust=record_key(to_ts_ms=T0 + 20000))
    t("record key revoked, not placed", (lambda x: x.sign() or x)(Log(other).run(8)), "invalid", ("key_compromised", 1), trust={**record_key(), **revoked})

    # manifests
    def exports():
        return batch().export().run(15).export().exported()
    t("export without checkpoint files", exports().without("checkpoint-000001.json", "checkpoint-000002.json"), "invalid",
      ("checkpoint_gap", 1))
    t("manifest damaged", exports().flip("manifest-000001.json", 40), "invalid", "canon")
    t("manifest missing", exports().without("manifest-000001.json", "manifest-000001.sig"), "invalid", ("manifest_gap", 1))
    three_exports = exports().run(9).export().exported() if False else batch().export().run(15).export().run(9).export().exported()
    t("manifest missing in the middle", three_exports.without("manifest-000002.json", "manifest-000002.sig"), "invalid", "manifest_gap")
    t("manifest without signature", exports().without("manifest-000002.sig"), "invalid", ("sig_missing", 32))
    t("manifest by an unknown key", batch().export(other).exported(), "unknown", ("key_unknown", 1))
    t("manifest signature wrong", exports().flip("manifest-000002.sig", 30), "invalid", ("sig_invalid", 32))
    t("manifest by a key for records", batch().export(other).exported(), "invalid", ("sig_invalid", 1), trust=keys(root.entry(), other.entry(("record",))))
    t("prev_manifest", batch().export().run(15).export(prev_manifest="b3:" + "0" * 64).exported(), "invalid", ("manifest_gap", 32))
    t("manifest of another stream", batch().export(stream="x").exported(), "invalid", ("wrong_stream", 1))
    t("manifest of another log", batch().export(log_id="0" * 32).exported(), "invalid", ("wrong_log", 1))
    t("listed segment missing", exports().without("wal-000002.seg", "wal-000002.sig"), "invalid", ("segment_missing", 11))
    t("listed .sig missing", exports().without("wal-000002.sig"), "invalid", ("sig_missing", 11))
    for name, change, kind in (("digest", {"digest": "b3:" + "0" * 64}, "hash_mismatch"), ("bytes", {"bytes": 1}, "hash_mismatch"), ("root", {"root": "b3:" + "0" * 64}, "root_mismatch"),
                               ("count", {"count": 9}, "manifest_gap"), ("offset", {"offset": 1}, "manifest_gap"), ("range", {"range": [1, 9], "count": 9}, "manifest_gap"),
                               ("file", {"file": "../x"}, "canon")):
        log = batch().export()
        first = json.loads(log.files["manifest-000001.json"])["segments"]
        segments = [{**first[0], **change}] + first[1:]
        log = batch()
        t(f"manifest {name}, validly signed", log.export(segments=segments).exported(), "invalid", kind)

    # certificates; the leaf key signs batches
    def certified(n=6, checkpoint=True, announce=True, **cert):
        log = Log(root)
        log.certify(leaf, announce=announce, **cert)
        log.root = leaf
        log.run(n, 2)
        log.sign()
        log.root = root
        return log.checkpoint() if checkpoint else log
    t("certified", certified(), "valid")
    t("certified, no checkpoint, now inside", certified(checkpoint=False), "valid")
    t("certified, no checkpoint, now outside", certified(checkpoint=False), "unknown", now=NOW + 1)
    t("window over, placed", certified(), "valid", now=NOW + 99)
    t("checkpoint after the window", certified(end=T0 + 3000), "valid")
    t("checkpoint before the window", certified(start=T0 + 900000), "valid")
    t("after the window, no checkpoint", certified(end=T0 + 3000, checkpoint=False), "unknown")
    t("not announced", certified(announce=False), "invalid", "cert_invalid")
    late = Log(root)
    late.certify(leaf, announce=False)
    late.run(3, 99)
    late.sign(leaf)
    late.certify(leaf)
    late.sign(leaf)
    t("announced too late", late, "invalid", ("cert_invalid", 1))
    for name, change in (("other stream", {"streams": ["in"]}), ("other writer", {"writer_id": "w@2"}), ("other log", {"log_id": "0" * 32})):
        t(f"certificate for {name}", certified(**change), "invalid", "cert_invalid")
    t("certificate, exact stream", certified(streams=["x", "ingress"]), "valid")
    t("certificate issued by itself", certified(issuer=leaf), "invalid", "cert_invalid")
    t("certificate by an unknown key", certified(issuer=other, checkpoint=False), "unknown", "key_unknown")
    t("certificate by an unknown key, checkpointed", certified(issuer=other), "valid")
    t("certificate by a key for records", certified(issuer=other), "invalid", "cert_invalid", trust=keys(root.entry(), other.entry(("record",))))
    t("certificate by a key for certificates", certified(issuer=other), "valid", trust=keys(root.entry(), other.entry(("certificate",))))
    log = certified()
    log.keys = {k: x.replace(b"ing*", b"egr*") for k, x in log.keys.items()}
    t("certificate edited", log, "invalid", "cert_invalid")
    log = certified(checkpoint=False)
    log.keys = {}
    t("certificate missing", log, "unknown", "key_unknown")
    log = certified()
    log.certify(other, issuer=leaf, announce=False)
    log.append("KeyCertified", {"cert_b3": v.b3_text(v.b3(log.keys[other.id[3:] + ".cert.json"])), "pubkey_id": other.id})
    log.sign(other)
    t("certificate by a certified key", log, "invalid", "cert_invalid")
    log = certified(checkpoint=False)
    t("checkpoint by a certified key", log.checkpoint(leaf), "invalid", ("sig_invalid", 1))
    t("issuer over, placed before", certified(issuer=other), "valid", trust=keys(root.entry(), other.entry(("certificate",), to_ts_ms=T0 + 60000)))
    t("issuer over, not placed", certified(issuer=other, checkpoint=False), "unknown", trust=keys(root.entry(), other.entry(("certificate",), to_ts_ms=T0 + 60000)))

    # revocations
    def compromised(at, checkpoint=True, **kw):
        log = certified(checkpoint=checkpoint)
        log.revoke(leaf, at, **kw)
        log.sign()
        return log
    t("revoked after the checkpoint", compromised(T0 + 60000), "valid")
    t("revoked before the checkpoint, which covers", compromised(T0 + 3000), "valid")
    t("revoked, no checkpoint", compromised(T0 + 3000, checkpoint=False), "invalid", "key_compromised")
    t("revocation by another key", compromised(T0 + 3000, checkpoint=False, issuer=other), "unknown", "key_unknown")
    t("revocation by an anchor that is not the issuer", compromised(T0 + 3000, issuer=other), "invalid", "cert_invalid", trust=keys(root.entry(), other.entry()))
    log = compromised(T0 + 60000)
    log.keys = {k: x for k, x in log.keys.items() if "revoked" not in k}
    t("revocation missing", log, "unknown", "key_unknown")
    log = compromised(T0 + 60000)
    log.keys = {k: x.replace(b"stolen", b"stolem") for k, x in log.keys.items()}
    t("revocation edited", log, "invalid", "cert_invalid")
    t("anchor compromised, not in the trust file", (lambda x: x.append("KeyCompromised", {"pubkey_id": root.id, "from_ts_ms": NOW, "revocation_b3": "b3:0"}, sign=True) and x)(batch(3)), "unknown", "key_unknown")

    # chains among each other
    def control(*pairs):
        log = Log(root, stream="control")
        for log2, hash_ in pairs:
            log.append("ChainOpened", {"writer_id": log2.writer, "stream": log2.stream, "self_hash": hash_ or v.b3_text(log2.hashes[0])})
        log.sign()
        return log
    a = batch(5)
    report = t("control chain", [a, control((a, None))], "valid")
    case(g, "no chain is missing", "no chain is missing" not in str(report["notes"]))
    report = t("no control chain", [a], "valid")
    case(g, "not proven that no chain is missing", "not proven that no chain is missing" in report["notes"])
    t("announced chain missing", [a, control((a, None), (batch(2, stream="gone"), None))], "unknown", ("segment_missing", 1))
    t("another first record than announced", [a, control((a, "b3:" + "0" * 64))], "invalid", ("fork", 1))
    old = batch(5)
    of = {"writer_id": old.writer, "stream": old.stream, "seq": 6, "self_hash": v.b3_text(old.hashes[5]), "finding": "hash_mismatch"}

    def successor(**changes):
        log = Log(root, writer=changes.pop("writer", "w@1+1"), first={"successor_of": {**of, **changes}})
        log.sign()
        return log
    t("successor", [old, successor()], "valid")
    t("successor with another head", [old, successor(self_hash="b3:" + "0" * 64)], "invalid", ("fork", 6))
    t("successor beyond the end", [old, successor(seq=7)], "invalid", ("truncated", 7))
    t("successor of another name", [old, successor(writer="z+1")], "invalid", ("stream_opened", 1))
    t("successor alone", [successor()], "valid")
    t("nothing", [], "unknown")

    # odd input must give findings, not faults
    for kind, attrs in (("KeyCompromised", {"pubkey_id": [1], "revocation_b3": {}}), ("KeyCompromised", {}), ("KeyCertified", {"pubkey_id": {}, "cert_b3": 1}),
                        ("KeyCompromised", {"pubkey_id": leaf.id, "revocation_b3": []})):
        t(f"{kind} {attrs}", (lambda x: x.append(kind, attrs, sign=True) and x)(compromised(T0 + 60000)), *(("unknown", "key_unknown") if kind == "KeyCompromised" and
          attrs.get("pubkey_id") != leaf.id else ("invalid", "cert_invalid") if kind == "KeyCompromised" else ("valid",)))
    for attrs in ({"signing": 1}, {"fsync": []}, {"log_id": "0" * 32}, {"log_id": {}}):
        t(f"ConfigUpdated {attrs}", (lambda x: x.append("ConfigUpdated", attrs, sign=True) and x)(batch(3)), "invalid", "wrong_log" if "log_id" in attrs else "stream_opened")
    for changes in ({"writer_id": []}, {"seq": "1"}, {"stream": {}}, {"self_hash": 1}):
        t(f"successor_of {changes}", [old, successor(**changes) if "writer_id" not in changes else (lambda x: x.sign() or x)(
            Log(root, writer="w@1+1", first={"successor_of": {**of, **changes}}))], "invalid", ("stream_opened", 1))
    log = batch(20).flip("wal-000001.sig", -90)  # a wrong signature, and unsigned records right before it
    log.files["wal-000001.sig"] = log.files["wal-000001.sig"][4 + struct.unpack_from("<I", log.files["wal-000001.sig"])[0]:]
    t("a gap in a sealed segment, nothing good after it in there", log, "invalid", ("sig_missing", 1))
    log = batch(3)
    with tempfile.TemporaryDirectory() as d:
        folder = log.write(d)
        os.rename(folder, folder.replace("ingress", "%69ngress"))
        report = v.Run(d, trust_of(trust), now=NOW).verify()
        case(g, "a folder that enc does not give", report["verdict"] == "invalid" and report["streams"][0]["findings"][0]["kind"] == "wrong_stream")
        os.rename(folder.replace("ingress", "%69ngress"), os.fsencode(os.path.dirname(folder)) + b"/\xff\xfe")
        out = io.StringIO()
        with redirect_stdout(out):
            code = v.main(["log", d, "--key", f"ed25519:{root.raw.hex()}"])
        case(g, "a folder name that is not UTF-8", code == 2 and "wrong_stream" in out.getvalue())

    # a certified record signature names the log
    log = Log(root, signing="record")
    log.sign()
    log.certify(leaf, announce=False)
    receipt = {"type": "strongroom/receipt/v1", "log_id": LOG, "record": {**log.records[0], "self_hash": v.b3_text(log.hashes[0])},
               "signatures": [{"algo_id": e.algo, "pubkey_id": e.key_id, "sig": base64.b64encode(e.sig).decode()} for e in [
                   leaf.envelope("strongroom/r1", log.hashes[0])]], "certificates": [json.loads(x) for x in log.keys.values()]}
    verdict = lambda r, now=NOW: v.verify_receipt(json.dumps(r).encode(), trust_of(trust), now)["verdict"]
    case(g, "certified record signature alone", verdict(receipt) == "valid" and verdict(receipt, NOW + 1) == "unknown")
    case(g, "the same, of another log", verdict({**receipt, "log_id": "0" * 32}) == "invalid")
    signed = {k: x for k, x in receipt.items() if k != "signatures"}
    anchor = [{"algo_id": "ed25519", "pubkey_id": root.id, "sig": base64.b64encode(root.sign("strongroom/r1", log.hashes[0])).decode()}]
    case(g, "a certificate of another key names no log", verdict({**signed, "signatures": anchor}) == "unknown")
    cert = json.loads(next(iter(log.keys.values())))
    digest = v.b3(v.canonical({k: x for k, x in cert.items() if k != "sig"}))
    for signer, expected in ((root, "valid"), (third, "valid")):
        co = [{"algo_id": "ed25519", "pubkey_id": signer.id, "sig": base64.b64encode(signer.sign("strongroom/key-cert/v1", digest)).decode()}]
        case(g, f"certificate cosigned by {signer.id[:6]}", verdict({**receipt, "certificates": [{**cert, "cosignatures": co}]}) == expected)
    co[0].update(pubkey_id=root.id)
    case(g, "certificate with a wrong cosignature", verdict({**receipt, "certificates": [{**cert, "cosignatures": co}]}) == "invalid")


def check_bytes(g):
    """Section 6, byte by byte; names; a trust file; the command line."""
    key = Signer("33" * 32)
    digest = v.b3(b"x")
    sig = key.sign("c", digest)
    ok = lambda raw, s: v.verify_signature("ed25519", raw, "c", digest, s)
    case(g, "ed25519", ok(key.raw, sig))
    s = int.from_bytes(sig[32:], "little")
    case(g, "S + L", not ok(key.raw, sig[:32] + (s + v.L25519).to_bytes(32, "little")))
    case(g, "S and R cut", not ok(key.raw, sig[:63]) and not ok(key.raw[:31], sig))
    for y in sorted(v.SMALL_ORDER_Y) + [v.P25519, v.P25519 + 1]:
        for sign in (0, 1 << 255):
            point = (y + sign).to_bytes(32, "little")
            case(g, f"small or not canonical {y:x}", not v.sound_point(point) and not ok(point, point + bytes(32)) and not ok(key.raw, point + sig[32:]))
    d, p = -121665 * pow(121666, -1, v.P25519) % v.P25519, v.P25519

    def times8(y):  # the x-free check: order divides 8 iff three doublings end in (0, 1)
        x2 = (y * y - 1) * pow(d * y * y + 1, -1, p) % p
        for _ in range(3):
            num, den = (y * y + x2) % p, (2 - (y * y - x2)) % p
            if den == 0:
                return None
            y2 = num * pow(den, -1, p) % p
            y, x2 = y2, (y2 * y2 - 1) * pow(d * y2 * y2 + 1, -1, p) % p
        return y
    case(g, "small order points", all(times8(y) == 1 for y in v.SMALL_ORDER_Y) and len(v.SMALL_ORDER_Y) == 5)
    case(g, "ml-dsa unsupported", v.verify_signature("ml-dsa-44", b"", "c", digest, b"") is None)
    for name, folder in (("a", "a"), ("a/b", "a%2Fb"), ("..", "%2E%2E"), ("a.b", "a.b"), ("é", "%C3%A9"), ("~x", "%7Ex"), ("%", "%25"), ("A@-_", "A@-_")):
        case(g, f"enc {name}", v.enc(name) == folder and v.dec(folder) == name)
    for folder in ("..", "%2e", "%41", "é", "", "%ff"):
        case(g, f"no enc: {folder}", v.dec(folder) is None)
    case(g, "enc too long", refused(v.enc, "é" * 64) and v.enc("é" * 42))
    good = {"type": "strongroom/trust/v1", "keys": [key.entry()]}
    for name, obj in (("unknown member", {**good, "x": 1}), ("a member like a rule's name", {**good, "log_id?": LOG}), ("no keys", {"type": good["type"]}), ("type", {**good, "type": "x"}), ("same key twice", {**good, "keys": good["keys"] * 2}),
                      ("pubkey_id", {**good, "keys": [{**key.entry(), "pubkey_id": "b3:" + "0" * 32}]}), ("purpose", {**good, "keys": [key.entry(("all",))]}),
                      ("algo", {**good, "keys": [{**key.entry(), "algo_id": "rsa"}]}), ("log_id", {**good, "log_id": "x"}), ("base64", {**good, "keys": [{**key.entry(), "public_key": "A"}]})):
        case(g, f"trust file: {name}", refused(trust_of, obj))
    with tempfile.TemporaryDirectory() as d:
        def run(code, *args):
            out, err = io.StringIO(), io.StringIO()
            with redirect_stdout(out), redirect_stderr(err):
                got = v.main(list(args))
            case(g, " ".join(args[:4]), got == code and (code == 1) == bool(err.getvalue()) and "Traceback" not in err.getvalue(), f"{got} {err.getvalue()}")
            return out.getvalue()
        log = Log(key).run(5, 1)
        folder = log.write(os.path.join(d, "wal"))
        wal, option, bad = os.path.join(d, "wal"), f"ed25519:{key.raw.hex()}", os.path.join(d, "bad")
        with open(bad, "wb") as f:
            f.write(b"{\n")
        run(0, "log", wal, "--key", option)
        out = json.loads(run(0, "log", wal, "--key", option, "--json"))
        case(g, "report members", list(out) == ["verdict", "trust", "proven_to", "records", "streams", "notes"]
             and list(out["streams"][0]) == ["writer_id", "stream", "log_id", "records", "head", "signed", "checkpointed_to", "findings"])
        run(0, "log", wal, "--integrity")
        run(3, "log", wal)
        run(3, "log", folder.rsplit(os.sep, 2)[0], "--key", f"ed25519:{Signer('44' * 32).raw.hex()}")
        for args in ((), ("log",), ("log", d + "/none"), ("log", folder), ("log", wal, "--key", "ed25519:00"), ("log", wal, "--key", "x"), ("log", wal, "--trust", bad),
                     ("log", wal, "--require", "x"), ("log", wal, "--expect-head", bad), ("log", wal, "--expect-head", d + "/none"), ("receipt", d + "/none"), ("log", wal, "--what")):
            run(1, *args)
        run(1, "receipt", bad, "--key", option)
        os.makedirs(d + "/empty")
        run(3, "log", d + "/empty", "--key", option)
        log.files["wal-000001.seg"] = log.files["wal-000001.seg"][:-1]
        log.write(wal)
        out = run(2, "log", wal, "--key", option)
        case(g, "summary", "INVALID" in out and "  frame: seq 6 file wal-000001.seg" in out)
        os.remove(os.path.join(folder, "wal-000001.seg"))
        os.mkfifo(os.path.join(folder, "wal-000001.seg"))
        run(2, "log", wal, "--key", option)


# ---- hostile files --------------------------------------------------------------------------

def take(path):
    """Removes what is at a path."""
    shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.remove(path)


def put_socket(path):
    here = os.getcwd()
    os.chdir(os.path.dirname(path))  # a socket's path may not be long
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(os.path.basename(path))
    finally:
        os.chdir(here)


def put_sparse(path):
    with open(path, "wb") as f:
        f.truncate(3 << 30)


def put_header_and_hole(path):
    with open(path, "wb") as f:
        f.write(header())
        f.truncate(3 << 30)


def put_link(path):
    """A link to what was there, moved out of the log."""
    outside = path.split("/log/")[0] + "/outside"
    os.rename(path, outside)
    os.symlink(outside, path)


def put_under_other_name(path):
    os.rename(path, os.path.join(os.path.dirname(path), "\udcff" + os.path.basename(path)))


def after(change):
    return lambda path: (take(path), change(path))


HOSTILE = {"pipe": after(os.mkfifo), "folder": after(os.makedirs), "socket": after(put_socket), "3 GiB": after(put_sparse),
           "header and 3 GiB": after(put_header_and_hole), "dangling link": after(lambda p: os.symlink("nowhere", p)),
           "link to a device": after(lambda p: os.symlink("/dev/zero", p)), "link to itself": after(lambda p: os.symlink(p, p)),
           "link out": put_link, "empty": after(lambda p: open(p, "wb").close()), "unreadable": lambda p: os.chmod(p, 0),
           "device": after(lambda p: os.mknod(p, stat.S_IFCHR | 0o644, os.makedev(1, 5))), "name": put_under_other_name}


# What there is no more than a missing file would be: a verdict, and no certain finding.
GONE = {None: ("name",), "w@1/ingress/wal-000001.sig": ("name", "empty"), "w@1/ingress/wal-000003.sig": ("name", "empty"),
        "~keys": ("name", "folder"), "w@1/ingress": ("name", "folder", "empty", "3 GiB", "header and 3 GiB")}


def check_hostile(g, signatures):
    """Everything that is no file of ours in every place of one: a finding on that chain, the other is judged."""
    root, leaf, other = (Signer(x) for x in (signatures["private_key_hex"], signatures["leaf_private_key_hex"], "11" * 32))
    trust = {"type": "strongroom/trust/v1", "log_id": LOG, "keys": [root.entry(), other.entry()]}

    def build(fsync):
        log = Log(root, fsync=fsync).certify(leaf)
        for i in range(12):
            log.append(signer=leaf, sign=True)
        log.revoke(leaf, log.ts + 500).sign()
        log.checkpoint(cosigners=[other]).run(3).export().run(4).sign()
        log.checkpoint()
        return [log, Log(root, stream="egress").run(5, 1)]
    chain, cert, revoked = "w@1/ingress/", f"~keys/{leaf.id[3:]}.cert.json", f"~keys/{leaf.id[3:]}.revoked.json"
    # place: (kind; None: a note is enough), and where not being there is no finding of that kind
    places = {chain + "wal-000001.seg": "frame", chain + "wal-000003.seg": "frame", chain + "wal-000001.sig": "frame",
              chain + "wal-000003.sig": "frame", chain + "checkpoint-000001.json": "canon",
              chain + "checkpoint-000003.json": "canon", chain + "checkpoint-000001.cosig": "frame",
              chain + "manifest-000001.json": "canon", chain + "manifest-000001.sig": "frame", cert: "cert_invalid",
              revoked: "cert_invalid", "~keys": "cert_invalid", "w@1/ingress": "segment_missing"}

    def run(place, change, fsync="always"):
        with tempfile.TemporaryDirectory() as top:
            directory = os.path.join(top, "log")
            for log in build(fsync):
                log.write(directory)
            for path, _, _ in os.walk(top):
                os.chmod(path, 0o777)
            before = os.geteuid()
            change(os.path.join(directory, place))
            try:
                if before == 0:
                    os.seteuid(65534)  # root reads everything
                signal.alarm(30)
                out = io.StringIO()
                with redirect_stdout(out), redirect_stderr(out):
                    code = v.main(["log", directory, "--trust", trust_file, "--json"])
                return code, json.loads(out.getvalue()) if out.getvalue().startswith("{") else out.getvalue()
            except Exception as why:
                return None, repr(why)
            finally:
                signal.alarm(0)
                os.seteuid(before)
                if os.path.lexists(os.path.join(directory, place)) and not os.path.islink(os.path.join(directory, place)):
                    os.chmod(os.path.join(directory, place), 0o777)

    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o755)
        trust_file = os.path.join(top, "trust.json")
        with open(trust_file, "wb") as f:
            f.write(v.canonical(trust))
        code, report = run("", lambda p: None)
        case(g, "as it is", code == 0 and not any(s["findings"] for s in report["streams"] if s["stream"] == "egress"), f"{report}"[:600])
        for place, kind in places.items():
            for name, change in HOSTILE.items():
                if name == "device" and os.geteuid() != 0 or name == "unreadable" and os.name != "posix":
                    continue
                for fsync in ("always", "on_checkpoint") if name.endswith("GiB") else ("always",):
                    code, report = run(place, change, fsync)
                    ok = isinstance(report, dict)
                    found = {s["stream"]: [f["kind"] for f in s["findings"]] for s in report["streams"]} if ok else {}
                    judged = ok and all(s["signed"] == 6 for s in report["streams"] if s["stream"] == "egress") and found["egress"] == []
                    here = found.get("ingress", [])
                    if name in GONE.get(place, GONE[None]):  # as if it were not there
                        fine = code in (0, 2, 3)
                    else:
                        fine = kind in here and code == (3 if kind == "segment_missing" else 2)
                    case(g, f"{place}: {name}, {fsync}", judged and fine, f"{code} {here} {report}"[:700])
        # names that are not ours: a note, nothing else
        for place in ("", "w@1/", chain):
            for name in ("\udcff", "a\nb", "\x1b[2J", "%2e", "%41", "x" * 255, "lost+found", "~x", "wal-000000.seg", "wal-1.seg",
                         "wal-\u0660\u0660\u0660\u0660\u0660\u0661.seg", "wal-0000001.seg", "WAL-000001.SEG", ".DS_Store",
                         "wal-000001.seg.tmp", "wal-000001.torn-1", *(["wal-000001.seg"] if not place else [])):
                code, report = run("", lambda top: open(os.path.join(top, place + name), "wb").close())
                case(g, f"name {place}{name!r}", code == 0 and report["notes"], f"{code} {report}"[:700])
            code, report = run("", lambda top: os.mkfifo(os.path.join(top, place + "\udcff")))
            case(g, f"a pipe named so in {place!r}", code == 0, f"{code} {report}"[:700])
        code, report = run("", lambda top: os.chmod(top, 0))
        case(g, "the folder itself unreadable", code == 1 and "cannot read" in report, f"{code} {report}"[:300])
        # a writer's folder
        for name, expected in (("pipe", 3), ("link out", 3), ("unreadable", 3), ("socket", 3), ("empty", 0), ("folder", 0)):
            def change(top):
                shutil.copytree(os.path.join(top, "w@1"), os.path.join(top, "w@2"))
                HOSTILE[name](os.path.join(top, "w@2"))
            code, report = run("", change)
            case(g, f"folder of a writer: {name}", code == expected and report["records"] == 28, f"{code} {report}"[:700])
            if os.path.lexists(path := os.path.join(top, "outside")):
                take(path)
        # files the user names
        for name in ("pipe", "folder", "socket", "3 GiB", "dangling link", "link to itself", "empty"):
            for args in (("receipt", "X", "--trust", trust_file), ("log", "L", "--trust", "X"), ("log", "L", "--trust", trust_file, "--expect-head", "X")):
                path = os.path.join(top, "named")
                os.makedirs(os.path.join(top, "log"), exist_ok=True)
                open(path, "wb").close()
                HOSTILE[name](path)
                signal.alarm(30)
                with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as err:
                    code = v.main([path if x == "X" else os.path.join(top, "log") if x == "L" else x for x in args])
                signal.alarm(0)
                case(g, f"{args}: {name}", code == 1 and err.getvalue().count("\n") == 1, f"{code} {err.getvalue()}")
                take(path)
        receipt = json.dumps(signatures["receipt"]).encode()
        for cut in range(0, len(receipt), 197):
            with open(path, "wb") as f:
                f.write(receipt[:cut])
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                case(g, f"receipt cut at {cut}", v.main(["receipt", path, "--trust", trust_file]) == 1)
        # a member of a signed document that is of another type
        for name in ("manifest-000001.json", "checkpoint-000001.json"):
            original = json.loads(build("always")[0].files[name])
            for member, inner in [(m, None) for m in original] + [("segments", m) for m in original.get("segments", [{}])[0]]:
                for junk in (True, "x", [{}]):
                    log, obj = build("always")[0], json.loads(json.dumps(original))
                    (obj["segments"][0] if inner else obj)[inner or member] = junk
                    log.files[name] = v.canonical(obj)
                    log.files["manifest-000001.sig"] = cbor_envelopes([root.envelope("strongroom/manifest/v1", v.b3(log.files["manifest-000001.json"]))])
                    try:
                        fine = verify(log, trust)["verdict"] == "invalid"
                    except Exception as why:
                        fine, junk = False, (junk, why)
                    case(g, f"{name} {member} {inner} {junk!r}", fine)


def main():
    if len(sys.argv) != 2 or not os.path.isdir(sys.argv[1]):
        print("usage: test_vectors.py VECTORS_DIR", file=sys.stderr)
        return 1
    data = {}
    for name in sorted(os.listdir(sys.argv[1])):
        if name.endswith(".json"):
            with open(os.path.join(sys.argv[1], name), encoding="utf-8") as f:
                data[name] = json.load(f)
    for name in ("canonical.json", "chain.json", "merkle.json", "records.json", "signatures.json", "unicode-16-unassigned.json", "wal.json"):
        COUNT[name] = 0
        if name not in data:
            FAILED.append(f"{name} is missing")
    for name in data:
        COUNT.setdefault(name, 0)  # a vector file this script does not know has no case, and fails
    if FAILED:
        print("\n".join(FAILED))
        return 1
    chain = data["chain.json"]["records"]
    check_canonical(data["canonical.json"], "canonical.json")
    check_records(data["records.json"], "records.json")
    check_chain(data["chain.json"], "chain.json")
    check_merkle(data["merkle.json"], "merkle.json", [h(r["self_hash"]) for r in chain])
    check_signatures(data["signatures.json"], "signatures.json", chain)
    check_unicode(data["unicode-16-unassigned.json"], "unicode-16-unassigned.json")
    check_wal(data["wal.json"], "wal.json", data["signatures.json"]["trust"])
    check_bytes("bytes, names, command line")
    check_logs("logs built here", data["signatures.json"])
    check_hostile("hostile files", data["signatures.json"])
    for name, count in COUNT.items():
        bad = sum(f.startswith(name + ": ") for f in FAILED)
        print(f"{name}: {count} cases, {bad} failed")
        if not count:
            FAILED.append(f"{name}: no case")
    print("\n".join(FAILED))
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
