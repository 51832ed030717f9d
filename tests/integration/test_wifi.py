# SPDX-License-Identifier: LGPL-2.1-or-later
"""Wi-Fi, with the kernel's own access points and stations (mac80211_hwsim), hostapd and wpa_supplicant: secrets and SSIDs
that are wrong, absent and right; roaming; the power cut in each."""
import time
import unittest

from device import uuid_of
from whole_machine import MachineCase, keyfile, path, wait_for

OLD = "the old passphrase"
# What a keyfile writes in other words (a blank at the begin, a backslash), and what others take for a comment or a quote
NEW = r""" a\"new" #;passphrase '"""
STORED_NEW = r"""\sa\\"new" #;passphrase '"""

ACCESS_POINT = """\
interface={interface}
bridge=br0
ssid=home
channel={channel}
hw_mode=g
wpa=2
wpa_key_mgmt=WPA-PSK
rsn_pairwise=CCMP
wpa_psk_file=/etc/site/psk
"""
SECOND_SSID = """\
bss=wlan0_1
bridge=br0
ssid=other
wpa=2
wpa_key_mgmt=WPA-PSK
rsn_pairwise=CCMP
wpa_psk_file=/etc/site/psk
"""
SITE = """\
#!/bin/sh
# The device keeps the radio phy1; the access points' have a network of their own.
set -e
modprobe mac80211_hwsim radios=3
ip netns add site
iw phy phy0 set netns name site
iw phy phy2 set netns name site
exec ip netns exec site sh -ec '
  ip link add br0 type bridge
  ip address add 10.99.8.1/24 dev br0
  ip link set br0 up
  hostapd -B -P /run/ap1.pid /etc/site/ap1'
"""
PROFILE = """\
[connection]
id={name}
uuid={uuid}
type=wifi
interface-name=wlan1
autoconnect={autoconnect}
autoconnect-priority={priority}

[wifi]
ssid={ssid}

[wifi-security]
# a comment, and a key that nobody knows
unknown=kept
key-mgmt=wpa-psk
{secret}

[ipv4]
method=manual
address1=10.99.8.{host}/24,10.99.8.1

[ipv6]
method=disabled
"""


def wifi(name, *, ssid="home", secret=f"psk={OLD}", autoconnect=False, priority=0, host=20):
    return PROFILE.format(name=name, uuid=uuid_of(name), ssid=ssid, secret=secret, host=host,
                          autoconnect=str(autoconnect).lower(), priority=priority)


class WifiCase(MachineCase):
    interface = "wlan1"

    @classmethod
    def site(cls):
        one = ACCESS_POINT.format(interface="wlan0", channel=1) + SECOND_SSID
        two = ACCESS_POINT.format(interface="wlan2", channel=6)
        allowed = "".join(f"00:00:00:00:00:00 {psk}\n" for psk in (OLD, NEW))
        return {"/etc/site/psk": allowed, "/etc/site/ap1": one, "/etc/site/ap2": two,
                "/etc/site/site": SITE, path("lan"): wifi("lan", autoconnect=True, host=10)}

    def in_site(self, script):
        return self.machine.run("ip", "netns", "exec", "site", "sh", "-ec", script).stdout

    def access_point(self):
        """The hardware address of the one that the device is associated with."""
        words = self.machine.run("iw", "dev", "wlan1", "link").stdout.split()
        return words[2] if words[0] == "Connected" else None


