# SPDX-License-Identifier: LGPL-2.1-or-later
"""nm-trial in a container: one process in the foreground, which has what the container has and no more. On the host
nothing of it is installed: neither units nor the dispatcher's script."""
import pathlib
import shutil
import signal
import unittest

from case import background, keyfile, wait_for
import container
from container import Contained
from edited import BAD, NEW, OLD


ENTRY = pathlib.Path(__file__).resolve().parents[2] / "packaging/container/entry"


class WithTheHostsFiles(container.Trials):
    """The host's profile directory, its D-Bus socket, and NetworkManager's directory in /run."""

    def annotated(self, name="good", **more):
        self.own.add(name)
        user = "nm-trial.replaces=lan\nnm-trial.timeout=6s\nnm-trial.hold=1s\n" + more.pop("user", "")
        return self.candidate(name, ipv6=f"method=disabled\n\n[user]\n{user}", **more)

    def test_an_activation_on_the_host_starts_a_trial(self):
        self.annotated()
        self.device.nmcli("connection", "up", "good")
        wait_for("the verdict", lambda: self.history() and self.state() == "none", 20)
        self.assert_promoted(self.history()[0]["id"], "good")

    def test_a_bad_activation_on_the_host_is_taken_back(self):
        self.annotated("bad", address="10.99.0.66/24", gateway="10.99.0.254")
        self.device.nmcli("connection", "up", "bad")
        wait_for("the verdict", lambda: self.history() and self.state() == "none", 20)
        self.assert_reverted(self.history()[0]["id"], "bad", "check-failed")

    def test_an_activation_while_the_agent_is_away(self):
        self.agent_ends()
        self.annotated()
        self.device.nmcli("connection", "up", "good")
        self.run_container()
        wait_for("the verdict", lambda: self.history() and self.state() == "none", 20)
        self.assert_promoted(self.history()[0]["id"], "good")

    def agent_ends(self):
        self.kill_process(self.agent(), signal.SIGTERM)
        self.assertEqual(self.container.wait(timeout=10), 0)

    def test_it_ends_cleanly_and_leaves_the_trial_to_the_next_one(self):
        self.bad()
        trial = self.wait_manual("bad", timeout="8s")
        self.agent_ends()
        self.assertEqual(self.state(), "trying")
        self.run_container()
        self.assert_reverted(trial, "bad", "timeout")

    def test_it_says_that_it_is_ready(self):
        self.agent_ends()
        listen = background(self.device, "socat", "-u", "UNIX-RECVFROM:/run/notify", "STDOUT")
        wait_for("the socket", lambda: self.device.test("test -S /run/notify"))
        agent = background(self.device, "env", "NOTIFY_SOCKET=/run/notify", "nsenter", "--mount=/proc/self/ns/mnt",
                           "/var/lib/image/nm-trial", "agent")
        said, _ = listen.communicate(timeout=10)
        self.assertEqual(said, "READY=1")
        for pid in self.helpers():
            self.kill_process(pid, signal.SIGTERM)
        agent.communicate(timeout=10)

    def changed(self, address, gateway="10.99.0.1"):
        self.edited.add("lan")
        self.device.nmcli("connection", "modify", "lan", "ipv4.addresses", address, "ipv4.gateway", gateway)

    def test_a_guarded_profile_that_the_host_changes(self):
        self.trial("annotate", "lan", "timeout=6s", "hold=1s")
        self.trial("guard", "lan")
        for address, gateway, verdict, ends in ((NEW, "10.99.0.1", "promoted", NEW), (BAD, "10.99.0.254", "reverted", NEW)):
            with self.step(address=address):
                before = len(self.history())
                self.changed(address, gateway)
                self.device.nmcli("connection", "up", "lan", check=False)
                wait_for("the verdict", lambda: len(self.history()) == before + 1 and self.state() == "none", 25)
                self.assertEqual(self.history()[0]["verdict"], verdict)
                wait_for(f"the address {ends}", lambda: self.addresses() == {ends})

    def test_a_change_while_the_device_is_off_is_seen_after_networkmanager_is_up(self):
        """The weaker part: NetworkManager has read the changed file before anybody could put it back."""
        self.trial("annotate", "lan", "timeout=6s", "hold=1s")
        self.trial("guard", "lan")
        self.changed(BAD, "10.99.0.254")
        self.device.power_cut()
        self.end_container()
        self.device.boot()
        self.device.wait_active("lan")
        self.assertEqual(self.addresses(), {BAD})
        self.run_container()
        wait_for("the verdict", lambda: self.history() and self.state() == "none", 25)
        self.assertEqual(self.history()[0]["verdict"], "reverted")
        wait_for("the old address", lambda: self.addresses() == {OLD})
        self.reboot()
        wait_for("the old address", lambda: self.addresses() == {OLD})
        self.assertEqual(len(self.history()), 1)

    def test_a_delivery(self):
        self.device.power_cut()
        self.end_container()
        user = "nm-trial.replaces=lan\nnm-trial.start=boot\nnm-trial.timeout=6s\nnm-trial.hold=1s\n"
        self.own.add("good")
        self.device.profile("good", address="10.99.{n}.20/24", autoconnect=False, load=False,
                            ipv6=f"method=disabled\n\n[user]\n{user}")
        self.device.boot()
        self.run_container()
        wait_for("the verdict", lambda: self.history() and self.state() == "none", 25)
        self.assert_promoted(self.history()[0]["id"], "good")
        self.assertTrue(keyfile.autoconnect(self.profile("good")))


