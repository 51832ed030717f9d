# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bad input of every kind: a clear error on stderr, the right exit code, and nothing changed."""
import unittest

from case import Case, uuid_of

# (arguments, what stderr must speak of); all end with 2: the words themselves are wrong.
USAGE = [
    ([], "nm-trial|usage"),
    (["begin"], "begin"),
    (["--nonsense"], "nonsense"),
    (["start"], "candidate"),
    (["start", "--timeout", "10s"], "candidate"),
    (["start", "good", "--nonsense"], "nonsense"),
    (["start", "good", "-x"], "-x"),
    (["start", "good", "--timeout"], "timeout"),
    (["start", "good", "--hold"], "hold"),
    (["start", "good", "--confirm"], "confirm"),
    (["start", "good", "--check"], "check"),
    (["start", "good", "--replace"], "replace"),
    *[(["start", "good", "--timeout", value], "timeout") for value in (
        "0", "0s", "-1", "-5s", "25h", "86401", "1441m", "soon", "", " ", "10x", "10 s", " 10", "1.5s", "1e3", "0x10",
        "10ss", "s", "10S", "99999999999999999999", "18446744073709551617", "１０", "10s\n")],
    *[(["start", "good", "--hold", value], "hold") for value in ("0", "-1s", "25h", "long", "", "5 s", "1.5")],
    (["start", "good", "--timeout", "10s", "--hold", "10s"], "hold"),
    (["start", "good", "--timeout", "10s", "--hold", "11s"], "hold"),
    (["start", "good", "--hold", "2m"], "hold"),  # the default timeout is 120 s
    (["start", "good", "--confirm", "maybe"], "confirm"),
    (["start", "good", "--confirm", ""], "confirm"),
    (["start", "good", "--check", ""], "check"),
    (["start", "good", "--check", "../../bin/true"], "check"),
    (["start", "good", "--check", "ping.sh"], "ping"),
    (["start", "good", "--check", "nm", "--check", "p ng"], "p ng"),
    (["start", "good", "--check", "none"], "manual"),
    (["start", "good", "--confirm", "auto", "--check", "none"], "manual"),
    (["start", "good", "--confirm", "manual", "--check", "none", "--check", "nm"], "none"),
    (["confirm", "00000000", "11111111"], "confirm|argument"),
    (["confirm", "--nonsense"], "nonsense"),
    (["cancel", "00000000", "11111111"], "cancel|argument"),
    (["extend", "00000000"], "timeout"),
    (["extend", "--timeout", "0"], "timeout"),
    (["extend", "--timeout", "25h"], "timeout"),
    (["extend", "--timeout", "later"], "timeout"),
    (["wait", "00000000", "11111111"], "wait|argument"),
    (["status", "extra"], "status|argument|extra"),
    (["status", "--xml"], "xml"),
    (["history", "extra"], "history|argument|extra"),
    (["agent", "extra"], "agent|argument|extra"),
    (["boot", "extra"], "boot|argument|extra"),
]

# These are well said, but there is no such profile or check, or not one: 4.
PROFILES = [
    (["nosuch"], "nosuch"),
    (["00000000-0000-0000-0000-000000000000"], "00000000-0000"),
    ([""], "profile|candidate"),
    (["good.nmconnection"], "good.nmconnection"),
    (["/etc/NetworkManager/system-connections/good.nmconnection"], "good.nmconnection"),
    (["../good"], "good"),
    (["GOOD"], "GOOD"),
    (["x" * 20000], "xxx"),
    (["good", "--replace", "nosuch"], "nosuch"),
    (["good", "--replace", ""], "profile|replace"),
    (["good", "--replace", "good"], "good"),
    (["lan"], "lan"),
    (["twin"], "twin.*(uuid|UUID)|(uuid|UUID).*twin"),
    (["good", "--replace", "twin"], "twin"),
    (["no-uuid"], "uuid|UUID"),
    (["no-id"], r"\bid\b|ID"),
    (["bogus"], "bogus"),
    (["good", "--check", "ping"], "/etc/nm-trial/check.d/ping"),
    (["good", "--check", "NM"], "/etc/nm-trial/check.d/NM"),
    (["good", "--check", "nm", "--check", "ping"], "/etc/nm-trial/check.d/ping"),
]


