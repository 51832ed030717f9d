# SPDX-License-Identifier: LGPL-2.1-or-later
"""What happens in a cycle of tests/crash/soak, all of it drawn from the seed and the cycle's number."""
import collections
import random

# Which operations there are, and how often: soak_life.py knows what they do.
OPERATIONS = {
    "start-auto": 3, "start-bad": 3, "start-confirm": 4, "start-cancel": 2, "start-expire": 2, "start-extend": 2,
    "edit-auto": 2, "edit-bad": 2, "edit-confirm": 3, "edit-cancel": 2, "edit-expire": 1, "edit-extend": 1,
    "guarded-nmcli": 2, "guarded-nmcli-bad": 2, "guarded-editor": 2, "guarded-editor-bad": 2,
    "annotated": 2, "annotated-bad": 2, "stage": 1, "annotate": 1, "guard": 1, "look": 1,
}
# Which faults: how often, and how many seconds each lasts
FAULTS = {
    "kill-helper": (4, 0, 0), "kill-nm": (3, 0, 0), "kill-dispatcher": (1, 0, 0), "hang-nm": (1, 1, 4),
    "carrier": (2, 0.2, 3), "full": (2, 0.5, 4), "read-only": (2, 0.5, 4), "clock": (2, 0, 0), "stop-helper": (2, 1, 5),
    "suspend": (2, 3, 5), "checkpoint": (2, 1, 3), "operator": (4, 0, 0), "power-cut": (6, 0, 0),
}
# What a second operator says; GOOD and NEW are the profiles of the cycle
WORDS = (("status", "--json"), ("history", "--json"), ("confirm",), ("cancel",), ("extend", "--timeout", "2s"),
         ("start", "NEW", "--confirm", "manual", "--check", "none", "--timeout", "2s"), ("guard", "GOOD"))
NUMBERS = (0.25, 0.45, 0.30)  # how often none, one, two faults
EARLY_S, SPAN_S = 0.3, 3.5
JUMPS_S = (-3 * 365 * 86400, -3600, -5, 5, 3600, 3 * 365 * 86400)  # back to a clock that was never set, and forth
HARMLESS_WORDS = ("status", "history")

Fault = collections.namedtuple("Fault", "kind at lasts what")


class Plan(collections.namedtuple("Plan", "operation faults again alone")):
    """`again`: so many seconds after the boot behind a power cut the next one comes; None: it does not. `alone`: that
    boot has no agent, and the next cut comes when it has been judged."""

    @property
    def cut(self):
        return any(fault.kind == "power-cut" for fault in self.faults)

    @property
    def harmless(self):
        """Nothing of it changes how the operation ends."""
        return all(fault.kind == "clock" or (fault.kind == "operator" and fault.what[0] in HARMLESS_WORDS)
                   for fault in self.faults)

    def __str__(self):
        told = [f"{fault.kind} at {fault.at:.2f} s" + (f" for {fault.lasts:.1f} s" if fault.lasts else "") +
                (f" ({fault.what})" if fault.what else "") for fault in self.faults]
        when = "after a boot without an agent" if self.alone else f"{self.again or 0:.1f} s after that boot"
        again = [f"power-cut {when}"] if self.cut and self.again is not None else []
        return f"{self.operation}: " + (", ".join([*told, *again]) or "no fault")


def _weighed(chance, table):
    return chance.choices(list(table), [row[0] if isinstance(row, tuple) else row for row in table.values()])[0]


def _fault(chance):
    kind = _weighed(chance, FAULTS)
    at = chance.uniform(0, EARLY_S) if chance.random() < 0.5 else chance.uniform(EARLY_S, SPAN_S)
    what = {"operator": chance.choice(WORDS), "clock": chance.choice(JUMPS_S),
            "kill-helper": chance.choice(("all", "one")), "checkpoint": chance.choice(("destroyed", "rolled back")),
            }.get(kind, "")
    return Fault(kind, at, chance.uniform(*FAULTS[kind][1:]), what)


def plan(seed, number):
    chance = random.Random(f"{seed}:{number}")
    operation = _weighed(chance, OPERATIONS)
    number_of = chance.choices(range(len(NUMBERS)), NUMBERS)[0]
    faults = {}
    while len(faults) < number_of:
        fault = _fault(chance)
        faults.setdefault(fault.kind, fault)
    again = chance.uniform(0, 1.5) if chance.random() < 0.5 else None
    return Plan(operation, tuple(sorted(faults.values(), key=lambda fault: fault.at)), again, chance.random() < 0.5)
