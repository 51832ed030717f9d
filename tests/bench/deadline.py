# SPDX-License-Identifier: LGPL-2.1-or-later
"""The network is lost in a trial: how late is the durable verdict, after the deadline? The worst of fifty."""
import re
import time

from measure import Row
from scene import RECORD, Scene, record_state, wait_for

TIMES, LIMIT_MS = 50, 500


def late(scene):
    """Milliseconds from the deadline until the disk says that it goes back."""
    scene.reset()
    scene.run("nm-trial", "start", "good", "--timeout", "3s", "--hold", "2s", "--check", "gateway")
    scene.device.break_network("gateway")
    deadline = int(re.search(rb"^deadline-ms=(\d+)", scene.device.read(RECORD), re.M)[1])
    wait_for("a verdict", lambda: record_state(scene.device) != "trying", pause=0.001)
    now = time.clock_gettime(time.CLOCK_BOOTTIME) * 1000
    if record_state(scene.device) == "promoting":
        raise RuntimeError("promoted, without a network")
    scene.device.heal("gateway")
    scene.wait_closed()
    return now - deadline


def rows(rounds):
    with Scene("deadline") as scene:
        taken = [late(scene) for _ in range(TIMES)]
    yield Row(f"network lost: verdict after the deadline, worst of {TIMES}", "ms", taken, goal=LIMIT_MS)
