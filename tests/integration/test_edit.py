# SPDX-License-Identifier: LGPL-2.1-or-later
"""Edits in place: the profile keeps its UUID and gets its new content only when that has proved itself."""
import unittest

from case import uuid_of, wait_for
from edited import NEW, OLD, SHADOWS, Edited
from hands import NM_VERSION

LAN = f"uuid={uuid_of('lan')}\n"


class Ends(Edited):
    def test_promoted_by_its_checks(self):
        trial = self.edit(None, "--hold", "2s")
        self.wait_address(NEW)
        self.assertEqual(self.bytes_of("lan"), self.old, "until then the disk has the old content")
        self.assert_promoted(trial, "lan", "checks-passed", replaced=None)
        self.assert_new()
        self.assert_boots_new()

    def test_confirmed_is_kept_whatever_comes(self):
        trial = self.edit_manual()
        self.trial("confirm", trial)
        self.device.power_cut()
        self.assert_boots_new()
        self.assertEqual(self.entry(trial)["verdict"], "promoted")

    def test_reverted_by_its_checks(self):
        trial = self.edit(self.bad_content(), "--timeout", "6s", "--hold", "2s")
        entry = self.assert_reverted(trial, None, "check-failed")
        pair = entry["pairs"][0]
        self.assertEqual((pair["candidate"], pair["device"]), (pair["replaced"], "eth0"))
        self.assert_old()
        self.assert_boots_old()

    def test_cancelled(self):
        trial = self.edit_manual()
        self.trial("cancel", trial)
        self.assert_reverted(trial, None, "cancelled")
        self.assert_old()

    def test_refused_by_networkmanager_at_once(self):
        """A method that fails: DHCP with no server."""
        text = self.content().replace("method=manual\n", "method=auto\nmay-fail=no\ndhcp-timeout=3\n", 1)
        lines = [line for line in text.splitlines(True) if not line.startswith("address1")]
        trial = self.edit("".join(lines), "--timeout", "30s")
        self.assert_reverted(trial, None, "activation-failed")
        self.assert_old()

    def test_power_cut_in_mid_trial(self):
        trial = self.edit_manual()
        self.device.power_cut()
        self.assertEqual(self.bytes_of("lan"), self.old)
        self.boot_by_boot_alone()
        self.assert_old()
        self.assertEqual(self.entry(trial)["reason"], "unconfirmed-reboot")

    def test_nothing_is_told_twice_to_the_other_profiles(self):
        """Another profile that refers to lan by UUID still does, and is byte for byte the same."""
        self.device.profile("other", device="eth1", connection=f"secondaries={uuid_of('lan')}\n", autoconnect=False)
        trial = self.edit_manual()
        self.trial("confirm", trial)
        self.assert_promoted(trial, "lan", "confirmed", replaced=None)  # the invariants compare the files
        self.assertEqual(self.profile("lan")["connection"]["uuid"], uuid_of("lan"))

    def test_status_history_and_journal_speak_of_an_edit(self):
        trial = self.edit_manual()
        pair = self.status()["pairs"][0]
        self.assertEqual((pair["candidate"]["uuid"], pair["replaced"]["uuid"], pair["active"]), (uuid_of("lan"),) * 3)
        self.assertIn('new content of "lan" on eth0', self.trial("status").stdout)
        self.trial("cancel", trial)
        self.assert_reverted(trial, None, "cancelled")
        self.assertIn('new content of "lan" on eth0', self.trial("history").stdout)
        self.assertTrue(self.said('reverted: "lan" is back on eth0; the new content of "lan" is dropped'))

    def test_autoconnect_of_the_file_does_not_count(self):
        trial = self.edit(self.content().replace("autoconnect=true", "autoconnect=false"), "--hold", "1s")
        self.assert_promoted(trial, "lan", replaced=None)
        self.assert_boots_new()

    def test_a_file_without_uuid_and_id(self):
        text = self.content().replace(LAN, "").replace("id=lan\n", "")
        trial = self.edit(text, "--hold", "1s")
        self.assert_promoted(trial, "lan", replaced=None)
        self.assertEqual(self.profile("lan")["connection"]["id"], "lan")

    def test_a_file_with_the_uuid_in_its_name(self):
        """As nmcli names it when another profile has the id already."""
        name = f"lan-{uuid_of('lan')}"
        self.watch.ignore_profiles()
        self.device.profile_path("lan").rename(self.device.profile_path(name))
        self.device.nmcli("connection", "reload")
        trial = self.edit_manual()
        self.edited.add(name)
        self.confirm_when_ready(trial)
        self.assertEqual(self.wait_verdict(trial)["verdict"], "promoted")
        self.assertIn(b"the-new-secret", self.bytes_of(name))
        self.assert_boots("lan")
        self.wait_address(NEW)

    def test_after_a_revert_it_can_be_edited_again(self):
        self.trial("cancel", self.edit_manual())
        wait_for("the end", lambda: self.state() == "none")
        self.trial("confirm", self.edit_manual())
        wait_for("the end", lambda: self.state() == "none")
        self.assert_new()


