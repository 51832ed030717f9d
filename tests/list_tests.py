#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints the test classes of the given files as module.Class, without importing anything."""
import ast
import pathlib
import sys


def classes(tree):
    """Those with a test method, of their own or of a base in the same file; one without bases is a mixin."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            own = any(isinstance(item, ast.FunctionDef) and item.name.startswith("test") for item in node.body)
            bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
            found[node.name] = own or any(found.get(base) for base in bases)
            if found[node.name] and node.bases:
                yield node.name


def main():
    for name in sys.argv[1:]:
        path = pathlib.Path(name)
        listed = list(classes(ast.parse(path.read_text(encoding="utf-8"), name)))
        if not listed:
            sys.exit(f"{name}: no test class in it")
        for cls in listed:
            print(f"{path.stem}.{cls}")


if __name__ == "__main__":
    main()
