# SPDX-License-Identifier: LGPL-2.1-or-later
"""A good candidate is kept: promoted, and up after every later boot."""
import time
import unittest

from case import Case, keyfile, uuid_of, wait_for


class Promote(Case):
    def test_a_candidate_whose_checks_pass_is_promoted(self):
        self.candidate()
        trial = self.start("good", "--timeout", "20s", "--hold", "2s")
        self.device.wait_active("good")
        active = time.monotonic()
        entry = self.assert_promoted(trial, "good", "checks-passed")
        self.assertGreaterEqual(time.monotonic() - active, 1.8, "promoted before hold had passed")
        self.assertEqual(entry["pairs"][0]["candidate"], {"uuid": uuid_of("good"), "id": "good"})
        self.assertEqual(entry["pairs"][0]["replaced"], {"uuid": uuid_of("lan"), "id": "lan"})
        self.assertEqual(entry["pairs"][0]["device"], "eth0")
        self.assert_boots("good")
        self.assert_boots("good")

    def test_the_gateway_check_promotes_too(self):
        self.candidate()
        trial = self.start("good", "--check", "gateway", "--timeout", "20s", "--hold", "1s")
        self.assert_promoted(trial, "good", "checks-passed")
        self.assert_boots("good")

    def test_both_checks_must_pass_and_do(self):
        self.candidate()
        trial = self.start("good", "--check", "nm", "--check", "gateway", "--timeout", "20s", "--hold", "1s")
        wait_for("both checks", lambda: len(self.status()["checks"]) == 2)
        self.assert_promoted(trial, "good", "checks-passed")

    def test_manual_needs_the_operator_even_when_all_checks_pass(self):
        self.candidate()
        trial = self.start("good", "--confirm", "manual", "--timeout", "30s")
        self.assertTrue(self.status()["needs_confirm"])
        wait_for("passing checks", lambda: {check["state"] for check in self.status()["checks"]} == {"passing"})
        self.assertEqual(self.status()["state"], "trying")
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")
        self.assert_boots("good")

    def test_confirm_without_an_id_confirms_the_open_trial(self):
        self.candidate()
        trial = self.wait_manual("good")
        self.trial("confirm")
        self.assert_promoted(trial, "good", "confirmed")

    def test_confirm_cuts_hold_short_with_auto(self):
        self.candidate()
        trial = self.start("good", "--hold", "40s", "--timeout", "90s")
        self.device.wait_active("good")
        self.confirm_when_ready(trial)
        self.assert_promoted(trial, "good", "confirmed")
        self.assertLess(time.monotonic() - self.started, 20)

    def test_with_fallback_the_replaced_profile_stays_bootable_behind_it(self):
        self.candidate()
        trial = self.wait_manual("good", "--fallback")
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", replaced=None)
        lan, good = self.profile("lan"), self.profile("good")
        self.assertTrue(keyfile.autoconnect(lan))
        self.assertGreater(keyfile.priority(good), keyfile.priority(lan))
        self.assert_boots("good")
        self.edited.add("good")
        self.device.power_cut()
        self.device.profile_path("good").unlink()
        self.before = self.files()
        self.assert_boots("lan")

    def test_a_candidate_for_a_device_that_had_no_network(self):
        self.candidate(device="eth1")
        trial = self.wait_manual("good", "--replace", "none", device="eth1")
        self.trial("confirm", trial)
        entry = self.assert_promoted(trial, "good", replaced=None, device="eth1")
        self.assertIsNone(entry["pairs"][0]["replaced"])
        self.assert_boots("good", "eth1")
        self.assertEqual(self.device.active("eth0"), "lan")

    def test_one_successor_after_the_other(self):
        self.candidate()
        self.candidate("next", address="10.99.{n}.30/24")
        trial = self.wait_manual("good")
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good")
        trial = self.wait_manual("next")
        self.trial("confirm", trial)
        self.assert_promoted(trial, "next", replaced="good")
        trial = self.wait_manual("lan")
        self.trial("confirm", trial)
        self.assert_promoted(trial, "lan", replaced="next")
        self.assertEqual([entry["pairs"][0]["candidate"]["id"] for entry in self.history()], ["lan", "next", "good"])
        self.assert_boots("lan")

    def test_profiles_are_named_by_uuid_or_by_any_id(self):
        name = 'Büro "2" \\ $(x) %s'
        self.candidate()
        path = self.device.profile_path("good")
        escaped = name.replace("\\", "\\\\")
        self.device.profile_file("good", path.read_text().replace("id=good", f"id={escaped}"))
        trial = self.start_manual(name, "--replace", uuid_of("lan"))
        self.device.wait_active(name.replace("\\", "\\\\"))
        self.assertEqual(self.status()["pairs"][0]["candidate"], {"uuid": uuid_of("good"), "id": name})
        self.trial("cancel", trial)
        self.assert_reverted(trial, "good", "cancelled")
        trial = self.start_manual(uuid_of("good"))
        self.device.wait_active(name.replace("\\", "\\\\"))
        self.trial("confirm", trial)
        self.assertEqual(self.wait_verdict(trial)["pairs"][0]["candidate"]["id"], name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