class Wifi(WifiCase):
    def test_a_wrong_passphrase(self):
        text = wifi("new", secret="psk=not the passphrase")
        self.store("new", text)
        lan = self.text("lan")
        trial_id = self.start_manual("new")
        entry = self.assert_reverted(trial_id, "new")
        self.assertRegex(entry["detail"], "NetworkManager's reason: (no-secrets|supplicant)")
        self.assertEqual(keyfile.without_flags(self.text("new").encode()), keyfile.without_flags(text.encode()))
        self.assertEqual(self.text("lan"), lan)

    def test_an_absent_ssid(self):
        self.store("new", wifi("new", ssid="nowhere"))
        trial_id = self.start_manual("new")
        entry = self.assert_reverted(trial_id, "new")
        self.assertRegex(entry["detail"], "NetworkManager's reason: ssid-not-found")

    def test_the_right_network_and_the_next_boot(self):
        """One SSID's priorities count among themselves alone; the passphrase stays byte for byte."""
        text = wifi("new", ssid="other", secret=f"psk={STORED_NEW}")
        self.store("new", text)
        self.store("same", wifi("same", ssid="other", autoconnect=True, priority=7))
        self.store("elsewhere", wifi("elsewhere", ssid="nowhere", autoconnect=True, priority=50))
        others = self.text("same") + self.text("elsewhere")
        trial_id = self.start("new", "--check", "gateway", "--hold", "2s", "--timeout", "10m")
        self.wait_end(trial_id, "promoted", "checks-passed")
        self.assert_on("new", "lan", priority=8)
        self.cut_and_boot()
        self.wait_active("new")
        self.assert_on("new", "lan", priority=8)
        self.assertEqual(keyfile.without_flags(self.text("new").encode()), keyfile.without_flags(text.encode()))
        self.assertEqual(self.text("same") + self.text("elsewhere"), others)

    def assert_on(self, name, replaced, *, priority):
        self.wait_active(name)
        self.assert_flags(name, on=True, state="promoted")
        self.assert_flags(replaced, on=False)
        self.assertEqual(keyfile.priority(self.profile(name)), priority)

    def test_a_passphrase_that_only_an_agent_has(self):
        for flags in (1, 2):
            self.store("new", wifi("new", secret=f"psk-flags={flags}"))
            before = self.text("new") + self.text("lan")
            refused = self.trial("start", "new", "--confirm", "manual", "--check", "none", status=4)
            self.assertIn("psk", refused.stderr)
            self.assertEqual(self.text("new") + self.text("lan"), before)
        self.assertEqual((self.status()["state"], self.history()), ("none", []))

    def test_roaming_is_not_superseded(self):
        """The access point goes off while a trial waits for its checks; another one has the same SSID."""
        self.in_site("hostapd -B -P /run/ap2.pid /etc/site/ap2")
        self.store("new", wifi("new", secret=f"psk={STORED_NEW}"))
        trial_id = self.start("new", "--check", "gateway", "--confirm", "manual", "--timeout", "10m")
        self.wait_active("new")
        first, second = self.access_points()
        self.assertEqual(self.access_point(), first)
        self.in_site("kill $(cat /run/ap1.pid)")
        wait_for("the other access point", lambda: self.access_point() == second)
        until = time.monotonic() + 8  # longer than the 5 s after which another profile would have taken the device
        while time.monotonic() < until:
            self.assertEqual((self.status()["state"], self.access_point()), ("trying", second))
        wait_for("a confirm that is taken",
                 lambda: self.machine.run("nm-trial", "confirm", trial_id, check=False).returncode == 0)
        self.wait_end(trial_id, "promoted", "confirmed")
        self.wait_active("new")

    def access_points(self):
        return [self.in_site(f"cat /sys/class/net/{name}/address").strip() for name in ("wlan0", "wlan2")]

    def test_a_power_cut_with_an_absent_ssid(self):
        self.store("new", wifi("new", ssid="nowhere"))
        self.assert_power_cut(self.start_manual("new"), "new")

    # New content for the profile that is active, as when a fleet's passphrase is changed

    def edit(self, secret, *options):
        self.machine.write({"/var/tmp/new": self.text("lan").replace(f"psk={OLD}", secret)})
        return self.start("--edit", "lan", "--from", "/var/tmp/new", *options)

    def edit_manual(self, secret):
        return self.edit(secret, "--confirm", "manual", "--check", "none", "--timeout", "1h")

    def assert_edit_gone(self, trial_id, reason, before):
        self.wait_end(trial_id, "reverted", reason)
        self.wait_active("lan")
        self.assertEqual(self.text("lan"), before)

    def test_an_edit_with_the_new_passphrase(self):
        before = self.text("lan")
        trial_id = self.edit(f"psk={STORED_NEW}", "--check", "gateway", "--hold", "2s", "--timeout", "10m")
        self.wait_end(trial_id, "promoted", "checks-passed")
        self.wait_active("lan")
        self.assertEqual(keyfile.without_flags(self.text("lan").encode()),
                         keyfile.without_flags(before.replace(f"psk={OLD}", f"psk={STORED_NEW}").encode()))

    def test_an_edit_with_a_wrong_passphrase(self):
        before = self.text("lan")
        self.assert_edit_gone(self.edit_manual("psk=not the passphrase"), "activation-failed", before)

    def test_a_guarded_profile_gets_a_wrong_passphrase(self):
        self.trial("guard", "lan")
        before = self.text("lan")
        self.machine.run("nmcli", "connection", "modify", "lan", "802-11-wireless-security.psk", "not the passphrase")
        self.machine.run("nmcli", "connection", "up", "lan", check=False)
        wait_for("its trial", self.history)
        self.assert_edit_gone(self.history()[0]["id"], "activation-failed", before)


class WifiLong(Wifi):
    """More power cuts; each is a boot."""

    def test_a_power_cut_with_a_wrong_passphrase(self):
        self.store("new", wifi("new", secret="psk=not the passphrase"))
        self.assert_power_cut(self.start_manual("new"), "new")

    def test_a_power_cut_on_the_right_network(self):
        self.store("new", wifi("new", ssid="other", secret=f"psk={STORED_NEW}"))
        trial_id = self.start_manual("new")
        self.wait_active("new")
        self.assert_power_cut(trial_id, "new")

    def test_a_power_cut_after_roaming(self):
        self.in_site("hostapd -B -P /run/ap2.pid /etc/site/ap2")
        self.store("new", wifi("new", secret=f"psk={STORED_NEW}"))
        trial_id = self.start_manual("new")
        self.wait_active("new")
        self.in_site("kill $(cat /run/ap1.pid)")
        wait_for("the other access point", lambda: self.access_point() == self.access_points()[1])
        self.assert_power_cut(trial_id, "new")

    def test_a_power_cut_in_an_edit(self):
        before = self.text("lan")
        trial_id = self.edit_manual(f"psk={STORED_NEW}")
        self.wait_active("lan")
        self.cut_and_boot()
        self.assert_edit_gone(trial_id, "unconfirmed-reboot", before)


if __name__ == "__main__":
    unittest.main(verbosity=2)
