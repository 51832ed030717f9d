# SPDX-License-Identifier: LGPL-2.1-or-later
"""The auto-default "Wired connection" lives in /run; a stored candidate alone suppresses it at the next boot. So
it is saved durably before a trial."""
import functools
import threading
import unittest

from case import Case, keyfile, wait_for

WIRED = "Wired connection 1"


class AutoDefault(Case):
    auto_default = True
    lan = False
    watched = False  # before a trial there is no stored profile

    def _first_boot(self):
        self.addCleanup(self.no_server)
        self.boot()
        self.device.wait_active(WIRED)

    def boot(self):
        """Boots with DHCP servers that are there as soon as the cables are."""
        server = threading.Thread(target=self.serve)
        server.start()
        self.device.boot()
        server.join()

    def serve(self):
        for number in (0, 1):
            wait_for("the cable", functools.partial(self.plugged, number))
            self.device.heal("dhcp", number)

    def plugged(self, number):
        return "10.99" in self.device.network(f"ip -o -4 address show dev wan{number}", check=False).stdout

    def no_server(self):
        for number in (0, 1):
            self.device.break_network("dhcp", number)

    def power_cut(self):
        self.no_server()
        self.device.power_cut()

    def trying(self):
        self.own.add(WIRED)
        self.candidate()
        return self.wait_manual("good")

    def bootable(self):
        """The auto-default's profile on the disk now, if it is there and has autoconnect."""
        profiles = [keyfile.parse(path.read_text()) for path in self.device.profile_path("good").parent.glob("*")]
        return [profile for profile in profiles
                if profile["connection"]["id"] == WIRED and keyfile.autoconnect(profile)]

    def test_it_is_back_after_a_power_cut_during_a_trial(self):
        trial = self.trying()
        self.assertTrue(self.bootable())
        self.power_cut()
        self.boot()
        entry = self.wait_verdict(trial)
        self.assertEqual((entry["verdict"], entry["reason"]), ("reverted", "unconfirmed-reboot"))
        self.device.wait_active(WIRED)
        self.device.wait_online()

    def test_it_is_back_after_a_revert(self):
        trial = self.trying()
        self.trial("cancel", trial)
        self.assertEqual(self.wait_verdict(trial)["verdict"], "reverted")
        self.device.wait_active(WIRED)
        self.device.wait_online()
        self.assertTrue(self.bootable())

    def test_it_is_retired_by_a_promotion(self):
        trial = self.trying()
        self.trial("confirm", trial)
        self.assertEqual(self.wait_verdict(trial)["verdict"], "promoted")
        self.assertEqual(self.bootable(), [])
        self.power_cut()
        self.boot()
        self.device.wait_active("good")
        self.device.wait_online()


if __name__ == "__main__":
    unittest.main(verbosity=2)
