# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where a device keeps its files: an overlay, a mount in the middle of /etc, two disks, two slots of which one boots.
What is in memory is refused (test_refusals)."""
import shutil
import subprocess
import unittest

from case import Case, keyfile, PROFILES, uuid_of, wait_for


class Mounted(Case):
    """A device of whose disk some is mounted from elsewhere, at every boot before anything runs."""
    def prepare(self):
        self.mounts = []
        self.addCleanup(self.off)
        self.make()

    def make(self):
        """The subclass's mounts."""

    def host(self, *words):
        subprocess.run(words, check=True, capture_output=True)

    def mount(self, path, *words):
        self.host("mount", *words, self.device.disk / path)
        self.mounts.append(self.device.disk / path)

    def umount(self, path):
        self.host("umount", path)
        self.mounts.remove(path)

    def off(self):
        if self.device.running():
            self.device.power_cut()
        for path in reversed(self.mounts[:]):
            self.umount(path)

    def directory(self, name):
        path = self.device.dir / name
        path.mkdir()
        return path

    def moved(self, name, path):
        """What is at that path, moved into a directory of that name outside of the disk and mounted where it was."""
        here, there = self.device.disk / path, self.device.dir / name
        shutil.move(here, there)
        here.mkdir(mode=0o755)
        self.mount(path, "--bind", there)
        return there

    def back_and_forth(self):
        """What a trial has done survives: a revert at a boot, a promotion and a power cut right behind it."""
        self.candidate()
        self.bad()
        trial = self.wait_manual("bad")
        self.device.power_cut()
        self.device.boot()
        self.assert_reverted(trial, "bad", "unconfirmed-reboot")
        self.assertEqual(self.trial("doctor", status=(0, 1)).stdout.count("FAILURE  storage"), 0)
        trial = self.wait_manual("good")
        self.trial("confirm", trial)
        self.device.power_cut()
        self.device.boot()
        self.assert_promoted(trial, "good", "confirmed")


class Overlay(Mounted):
    def make(self):
        upper, work = self.directory("upper"), self.directory("work")
        self.mount("etc", "-t", "overlay", "overlay", "-o",
                   f"lowerdir={self.device.disk}/etc,upperdir={upper},workdir={work}")

    def test_etc_on_an_overlay_that_lasts(self):
        self.back_and_forth()


class Elsewhere(Mounted):
    def make(self):
        self.moved("profiles", PROFILES)
        image = self.device.dir / "state.img"
        with open(image, "wb") as file:
            file.truncate(16 << 20)
        self.host("mkfs.ext4", "-q", image)
        state = "var/lib/nm-trial"
        (self.device.disk / state).mkdir(parents=True)
        self.mount(state, "-o", "loop", image)
        (self.device.disk / state).chmod(0o700)

    def test_profiles_and_state_are_mounts_of_two_disks(self):
        self.assertNotEqual(*((self.device.disk / path).stat().st_dev for path in (PROFILES, "var/lib/nm-trial")))
        self.back_and_forth()


class Slots(Mounted):
    """The state is the device's, the profiles are the slot's."""
    watched = False

    def make(self):
        self.slot = self.moved("slot-a", PROFILES)

    def contents(self, slot):
        return {path.name: path.read_bytes() for path in slot.iterdir()}

    def boot_as_delivered(self, slot):
        """Boots what has a profile of its own, and none of the trial's: nothing is put beside it."""
        self.device.profile("factory", address="10.99.0.50/24", load=False)
        self.before, delivered = None, self.contents(slot)  # the reset was ours
        self.device.boot()
        self.device.wait_active("factory")
        wait_for("the record's end", lambda: self.state() == "none")
        self.assertEqual(self.contents(slot), delivered)
        self.assertTrue(self.said("^trial .*: over: its profiles are gone, so nothing was restored"))

    def assert_over(self, trial):
        entry = self.entry(trial)
        self.assertEqual((entry["verdict"], entry["reason"]), ("reverted", "unconfirmed-reboot"))
        self.assertIn("nothing was restored", entry["detail"])

    def test_another_slot_is_booted_and_the_first_one_again(self):
        self.candidate()
        trial = self.wait_manual("good")
        self.device.power_cut()
        self.umount(self.device.disk / PROFILES)
        other = self.directory("slot-b")
        self.mount(PROFILES, "--bind", other)
        self.boot_as_delivered(other)
        self.assert_over(trial)
        self.candidate("next")
        self.wait_manual("next")  # and a trial of its own can begin
        self.device.power_cut()
        self.umount(self.device.disk / PROFILES)
        self.mount(PROFILES, "--bind", self.slot)
        self.before, left = None, self.contents(self.slot)
        self.device.boot()
        self.device.wait_active("lan")
        wait_for("the record's end", lambda: self.state() == "none")
        self.assertEqual(self.contents(self.slot), left)
        self.assertFalse(keyfile.autoconnect(self.profile("good")))

    def test_a_factory_reset_that_keeps_the_state(self):
        self.candidate()
        trial = self.wait_manual("good")
        self.device.power_cut()
        for path in self.slot.iterdir():
            path.unlink()
        self.boot_as_delivered(self.slot)
        self.assert_over(trial)

    def assert_put_back(self):
        """After a reset that keeps the state: the profile "lan", as it was, beside what was delivered."""
        was = self.contents(self.slot)
        self.device.power_cut()
        for path in self.slot.iterdir():
            path.unlink()
        self.device.profile("factory", address="10.99.0.50/24", load=False)
        self.before, delivered = None, self.contents(self.slot)  # the reset was ours
        self.device.boot()
        wait_for("the record's end", lambda: self.state() == "none")
        self.assertEqual(self.contents(self.slot), {**delivered, "lan.nmconnection": was["lan.nmconnection"]})

    def test_the_file_of_an_edit_is_put_back(self):
        """Alone it cannot be told from one that somebody has deleted."""
        text = self.device.profile_path("lan").read_text().replace("10.99.0.10/", "10.99.0.13/")
        (self.device.disk / "var/tmp/new").write_text(text)
        self.before = self.files()
        self.trial("start", "--edit", "lan", "--from", "/var/tmp/new", "--confirm", "manual", "--check", "none")
        wait_for("the new content", lambda: self.addresses() == {"10.99.0.13/24"})
        self.assert_put_back()
        self.assertEqual(self.history()[0]["reason"], "unconfirmed-reboot")

    def test_the_file_of_a_guarded_profile_is_put_back(self):
        self.trial("guard", "lan")
        self.assert_put_back()
        self.assertTrue(self.said('guarded profile "lan"'))

    def test_a_factory_reset_that_keeps_the_profiles(self):
        self.candidate()
        self.wait_manual("good")
        self.device.power_cut()
        shutil.rmtree(self.device.disk / "var/lib/nm-trial")
        self.device.boot()
        self.device.wait_active("lan")
        self.assertEqual((self.state(), self.history()), ("none", []))
        self.assertFalse(keyfile.autoconnect(self.profile("good")), uuid_of("good"))


if __name__ == "__main__":
    unittest.main()
