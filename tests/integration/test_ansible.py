# SPDX-License-Identifier: LGPL-2.1-or-later
"""The role for Ansible, by Debian's Ansible over ssh: README's playbook on one device, and on a fleet of ten."""
import re
import sys
import time
import unittest

from fleet import SECRET, Fleet


class Role(Fleet):
    def state(self):
        """What is on the device's disk, and in the tmpfs where the keyfiles pass through."""
        return (self.device.tree("etc"), self.device.tree("var/lib/nm-trial"), self.device.run("ls", "/run").stdout)

    def test_a_good_candidate(self):
        before = self.state()
        with self.step(what="check mode: it says what it would do, and does nothing"):
            said, numbers = self.rollout("--check", "--diff", "-vvv")
            self.assertIn("lan-new.nmconnection would be staged and tried", said)
            self.assertEqual((numbers["gw-0"]["changed"], self.state()), (1, before))
        with self.step(what="it is kept"):
            self.before = self.files()
            said, numbers = self.rollout("--diff", "-vvv")
            self.assertEqual(numbers["gw-0"]["changed"], 3, said)  # staged, started, confirmed
            self.assert_promoted(self.history()[0]["id"], "lan-new", "confirmed")
            self.assertEqual(self.addresses(), {"10.99.0.30/24"})
            self.assertIn(SECRET, self.device.profile_path("lan-new").read_text())
        before = self.state()
        with self.step(what="a second run, with the same inventory, changes nothing"):
            said, numbers = self.rollout(nm_trial_reach=3)  # so long it is looked for on its old address
            self.assertEqual((numbers["gw-0"]["changed"], self.state()), (0, before), said)

    def test_two_candidates_and_then_new_content_for_one(self):
        self.device.profile("wan", device="eth1")
        self.device.wait_active("wan", "eth1")
        (self.desk / "templates/wan-new.nmconnection").write_text(
            self.device.profile_text("wan-new", device="eth1", address="10.99.1.30/24"))
        both = "--extra-vars", '{"nm_trial_candidates": ["lan-new.nmconnection.j2", "wan-new.nmconnection"]}'
        with self.step(what="both are kept, by one trial"):
            said, numbers = self.rollout(*both)
            self.assertEqual(numbers["gw-0"]["changed"], 3, said)
            trial = self.history()[0]["id"]
            self.assert_promoted(trial, "lan-new", "confirmed")
            self.assert_promoted(trial, "wan-new", "confirmed", replaced="wan", device="eth1")
        self.settings["gw-0"]["ansible_host"] = "10.99.0.30"
        before = self.state()
        with self.step(what="new content for one: check mode asks nm-trial"):
            said, numbers = self.rollout("--check", *both, psk="another-secret")
            self.assertIn('"Would try new content of \\"lan-new\\" on eth0."', said)
            self.assertEqual((numbers["gw-0"]["changed"], self.state()), (1, before))
        with self.step(what="it is tried in place, and kept"):
            self.edited.add("lan-new")
            said, numbers = self.rollout(*both, psk="another-secret")
            self.assertEqual(numbers["gw-0"]["changed"], 2, said)  # started, confirmed
            entry = self.assert_promoted(self.history()[0]["id"], "lan-new", "confirmed", replaced=None)
            self.assertEqual([pair["candidate"]["id"] for pair in entry["pairs"]], ["lan-new"])
            self.assertIn("another-secret", self.device.profile_path("lan-new").read_text())

    def test_a_candidate_that_is_not_reached(self):
        self.before = self.files()
        with self.step(what="it is not kept, and the role says why"):
            self.settings["gw-0"].update(new_address="10.98.0.30", gateway="10.98.0.1")  # nobody's network
            said, numbers = self.rollout(status=2, nm_trial_timeout=14, nm_trial_reach=5)
            self.assertEqual(numbers["gw-0"]["failed"], 1, said)
            trial = self.history()[0]["id"]
            self.assertRegex(said, f"Trial {trial} of lan-new was reverted: check-failed: check nm on eth0: IPv4 does not")
            self.assert_reverted(trial, "lan-new", "check-failed")
        with self.step(what="once it is mended, the next run keeps it"):
            self.settings["gw-0"].update(new_address="10.99.0.30", gateway="10.99.0.1")
            said, numbers = self.rollout()
            self.assertEqual(numbers["gw-0"]["changed"], 3, said)
            self.assert_promoted(self.history()[0]["id"], "lan-new", "confirmed")

    def test_what_is_refused(self):
        before = self.state()
        with self.step(what="without a candidate"):
            said, _ = self.rollout("--extra-vars", '{"nm_trial_candidates": []}', status=2)
            self.assertIn("nm_trial_candidates must name templates", said)
        with self.step(what="words that are not known"):
            said, _ = self.rollout(nm_trial_fallback="perhaps", status=2)
            self.assertRegex(said, "Validation of arguments failed(.|\n)*nm_trial_fallback")
        with self.step(what="a keyfile without a UUID"):
            template = self.desk / "templates/lan-new.nmconnection.j2"
            text = template.read_text()
            template.write_text(text.replace("uuid=", "# uuid="))
            said, _ = self.rollout(status=2)
            self.assertRegex(said, "called NAME.nmconnection .* with uuid= in their")
            template.write_text(text)
        with self.step(what="what nm-trial refuses: a check that is not there"):
            said, _ = self.rollout("--extra-vars", '{"nm_trial_checks": ["nobodys"]}', status=2)
            self.assertRegex(said, "nobodys")
        self.assertNotEqual(before, self.state())  # it is staged: the way to ask
        with self.step(what="another trial is open"):
            self.candidate("other", address="10.99.0.10/24")
            trial = self.wait_manual("other")
            said, _ = self.rollout(status=2)
            self.assertRegex(said, rf"Trial {trial} is open \(trying\) for other, with \d+ s left")
            self.trial("cancel", trial)
            self.assert_reverted(trial, "other", "cancelled")


