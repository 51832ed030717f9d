# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which points a scenario has, of what it did when nothing failed."""
import collections
import re

import calls_bus

# What leaves something behind: a kill on either side of it finds another world
EFFECTS = ("openat+create", "write", "pwrite64", "ftruncate", "fsync", "fdatasync", "fchmod", "fchmodat", "flock", "rename",
           "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "chmod", "inotify_add_watch", "connect",
           "clone", "clone3", "timerfd_settime")
ERRORS = ("EIO", "ENOSPC", "EINTR")
# Of the sample: how many of each kind, in a scenario with NetworkManager and in one of files alone
SAMPLE = {"kill": (4, 15), "fail": (4, 15), "bus": (4, 0)}
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


def _kills(calls):
    """Before each call that has an effect and after it; in the reading in between, once before the first call and then
    before every tenth: the world is the same there but for NetworkManager's own doings."""
    quiet = 0
    for n, line in enumerate(calls, 1):
        effect = line.split()[1] in EFFECTS
        quiet = 0 if effect else quiet + 1
        if effect or quiet % 10 == 1:
            yield "kill-before", n
        if effect:
            yield "kill-after", n


def _failures(calls):
    """Of calls that are alike the first and the last."""
    seen = collections.defaultdict(list)
    for n, line in enumerate(calls, 1):
        seen[alike(line)].append(n)
    for same in seen.values():
        for n in sorted({same[0], same[-1]}):
            call, path = calls[n - 1].split()[1:3]
            yield from ((error, n) for error in ERRORS)
            if call in ("write", "pwrite64") and path.startswith("/"):
                yield "short", n


def points_of(calls, *, bus, boot):
    """All points, of the lines that a run without a fault gave. Where something died, both with a power cut and
    without; else the one or the other. Files alone (boot) know no difference: a boot follows anyway."""
    found = []
    if bus:
        found = [(f"bus-{fault}", n) for n in range(1, len(calls) + 1) for fault in calls_bus.FAULTS]
    else:
        found = [*_kills(calls), *_failures(calls)]
    for fault, n in found:
        both = not boot and (fault.startswith("kill") or fault in DIES)
        for cut in (True, False) if both else (not boot and n % 2 == 0,):
            yield Point(fault, n, cut)


def sample(points, random, boot):
    """Some of each kind, and of each kind's faults as evenly as can be."""
    chosen = []
    for kind, numbers in SAMPLE.items():
        faults = collections.defaultdict(list)
        for point in points:
            if point.kind == kind:
                faults[point.fault].append(point)
        order = [random.sample(same, len(same)) for same in faults.values()]
        random.shuffle(order)
        for i in range(numbers[1] if boot else numbers[0]):
            left = [same for same in order if same]
            if left:
                chosen.append(left[i % len(left)].pop())
    return chosen
