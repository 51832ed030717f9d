# SPDX-License-Identifier: LGPL-2.1-or-later
"""README's own text, for tests that do what it shows."""
import pathlib
import re

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"
BLOCK = re.compile(r"^(    .*\n(?:(?:    .*)?\n)*)", re.M)


def blocks():
    """(the paragraph or heading that stands before it, the code), for each piece of code in their order"""
    parts = BLOCK.split(README.read_text(encoding="utf-8"))
    for text, code in zip(parts[::2], parts[1::2]):
        before = text.rstrip("\n").split("\n\n")[-1]
        yield " ".join(before.split()), re.sub("^    ", "", code.rstrip("\n") + "\n", flags=re.M)


def example(text):
    """The code below the paragraph that has `text` in it; there is one."""
    found = [code for before, code in blocks() if text in before]
    assert len(found) == 1, f"README has {len(found)} pieces of code below {text!r}"
    return found[0]


def lines(code):
    """Its commands, without comments, one by one."""
    whole = re.sub(r"\\\n\s*", "", code)
    return [command for command in (re.sub(r"(^|\s+)# .*", "", line).strip() for line in whole.splitlines()) if command]
