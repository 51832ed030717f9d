# SPDX-License-Identifier: LGPL-2.1-or-later
"""A container that has the host's D-Bus socket, its network and a volume, and none of its files (balenaOS): profiles
are written through NetworkManager, and made durable by the host's systemd. Under a real systemd; nothing of nm-trial
is installed on the host."""
import json
import os
import re
import shutil
import unittest

from device import PROFILES, uuid_of, wait_for
import keyfile
from nspawn import Container
from units import explained

# The container's view: neither NetworkManager's files nor what it keeps in /run.
BOX = ("-p", "TemporaryFileSystem=/etc/NetworkManager", "-p", "TemporaryFileSystem=/run/NetworkManager")


class DbusOnly(unittest.TestCase):
    def setUp(self):
        self.container = Container(os.environ["NM_TRIAL_BUILD"])
        self.addCleanup(self.container.destroy)
        self.container.create()
        shutil.copy(os.path.join(os.environ["NM_TRIAL_BUILD"], "nm-trial"), self.container.root / "usr/sbin")
        self.container.profile("lan", address="10.99.7.10", autoconnect=True)
        self.boot()

    def boot(self):
        """The host, and then the container's process."""
        self.container.boot()
        self.container.wait_active("lan")
        self.container.run("systemd-run", "--unit=box", "-q", "-p", "Restart=always", *BOX, "/usr/sbin/nm-trial", "agent")
        there = ("test", "-e", "/run/nm-trial/status.json")
        wait_for("the agent", lambda: self.container.run(*there, check=False).returncode == 0)

    def trial(self, *arguments, status=0):
        result = self.container.run("systemd-run", "--wait", "--pipe", "--collect", "-q", *BOX, "--", "/usr/sbin/nm-trial",
                                    *arguments, check=False)
        self.assertIn(result.returncode, status if isinstance(status, tuple) else (status,), result)
        return result

    def history(self):
        return json.loads(self.trial("history", "--json").stdout)

    def status(self):
        return json.loads(self.trial("status", "--json").stdout)

    def candidate(self, name, address, gateway="10.99.7.1"):
        """As a container makes one: by NetworkManager's own tools, over the bus."""
        self.container.run("nmcli", "connection", "add", "type", "ethernet", "con-name", name, "ifname", "host0",
                           "connection.autoconnect", "no", "ipv4.method", "manual", "ipv4.addresses", f"{address}/24",
                           "ipv4.gateway", gateway, "ipv6.method", "disabled")

    def start(self, *arguments):
        found = re.match(r"trial ([0-9a-f]{8})\n", self.trial("start", *arguments).stdout)
        self.assertTrue(found)
        return found[1]

    def ended(self, number, verdict, reason):
        wait_for(f"trial {number}", lambda: len(self.history()) == number and self.status()["state"] == "none", 40)
        entry = self.history()[0]
        self.assertEqual((entry["verdict"], entry["reason"]), (verdict, reason), entry)

    def stored(self, name):
        return keyfile.parse(self.container.profile_text(name))

    def flags(self, name):
        return keyfile.autoconnect(self.stored(name)), keyfile.annotation(self.stored(name))

    def modify(self, address, gateway):
        self.container.run("nmcli", "connection", "modify", "lan", "ipv4.addresses", f"{address}/24",
                           "ipv4.gateway", gateway)
        self.container.run("nmcli", "connection", "up", "lan", check=False)

    def address(self, address):
        show = ("ip", "-4", "addr", "show", "host0")
        wait_for(address, lambda: f"inet {address}/24" in self.container.run(*show).stdout, 20)

    def syncs(self):
        text = self.container.run("journalctl", "-b", "-o", "cat", "_PID=1", "SYSLOG_IDENTIFIER=systemd", check=False).stdout
        return text.count("Make a network profile durable")

    @explained
    def test_promoted(self):
        self.candidate("good", "10.99.7.30")
        self.start("good", "--check", "gateway", "--hold", "2s")
        self.ended(1, "promoted", "checks-passed")
        self.container.wait_active("good")
        self.assertEqual(self.flags("good"), (True, "promoted"))
        self.assertFalse(keyfile.autoconnect(self.stored("lan")))
        self.assertGreaterEqual(self.syncs(), 3, "each write is followed by a sync of the host's")
        self.container.power_cut()
        self.container.boot()
        self.container.wait_active("good")

    @explained
    def test_reverted(self):
        self.candidate("bad", "10.99.7.31", "10.99.7.254")
        self.start("bad", "--check", "gateway", "--hold", "2s", "--timeout", "6s")
        self.ended(1, "reverted", "check-failed")
        self.container.wait_active("lan")
        self.address("10.99.7.10")
        self.assertEqual(self.flags("bad"), (False, "demoted"))

    @explained
    def test_a_power_cut(self):
        self.candidate("bad", "10.99.7.31", "10.99.7.254")
        self.start("bad", "--confirm", "manual", "--check", "none")
        self.container.wait_active("bad")
        self.container.power_cut()
        self.boot()
        self.ended(1, "reverted", "unconfirmed-reboot")
        self.container.wait_active("lan")

    @explained
    def test_a_guarded_profile(self):
        self.trial("annotate", "lan", "timeout=8s", "hold=1s", "checks=gateway")
        self.trial("guard", "lan")
        self.modify("10.99.7.12", "10.99.7.1")
        self.ended(1, "promoted", "checks-passed")
        self.address("10.99.7.12")
        self.modify("10.99.7.13", "10.99.7.254")
        self.ended(2, "reverted", "check-failed")
        self.address("10.99.7.12")
        ipv4 = self.stored("lan")["ipv4"]  # as NetworkManager writes it: 1.52 gives the gateway a key of its own
        self.assertEqual(",".join(filter(None, (ipv4["address1"], ipv4.get("gateway")))), "10.99.7.12/24,10.99.7.1")
        self.assertEqual(self.stored("lan")["connection"]["uuid"], uuid_of("lan"))

    @explained
    def test_an_edit_and_a_power_cut(self):
        new = self.container.profile_text("lan").replace("10.99.7.10/", "10.99.7.14/")
        (self.container.root / "var/tmp/new").write_text(new)
        self.start("--edit", "lan", "--from", "/var/tmp/new", "--confirm", "manual", "--check", "none")
        self.address("10.99.7.14")
        self.assertIn("10.99.7.10/", self.container.profile_text("lan"), "the disk has the old content until it is promoted")
        self.container.power_cut()
        self.boot()
        self.ended(1, "reverted", "unconfirmed-reboot")
        self.address("10.99.7.10")

    @explained
    def test_a_guarded_profile_that_was_changed_while_it_was_off(self):
        """It is seen when NetworkManager is up, and has it."""
        self.trial("annotate", "lan", "timeout=6s", "hold=1s", "checks=gateway")
        self.trial("guard", "lan")
        good = self.stored("lan")["ipv4"]
        self.container.power_cut()
        self.container.profile("lan", address="10.99.7.15", gateway="10.99.7.254", autoconnect=True,
                               user="nm-trial.timeout=6s\nnm-trial.hold=1s\nnm-trial.checks=gateway\n")
        self.boot()
        self.ended(1, "reverted", "check-failed")
        self.address("10.99.7.10")
        self.assertEqual(self.stored("lan")["ipv4"], good)

    @explained
    def test_networkmanager_dies(self):
        self.candidate("good", "10.99.7.30")
        trial = self.start("good", "--confirm", "manual", "--check", "gateway")
        self.container.wait_active("good")
        self.container.run("systemctl", "kill", "--signal=KILL", "NetworkManager")
        active = ("nmcli", "-t", "-f", "NAME", "connection", "show", "--active")
        wait_for("NetworkManager's return", lambda: "good" in self.container.run(*active, check=False).stdout, 20)
        wait_for("a confirm that is accepted", lambda: self.trial("confirm", trial, status=(0, 1, 4)).returncode == 0, 20)
        self.ended(1, "promoted", "confirmed")
        self.container.wait_active("good")

    @explained
    def test_the_agent_dies(self):
        self.candidate("bad", "10.99.7.31", "10.99.7.254")
        self.start("bad", "--confirm", "manual", "--check", "none", "--timeout", "6s")
        self.container.run("systemctl", "kill", "--signal=KILL", "box")
        self.ended(1, "reverted", "timeout")
        self.container.wait_active("lan")

    @explained
    def test_a_sync_that_fails(self):
        """What is not durable is not promised: the start is refused, and nothing is left of it."""
        self.candidate("good", "10.99.7.30")
        self.container.run("mount", "--bind", "/bin/false", "/bin/sync")
        result = self.trial("start", "good", "--check", "gateway", status=1)
        self.assertIn("not durable", result.stderr)
        self.assertEqual(self.status()["state"], "none")
        self.container.run("umount", "/bin/sync")

    @explained
    def test_a_delivery(self):
        self.container.power_cut()
        user = "nm-trial.replaces=lan\nnm-trial.start=boot\nnm-trial.hold=1s\nnm-trial.checks=gateway\n"
        self.container.profile("good", address="10.99.7.30", autoconnect=False, user=user)
        self.boot()
        self.ended(1, "promoted", "checks-passed")
        self.container.wait_active("good")
        self.assertTrue((self.container.root / PROFILES / "good.nmconnection").exists())


if __name__ == "__main__":
    unittest.main()
