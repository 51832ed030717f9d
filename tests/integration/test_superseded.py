# SPDX-License-Identifier: LGPL-2.1-or-later
"""Another profile took the candidate's device: a human, or a cable that was out for a while."""
import time
import unittest

from case import Case, uuid_of, wait_for


class Superseded(Case):
    def wait_manual(self, candidate, *options, **more):
        """And until the agent has noticed: no human is as quick as these tests."""
        trial = super().wait_manual(candidate, *options, **more)
        wait_for("the agent's notice", lambda: b"was-active=true" in self.record())
        return trial

    def test_carrier_lost_for_10_seconds(self):
        self.candidate()
        trial = self.wait_manual("good")
        lost = time.monotonic()
        self.device.break_network("carrier")
        wait_for("10 seconds without carrier", lambda: time.monotonic() - lost > 10, 12)
        self.assertEqual(self.state(), "trying", "a lost carrier alone ends no trial")
        self.device.heal("carrier")
        self.device.wait_active("lan")
        self.assert_reverted(trial, "good", "superseded")
        self.assertTrue(self.device.online())

    def test_a_short_loss_of_carrier_is_no_end(self):
        self.candidate()
        trial = self.wait_manual("good", check="gateway")
        lost = time.monotonic()
        self.device.break_network("carrier")
        wait_for("a moment without carrier", lambda: time.monotonic() - lost > 1.5)
        self.device.heal("carrier")
        self.confirm_when_ready(trial)
        self.assert_promoted(trial, "good", "confirmed")

    def test_a_human_activates_another_profile(self):
        self.candidate()
        text = self.device.profile_path("lan").read_text().replace(uuid_of("lan"), uuid_of("other"))
        self.own.add("other")
        self.device.profile_file("other", text.replace("id=lan", "id=\033[31mred").replace("0.10/", "0.40/"))
        self.before = None
        trial = self.wait_manual("good")
        self.device.nmcli("connection", "up", uuid_of("other"))
        took = time.monotonic()
        self.assertEqual(self.state(), "trying")
        entry = self.assert_reverted(trial, "good", "superseded")
        self.assertEqual(entry["detail"], f'"\\u001b[31mred" ({uuid_of("other")}) has taken eth0')
        self.assertGreater(self.watch.left("trying", self.started), took + 3.5, "5 s must pass before that counts")

    def test_a_human_goes_back_to_the_replaced_profile(self):
        self.candidate()
        trial = self.wait_manual("good")
        self.device.nmcli("connection", "up", "lan")
        entry = self.assert_reverted(trial, "good", "superseded")
        self.assertEqual(entry["detail"], f'"lan" ({uuid_of("lan")}) has taken eth0')

    def test_a_human_tries_another_profile_for_a_moment(self):
        self.candidate()
        trial = self.wait_manual("good")
        self.device.nmcli("connection", "up", "lan")
        self.device.nmcli("connection", "up", "good")
        began = time.monotonic()
        wait_for("more than 5 seconds", lambda: time.monotonic() - began > 6)
        self.assertEqual(self.state(), "trying")
        self.trial("cancel", trial)
        self.assert_reverted(trial, "good", "cancelled")

    def test_nmcli_device_disconnect_brings_the_old_profile_back_at_the_deadline(self):
        """After that NetworkManager does nothing by itself."""
        self.candidate()
        trial = self.wait_manual("good", timeout="8s")
        deadline = self.deadline()
        self.device.nmcli("device", "disconnect", "eth0")
        self.assert_reverted(trial, "good")
        self.assert_in_time(deadline)
        self.assertTrue(self.device.online())

    def test_nmcli_device_disconnect_is_not_confirmed(self):
        self.candidate()
        trial = self.wait_manual("good")
        self.device.nmcli("device", "disconnect", "eth0")
        self.trial("confirm", trial, status=(4, 5))
        if self.state() != "none":
            self.trial("cancel", trial, status=(0, 3, 4))
        self.assert_reverted(trial, "good")

    def test_nmcli_connection_down_is_superseded_by_what_networkmanager_goes_back_to(self):
        self.candidate()
        trial = self.wait_manual("good")
        self.device.nmcli("connection", "down", "good")
        self.device.wait_active("lan")
        self.assert_reverted(trial, "good", "superseded")

    def test_the_cable_is_out_at_the_revert(self):
        """The old profile cannot come up now; it does when the cable is back."""
        self.candidate()
        trial = self.wait_manual("good", timeout="5s")
        deadline = self.deadline()
        self.device.break_network("carrier")
        self.assert_in_time(deadline)
        self.device.heal("carrier")
        self.assert_reverted(trial, "good")
        self.assertTrue(self.device.online())


if __name__ == "__main__":
    unittest.main(verbosity=2)
