# SPDX-License-Identifier: LGPL-2.1-or-later
"""A thousand events of the dispatcher while a trial is open: what they cost, and what queues up."""
import os
import threading
import time

from measure import BARE, Row
from scene import MANUAL, Scene, cpu_ms, uuid_of

EVENTS = 1000
SCRIPT = "/etc/NetworkManager/dispatcher.d/no-wait.d/90-nm-trial"
EMPTY = "/var/lib/bare/empty"


def burst(scene, script):
    """CPU in ms of a thousand events, one after the other, and of the agent meanwhile."""
    agent, = scene.helpers()
    before = cpu_ms(agent)
    done = scene.run("env", f"CONNECTION_UUID={uuid_of('good')}", f"CONNECTION_FILENAME={scene.path('good')}",
                     BARE, "time", EVENTS, script, "eth0", "up")
    scene.quiet()
    return sum(int(line.split()[3]) for line in done.splitlines()) / 1000, cpu_ms(agent) - before


class Waiting(threading.Thread):
    """How many words for the agent lie there at once, looked at without a pause."""

    def __init__(self, scene):
        super().__init__(daemon=True)
        self.directory = f"/proc/{scene.device.init_pid()}/root/run/nm-trial/events"
        self.most, self.over = 0, False

    def run(self):
        while not self.over:
            self.most = max(self.most, sum(not name.startswith(".") and len(name) == 36
                                           for name in os.listdir(self.directory)))
            time.sleep(0.0005)


def rows(rounds):
    with Scene("burst") as scene:
        scene.run("sh", "-c", f"printf '#!/bin/sh\\n' >{EMPTY}; chmod 755 {EMPTY}")
        scene.reset()
        scene.run("nm-trial", "annotate", "good", "replaces=lan")
        scene.run("nm-trial", "start", "good", *MANUAL)
        scene.device.wait_active("good")
        scene.quiet()
        waiting = Waiting(scene)
        waiting.start()
        own, agent = burst(scene, SCRIPT)
        waiting.over = True
        waiting.join()
        empty, _ = burst(scene, EMPTY)
        yield Row(f"{EVENTS} events in a trial: CPU of the scripts", "ms", [own], "empty scripts", [empty])
        yield Row(f"{EVENTS} events in a trial: CPU of the agent", "ms", [agent])
        yield Row(f"{EVENTS} events in a trial: hand-overs queued at once", "", [waiting.most], goal=1)