class Meanwhile(Edited):
    def test_networkmanager_restarts_and_it_is_promoted(self):
        trial = self.edit_manual()
        self.device.kill_nm()
        self.wait_address(NEW)
        self.confirm_when_ready(trial)
        self.assert_promoted(trial, "lan", "confirmed", replaced=None)
        self.assert_new()

    def test_networkmanager_restarts_and_it_is_reverted(self):
        """The new NetworkManager merges old and new addresses: none of the new may stay."""
        trial = self.edit_manual()
        self.device.kill_nm()
        self.trial("cancel", trial)
        self.assert_reverted(trial, None, "cancelled")
        self.assert_old()

    def test_the_agent_dies_and_the_deadline_holds(self):
        trial = self.edit_manual(timeout="6s")
        deadline = self.deadline()
        self.kill_helpers()
        self.assert_in_time(deadline)
        self.assert_reverted(trial, None, "timeout")
        self.assert_old()

    def modified(self, *command, reason=("candidate-changed", "candidate-removed")):
        """Another tool does that to lan during its edit: the next boot must be right, cut at once or later. (It writes
        the file itself, untested; what is before NetworkManager mends that.)"""
        self.watch.ignore_profiles()
        for cut in (True, False):
            with self.step(cut=cut, command=command):
                trial = self.edit_manual(self.bad_content())
                self.device.nmcli(*command)
                if cut:
                    self.device.power_cut()
                    self.device.boot()
                    wait_for("the end", lambda: self.state() == "none")
                    self.assertEqual(self.entry(trial)["verdict"], "reverted")
                else:
                    self.assertIn(self.assert_reverted(trial, None)["reason"], reason)
                self.assert_old()
        self.assert_boots_old()

    def test_nmcli_modify(self):
        self.modified("connection", "modify", "lan", "ipv4.dns", "10.99.0.1")

    def test_nmcli_modify_of_the_id(self):
        self.modified("connection", "modify", "lan", "connection.id", "other")

    def test_nmcli_delete(self):
        self.modified("connection", "delete", "lan")

    def test_the_own_file_is_edited(self):
        trial = self.edit_manual()
        self.device.profile_file("lan", self.bad_content(), load=False)
        self.assert_reverted_or_refused(trial)

    def assert_reverted_or_refused(self, trial):
        self.trial("cancel", trial, status=(0, 3))
        wait_for("the end", lambda: self.state() == "none")
        self.assert_old()
        self.assert_boots_old()

    def second_file(self, name):
        path = self.device.profile_path(name)
        path.write_text(self.bad_content())
        path.chmod(0o600)
        self.device.run("nmcli", "connection", "load", "/" / path.relative_to(self.device.disk))

    def test_a_second_file_as_networkmanager_names_it(self):
        trial = self.edit_manual()
        self.second_file(f"lan-{uuid_of('lan')}")
        self.assert_reverted(trial, None, "candidate-changed")
        self.assert_boots_old()

    def test_a_second_file_of_any_name(self):
        trial = self.edit_manual()
        self.second_file("lan-copy")
        self.confirm_when_ready(trial)
        self.assert_promoted(trial, "lan", "confirmed", replaced=None)
        self.assert_new()
        self.assert_boots_new()

    def test_the_shadow_is_changed(self):
        trial = self.edit_manual()
        self.settled_record()  # nothing else makes the agent look
        self.device.run("sed", "-i", "s/the-new-secret/a-third-secret/", f"{SHADOWS}/lan.nmconnection")
        self.assert_reverted(trial, None, "candidate-changed")
        self.assert_old()

    def test_the_shadow_is_changed_and_the_agent_was_there_first(self):
        """It lives before NetworkManager, which makes its directories in /run."""
        self.device.kill_nm(restart=False)
        self.hold_agent()
        self.device.run("rm", "-r", "/run/NetworkManager")
        self.release_agent()
        wait_for("an agent", self.helpers)
        self.device.kill_nm()
        self.device.nmcli("connection", "up", "lan")
        self.test_the_shadow_is_changed()

    def test_the_record_is_lost(self):
        trial = self.edit_manual()
        self.hold_agent()
        (self.device.disk / "var/lib/nm-trial/trial").write_bytes(b"nm-trial-record 1 3 0\nrub")
        self.release_agent()
        wait_for("the old address", lambda: self.addresses() == {OLD})
        self.assert_old()
        self.assertFalse([entry for entry in self.history() if entry["id"] == trial])
        self.assert_boots_old()

    def test_the_cable_is_out_for_a_while(self):
        trial = self.edit_manual(timeout="60s")
        self.device.break_network("carrier")
        wait_for("no profile", lambda: self.device.active() != "lan", 20)
        self.device.heal("carrier")
        self.device.wait_active("lan")
        self.wait_address(NEW)
        self.confirm_when_ready(trial)
        self.assert_promoted(trial, "lan", "confirmed", replaced=None)

    def test_only_networkmanager_is_left(self):
        """All of ours dead for good: the checkpoint brings the old content back."""
        self.edit_manual(timeout="2s")
        self.hold_agent()
        wait_for("the rollback", lambda: self.addresses() == {OLD}, 45)
        exact = NM_VERSION < (1, 48)  # a later one writes the file anew: the same settings, but no comments
        self.assertEqual(self.stored_addresses("lan"), {OLD})
        self.assertEqual(self.bytes_of("lan") == self.old, exact)
        self.release_agent()
        wait_for("the end", lambda: self.state() == "none")
        self.assert_old(exact=exact)
        self.assert_boots("lan")
        self.assert_old(exact=exact)


