# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk that is full or read-only at the revert: the old profile is active in time, and nothing is lost."""
import unittest

from case import Case, keyfile, wait_for
from edited import BAD, OLD, Edited
from small import SmallDisk


class Disk(Case):
    def over_the_deadline(self, trial, seconds=2.0):
        """The old profile comes back at the deadline although nothing can be written."""
        deadline = self.deadline()
        wait_for("the deadline", lambda: self.status().get("deadline_s", 0) < 0.2, 20)
        self.device.wait_active("lan", seconds=seconds + 0.2)
        self.device.wait_online()
        self.assertEqual(self.addresses(), {"10.99.0.10/24"})
        self.assertTrue(self.device.profile_path("bad").read_bytes())
        return trial, deadline


class ReadOnly(Disk):
    def trying(self, paths):
        self.bad()
        trial = self.start_manual("bad", timeout="6s")
        self.device.wait_active("bad")
        self.settled_record()
        self.read_only(True, paths)
        return trial

    def all_is_well_again(self, trial, paths):
        self.read_only(False, paths)
        self.assert_reverted(trial, "bad", "timeout")
        self.assert_boots("lan")

    def test_read_only_at_the_deadline(self):
        paths = ("/etc", "/var")
        trial = self.trying(paths)
        self.over_the_deadline(trial)
        self.all_is_well_again(trial, paths)

    def test_only_the_profiles_are_read_only(self):
        trial = self.trying(["/etc"])
        self.over_the_deadline(trial)
        self.all_is_well_again(trial, ["/etc"])

    def test_only_the_record_is_read_only(self):
        trial = self.trying(["/var"])
        self.over_the_deadline(trial)
        self.all_is_well_again(trial, ["/var"])

    def test_read_only_and_then_a_power_cut(self):
        trial = self.trying(("/etc", "/var"))
        self.over_the_deadline(trial)
        self.device.power_cut()
        self.device.boot()
        self.assert_reverted(trial, "bad")
        self.assertTrue(self.device.online())

    def test_the_agent_dies_meanwhile(self):
        paths = ("/etc", "/var")
        trial = self.trying(paths)
        self.kill_helpers()
        wait_for("the next agent", self.helpers)
        self.over_the_deadline(trial)
        self.kill_helpers()
        wait_for("the next agent", self.helpers)
        self.device.wait_active("lan")
        self.all_is_well_again(trial, paths)

    def test_start_on_a_read_only_disk_is_a_clear_error(self):
        self.bad()
        before = self.before = self.files()
        for paths in (["/etc"], ["/var"]):
            with self.subTest(paths=paths):
                self.read_only(True, paths)
                failed = self.trial("start", "bad", "--confirm", "manual", "--check", "none", status=(1, 4))
                self.assertRegex(failed.stderr, "(?i)read-only")
                self.assertEqual((self.state(), self.device.active()), ("none", "lan"))
                self.read_only(False, paths)
                self.assertEqual(self.profile("bad")["connection"]["autoconnect"], "false")
        self.assertEqual({path for path in self.files()}, set(before))
        self.assertEqual(self.checkpoints(), [])


class Full(Disk):
    def prepare(self):
        self.small = SmallDisk(self.device)
        self.addCleanup(self.small.off)

    def trying(self):
        self.bad()
        trial = self.start_manual("bad", timeout="8s")
        self.device.wait_active("bad")
        self.settled_record()
        self.small.fill()
        return trial

    def test_full_at_the_deadline(self):
        trial = self.trying()
        self.over_the_deadline(trial)
        self.small.free()
        self.assert_reverted(trial, "bad", "timeout")
        self.assert_boots("lan")

    def test_full_and_then_a_power_cut(self):
        trial = self.trying()
        self.over_the_deadline(trial)
        self.device.power_cut()
        self.device.boot()
        self.device.wait_active("lan")
        self.device.wait_online()  # the agent activates it once more: nobody has said why it is up
        self.small.free()
        self.assert_reverted(trial, "bad")

    def test_start_on_a_full_disk_is_a_clear_error(self):
        self.bad()
        self.before = self.files()
        self.small.fill()
        failed = self.trial("start", "bad", "--confirm", "manual", "--check", "none", status=(1, 4))
        self.assertRegex(failed.stderr, "(?i)space")
        self.assertEqual((self.state(), self.device.active()), ("none", "lan"))
        self.assertFalse(keyfile.autoconnect(self.profile("bad")))
        self.assertEqual(self.temporaries(), [])
        self.small.free()


class EditDisk(Edited):
    """An edit's shadow is in /run: no disk keeps it there, in the way of the old content."""

    def prepare(self):
        super().prepare()
        self.small = SmallDisk(self.device)
        self.addCleanup(self.small.off)

    def reverts(self, fail, heal):
        trial = self.edit_manual(self.bad_content(), timeout="4s")
        self.settled_record()
        self.assertEqual(self.addresses(), {BAD})
        fail()
        self.wait_address(OLD)
        self.device.wait_online()
        self.assertEqual(self.state(), "trying", "the disk took the verdict, and nothing was tested")
        heal()
        self.assert_reverted(trial, None, "timeout")
        self.assert_old()
        self.assert_boots_old()

    def test_full_at_the_deadline(self):
        self.reverts(self.small.fill, self.small.free)

    def test_read_only_at_the_deadline(self):
        self.reverts(lambda: self.read_only(True), lambda: self.read_only(False))


if __name__ == "__main__":
    unittest.main(verbosity=2)