class WithoutRun(Contained):
    """The host's profile directory and its D-Bus socket alone: an edit's shadow is made and dropped through
    NetworkManager."""
    host_run = False

    def edit(self, address, gateway="10.99.0.1", *options):
        self.edited.add("lan")
        text = self.device.profile_text("lan", address=address, gateway=gateway)
        (self.device.disk / "var/lib/image/new").write_text("# by hand\n" + text)
        return self.start("--edit", "lan", "--from", "/image/new", "--timeout", "6s", "--hold", "1s", *options)

    def shadow(self):
        return self.device.test("test -e /run/NetworkManager/system-connections/lan.nmconnection")

    def test_candidates_are_tried(self):
        self.candidate()
        trial = self.start("good", "--hold", "1s")
        self.assert_promoted(trial, "good", "checks-passed")

    def test_an_edit_is_promoted(self):
        trial = self.edit(NEW)
        wait_for("the new address", lambda: self.addresses() == {NEW})
        self.assertTrue(self.shadow())
        self.assert_promoted(trial, "lan", "checks-passed", replaced=None)
        self.assertFalse(self.shadow())
        self.assertIn("# by hand\n", self.device.profile_path("lan").read_text())
        self.assert_boots("lan")
        self.assertEqual(self.addresses(), {NEW})

    def test_an_edit_is_reverted(self):
        before = self.device.profile_path("lan").read_bytes()
        trial = self.edit(BAD, "10.99.0.254")
        self.assert_reverted(trial, None, "check-failed")
        self.assertEqual((self.shadow(), self.device.profile_path("lan").read_bytes()), (False, before))

    def test_an_edit_and_a_power_cut(self):
        before = self.device.profile_path("lan").read_bytes()
        trial = self.edit(BAD, "10.99.0.254")
        wait_for("the new address", lambda: self.addresses() == {BAD})
        self.reboot()
        self.assert_reverted(trial, None, "unconfirmed-reboot")
        self.assertEqual(self.device.profile_path("lan").read_bytes(), before)

    def test_a_changed_guarded_profile(self):
        self.trial("annotate", "lan", "timeout=6s", "hold=1s")
        self.trial("guard", "lan")
        before = self.device.profile_path("lan").read_bytes()
        self.device.nmcli("connection", "modify", "lan", "ipv4.addresses", BAD, "ipv4.gateway", "10.99.0.254")
        self.device.nmcli("connection", "up", "lan", check=False)
        wait_for("the verdict", lambda: self.history() and self.state() == "none", 25)
        self.assertEqual(self.history()[0]["verdict"], "reverted")
        wait_for("the old address", lambda: self.addresses() == {OLD})
        self.assertEqual(self.device.profile_path("lan").read_bytes(), before)


class Balena(Contained):
    """The image's own process, where balena's update lock is."""
    process = "/image/entry"
    LOCK = "/tmp/balena/updates.lock"

    def prepare(self):
        super().prepare()
        shutil.copy(ENTRY, self.device.disk / "var/lib/image/entry")

    def run_container(self):
        self.device.run("mkdir", "-p", "/run/balena")
        super().run_container()

    def locked(self):
        return self.inside("test", "-e", self.LOCK).returncode == 0

    def test_an_open_trial_holds_the_update_lock(self):
        self.assertFalse(self.locked())
        self.bad()
        trial = self.wait_manual("bad")
        wait_for("the lock", self.locked)
        self.trial("cancel", trial)
        self.assert_reverted(trial, "bad", "cancelled")
        wait_for("the lock's end", lambda: not self.locked())

    def test_a_container_that_was_killed_lets_go_of_it_later(self):
        self.bad()
        trial = self.wait_manual("bad")
        wait_for("the lock", self.locked)
        self.kill_process(self.agent())
        self.container.wait()
        self.run_container()
        self.assertTrue(self.locked())
        self.trial("cancel", trial)
        self.assert_reverted(trial, "bad", "cancelled")
        wait_for("the lock's end", lambda: not self.locked())

    def test_an_update_that_has_the_lock_keeps_it(self):
        self.inside("touch", self.LOCK)
        self.bad()
        trial = self.wait_manual("bad")
        self.trial("cancel", trial)
        self.assert_reverted(trial, "bad", "cancelled")
        self.assertTrue(self.locked())


if __name__ == "__main__":
    unittest.main(verbosity=2)
