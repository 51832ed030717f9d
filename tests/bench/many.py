# SPDX-License-Identifier: LGPL-2.1-or-later
"""The same trial on a device with 10, 100, 1000 and 5000 stored profiles, counted: system calls (of the agent, too) and
D-Bus calls."""
from measure import Row
from scene import MANUAL, PROFILES, device
from trials import KINDS, Trials

SIZES = (10, 100, 1000, 5000)


class Many(Trials):
    def __init__(self, size):
        device.PATIENCE = 10  # NetworkManager reads 5000 profiles
        super().__init__(f"many-{size}")
        self.size = size

    def prepare(self):
        for number in range(self.size - 2):  # beside "lan" and "good"
            name = f"other-{number}"
            path = self.device.disk / PROFILES / f"{name}.nmconnection"
            path.write_text(self.device.profile_text(name, device="eth7"), encoding="ascii")
            path.chmod(0o600)

    def agent(self):
        """The agent's system calls in a trial that is cancelled, and how often it has looked: it sets its timer anew."""
        self.reset()
        with self.traced_agent() as agent:
            self.run("nm-trial", "start", "good", *MANUAL)
            self.device.wait_active("good")
            self.quiet()
            self.run("nm-trial", "cancel")
            self.wait_closed()
        return agent[0].count(), agent[0].count("timerfd_settime")


def measured(size):
    with Many(size) as scene:
        found = {moment: ways["nm-trial"] for moment, ways in scene.counts().items()}
        # how many of NetworkManager's signals make one look is chance
        calls, looks = map(sum, zip(*(scene.agent() for _ in range(5)), strict=True))
        found["agent"] = (calls / looks,)
        return found


def rows(rounds):
    base = measured(SIZES[0])
    for size in SIZES[1:]:
        for moment, values in measured(size).items():
            kinds = KINDS if moment != "agent" else ("system calls a look",)
            for kind, own, ten in zip(kinds, values, base[moment], strict=True):
                # `start` reads the files, to know who would come up in the candidate's place; it asks nobody
                judged = size == SIZES[-1] and kind != "fsyncs" and (moment != "start" or kind == "D-Bus calls")
                yield Row(f"{moment}, {size} profiles: {kind}", "", [own], "10 profiles", [ten], 1.1 if judged else None)
