# SPDX-License-Identifier: LGPL-2.1-or-later
"""A minute of the agent in a trial that waits for its confirm, beside `nmcli monitor` in the same minute: how often it
wakes up, its CPU time, its memory."""
import time

from measure import Row
from scene import Scene, background, peak_kib, threads, wait_for

SECONDS = 60
MEMORY_GOAL = 12 << 10
ROUND = "CheckConnectivity"


def minute(scene, check):
    """{process: (wakeups, CPU in ms, peak memory in KiB)}"""
    scene.reset()
    monitor = background(scene.device, "nmcli", "monitor")
    scene.run("nm-trial", "start", "good", "--confirm", "manual", "--timeout", "10m", *check)
    scene.device.wait_active("good")
    scene.quiet()
    pids = {"nm-trial": scene.helpers()[0], "nmcli monitor": wait_for("nmcli", lambda: scene.helpers("nmcli"))[0]}
    began = {name: threads(pid) for name, pid in pids.items()}
    seen = {name: dict(of) for name, of in began.items()}
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:  # a thread that ends takes its counts with it
        time.sleep(0.5)
        for name, pid in pids.items():
            seen[name].update(threads(pid))
    found = {name: (*(sum(last[kind] - began[name].get(thread, (0, 0))[kind] for thread, last in seen[name].items())
                      for kind in (0, 1)), peak_kib(pid)) for name, pid in pids.items()}
    scene.kill_process(pids["nmcli monitor"])
    monitor.communicate()
    scene.run("nm-trial", "cancel")
    scene.wait_closed()
    return found


def calls_in_a_round(scene):
    """What the agent asks NetworkManager from one round of check nm to the next, once the candidate passes."""
    scene.reset()
    scene.run("nm-trial", "start", "good", "--confirm", "manual", "--timeout", "10m")
    wait_for("a check that passes", lambda: scene.said("check nm passes"), 20)
    with scene.calls() as calls:
        # the first round may be followed by what the activation has stirred up
        wait_for("three rounds", lambda: (scene.device.dir / "bus").read_text().count(ROUND) >= 3, 30)
    rounds = [at for at, (_, method) in enumerate(calls) if method == ROUND]
    return rounds[2] - rounds[1]


def counts():
    with Scene("agent") as scene:
        return {"agent, a round of check nm: D-Bus calls": calls_in_a_round(scene)}


def rows(rounds):
    with Scene("agent") as scene:
        yield Row("agent in a trial, a round of check nm: D-Bus calls", "", [calls_in_a_round(scene)])
        scene.run("nm-trial", "cancel")
        scene.wait_closed()
        for name, check in (("no check", ("--check", "none")), ("check nm", ())):
            found = minute(scene, check)
            kinds = (("wakeups", "", 2, 1), ("CPU", "ms", 2, 0.1), ("peak memory", "KiB", 1, 0))
            for place, (kind, unit, goal, least) in enumerate(kinds):
                own, other = (found[process][place] for process in ("nm-trial", "nmcli monitor"))
                yield Row(f"agent in a trial, a minute, {name}: {kind}", unit, [own], "nmcli monitor", [other], goal, least)
                if kind == "peak memory":
                    yield Row(f"agent in a trial, {name}: {kind}", unit, [own], goal=MEMORY_GOAL)
