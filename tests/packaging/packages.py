# SPDX-License-Identifier: LGPL-2.1-or-later
"""Packages to be tested: built by packaging/package from copies of this source tree."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
OUT = pathlib.Path(os.environ["NM_TRIAL_PACKAGES"])
VERSION = re.search(r"^project\(nm-trial VERSION (\S+)", (SOURCE / "CMakeLists.txt").read_text(), re.M)[1]
NEWER = "99.0"  # a version whose record is a newer one, and that reads the one of today, too
EPOCH = "1700000000"


def _replace(path, old, new):
    text = path.read_text()
    if text.count(old) != 1:
        raise AssertionError(f"{path} has {old!r} {text.count(old)} times, not once")
    path.write_text(text.replace(old, new))


def _make_newer(tree):
    _replace(tree / "CMakeLists.txt", f"project(nm-trial VERSION {VERSION} ", f"project(nm-trial VERSION {NEWER} ")
    record = tree / "helper/record.c"
    _replace(record, "envelope_seal(KIND, RECORD_VERSION,", "envelope_seal(KIND, RECORD_VERSION + 1,")
    _replace(record, "    if (!envelope_open(KIND, RECORD_VERSION, data, length, &body, &body_length, error))",
             "    if (!envelope_open(KIND, RECORD_VERSION + 1, data, length, &body, &body_length, NULL) &&\n"
             "        !envelope_open(KIND, RECORD_VERSION, data, length, &body, &body_length, error))")


def build(kind, directory, newer=False, umask=0o022, **environment):
    """Builds from a copy of the tree that is as old as this call, in a place of its own. Returns OUT/directory."""
    out = OUT / directory
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        tree = pathlib.Path(scratch) / "tree"
        shutil.copytree(SOURCE, tree, copy_function=shutil.copy, symlinks=True,
                        ignore=shutil.ignore_patterns("build", ".git", "__pycache__"))
        for path in tree.rglob("*"):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~umask)
        if newer:
            _make_newer(tree)
        with open(out / "log", "wb") as log:
            made = subprocess.run([tree / "packaging/package", kind, out], check=False, stdout=log, stderr=log, umask=umask,
                                  env={"PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": EPOCH, **environment})
    if made.returncode != 0:
        raise AssertionError(f"packaging/package {kind}: status {made.returncode}\n{(out / 'log').read_text()[-3000:]}")
    return out


def package(directory, pattern):
    """The one file of that name among what was built."""
    found = [path for path in (OUT / directory).glob(pattern) if "dbgsym" not in path.name]
    if len(found) != 1:
        raise AssertionError(f"{OUT / directory} has {found} as {pattern}: run test_build's class of this kind first")
    return found[0]
