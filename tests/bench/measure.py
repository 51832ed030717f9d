# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is counted and how: runs in turn, medians and quartiles of their ratios, instructions, system calls."""
import dataclasses
import os
import pathlib
import re
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build/release"
HELPER = pathlib.Path(os.environ.get("NM_TRIAL_HELPER", BUILD / "nm-trial")).resolve()
BARE = pathlib.Path(os.environ.get("NM_TRIAL_BARE", BUILD / "tests/bench/bare")).resolve()
# A word more in the environment is an instruction more.
PATH = {"PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"}
REFS = re.compile(r"I\s+refs:\s+([\d,]+)")
CALL = re.compile(r"^(\d+) +(?:[\d.]+ )?(\w+)\((.*)$")
WAITING = ("poll", "ppoll", "futex", "nanosleep", "clock_nanosleep", "restart_syscall", "sched_yield", "flock",
           "rt_sigreturn")
SYNCS = ("fsync", "fdatasync", "sync_file_range", "syncfs", "sync")


class BenchError(Exception):
    pass


@dataclasses.dataclass
class Row:
    """One line of the table: what nm-trial takes, and a peer in the same run. Values that were had in the same round
    stand at the same place of both lists. No peer: a figure that stands for itself, `goal` is its limit."""
    what: str
    unit: str
    ours: list
    against: str = ""
    theirs: list = dataclasses.field(default_factory=list)
    goal: float | None = None
    least: float = 0  # what is less counts as so much in a ratio: nothing happened, but might have right after

    def ratios(self):
        return [max(own, self.least) / max(other, self.least) for own, other in zip(self.ours, self.theirs, strict=True)]

    def judged(self):
        """What is held against the goal: the ratio, or without a peer the worst."""
        return statistics.median(self.ratios()) if self.theirs else max(self.ours)

    def met(self):
        return self.goal is None or self.judged() <= self.goal


def quartiles(values):
    return statistics.quantiles(values, n=4, method="inclusive")[::2] if len(values) > 1 else [values[0]] * 2


def in_turn(rounds, **ways):
    """Each way once a round, every other round the other way about, so that what comes first is nobody's lot. Returns
    {way: values in the order of the rounds}."""
    taken = {way: [] for way in ways}
    for number in range(rounds):
        for way in (list(ways) if number % 2 == 0 else reversed(list(ways))):
            taken[way].append(ways[way]())
    return taken


def run(command, env=None, status=0):
    done = subprocess.run([str(word) for word in command], check=False, capture_output=True, text=True, env=env,
                          stdin=subprocess.DEVNULL, timeout=600)
    if status is not None and done.returncode != status:
        raise BenchError(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def instructions(command, inside=(), env=None, status=0):
    """Callgrind's count for one process (one that it becomes by exec is not counted). `inside`: words that run it
    elsewhere."""
    done = run([*inside, "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command],
               env=None if inside else {**PATH, **(env or {})}, status=status)
    found = REFS.search(done.stderr)
    if not found:
        raise BenchError(f"valgrind has counted nothing:\n{done.stderr}")
    return int(found[1].replace(",", ""))


def timed(times, command, inside=(), env=None):
    """Runs a command so many times, one after the other. Returns a list of (begin, end, status, CPU), in us of
    CLOCK_MONOTONIC."""
    done = run([*inside, BARE, "time", times, *command], env=None if inside else {**PATH, **(env or {})})
    return [tuple(map(int, line.split())) for line in done.stdout.splitlines()]


@dataclasses.dataclass
class Trace:
    """strace -f -y, as it was written."""
    lines: list

    @classmethod
    def read(cls, path):
        return cls(pathlib.Path(path).read_text(encoding="utf-8", errors="replace").splitlines())

    def calls(self):
        """(name, arguments and result) of each system call that was begun."""
        for line in self.lines:
            found = CALL.match(line)
            if found:
                yield found[2], found[3]

    def count(self, *names):
        """All of these; without names: all but those of waiting, of which a loaded machine has more or less."""
        return sum(name in names if names else name not in WAITING and "eventfd" not in rest and "socket:" not in rest
                   for name, rest in self.calls())

    def syncs(self):
        """The paths that were synced. /run is memory: nothing happens there."""
        paths = [re.match(r"(?:\d+<)?([^>]*)", rest)[1] for name, rest in self.calls() if name in SYNCS]
        return [path for path in paths if not path.startswith("/run/")]

    def written(self):
        """(path, bytes) of each write to a file of the disk."""
        for name, rest in self.calls():
            found = re.match(r"\d+<(/[^>]*)>.* = (\d+)$", rest)
            if name in ("write", "pwrite64", "writev") and found and re.match("/(etc|var)/", found[1]):
                yield found[1], int(found[2])


STRACE = ("strace", "-f", "-y", "-qq", "-s", "0", "-o")


def say(words):
    print(words, file=sys.stderr, flush=True)
