#!/usr/bin/env python3
"""Self-check of strongroom_verify.py: python3 test_vectors.py VECTORS_DIR

Runs every vector file through the verifier's functions, then builds logs with the vectors' TEST keys
in a temporary directory, damages them in every way FORMATS names, and checks verdict and findings.
Prints counts, exits 1 on any mismatch or where a file gave no case.
"""
import base64
import io
import json
import os
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
            case(g, f"consistency {i['from']} to {n}", v.consistent(i["from"], tree.root(), n, roots[n], path))
            case(g, f"consistency {i['from']} to {n}, wrong", not v.consistent(i["from"], leaves[0], n, roots[n], path)
                 and not v.consistent(i["from"], tree.root(), n, roots[n], path + [leaves[0]]))
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
        self.files[name] = bytes(change(data) or data)
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
                     "manifest-000001.json": data["manifest"].encode(), "manifest-000001.sig": bytes.fromhex(data["manifest_sig_hex"])}
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
            case(g, f"{name} cut at {i}", verify(build().cut(name, i), trust)["verdict"] != "valid" or name == "manifest-000001.sig" and False)
