# SPDX-License-Identifier: LGPL-2.1-or-later
"""README's own text, for tests that do what it shows."""
import pathlib
import re

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


def example(text):
    """The code that README shows below the first paragraph that ends with a line which has `text` in it."""
    found = re.search(rf"{re.escape(text)}[^\n]*\n\n((?:(?:    .*)?\n)+)", README.read_text(encoding="utf-8"))
    assert found, f"README has no example below {text!r}"
    return re.sub("^    ", "", found[1].rstrip("\n") + "\n", flags=re.M)
