# SPDX-License-Identifier: LGPL-2.1-or-later
"""The control: without nm-trial, NetworkManager's own checkpoint is shown to lose the device to a power cut.

If this ever fails because the device is *not* lost, the other tests prove nothing, or NetworkManager has learned
to keep checkpoints and nm-trial may retire."""
import unittest

from case import Case, wait_for


class Control(Case):
    helper = False

    def bad_change_under_a_checkpoint(self, seconds):
        self.create_checkpoint(seconds)
        self.assertEqual(len(self.checkpoints()), 1)
        self.device.nmcli("connection", "modify", "lan", "ipv4.gateway", "10.99.0.254")
        self.device.nmcli("connection", "up", "lan")
        self.assertFalse(self.device.online(), "the bad change must cut the device off, or it shows nothing")

    def test_a_checkpoint_undoes_a_bad_change_while_networkmanager_lives(self):
        self.bad_change_under_a_checkpoint(2)
        wait_for("the checkpoint's rollback", lambda: not self.checkpoints())
        self.device.wait_online()
        shown = self.device.nmcli("-f", "ipv4.gateway", "connection", "show", "lan")
        self.assertEqual(shown, "ipv4.gateway:10.99.0.1")

    def test_a_power_cut_before_its_timeout_loses_the_device(self):
        self.assertTrue(self.device.online())
        self.bad_change_under_a_checkpoint(60)
        self.device.power_cut()
        self.device.boot()
        self.device.wait_active("lan")
        self.assertEqual(self.checkpoints(), [], "the checkpoint outlived the power cut")
        self.assertIn("10.99.0.254", self.device.profile_path("lan").read_text(), "the bad change is gone by itself")
        self.assertFalse(self.device.online(), "the device is NOT lost: is nm-trial needed no more?")


if __name__ == "__main__":
    unittest.main(verbosity=2)
