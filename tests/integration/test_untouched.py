# SPDX-License-Identifier: LGPL-2.1-or-later
"""Promise 7, nothing else is touched: comments, unknown keys and secrets stay byte for byte."""
import os
import unittest

from case import Case, uuid_of

# As people and programs write them: not as NetworkManager or GLib would.
WILD = """\
# Made by hand; do not touch.

  [connection]
id = {name}
uuid={uuid}
type=ethernet
# the port on the left
interface-name=eth0
 autoconnect = {autoconnect}
x-unknown=1
permissions=

[ethernet]
mac-address-blacklist=

[wifi-security]
key-mgmt=wpa-psk
psk=hünter\\s2=#;\\t

[ipv4]
method=manual
address1 = 10.99.0.{host}/24,10.99.0.1
;dns=10.99.255.1

[ipv6]
method=disabled


[x-unknown section]
key with spaces = value\\n
list=a;b;c;
[user]
my.note=keep=me
[proxy]
# the end, without a line end"""


class Untouched(Case):
    lan = False

    def wild(self, name, host, autoconnect, end=""):
        self.own.add(name)
        text = WILD.format(name=name, uuid=uuid_of(name), host=host, autoconnect=autoconnect) + end
        self.device.profile_file(name, text)

    def prepare(self):
        self.wild("lan", 10, "1")
        self.device.profile("wan", device="eth1")
        self.device.profile("unrelated", device="eth7")
        self.device.profile_file("rubbish", "[connection\nnot a profile", load=False)
        os.chmod(self.device.profile_path("rubbish"), 0o600)
        (self.device.profile_path("lan").parent / "README").write_text("not a profile either\n")

    def setUp(self):
        super().setUp()
        self.device.wait_active("lan")
        self.device.wait_active("wan", "eth1")
        self.wild("good", 20, "FALSE", end="\n\n\n")  # which NetworkManager takes for true

    def others(self):
        return [line for line in self.device.nmcli("-f", "NAME,ACTIVE-PATH", "connection", "show").splitlines()
                if line.startswith(("wan:", "unrelated:"))]

    def test_by_a_promotion(self):
        others = self.others()
        trial = self.wait_manual("good")
        self.invariants()
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")
        self.invariants()
        self.assertEqual(self.others(), others)
        self.assert_boots("good")

    def test_by_a_revert(self):
        others = self.others()
        lan = self.device.profile_path("lan").read_bytes()
        trial = self.wait_manual("good")
        self.trial("cancel", trial)
        self.assert_reverted(trial, "good", "cancelled")
        self.invariants()
        self.assertEqual(self.others(), others)
        self.assertEqual(self.device.profile_path("lan").read_bytes(), lan, "not even its flags")
        self.assert_boots("lan")

    def test_by_a_power_cut(self):
        lan = self.device.profile_path("lan").read_bytes()
        trial = self.wait_manual("good")
        self.device.power_cut()
        self.device.boot()
        self.assert_reverted(trial, "good", "unconfirmed-reboot")
        self.assertEqual(self.device.profile_path("lan").read_bytes(), lan)

    def test_again_and_again(self):
        """The files do not grow or change from one trial to the next."""
        trial = self.wait_manual("good")
        self.trial("cancel", trial)
        self.assert_reverted(trial, "good", "cancelled")
        first = self.files()
        for _ in range(3):
            trial = self.wait_manual("good")
            self.trial("cancel", trial)
            self.assert_reverted(trial, "good", "cancelled")
            self.assertEqual(self.files(), first)

    def test_a_profile_that_is_a_link_is_refused(self):
        """Files are not read through links, whosever they are."""
        path = self.device.profile_path("good")
        os.rename(path, self.device.disk / "etc/nm-trial/linked.nmconnection")
        path.symlink_to("/etc/nm-trial/linked.nmconnection")
        self.device.run("nmcli", "connection", "reload")
        self.before = self.files()
        refused = self.trial("start", "good", "--confirm", "manual", "--check", "none", status=4)
        self.assertRegex(refused.stderr, "good.nmconnection cannot be used: .*symbolic link")
        self.assertEqual((self.files(), self.state(), self.checkpoints()), (self.before, "none", []))
        self.device.wait_active("lan")

    def test_the_files_stay_roots_alone(self):
        path = self.device.profile_path("good")
        trial = self.wait_manual("good")
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")
        self.assertEqual((oct(path.stat().st_mode), path.stat().st_uid, path.stat().st_gid), ("0o100600", 0, 0))


if __name__ == "__main__":
    unittest.main(verbosity=2)
