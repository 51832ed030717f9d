# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a boot does before NetworkManager starts: `nm-trial boot`, in a root whose /etc and /var are the cut disk's."""
import os
import pathlib
import shutil
import subprocess
import uuid

import logdisk


class Root:
    def __init__(self, folder, helper):
        self.dir = pathlib.Path(folder)
        for name in ("etc", "var", "run", "proc/sys/kernel/random"):
            (self.dir / name).mkdir(parents=True)
        for name in ("usr", "bin", "sbin", "lib", "lib64"):
            here = pathlib.Path("/") / name
            if here.is_symlink():
                (self.dir / name).symlink_to(os.readlink(here))
            elif here.is_dir():
                (self.dir / name).mkdir()
                logdisk.bind(here, self.dir / name)
        shutil.copy(helper, self.dir / "nm-trial")

    def boot(self, disk):
        """Runs it as in a new boot of `disk`; returns its status and what it said."""
        for name in ("etc", "var"):
            logdisk.bind(disk / name, self.dir / name)
        try:
            shutil.rmtree(self.dir / "run")
            (self.dir / "run").mkdir()
            (self.dir / "proc/sys/kernel/random/boot_id").write_text(f"{uuid.uuid4()}\n")
            done = subprocess.run(["chroot", self.dir, "/nm-trial", "boot"], check=False, capture_output=True, text=True,
                                  stdin=subprocess.DEVNULL, timeout=60)
            return done.returncode, done.stderr
        finally:
            for name in ("etc", "var"):
                logdisk.unmount(self.dir / name)
