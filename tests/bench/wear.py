# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a trial writes and syncs on the device's disk, from `start` to the end, by all its processes; and why."""
import collections
import re

from measure import Row
from scene import MANUAL, Scene

REASONS = (
    (r"/var/lib/nm-trial/\.nm-trial-new\.trial", "the record: opened, activation asked for, candidate seen up, verdict"),
    (r"/var/lib/nm-trial/\.nm-trial-new\.history", "the verdict, for who asks later"),
    (r"/var/lib/nm-trial", "the renames of record and history; the record's removal; what a killed one left unsynced"),
    (r".*/system-connections/\.nm-trial-new\.good\.nmconnection", "the candidate: its mark and its flags"),
    (r".*/system-connections/\.nm-trial-new\.lan\.nmconnection", "the replaced profile: off, once all is promoted"),
    (r".*/system-connections", "the renames of profiles; what a killed one left unsynced"),
)


def reason(path):
    found = [why for pattern, why in REASONS if re.fullmatch(pattern, path)]
    return found[0] if found else None


def trial(scene, verb):
    """One trial that `verb` ends; returns {path: [fsyncs, bytes]}."""
    found = collections.defaultdict(lambda: [0, 0])
    scene.reset()
    with scene.traced_agent() as agent:
        traces = [scene.traced("start.strace", "nm-trial", "start", "good", *MANUAL)]
        scene.device.wait_active("good")
        scene.quiet()
        traces.append(scene.traced("end.strace", "nm-trial", verb))
        scene.wait_closed()
    for trace in traces + agent:
        for path in trace.syncs():
            found[path][0] += 1
        for path, length in trace.written():
            found[path][1] += length
    return found


def trials():
    with Scene("wear") as scene:
        return {verb: trial(scene, verb) for verb in ("confirm", "cancel")}


def sums(found):
    return sum(syncs for syncs, _ in found.values()), sum(length for _, length in found.values())


def without_reason(found):
    return sum(reason(path) is None for path in found)


def counts():
    result = {}
    for verb, found in trials().items():
        result[f"a trial with {verb}: fsyncs"], result[f"a trial with {verb}: bytes"] = sums(found)
        result[f"a trial with {verb}: files without a reason"] = without_reason(found)
    return result


def rows(rounds):
    for verb, found in trials().items():
        syncs, length = sums(found)
        yield Row(f"a trial, start to {verb}: fsyncs", "", [syncs])
        yield Row(f"a trial, start to {verb}: written", "bytes", [length])
        yield Row(f"a trial, start to {verb}: files without a reason", "", [without_reason(found)], goal=0)
        print(f"\n| start to {verb} | fsyncs | bytes | why |\n|---|---|---|---|")
        for path, (syncs, length) in sorted(found.items()):
            print(f"| `{path}` | {syncs} | {length} | {reason(path) or '**no reason**'} |")
        print()