class Refused(Edited):
    def refused(self, text, pattern, *options, status=4):
        result = self.trial("start", "--edit", "lan", "--from", self.put(text), *options, status=status)
        self.assertRegex(result.stderr, pattern)
        self.assertEqual((self.state(), self.bytes_of("lan"), self.shadowed()), ("none", self.old, False))
        self.assertEqual(self.addresses(), {OLD})

    def test_content_that_is_not_for_this_profile(self):
        new = self.content()
        self.refused(new.replace(LAN, f"uuid={uuid_of('x')}\n"), "has the UUID .*Leave uuid= out")
        self.refused(new.replace("interface-name=eth0", "interface-name=eth1"), "is for eth1, \"lan\" for eth0")
        self.refused(new.replace("interface-name=eth0\n", ""), "not bound to exactly one device")
        self.refused(new.replace("type=ethernet", "type=dummy"), "of type dummy")
        self.refused("rubbish\n", "neither \\[section\\]")
        self.refused("", "new content of \"lan\" cannot be used: connection.type")
        self.refused(new + "\n[ipv4]\nmethod=nonsense\n", "method")
        self.refused(new.replace("[ipv6]", "[connection]\npermissions=user:nobody:;\n[ipv6]"), "permissions")

    def test_words_that_do_not_go_together(self):
        path = self.put(self.content())
        for words in (["--edit", "lan"], ["--from", path], ["lan", "--edit", "lan", "--from", path],
                      ["--edit", "lan", "--from", path, "--replace", "lan"],
                      ["--edit", "lan", "--from", path, "--fallback"]):
            self.assertIn("nm-trial:", self.trial("start", *words, status=2).stderr)
        self.trial("start", "--edit", "nobody", "--from", path, status=4)
        self.trial("start", "--edit", "lan", "--from", "/nowhere", status=4)
        self.assertEqual(self.state(), "none")

    def test_another_tools_shadow(self):
        self.device.nmcli("connection", "modify", "--temporary", "lan", "ipv4.dns", "10.99.0.1")
        self.trial("start", "--edit", "lan", "--from", self.put(self.content()), status=4)
        self.assertTrue(self.shadowed())

    def test_a_shadow_that_networkmanager_has_not_read(self):
        self.device.run("install", "-D", "-m", "600", "/etc/NetworkManager/system-connections/lan.nmconnection",
                        f"{SHADOWS}/lan.nmconnection")
        result = self.trial("start", "--edit", "lan", "--from", self.put(self.content()), status=4)
        self.assertIn("another version until the next boot", result.stderr)

    def test_without_autoconnect(self):
        self.watch.ignore_profiles()
        self.device.nmcli("connection", "modify", "lan", "connection.autoconnect", "no")
        result = self.trial("start", "--edit", "lan", "--from", self.put(self.content()), status=4)
        self.assertIn("autoconnect off", result.stderr)

    def test_dry_run_changes_nothing(self):
        before = self.files()
        result = self.trial("start", "--edit", "lan", "--from", self.put(self.content()), "--dry-run")
        self.assertIn('new content of "lan" on eth0', result.stdout)
        self.assertNotIn("nothing new", result.stdout)
        self.assertEqual((before, self.shadowed()), (self.files(), False))

    def test_content_that_says_the_same_is_told(self):
        for text in (self.old.decode(), self.old.decode() + "\n# more\n[user]\nnm-trial.timeout=5m\n"):
            result = self.trial("start", "--edit", "lan", "--from", self.put(text), "--dry-run")
            self.assertIn('the new content says the same as "lan" does now: nothing new is tried', result.stdout)