class Ten(Fleet):
    size = 10

    def active(self):
        return {name: (device.active(), self.psk(device)) for name, device in self.devices.items()}

    def psk(self, device):
        return re.search("^psk=(.*)$", device.profile_path("lan-new").read_text(), re.M)[1]

    def test_all_at_once_and_then_in_batches_that_stop(self):
        with self.step(what="all at once"):
            begun = time.monotonic()
            said, numbers = self.rollout()
            print(f"ten trials at once: {time.monotonic() - begun:.1f} s", file=sys.stderr)
            self.assertEqual({name: found["changed"] for name, found in numbers.items()},
                             dict.fromkeys(self.devices, 3), said)
            self.assertEqual(self.active(), dict.fromkeys(self.devices, ("lan-new", SECRET)))
        for settings in self.settings.values():
            settings["ansible_host"] = settings["new_address"]
        self.settings["gw-2"].update(gateway="10.99.0.254", nm_trial_timeout=20, nm_trial_reach=10)
        with self.step(what="in batches, the second with one whose gateway nobody is"):
            said, numbers = self.rollout(batches=[1, 3, "100%"], psk="another-secret", status=2)
            self.assertEqual({name: (found["changed"], found["failed"]) for name, found in numbers.items()},
                             {"gw-0": (2, 0), "gw-1": (2, 0), "gw-2": (1, 1), "gw-3": (2, 0)}, said)
            self.assertRegex(said, r'gw-2\]: FAILED! => .*"Trial .{8} of lan-new was reverted: check-failed: check nm on '
                                   "eth0: IPv4 does not reach")
            kept = {"gw-0", "gw-1", "gw-3"}
            self.assertEqual(self.active(), {name: ("lan-new", "another-secret" if name in kept else SECRET)
                                             for name in self.devices})


if __name__ == "__main__":
    unittest.main()
