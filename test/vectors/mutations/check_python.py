"""Runs the stranger's verifier over cases.json in one process; prints one JSON report a line.

usage: check_python.py VERIFIER_DIR CASES_JSON
"""
import base64
import contextlib
import io
import json
import os
import sys
import tempfile

sys.path.insert(0, sys.argv[1])
import strongroom_verify  # noqa: E402


def run(corpus, case, top):
    root = os.path.join(top, "log")
    os.makedirs(root)
    for path, digest in case["files"].items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as file:
            file.write(base64.b64decode(corpus["blobs"][digest]))
    argv = ["log", root, "--json"]
    if case["trust"] is not None:
        with open(os.path.join(top, "trust.json"), "wb") as file:
            file.write(base64.b64decode(corpus["blobs"][case["trust"]]))
        argv += ["--trust", os.path.join(top, "trust.json")]
    options = case["options"]
    if options.get("integrity"):
        argv.append("--integrity")
    if "require" in options:
        argv += ["--require", options["require"]]
    if "expectHead" in options:
        with open(os.path.join(top, "heads"), "w") as file:
            file.writelines(json.dumps(line) + "\n" for line in options["expectHead"])
        argv += ["--expect-head", os.path.join(top, "heads")]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = strongroom_verify.main(argv)
    return code, out.getvalue(), err.getvalue()


def main():
    with open(sys.argv[2]) as file:
        corpus = json.load(file)
    for case in corpus["cases"]:
        with tempfile.TemporaryDirectory() as top:
            code, out, err = run(corpus, case, top)
        report = json.loads(out) if out else {"verdict": f"exit {code}: {err.strip()}", "streams": []}
        print(json.dumps({"exit": code, "report": report}))


main()