class Steps(Edited):
    """The command is killed at every one of its changes to files and every one of its D-Bus messages in turn; after
    each the power is cut, or the agent goes on. However it was, it ends with the one content or the other, whole."""
    strays = True

    def each_step(self, begin, command, calls):
        """Runs `command` (a list, from what `begin` returns) with the n-th of `calls` its last, until it is not."""
        n = 0
        while True:
            n += 1
            with self.step(calls=calls, n=n):
                arguments = command(begin())
                result = self.device.run("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e",
                                         f"inject={calls}:signal=KILL:when={n}", "nm-trial", *arguments, check=False)
                self.settle(cut=n % 2 == 0, done=result.returncode == 0)
            if result.returncode == 0:
                print(f"{arguments[0]}: {n - 1} x {calls}", flush=True)
                self.assertGreater(n, 1, "it was never killed")
                return

    def settle(self, cut, done):
        if cut:
            self.device.power_cut()
            self.device.boot()
        elif self.state() == "trying":
            self.trial("cancel", status=(0, 3))
        wait_for("the end", lambda: self.state() == "none", 20)
        wait_for("the network", lambda: self.addresses() in ({OLD}, {NEW}))
        newest = (self.history() or [{"verdict": "none"}])[0]
        if done and self.expect:
            self.assertEqual(newest["verdict"], self.expect)
        if self.addresses() == {NEW}:
            self.assert_new()
            self.reset()
        else:
            self.assert_old()
        wait_for("no checkpoint", lambda: not self.checkpoints(), 45)

    def reset(self):
        """Back to the beginning, by hand."""
        self.device.profile_file("lan", self.old.decode())
        self.device.nmcli("connection", "up", "lan")
        self.wait_address(OLD)

    def begin_nothing(self):
        self.edited.add("lan")
        self.put(self.content())

    def starting(self, calls):
        self.expect = None
        start = ("start", "--edit", "lan", "--from", "/var/tmp/new", "--timeout", "2s", "--hold", "1s", "--check", "gateway")
        self.each_step(self.begin_nothing, lambda _: start, calls)

    def ending(self, verb, verdict, calls):
        self.expect = verdict
        self.each_step(self.edit_manual, lambda trial: (verb, trial), calls)


class StepsOfStart(Steps):
    def test_files(self):
        self.starting("renameat")


class StepsOfConfirm(Steps):
    def test_files(self):
        for calls in ("renameat", "unlinkat"):
            self.ending("confirm", "promoted", calls)


class StepsOfCancel(Steps):
    def test_files(self):
        for calls in ("renameat", "unlinkat"):
            self.ending("cancel", "reverted", calls)


class MessagesOfConfirm(Steps):
    def test_messages(self):
        self.ending("confirm", "promoted", "sendmsg")


class MessagesOfCancel(Steps):
    def test_messages(self):
        self.ending("cancel", "reverted", "sendmsg")


if __name__ == "__main__":
    unittest.main(verbosity=2)
