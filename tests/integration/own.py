# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the administrator's executables share, checks and verdict hooks: to install one, and what it must
find around it."""
import json
import os
import signal

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
PYTHON_IGNORES = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1  # by itself, at its start
# Leaves what it was given in /run/seen, whole or not at all.
LOOK_AROUND = """#!/usr/bin/python3
import json, os
links = ((fd, f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd"))
fds = {fd: os.readlink(link) for fd, link in links if os.path.lexists(link)}
seen = {name: open(f"/proc/self/{name}").read() for name in ("environ", "status", "stat", "oom_score_adj")}
seen.update(fds=fds, cwd=os.getcwd(), umask=oct(os.umask(0)))
json.dump(seen, open("/run/seen.new", "w"))
os.rename("/run/seen.new", "/run/seen")
"""


class Own:
    """A mixin for Case; `directory` is where such executables are."""
    directory = None

    def put(self, text, name="mine"):
        """Installs one, as root would; what a running trial's /etc is compared to knows it."""
        directory = self.device.disk / self.directory
        directory.mkdir(exist_ok=True)
        temporary = directory / f".{name}"
        temporary.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
        temporary.chmod(0o755)
        os.rename(temporary, directory / name)
        self.expected_now()
        return directory / name

    def expected_now(self):
        if self.before is not None:
            self.before = self.files()

    def sleeping(self):
        """What is left of those that sleep."""
        return self.device.run("pgrep", "-f", "^sleep 30[0-9]$", check=False).stdout.split()

    def alive(self, pid):
        return self.device.test(f"test -e /proc/{pid} && ! grep -q '^State:.Z' /proc/{pid}/status")

    def assert_bare(self, environment, name="mine"):
        """What LOOK_AROUND saw: `environment`, PATH, and nothing of whoever ran it."""
        seen = json.loads(self.device.run("cat", "/run/seen").stdout)
        self.assertEqual(sorted(seen["environ"].rstrip("\0").split("\0")), sorted((f"PATH={PATH}", *environment)))
        self.assertEqual((seen["cwd"], seen["umask"], seen["oom_score_adj"]), ("/", "0o77", "0\n"))
        fds = seen["fds"]
        self.assertEqual(fds.pop("0"), "/dev/null")
        self.assertRegex(fds.pop("1") + fds.pop("2"), r"^(pipe:\[\d+\])\1$")
        # A script's interpreter has to be given the script.
        self.assertEqual(set(fds.values()), {f"/{self.directory}/{name}"})
        status = dict(line.split(":\t", 1) for line in seen["status"].splitlines())
        self.assertEqual((int(status["SigBlk"], 16), int(status["SigIgn"], 16) & ~PYTHON_IGNORES), (0, 0))
        pid, rest = seen["stat"].split(" (", 1)
        group, session, terminal = rest.rsplit(") ", 1)[1].split()[2:5]
        self.assertEqual((group, session, terminal), (pid, pid, "0"))
