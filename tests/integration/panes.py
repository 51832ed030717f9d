# SPDX-License-Identifier: LGPL-2.1-or-later
"""Terminals to look at: tmux draws them, a server of their own for each test."""
import re
import subprocess
import unicodedata

from device import wait_for

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# A terminal that ends with its command may lose the command's last words; so it tells its end itself, and stays.
RUN = 'trap : INT; "$@"; echo "ended with $?"; exec sleep infinity'
ENDED = re.compile(r"ended with (\d+)$")


def width(text):
    """In columns; tmux's own table may know newer characters, but none of those that the tests use."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


class Panes:
    """A context; its terminals are gone with it."""

    def __init__(self, device):
        self.device = device
        self.socket = device.dir / "tmux"
        self.count = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], check=False, capture_output=True)

    def tmux(self, *words):
        return subprocess.run(["tmux", "-u", "-S", self.socket, "-f", "/dev/null", *map(str, words)], check=True,
                              capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}).stdout

    def open(self, *command, columns=80, environment=()):
        """Runs it in the device, on a terminal of so many columns and 24 lines."""
        self.count += 1  # a session of its own: Ctrl-C is not for nsenter
        name = f"pane{self.count}"
        command = ("env", "TERM=screen", *environment, "sh", "-c", RUN, "sh", *command)
        self.tmux("new-session", "-d", "-s", name, "-x", columns, "-y", 24,
                  *self.device.inside("setsid", "--ctty", *command))
        return Pane(self, name)


class Pane:
    def __init__(self, panes, name):
        self.panes, self.name = panes, f"={name}:"

    def _capture(self, *how):
        """What it shows, and has shown above that, without empty lines."""
        text = self.panes.tmux("capture-pane", "-p", "-S", "-", *how, "-t", self.name)
        return [line.rstrip() for line in text.splitlines() if COLOURS.sub("", line).strip()]

    def lines(self):
        """Without the word of the end."""
        return [line for line in self._capture() if not ENDED.match(line)] or [""]

    def coloured(self):
        return "\n".join(self._capture("-e"))

    def broken(self):
        """The lines that were too wide, so that the terminal had to go on in the next one."""
        lines = self._capture()
        return [line for line in self._capture("-J") if line not in lines]

    def type(self, key):
        self.panes.tmux("send-keys", "-t", self.name, key)

    def resize(self, columns):
        self.panes.tmux("resize-window", "-t", self.name, "-x", columns, "-y", 24)

    def wait(self, what, condition, seconds=20):
        """Until `condition`, which gets its lines, has a value that is true; returns that."""
        return wait_for(f"{what} in {self.name}", lambda: condition(self.lines()), seconds)

    def end(self):
        """Waits for the command's end; returns its status."""
        found = wait_for(f"the end of the command in {self.name}",
                         lambda: [match for match in map(ENDED.match, self._capture()) if match], 20)
        return int(found[0][1])
