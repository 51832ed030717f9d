# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which points a scenario has, of what it did when nothing failed."""
import collections
import re

import calls_bus

# What outlives its process: a kill on either side of it finds another world. (Locks, watches, timers and connections
# end with the process.)
EFFECTS = ("openat+create", "write", "pwrite64", "ftruncate", "fsync", "fdatasync", "fchmod", "fchmodat", "rename",
           "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "chmod")
ERRORS = ("EIO", "ENOSPC", "EINTR")
KINDS = ("kill", "fail", "bus")
DIES = ("bus-caller-dies", "bus-caller-dies-answered")


class Point(collections.namedtuple("Point", "fault n cut")):
    """`cut`: the power is cut behind it, else the agent goes on."""

    def __str__(self):
        return f"{self.fault}:{self.n}:{'cut' if self.cut else 'stay'}"

    @classmethod
    def parse(cls, text):
        fault, n, after = text.split(":")
        return cls(fault, int(n), after == "cut")

    @property
    def kind(self):
        return "bus" if self.fault.startswith("bus-") else "kill" if self.fault.startswith("kill") else "fail"


def alike(line):
    """The call without what differs from one to the next that is the same."""
    return re.sub(r"\d+", "N", line.partition(" ")[2])


def _is_effect(line):
    call, path = line.split()[1:3]
    return call in EFFECTS and path.startswith("/") and not path.startswith("/proc/")


def _numbers(calls):
    """The numbers of calls that are alike, by what they are."""
    seen = collections.defaultdict(list)
    for n, line in enumerate(calls, 1):
        seen[alike(line)].append(n)
    return seen


def _some(same):
    """The first, the last and one in the middle."""
    return sorted({same[0], same[len(same) // 2], same[-1]})


def _kills(calls):
    """Before each call that has an effect and after it (in /run, which a power cut drops: of those that are alike some);
    in the reading in between, once before the first call and then before every tenth: the world is the same there but
    for NetworkManager's own doings."""
    quiet, some = 0, {n for same in _numbers(calls).values() for n in _some(same)}
    for n, line in enumerate(calls, 1):
        effect = _is_effect(line) and (n in some or not line.split()[2].startswith("/run/"))
        quiet = 0 if effect else quiet + 1
        if effect or quiet % 10 == 1:
            yield "kill-before", n
        if effect:
            yield "kill-after", n


def _failures(calls):
    for same in _numbers(calls).values():
        for n in _some(same):
            call, path = calls[n - 1].split()[1:3]
            yield from ((error, n) for error in ERRORS)
            if call in ("write", "pwrite64") and path.startswith("/"):
                yield "short", n


def points_of(calls, *, bus, boot):
    """All points, of the lines that a run without a fault gave. Where something died, both with a power cut and
    without; else the one or the other. Files alone (boot) know no difference: a boot follows anyway."""
    found = []
    if bus:
        found = [(f"bus-{fault}", n) for same in _numbers(calls).values() for n in _some(same) for fault in calls_bus.FAULTS]
    else:
        found = [*_kills(calls), *_failures(calls)]
    for fault, n in found:
        both = not boot and (fault.startswith("kill") or fault in DIES)
        for cut in (True, False) if both else (not boot and n % 2 == 0,):
            yield Point(fault, n, cut)


def sample(points, random, number):
    """So many of each kind, and of each kind's faults as evenly as can be."""
    chosen = []
    for kind in KINDS:
        faults = collections.defaultdict(list)
        for point in points:
            if point.kind == kind:
                faults[point.fault].append(point)
        order = [random.sample(same, len(same)) for same in faults.values()]
        random.shuffle(order)
        for i in range(number):
            left = [same for same in order if same]
            if left:
                chosen.append(left[i % len(left)].pop())
    return chosen
