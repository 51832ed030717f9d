# SPDX-License-Identifier: LGPL-2.1-or-later
"""nm-trial in a container beside the device's NetworkManager: it has the D-Bus socket, a volume of its own, the host's
network, and the host's profile directory where that is said. Nothing of it is installed on the host."""
import re
import shutil
import subprocess

from case import Case, wait_for

PROFILES = "/etc/NetworkManager/system-connections"
BOX = "/run/box"
VOLUME = "/var/lib/nm-trial"
# A root of its own: the image's programs read-only, and what the container is given.
MAKE = f"""set -e
image=$1
mkdir -p {BOX} {VOLUME} && mount -t tmpfs -o mode=0755 tmpfs {BOX} && cd {BOX}
mkdir -p etc run/dbus var/lib/nm-trial proc sys dev tmp usr root
for dir in bin sbin lib lib64; do [ ! -L "$image/$dir" ] || ln -s "$(readlink "$image/$dir")" $dir; done
mount --rbind "$image/usr" usr && mount --rbind /proc proc && mount --rbind /sys sys && mount --rbind /dev dev
mount --bind /run/dbus run/dbus && mount --bind {VOLUME} var/lib/nm-trial
cp /etc/passwd /etc/group etc/ && ln -s /run var/run
[ ! -d /run/balena ] || (mkdir tmp/balena && mount --bind /run/balena tmp/balena)
"""
HOST_RUN = f"mkdir -p {BOX}/run/NetworkManager && mount --rbind /run/NetworkManager {BOX}/run/NetworkManager\n"
HOST_FILES = f"mkdir -p {BOX}{PROFILES} && mount --bind {PROFILES} {BOX}{PROFILES}\n"


class Contained(Case):
    options = {"trial_boot": "no", "trial_agent": "no"}
    watched = True
    strays = True
    host_files = True
    image = ""  # the root whose programs it has: this machine's, by default
    programs = "/image"  # where nm-trial is in it
    process = "/image/nm-trial agent"
    host_run = True  # where NetworkManager keeps what a reboot drops: edits are tried there

    def prepare(self):
        for folder in (".", "no-wait.d"):
            (self.device.disk / "etc/NetworkManager/dispatcher.d" / folder / "90-nm-trial").unlink()
        shutil.move(self.device.dir / "sbin/nm-trial", self.device.dir / "image")
        (self.device.disk / "var/lib/nm-trial").mkdir(mode=0o700)
        (self.device.disk / "var/lib/image").mkdir()
        shutil.copy(self.device.dir / "image", self.device.disk / "var/lib/image/nm-trial")
        self.container = None

    def _first_boot(self):
        super()._first_boot()
        self.run_container()

    def run_container(self):
        """As an engine does after the host is up."""
        script = MAKE + (HOST_FILES if self.host_files else "") + (HOST_RUN if self.host_run else "")
        script += "mkdir image && mount --bind /var/lib/image image\n" \
            f"exec chroot {BOX} env PATH={self.programs}:$PATH {self.process}\n"
        self.log = open(self.device.dir / "agent.log", "ab")
        command = self.device.inside("unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", self.image)
        self.container = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                          start_new_session=True)
        self.addCleanup(self.end_container)
        wait_for("the agent's process", self.helpers)
        wait_for("the agent", lambda: self.inside("test", "-e", "/run/nm-trial/status.json").returncode == 0)

    def end_container(self):
        if self.container and self.container.poll() is None:
            self.container.kill()
        if self.container:
            self.container.wait()
        self.log.close()

    def agent(self):
        """The agent's process, as this machine numbers it."""
        return self.helpers()[0]

    def inside(self, *command, timeout=60):
        """As `docker exec`."""
        enter = ["nsenter", "-t", str(self.agent()), "-m", "-n", "-p", "-r", "-w", "--", "env", "-i",
                 f"PATH={self.programs}:/usr/sbin:/usr/bin", *map(str, command)]
        return subprocess.run(enter, check=False, capture_output=True, text=True, timeout=timeout)

    def trial(self, *arguments, status=0, timeout=60):
        result = self.inside("nm-trial", *arguments, timeout=timeout)
        self.judge(arguments, result, status)
        return result

    def reboot(self):
        self.device.power_cut()
        self.end_container()
        self.device.boot()
        self.run_container()

    def said(self, pattern, identifier="nm-trial"):
        """There is no journal in a container: the lines go to its standard error."""
        text = (self.device.dir / "agent.log").read_text(errors="replace")
        return [line for line in text.splitlines() if re.search(pattern, line, re.I)]


class Trials(Contained):
    """What each of them can do."""

    def test_a_trial_from_within(self):
        self.candidate()
        trial = self.start("good", "--hold", "1s")
        self.assert_promoted(trial, "good", "checks-passed")
        self.assert_boots("good")

    def test_a_bad_one_and_a_power_cut(self):
        self.bad()
        trial = self.wait_manual("bad")
        self.reboot()
        self.assert_reverted(trial, "bad", "unconfirmed-reboot")
        self.device.wait_active("lan")
