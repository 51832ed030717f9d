# SPDX-License-Identifier: LGPL-2.1-or-later
"""The device of tests/crash/soak, which lives on from cycle to cycle, and what the promises say of it."""
import re
import time

from calls_lab import Bench, LATE_S, LabError, invariants, wait_for
from small import SmallDisk
from soak_faults import set_clock

CONF = "[trial]\ntimeout=3s\nhold=1s\nchecks=gateway\n"
HISTORY = invariants.STATE + "history"
SHADOWS = "/run/NetworkManager/system-connections"
OURS_ENDS_S = 45  # a checkpoint whose command was killed before its record ends by itself, after 30 s
THEIRS_ENDS_S = 5
SETTLED_S, WAITS_S, END_S = 25, 12, 40
LONGEST_S = 20  # no trial here is open longer, whatever its record says
ADDRESS = re.compile(r"^address1=([^,\n]+)", re.M)
DEADLINE = re.compile(rb"^deadline-ms=(\d+)", re.M)


class Life(Bench):
    def __init__(self, helper, clock, name):
        super().__init__(helper, None, name)
        self.clock, self.small, self.good, self.guarded = clock, None, "lan", set()
        self.told, self.began, self.mark = [], 0.0, 0

    # The device from its making to its end

    def make(self):
        super().make()
        self.small = SmallDisk(self.device)

    def born(self):
        """The device as it was made: a new life."""
        def prepare(device):
            set_clock(device, 0)
            (device.disk / "etc/ld.so.preload").write_text(f"{self.clock}\n")
            (device.disk / "etc/nm-trial/nm-trial.conf").write_text(CONF)
        self.device.heal("carrier") if self.device.running() else None
        self.fresh(prepare)
        self.good, self.guarded = "lan", set()
        self.clock_goes_by_ours()

    def clock_goes_by_ours(self):
        """A fault that does nothing would be passed by everything."""
        set_clock(self.device, 86400)
        ahead = int(self.device.run("date", "+%s").stdout) - time.time()
        set_clock(self.device, 0)
        if not 86390 < ahead < 86410:
            raise LabError(f"the device's wall clock cannot be set: {ahead:.0f} s ahead, not a day")

    def destroy(self):
        if self.small:
            self.small.off()
        super().destroy()

    # A cycle's story, for people

    def begins(self):
        self.told, self.began, self.mark = [], time.monotonic(), len(self.device.journal())

    def tell(self, text):
        self.told.append((time.monotonic(), text))

    def story(self):
        return [f"{at - self.began:6.2f} s {text}" for at, text in sorted(self.told)]

    # What there is

    def text(self, name):
        return self.device.profile_path(name).read_text()

    def trials(self):
        """How many trials the history tells of."""
        path = self.device.disk / HISTORY
        return path.read_bytes().count(b'"verdict"') if path.exists() else 0

    def left_s(self):
        """Seconds to the deadline in the record, None: there is none."""
        try:
            found = DEADLINE.search((self.device.disk / invariants.RECORD).read_bytes())
        except FileNotFoundError:
            return None
        return int(found[1]) / 1000 - time.clock_gettime(time.CLOCK_BOOTTIME) if found else None

    # How a cycle ends

    def verdict(self, healed):
        """Promise 3, as far as faults let it be: from when they were healed on."""
        while self.state() == "trying":
            left, now = self.left_s(), time.monotonic()
            until = min(max(healed, now + (left or 0)) + LATE_S, healed + LONGEST_S)
            if now > until and self.state() == "trying":
                return [invariants.Broken(3, f"no verdict {now - healed:.1f} s after all was healed, {left} s are left")]
            time.sleep(0.02)
        return []

    def ends(self, healed):
        broken = self.verdict(healed)
        try:
            wait_for("the trial's end", lambda: self.state() == "none", END_S)
        except LabError:
            broken.append(invariants.Broken(6, f"no end within {END_S} s (record: {self.state()})"))
        return broken

    def shadows(self):
        """Profiles until the next boot; NetworkManager's own, of the device lo, is not one."""
        return set(self.device.run("ls", SHADOWS, check=False).stdout.split()) - {"lo.nmconnection"}

    def quiet(self, orphans):
        """Nothing of ours, nor of the other tool, is left that would come later. `orphans`: not even where nobody could
        clear up."""
        broken = []
        for promise, what, good, seconds in (
                (4, "no checkpoint", lambda: not self.checkpoints(), OURS_ENDS_S if orphans else THEIRS_ENDS_S),
                (7, "no shadow", lambda: not self.shadows(), 5)):
            try:
                wait_for(what, good, seconds)
            except LabError as error:
                broken.append(invariants.Broken(promise, str(error)))
        return broken

    def lives(self, name):
        """That profile is active on eth0, with its addresses, and there is a network."""
        try:
            self.device.wait_active(name, seconds=SETTLED_S)
        except LabError as error:
            return [invariants.Broken(1, f"{error}; active is {self.device.active()!r}")]
        return self.settled({ADDRESS.search(self.text(name))[1]})
