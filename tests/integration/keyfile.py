# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests need to know of a profile's file: its flags, and all the rest of it."""
import re

FLAGS = re.compile(rb"\s*(autoconnect|autoconnect-priority|nm-trial\.[\w.-]+)\s*=")


def parse(text):
    """Sections of a keyfile: {"connection": {"id": ...}, ...}. The last of several equal keys counts."""
    sections, section = {}, {}
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            section = sections.setdefault(line[1:-1], {})
        elif "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section[key.strip()] = value.strip()
    return sections


def autoconnect(sections):
    """As NetworkManager reads it: what it cannot interpret ("no", "FALSE") is the default, on."""
    return sections.get("connection", {}).get("autoconnect", "true") not in ("false", "0")


def priority(sections):
    return int(sections.get("connection", {}).get("autoconnect-priority", "0"))


def annotation(sections, name="state"):
    return sections.get("user", {}).get(f"nm-trial.{name}")


def without_flags(data):
    """The file's bytes without what nm-trial may change: the lines of flags and annotations, and the end of the file
    from a [user] header on that has nothing else in it."""
    lines = [line for line in data.split(b"\n") if not FLAGS.match(line)]
    while lines and lines[-1].strip() in (b"", b"[user]"):
        lines.pop()
    return b"\n".join(lines)
