# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looks at a device's disk all the time, from outside: what a power cut at any of these moments would leave.

Promise 1, never lost: some known-good profile of the device always has autoconnect, and no profile on trial has.
Promise 3, bounded: it also notes when the record on the disk changed its state."""
import re
import threading
import time

from device import PROFILES
import keyfile

STATE = re.compile(rb"^state=(\w+)", re.M)
RECORD = "var/lib/nm-trial/trial"


def record_state(device):
    """The persisted state of the open trial as it stands on the disk: trying, promoting, reverting, or none."""
    data = device.read(RECORD)
    if data is None:
        return "none"
    found = STATE.search(data)
    return found[1].decode("ascii") if found else "unreadable"


class Watch(threading.Thread):
    """Violations are texts; transitions are (seconds on the monotonic clock, state)."""

    def __init__(self, device, interface="eth0", profiles=True):
        super().__init__(daemon=True)
        self.device, self.interface = device, interface
        self.violations, self.transitions, self.samples = [], [(time.monotonic(), "none")], 0
        self._end = threading.Event()
        self._profiles, self._seen = profiles, None
        self._good = {name for name, sections in self._snapshot().items()
                      if keyfile.autoconnect(sections) and not keyfile.annotation(sections)}
        self.start()

    def ignore_profiles(self):
        """From now on the test itself breaks profiles; only the record is watched."""
        self._profiles = False

    def end(self):
        self._end.set()
        self.join()

    def run(self):
        while not self._end.is_set():
            state = record_state(self.device)
            if state != self.transitions[-1][1]:
                self.transitions.append((time.monotonic(), state))
            if self._profiles:
                self._look(state)
            self.samples += 1
            self._end.wait(0.004)

    def left(self, state, after):
        """When the record was first seen to be something else, later than `after`; None: it was not yet."""
        return next((at for at, seen in self.transitions if at > after and seen != state), None)

    def _look(self, state):
        seen = _signature(self.device.disk / PROFILES)
        profiles = None if seen == self._seen else self._snapshot()
        if profiles is None:
            return
        self._seen = seen
        good = [name for name, sections in profiles.items() if keyfile.autoconnect(sections) and
                (name in self._good or keyfile.annotation(sections) == "promoted")]
        on_trial = [name for name, sections in profiles.items() if keyfile.autoconnect(sections) and
                    keyfile.annotation(sections) in ("trying", "demoted")]
        if self._profiles and not good:
            self.violations.append(f"no known-good profile would come up at a boot (record: {state}): {profiles}")
        if self._profiles and on_trial:
            self.violations.append(f"{on_trial} would come up at a boot, untested (record: {state})")

    def _snapshot(self):
        """The interface's profiles as they stood at one instant; None when one changed while they were read."""
        directory = self.device.disk / PROFILES
        before = _signature(directory)
        profiles = {}
        for name, _, _ in before or ():
            try:
                text = (directory / name).read_text(errors="replace")
            except FileNotFoundError:
                return None
            sections = keyfile.parse(text)
            if sections.get("connection", {}).get("interface-name") == self.interface:
                profiles[name.removesuffix(".nmconnection")] = sections
        return profiles if before is not None and before == _signature(directory) else None


def _signature(directory):
    try:
        return sorted((path.name, path.stat().st_ino, path.stat().st_mtime_ns)
                      for path in directory.glob("[!.]*.nmconnection"))
    except FileNotFoundError:
        return None
