# SPDX-License-Identifier: LGPL-2.1-or-later
"""nm-trial with one mistake at a time, for the programs that show that a campaign can fail."""
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "build/mutants"


def found_once(name, path, old):
    text = path.read_text()
    if text.count(old) != 1:
        sys.exit(f"{name}: {path} has the text {text.count(old)} times: the mutant must follow the source")
    return text


def build(name, *changes, target="nm-trial"):
    """Builds the target with these changes, (file, old text, new text) each; returns the program."""
    source, binary = WORK / name / "source", WORK / name / "build"
    shutil.rmtree(WORK / name, ignore_errors=True)
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns("build", ".git"))
    for file, old, new in changes:
        (source / file).write_text(found_once(name, source / file, old).replace(old, new))
    testing = f"-DBUILD_TESTING={'OFF' if target == 'nm-trial' else 'ON'}"
    for command in (["cmake", "-G", "Ninja", "-S", source, "-B", binary, testing, "-DCMAKE_BUILD_TYPE=Debug", "-Wno-dev"],
                    ["cmake", "--build", binary, "--target", target]):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return next(path for path in (binary / target, binary / "tests/crash" / target) if path.exists())


def run(mutants, listed, judge, changes=lambda row: ()):
    """The main program: `listed` says in words what a row is, `judge(name, row)` runs it and returns (red, words).
    The list fails where one of a row's `changes` (file, old text, new text) cannot be made any more."""
    if sys.argv[1:] == ["--list"]:
        for name, row in mutants.items():
            for file, old, _ in changes(row):
                found_once(name, ROOT / file, old)
        print("\n".join(f"{name}: {listed(row)}" for name, row in mutants.items()))
        return 0
    alive = []
    for name in sys.argv[1:] or mutants:
        red, words = judge(name, mutants[name])
        print(f"{name}: {words}{'' if red else ' - SURVIVED'}", flush=True)
        if not red:
            alive.append(name)
    print(f"{len(alive)} survived: {' '.join(alive)}" if alive else "every mutant was found")
    return 1 if alive else 0