class BadInput(Case):
    def setUp(self):
        super().setUp()
        self.candidate()
        text = self.device.profile_path("good").read_text()

        def variant(name, *changes):
            changed = text
            for old, new in (("id=good", f"id={name}"), (uuid_of("good"), uuid_of(name)), *changes):
                changed = changed.replace(old, new)
            self.device.profile_file(name, changed, load=False)

        variant("twin1", ("id=twin1", "id=twin"))
        variant("twin2", ("id=twin2", "id=twin"))
        variant("no-uuid", (f"uuid={uuid_of('no-uuid')}\n", ""))
        variant("no-id", ("id=no-id\n", ""))
        variant("bogus", ("method=manual", "method=bogus"))
        self.device.run("nmcli", "connection", "reload")
        self.activations = self.looked()
        self.before = self.files()

    def looked(self):
        return self.device.nmcli("-f", "NAME,UUID,ACTIVE-PATH", "connection", "show")

    def refused(self, arguments, status, says):
        result = self.trial(*arguments, status=status)
        self.assertRegex(result.stderr, f"(?i){says}")
        self.assertEqual(result.stdout, "")
        self.assertLess(len(result.stderr), 2000, "nobody reads that much")
        self.assertEqual(self.files(), self.before)
        self.assertEqual(self.looked(), self.activations)
        self.assertEqual(self.state(), "none")
        self.assertFalse((self.device.disk / "var/lib/nm-trial/history").exists())
        self.assertEqual(self.checkpoints(), [])

    def test_wrong_words(self):
        for arguments, says in USAGE:
            with self.subTest(arguments=arguments):
                self.refused(arguments, 2, says)

    def test_wrong_profiles(self):
        for arguments, says in PROFILES:
            with self.subTest(arguments=str(arguments)[:80]):
                self.refused(["start", *arguments], 4, says)
                self.refused_dryly(["start", *arguments, "--dry-run"])

    def test_a_disk_that_does_not_tell(self):
        state = self.device.disk / "var/lib/nm-trial"
        state.mkdir(mode=0o700, exist_ok=True)
        (state / "good").symlink_to("good")  # what is guarded cannot be listed
        self.before = self.files()
        for arguments in (["start", "good"], ["guard", "good"], ["guard"]):
            with self.subTest(arguments=arguments):
                self.refused(arguments, 1, "nm-trial/good.*symbolic links")

    def refused_dryly(self, arguments):
        self.trial(*arguments, status=4)
        self.assertEqual((self.files(), self.state()), (self.before, "none"))

    def test_an_id_that_is_none(self):
        for word in ("", "x", "0123abcg", "0123ABCD", "0123abcd0", "../../x", "-"):
            for verb in ("confirm", "cancel", "wait"):
                with self.subTest(verb=verb, word=word):
                    self.refused([verb, word], (2, 3), "id|trial")

    def test_without_libnm_nothing_is_changed(self):
        library = self.device.run("sh", "-c", "ldconfig -p | sed -n 's/.*libnm.so.0.* => //p'").stdout.split()[0]
        self.device.run("mount", "--bind", "/dev/null", library)
        self.assertIn("No trial is open", self.trial("status").stdout)  # which looks into no profile
        for words in (["start", "good"], ["guard", "lan"], ["annotate", "lan"]):
            with self.subTest(words=words):
                result = self.trial(*words, status=1)
                self.assertRegex(result.stderr, "library is missing: .*libnm.so.0.*Install it")
                self.assertEqual((self.files(), self.state()), (self.before, "none"))
        self.device.run("umount", library)
        trial = self.start_manual("good")
        self.confirm_when_ready()
        self.assert_promoted(trial, "good")

    def test_help_and_version_are_no_errors(self):
        for words in (["--help"], ["--version"], ["start", "--help"], ["confirm", "--help"]):
            with self.subTest(words=words):
                result = self.trial(*words)
                self.assertTrue(result.stdout)
                self.assertEqual(result.stderr, "")

    def test_every_verb_has_an_example(self):
        verbs = [line.split()[0] for line in self.trial("--help").stdout.splitlines() if line.startswith("  ")
                 and not line.startswith("  nm-trial")]
        self.assertIn("annotate", verbs)
        for verb in verbs:
            with self.subTest(verb=verb):
                self.assertRegex(self.trial(verb, "--help").stdout, rf"Examples?:\n(  .*\n)*  .*nm-trial {verb}")

    def test_control_characters_do_not_reach_the_terminal(self):
        for arguments in (["start", "\x1b[31mred"], ["start", "good", "--check", "\x1b[31mred"], ["\x1b[31mred"],
                          ["start", "good", "--timeout", "\x1b[31mred"], ["confirm", "\x1b[31mred"],
                          ["start", "good", "--confirm", "\x1b[31mred"], ["start", "good", "--replace", "\x1b[1m"]):
            with self.subTest(arguments=arguments):
                result = self.trial(*arguments, status=(2, 3, 4))
                self.assertNotIn("\x1b", result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
