#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The main job on a real NetworkManager, told step by step: a change lost the usual way, then trials."""
import json
import os
import sys

from device import Device, wait_for

COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def say(text, code="1"):
    print(f"\033[{code}m{text}\033[0m" if COLOUR else text, flush=True)


class Story:
    def __init__(self, name):
        self.device = Device(name)
        self.told = 0

    def journal(self):
        """What nm-trial has logged since the last time."""
        entries = self.device.journal("nm-trial")
        for entry in entries[self.told:]:
            say(f"      journal: {entry['MESSAGE']}", "2")
        self.told = len(entries)

    def command(self, *words, expect=0):
        say("  # " + " ".join(words), "36")
        result = self.device.run(*words, check=False, timeout=120)
        for line in result.stdout.splitlines():
            print(f"    {line}")
        if result.returncode != expect:
            raise SystemExit(f"expected exit code {expect}, got {result.returncode}:\n{result.stderr}")
        self.journal()

    def history(self):
        return json.loads(self.device.run("nm-trial", "history", "--json").stdout)

    def power_cut(self):
        say("  ... the power is cut; every process dies; and the device boots again")
        self.device.power_cut()
        self.device.boot()
        self.journal()

    def network(self, expected):
        """Says what is up, and stops the show if it is not what was promised."""
        profile = self.device.active()
        online = self.device.online()
        say(f"  eth0 has \"{profile}\"; the device is {'online' if online else 'OFFLINE'}.", "32" if online else "31")
        if (profile, online) != expected:
            raise SystemExit(f"expected {expected}")


def lost_the_usual_way(story):
    say("\n1. Without nm-trial: a wrong gateway, saved and activated, then a power cut")
    story.command("nmcli", "connection", "modify", "lan", "ipv4.gateway", "10.99.0.254")
    story.command("nmcli", "connection", "up", "lan")
    story.power_cut()
    story.network(("lan", False))
    say("  Nobody can reach it any more: somebody drives there. (Mended by hand here.)")
    story.device.profile("lan")
    story.device.run("nmcli", "connection", "up", "lan")


def good(story):
    say("\n2. A good profile on trial: its checks pass for 2 s, so it is kept")
    story.device.profile("good", address="10.99.{n}.20/24", autoconnect=False)
    story.command("nm-trial", "start", "good", "--hold", "2s", "--wait")
    say("  ... and it stays:")
    story.power_cut()
    story.network(("good", True))


def bad(story):
    say("\n3. The same wrong gateway on trial: reverted at its deadline")
    story.device.profile("bad", address="10.99.{n}.30/24", gateway="10.99.{n}.254", autoconnect=False)
    story.command("nm-trial", "start", "bad", "--timeout", "5s", "--hold", "1s", "--wait", expect=5)
    wait_for("the network", story.device.online)
    story.network(("good", True))


def bad_and_cut(story):
    say("\n4. On trial once more, and the power is cut in the middle of it")
    story.command("nm-trial", "start", "bad", "--confirm", "manual")
    wait_for("the candidate", lambda: story.device.active() == "bad")
    story.network(("bad", False))
    story.power_cut()
    story.network(("good", True))
    story.command("nm-trial", "history")


# What a container sees that has the host's bus and nothing else: its /etc, /var and /run are its own.
CONTAINED = "mkdir -p /tmp/bus; mount --bind /run/dbus /tmp/bus; mount -t tmpfs tmpfs /etc/NetworkManager; " \
    "mount -t tmpfs tmpfs /var; ln -s /run /var/run; mount -t tmpfs tmpfs /run; mkdir /run/dbus; " \
    "mount --bind /tmp/bus /run/dbus; exec "


def contained(story, command):
    say(f"  container # {command}", "36")
    story.device.run("unshare", "-m", "--propagation", "private", "sh", "-c", CONTAINED + command)


def one_more_verdict(story, number):
    wait_for("the verdict", lambda: len(story.history()) == number and
             story.device.run("nm-trial", "status").stdout.startswith("No trial"), 30)
    story.journal()
    wait_for("the network", story.device.online)
    story.network(("good", True))


def from_a_container(story):
    say("\n5. A container that knows nothing of nm-trial changes a guarded profile over D-Bus, and the power is cut")
    story.device.run("sh", "-c", "printf '[trial]\\ntimeout=5s\\nhold=1s\\n' >/etc/nm-trial/nm-trial.conf")
    story.command("nm-trial", "guard", "good")
    ended = len(story.history())
    contained(story, "nmcli connection modify good ipv4.gateway 10.99.0.254")
    story.power_cut()
    say("  It came up with what is known good; the change is tried now that NetworkManager is up:")
    one_more_verdict(story, ended + 1)
    say("  The container tries again, and activates it, too:")
    contained(story, "nmcli connection modify good ipv4.gateway 10.99.0.254")
    contained(story, "nmcli connection up good")
    one_more_verdict(story, ended + 2)
    story.command("nm-trial", "guard")


def main():
    helper, = sys.argv[1:]
    story = Story(f"demo-{os.getpid()}")
    story.device.create(helper)
    try:
        story.device.profile("lan")
        story.device.boot()
        say("A device with a real NetworkManager, in namespaces. Its profile \"lan\" is up on eth0:")
        story.network(("lan", True))
        for part in (lost_the_usual_way, good, bad, bad_and_cut, from_a_container):
            part(story)
        say("\nThe same change, the same power cut; this time the device is still there.")
    finally:
        story.device.destroy()


if __name__ == "__main__":
    main()
