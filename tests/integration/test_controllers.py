# SPDX-License-Identifier: LGPL-2.1-or-later
"""Devices that NetworkManager makes itself (bond, bridge, VLAN, dummy), in a machine whose kernel has them. Each has the
same story: a bad candidate, a power cut while a good one is tried, a good one that is promoted and outlasts a cut."""
import unittest

from case import uuid_of
from machine import MachineCase
from test_several import Several

PROFILE = """[connection]
id={name}
uuid={uuid}
type={type}
interface-name={device}
autoconnect={autoconnect}
{connection}
[{type}]
{settings}

[ipv4]
{ipv4}

[ipv6]
method=disabled
"""
PORT = "controller={uuid}\nmaster={uuid}\nport-type={type}\nslave-type={type}\n"
OWN_CHECK = """#!/bin/sh
exec ip -4 route get 10.99.9.1 oif "$NM_TRIAL_IFACE" from 10.99.9.20
"""


class Kind(MachineCase, Several):
    """`type`, its device, the settings of old and candidate, and its network; a port on eth1 where it has one."""
    type = device_name = ""
    settings = ("", "")
    number = 1
    port = False
    check = "gateway"

    def prepare(self):
        self.pairs = [(self.device_name, "old", "new"), *([("eth1", "old-port", "new-port")] if self.port else [])]
        self.own |= {"bad", "bad-port", *(name for _, *names in self.pairs for name in names)}
        self.write("old", self.settings[0], 10, autoconnect=True)

    def _first_boot(self):
        super()._first_boot()
        self.running("old")

    def running(self, name):
        for device, port in ((self.device_name, ""), ("eth1", "-port"))[:len(self.pairs)]:
            self.device.wait_active(name + port, device)
        self.in_the_world()
        if self.check == "gateway":
            self.device.wait_online(self.device_name)

    def in_the_world(self):
        """What is at the other end of the cable, after each boot."""

    def write(self, name, settings, host, *, gateway=1, autoconnect=False):
        ipv4 = f"method=manual\naddress1=10.99.{self.number}.{host}/24"
        if gateway and self.check == "gateway":
            ipv4 += f",10.99.{self.number}.{gateway}"
        flag = str(autoconnect).lower()
        self.device.profile_file(name, PROFILE.format(
            name=name, uuid=uuid_of(name), type=self.type, device=self.device_name, autoconnect=flag, connection="",
            settings=settings, ipv4=ipv4))
        if self.port:
            port = PORT.format(uuid=uuid_of(name), type=self.type)
            text = PROFILE.format(name=f"{name}-port", uuid=uuid_of(f"{name}-port"), type="ethernet", device="eth1",
                                  autoconnect=flag, connection=port, settings="", ipv4="")
            self.device.profile_file(f"{name}-port", text.partition("[ipv4]")[0])

    def try_out(self, name, *options):
        candidates = [name, *([f"{name}-port"] if self.port else [])]
        return self.start(*candidates, "--check", self.check, *options)

    def story(self):
        self.write("bad", self.settings[1], 66, gateway=254)
        self.write("new", self.settings[1], 20)
        with self.step(candidate="bad"):
            trial = self.try_out("bad", "--hold", "1s", "--timeout", "10m")
            self.wait_judged("failing")
            self.trial("extend", trial, "--timeout", "2s")
            entry = self.wait_verdict(trial, 40)
            self.assertEqual((entry["verdict"], entry["reason"]), ("reverted", "check-failed"), entry)
            self.running("old")
        with self.step(cut="while trying"):
            trial = self.try_out("new", "--confirm", "manual", "--timeout", "10m")
            self.running("new")
            self.device.power_cut()
            self.device.boot()
            self.running("old")
            self.assertEqual(self.entry(trial)["reason"], "unconfirmed-reboot")
            self.assert_together(False)
        with self.step(candidate="new"):
            entry = self.wait_verdict(self.try_out("new", "--hold", "1s", "--timeout", "2m"), 60)
            self.assertEqual((entry["verdict"], entry["reason"]), ("promoted", "checks-passed"), entry)
            self.assert_together(True)
            self.assert_closed()
        with self.step(cut="after the promotion"):
            self.device.power_cut()
            self.device.boot()
            self.running("new")
            self.assert_together(True)


class Bond(Kind):
    type, device_name, port = "bond", "bond0", True
    settings = ("mode=active-backup\nmiimon=100", "mode=balance-rr\nmiimon=100")

    def test_story(self):
        self.story()


class Bridge(Kind):
    type, device_name, port = "bridge", "br0", True
    settings = ("stp=false", "stp=false\nageing-time=200")

    def test_story(self):
        self.story()


class Vlan(Kind):
    type, device_name, number = "vlan", "eth1.5", 5
    settings = ("id=5\nparent=eth1",) * 2
    options = {"modules": "8021q"}

    def in_the_world(self):
        self.device.network("ip link show wan1.5 || ip link add link wan1 name wan1.5 type vlan id 5; "
                            "ip addr replace 10.99.5.1/24 dev wan1.5; ip link set wan1.5 up")

    def test_story(self):
        self.story()


class Dummy(Kind):
    """It reaches nobody; a check of one's own says whether it has the right address."""
    type, device_name, number, check = "dummy", "dummy0", 9, "address"

    def prepare(self):
        super().prepare()
        directory = self.device.disk / "etc/nm-trial/check.d"
        directory.mkdir()
        (directory / "address").write_text(OWN_CHECK)
        (directory / "address").chmod(0o755)

    def test_story(self):
        self.story()


if __name__ == "__main__":
    unittest.main(verbosity=2)
