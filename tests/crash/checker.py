# SPDX-License-Identifier: LGPL-2.1-or-later
"""Judges the disk that a power cut left: as files, after the recovery that a boot runs, and in a real boot."""
import filecmp
import subprocess

from device import LabError
import invariants
from invariants import Broken
import logdisk
import writelog


class Checker:
    """Makes and judges the disks of one recording."""

    def __init__(self, made, scratch, root):
        self.made, self.story, self.root = made, made.story, root
        self.log = writelog.Log(made.dir / "log.raw")
        self.replay = writelog.Replay(self.log, made.dir / "base.raw", scratch)
        self.place = scratch / "mounted"
        self.place.mkdir(exist_ok=True)

    def whole(self):
        """Whether the whole log makes what the disk held in the end: else no cut of it means anything."""
        self.replay.make(writelog.Cut(len(self.log.entries), None))
        return filecmp.cmp(self.replay.image, self.made.dir / "data.raw", shallow=False)

    def broken(self, cut, show=False):
        """The promises that this cut breaks. For a control: how it loses the device. `show`: prints the files."""
        self.replay.make(cut)
        try:
            with logdisk.Mounted(self.replay.image, self.place, self.made.kind):
                if show:
                    self._show()
                return self._lost() if self.made.control else self._judged(self.made.answered(cut))
        except OSError as error:
            return [Broken(1, f"the disk cannot be used: {error}")]

    def _files(self):
        return invariants.files_below(self.place)

    def _show(self):
        for path, data in self._files().items():
            print(f"--- {path}\n{data.decode(errors='replace')}")

    def _lost(self):
        files = self._files()
        sides = {device: self.story.side(files, device) for device in self.story.devices}
        return [Broken(1, f"{device}: {'untested' if side == 'new' else 'nothing or neither'}")
                for device, side in sides.items() if side != "good"]

    def _judged(self, answered):
        broken = invariants.judge(self.story, self._files(), answered=answered)
        said = [self.root.boot(self.place)]
        once = self._files()
        said.append(self.root.boot(self.place))
        broken += invariants.judge(self.story, once, moment="end", answered=answered)
        if self._files() != once:
            broken.append(Broken(6, "a second boot changed something"))
        return broken + [Broken(6, f"nm-trial boot: status {status}: {text}") for status, text in said if status != 0]

    def booted(self, device, cut, lost):
        """Really boots the disk of this cut. The devices of the trial must come online; a control's must not where the
        oracle says that the cut loses it."""
        self.replay.make(cut)
        with logdisk.Mounted(self.replay.image, device.place, self.made.kind, device.enter):
            try:
                device.boot()
                if not lost:
                    return self._online(device, cut)
                online = device.online(device.port)
                return [Broken(1, "the oracle says that it is lost, but it is online")] if online else []
            except (LabError, subprocess.SubprocessError) as error:
                return [Broken(1, f"really booted: {error}")]
            finally:
                if device.running():
                    device.power_cut()

    def _online(self, device, cut):
        files = invariants.files_below(device.disk)
        for port in self.story.devices:
            for profile in invariants.boots(files, port)[:1]:
                device.wait_active(profile["connection", "id"], port, 30)
            device.wait_online(port)
        if self.made.control or self.made.again:
            return []
        return invariants.judge(self.story, files, moment="end", answered=self.made.answered(cut))
