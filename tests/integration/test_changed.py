# SPDX-License-Identifier: LGPL-2.1-or-later
"""Promise 5, tested is what is promoted: whatever was changed during its trial is not."""
import os
import unittest

from case import Case, keyfile, uuid_of, wait_for
from hands import INTERFACE

# NetworkManager keeps and returns it for an ethernet profile, too; it only does not need it.
SECRET = "\n[wifi-security]\nkey-mgmt=wpa-psk\npsk=first-secret\n"
SETTINGS = """{{
    'connection': {{'id': <'good'>, 'uuid': <'{uuid}'>, 'type': <'802-3-ethernet'>, 'interface-name': <'eth0'>,
                    'autoconnect': <false>}},
    '802-3-ethernet': {{}},
    '802-11-wireless-security': {{'key-mgmt': <'wpa-psk'>, 'psk': <'other-secret'>}},
    'ipv4': {{'method': <'manual'>, 'address-data': <[{{'address': <'10.99.0.20'>, 'prefix': <uint32 24>}}]>,
              'gateway': <'10.99.0.1'>}},
    'ipv6': {{'method': <'disabled'>}},
    'user': {{'data': <{{'nm-trial.state': 'trying'}}>}}}}"""


class Changed(Case):
    def trying(self, secret=""):
        self.candidate()
        if secret:
            self.replace("good", "[ipv6]", f"{secret.strip()}\n\n[ipv6]")
        trial = self.wait_manual("good")
        self.edited.add("good")
        return trial

    def replace(self, name, old, new, load=True):
        text = self.device.profile_path(name).read_text()
        self.assertIn(old, text)
        self.device.profile_file(name, text.replace(old, new), load)

    def not_promoted(self, trial):
        """Whether the change was noticed at once or only now, the answer to a confirm is the same."""
        self.trial("confirm", trial, status=5)
        self.assert_reverted(trial, "good", "candidate-changed")
        self.assert_boots("lan")

    def test_a_secret_changed_in_the_file_and_loaded(self):
        trial = self.trying(SECRET)
        self.replace("good", "first-secret", "other-secret")
        self.not_promoted(trial)
        self.assertIn("other-secret", self.device.profile_path("good").read_text(), "the edit itself is kept")

    def test_a_secret_changed_in_the_file_and_not_loaded(self):
        trial = self.trying(SECRET)
        self.replace("good", "first-secret", "other-secret", load=False)
        self.not_promoted(trial)

    def test_a_secret_changed_through_networkmanager(self):
        trial = self.trying(SECRET)
        self.update("Update")
        self.assertIn("other-secret", self.device.profile_path("good").read_text())
        self.not_promoted(trial)

    def test_a_secret_changed_in_memory_only(self):
        trial = self.trying(SECRET)
        self.update("UpdateUnsaved")
        self.not_promoted(trial)

    def update(self, method):
        """Another secret and nothing else, over D-Bus: nmcli does not set a secret that its profile type has not."""
        shown = self.device.nmcli("-f", "NAME,DBUS-PATH", "connection", "show").splitlines()
        path = next(line.split(":")[1] for line in shown if line.startswith("good:"))
        self.device.run("gdbus", "call", "--system", "-d", INTERFACE, "-o", path, "-m",
                        f"{INTERFACE}.Settings.Connection.{method}", SETTINGS.format(uuid=uuid_of("good")))

    def test_an_address_changed_with_nmcli(self):
        trial = self.trying()
        self.device.nmcli("connection", "modify", "good", "+ipv4.addresses", "10.99.0.21/24")
        self.not_promoted(trial)

    def test_an_address_changed_in_the_file_and_not_loaded(self):
        trial = self.trying()
        self.replace("good", "10.99.0.20", "10.99.0.21", load=False)
        self.not_promoted(trial)

    def test_an_address_changed_in_memory_only(self):
        trial = self.trying()
        self.device.nmcli("connection", "modify", "--temporary", "good", "+ipv4.addresses", "10.99.0.21/24")
        self.not_promoted(trial)

    def test_what_runs_changed_with_device_modify(self):
        trial = self.trying()
        self.device.nmcli("device", "modify", "eth0", "+ipv4.addresses", "10.99.0.21/24")
        self.not_promoted(trial)

    def test_a_change_before_the_deadline_of_an_automatic_trial(self):
        self.candidate()
        trial = self.start("good", "--check", "gateway", "--timeout", "20s", "--hold", "4s")
        self.device.wait_active("good")
        self.edited.add("good")
        self.replace("good", "10.99.0.20", "10.99.0.21", load=False)
        self.assert_reverted(trial, "good", "candidate-changed")

    def test_a_switched_on_autoconnect_is_no_change_and_is_switched_off(self):
        trial = self.trying()
        self.watch.ignore_profiles()
        self.device.nmcli("connection", "modify", "good", "connection.autoconnect", "yes")
        wait_for("autoconnect off again", lambda: not keyfile.autoconnect(self.profile("good")))
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")


