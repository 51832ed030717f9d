# SPDX-License-Identifier: LGPL-2.1-or-later
"""A device's disk as an ext4 of its own, small enough to be filled."""
import shutil
import subprocess

SIZE = 24 << 20


def _host(*command):
    subprocess.run(command, check=True, capture_output=True)


class SmallDisk:
    def __init__(self, device):
        """Of a device that is made and off; what is on its disk moves over."""
        self.device = device
        image, staged = device.dir / "disk.img", device.dir / "staged"
        with open(image, "wb") as file:
            file.truncate(SIZE)
        _host("mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", str(image))
        device.disk.rename(staged)
        device.disk.mkdir()
        _host("mount", "-o", "loop", str(image), str(device.disk))
        shutil.rmtree(device.disk / "lost+found")
        _host("cp", "-a", f"{staged}/.", str(device.disk))
        shutil.rmtree(staged)

    def fill(self):
        """Nothing more can be written; raises OSError should that not be so."""
        for number, block in enumerate(("64k", "1k")):
            subprocess.run(["dd", "if=/dev/zero", f"of={self.device.disk}/var/tmp/.fill{number}", f"bs={block}"],
                           check=False, capture_output=True)
        more = self.device.disk / "var/tmp/.fill-more"
        try:
            more.write_bytes(b"x" * 4096)
        except OSError:
            return
        finally:
            more.unlink(missing_ok=True)
        raise OSError("the disk is not full")

    def free(self):
        for path in (self.device.disk / "var/tmp").glob(".fill*"):
            path.unlink()

    def off(self):
        """Unmounts it; the device goes off first."""
        if self.device.running():
            self.device.power_cut()
        _host("umount", str(self.device.disk))
