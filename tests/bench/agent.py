# SPDX-License-Identifier: LGPL-2.1-or-later
"""A minute of the agent in a trial that waits for its confirm, beside `nmcli monitor` in the same minute: how often it
wakes up, its CPU time, its memory."""
import time

from measure import Row
from scene import Scene, background, cpu_ms, peak_kib, wait_for, wakeups

SECONDS = 60
MEMORY_GOAL = 12 << 10


def minute(scene, check):
    """{process: (wakeups, CPU in ms, peak memory in KiB)}"""
    scene.reset()
    monitor = background(scene.device, "nmcli", "monitor")
    scene.run("nm-trial", "start", "good", "--confirm", "manual", "--timeout", "10m", *check)
    scene.device.wait_active("good")
    scene.quiet()
    pids = {"nm-trial": scene.helpers()[0], "nmcli monitor": wait_for("nmcli", lambda: scene.helpers("nmcli"))[0]}
    before = {name: (wakeups(pid), cpu_ms(pid)) for name, pid in pids.items()}
    time.sleep(SECONDS)
    found = {name: (wakeups(pid) - before[name][0], cpu_ms(pid) - before[name][1], peak_kib(pid))
             for name, pid in pids.items()}
    scene.kill_process(pids["nmcli monitor"])
    monitor.communicate()
    scene.run("nm-trial", "cancel")
    scene.wait_closed()
    return found


def rows(rounds):
    with Scene("agent") as scene:
        for name, check in (("no check", ("--check", "none")), ("check nm", ())):
            found = minute(scene, check)
            for place, (kind, unit, goal) in enumerate((("wakeups", "", 2), ("CPU", "ms", 2), ("peak memory", "KiB", 1))):
                own, other = (found[process][place] for process in ("nm-trial", "nmcli monitor"))
                # what does not happen at all in a minute is one that may happen right after
                floor = 0.01 if kind == "CPU" else 1
                yield Row(f"agent in a trial, a minute, {name}: {kind}", unit, [max(own, floor)], "nmcli monitor",
                          [max(other, floor)], goal)
                if kind == "peak memory":
                    yield Row(f"agent in a trial, {name}: {kind}", unit, [own], goal=MEMORY_GOAL)