class Removed(Case):
    def gone(self, trial):
        self.assert_reverted(trial, None, "candidate-removed")
        self.assertFalse(self.device.profile_path("good").exists())
        self.assert_boots("lan")

    def setUp(self):
        super().setUp()
        self.candidate()
        self.candidate_trial = self.wait_manual("good")
        self.edited.add("good")

    def test_the_candidates_file_is_removed(self):
        self.device.profile_path("good").unlink()
        self.trial("confirm", self.candidate_trial, status=5)
        self.gone(self.candidate_trial)

    def test_the_candidate_is_deleted_with_nmcli(self):
        self.device.nmcli("connection", "delete", "good")
        self.gone(self.candidate_trial)

    def restored(self, before):
        self.assertEqual(self.state(), "trying")
        self.assertEqual(self.device.active(), "good", "the candidate must stay while the replaced is restored")
        self.assertEqual(self.device.profile_path("lan").read_bytes(), before)
        self.assertEqual(oct(self.device.profile_path("lan").stat().st_mode), "0o100600")
        wait_for("NetworkManager knows it again", lambda: "lan" in
                 self.device.nmcli("-f", "NAME", "connection", "show").splitlines())
        self.trial("cancel", self.candidate_trial)
        self.assert_reverted(self.candidate_trial, "good", "cancelled")

    def test_the_replaced_profile_is_deleted_with_nmcli_and_restored_while_the_candidate_is_there(self):
        before = self.device.profile_path("lan").read_bytes()
        self.watch.ignore_profiles()
        self.device.nmcli("connection", "delete", "lan")
        wait_for("the replaced profile's file", self.device.profile_path("lan").exists)
        self.restored(before)

    def test_the_replaced_profiles_file_is_removed_and_restored_while_the_candidate_is_there(self):
        before = self.device.profile_path("lan").read_bytes()
        self.watch.ignore_profiles()
        self.device.profile_path("lan").unlink()
        self.device.run("nmcli", "connection", "reload")
        wait_for("the replaced profile's file", self.device.profile_path("lan").exists)
        self.restored(before)

    def test_the_replaced_profiles_file_is_removed_and_the_power_cut(self):
        self.watch.ignore_profiles()
        before = self.device.profile_path("lan").read_bytes()
        self.device.profile_path("lan").unlink()
        self.device.power_cut()
        self.device.boot()
        self.assert_reverted(self.candidate_trial, "good", "unconfirmed-reboot")
        self.assertEqual(self.device.profile_path("lan").read_bytes(), before)

    def test_the_replaced_profile_loses_its_autoconnect(self):
        self.watch.ignore_profiles()
        self.edited.add("lan")
        self.device.nmcli("connection", "modify", "lan", "connection.autoconnect", "no")
        wait_for("autoconnect on again", lambda: keyfile.autoconnect(self.profile("lan")))
        self.trial("cancel", self.candidate_trial)
        self.assert_reverted(self.candidate_trial, "good", "cancelled")
        self.assert_boots("lan")

    def test_both_are_deleted(self):
        self.watch.ignore_profiles()
        self.device.nmcli("connection", "delete", "good", "lan")
        self.gone(self.candidate_trial)

    def test_the_replaced_file_is_replaced_by_rubbish_and_the_power_cut(self):
        """NetworkManager would drop it: the device would be lost."""
        self.watch.ignore_profiles()
        self.edited.add("lan")
        path = self.device.profile_path("lan")
        os.truncate(path, 40)
        self.device.power_cut()
        self.device.boot()
        self.assert_reverted(self.candidate_trial, "good", "unconfirmed-reboot")
        self.assertTrue(self.device.online())


if __name__ == "__main__":
    unittest.main(verbosity=2)
