#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The far end of uml.py: does what comes in over a serial line, one JSON object a line, and answers likewise.

Each request has a number, which its answer repeats, and either `run` (a command, with `input` and a `limit` in seconds) or
`tree`, a directory or file of the machine's, answered as {path: [mode, content]}."""
import json
import os
import pathlib
import subprocess
import sys
import threading
import tty


def run(command, text, limit):
    try:
        done = subprocess.run(command, check=False, capture_output=True, timeout=limit, input=text.encode(),
                              env={**os.environ, "TERM": "dumb"})
    except subprocess.TimeoutExpired:
        return [124, "", f"no end within {limit} s"]
    except OSError as error:
        return [127, "", str(error)]
    return [done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")]


def tree(top):
    """Temporary files come and go meanwhile; those that are gone are left out."""
    found = {}
    for path in (pathlib.Path(top), *pathlib.Path(top).rglob("*")):
        try:
            if path.is_file() and not path.is_symlink():
                found[str(path.relative_to(top))] = [path.stat().st_mode, path.read_bytes().decode("latin-1")]
        except FileNotFoundError:
            continue
    return found


def main():
    line = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
    tty.setraw(line)
    lock = threading.Lock()

    def answer(request):
        result = tree(request["tree"]) if "tree" in request else run(request["run"], request["input"], request["limit"])
        data = json.dumps([request["number"], result]).encode() + b"\n"
        with lock:
            while data:
                data = data[os.write(line, data):]

    with open(line, "rb", buffering=0, closefd=False) as requests:
        pending = b""
        while True:
            pending += requests.read(4096)
            *whole, pending = pending.split(b"\n")
            for request in whole:
                threading.Thread(target=answer, args=(json.loads(request),), daemon=True).start()


if __name__ == "__main__":
    main()
