# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whoever may name a profile, a file or a device must not reach a terminal or a log with it: no control character, no
break of a line, no endless line gets out, wherever the name stands. JSON keeps it all the same."""
import contextlib
import json
import os
import unicodedata
import unittest

from case import Case, PROFILES, RECORD, uuid_of, wait_for
from hands import INTERFACE, NM

MESSAGE_MAX = 2048
# A line break, colours, DEL, C1's one-character CSI, an override of the direction, one that no 16 bits hold
EVIL = "evil\n\x1b[31mred\x1f\x7f\x9b1m\u202e\U000e0041 é€🌐"
LONG = EVIL + "x" * 8192
KEYFILE = str.maketrans({"\n": "\\n", "\t": "\\t", "\\": "\\\\"})
TRIAL = ("--confirm", "manual", "--check", "gateway")


class HostileNames(Case):
    def assert_harmless(self, text, where):
        bad = {f"U+{ord(c):04X}" for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Cn")}
        self.assertEqual(bad, set(), f"{where}: {text[:300]!r}")

    def said_harmlessly(self, *words, status=0):
        """Runs nm-trial; what it said, without a control character."""
        result = self.trial(*words, status=status)
        for text in (result.stdout, result.stderr):
            self.assert_harmless(text, words)
            if "--json" not in words:
                self.assertLess(max(map(len, text.encode().split(b"\n"))), MESSAGE_MAX + 100)
        return result.stdout

    def assert_journal_harmless(self, trial=None):
        entries = self.device.journal("nm-trial")
        self.assertTrue([entry for entry in entries if entry.get("NM_TRIAL_ID") == trial])
        for entry in entries:
            for name, value in entry.items():
                if name != "__REALTIME_TIMESTAMP":
                    self.assertNotIn("\n", value, name)
                    self.assert_harmless(value, name)
                    self.assertLessEqual(len(value.encode()), MESSAGE_MAX, name)
        self.assert_harmless((self.device.dir / "agent.log").read_text(), "agent.log")

    def named(self, name, shown, **more):
        """A good candidate that is called `shown`, and asks for a warning: it has autoconnect on."""
        self.own.add(name)
        more = {"autoconnect": False, "address": "10.99.{n}.20/24", **more}
        self.device.profile(name, load=False, **more)
        text = self.device.profile_path(name).read_text()
        self.device.profile_file(name, text.replace(f"id={name}\n", f"id={shown.translate(KEYFILE)}\n"))

    def up(self, address="10.99.0.20/24", device="eth0"):
        wait_for(f"{address} up", lambda: address in
                 self.device.run("ip", "-4", "address", "show", "dev", device).stdout)

    def test_the_ids_of_both_profiles(self):
        self.named("evil", EVIL, autoconnect=True)
        self.watch.ignore_profiles()
        self.said_harmlessly("start", EVIL, *TRIAL, "--dry-run")
        trial = self.started_as(self.said_harmlessly("start", EVIL, *TRIAL))
        self.up()
        self.told(trial, EVIL, "lan")
        self.confirm_when_ready(trial)
        self.wait_closed(trial, 0)
        self.named("long", LONG, address="10.99.{n}.30/24")
        self.said_harmlessly("start", uuid_of("long"), *TRIAL, "--dry-run")
        trial = self.started_as(self.said_harmlessly("start", LONG, *TRIAL))
        self.up("10.99.0.30/24")
        self.told(trial, LONG, EVIL)
        self.said_harmlessly("cancel", trial)
        self.wait_closed(trial, 5)

    def published(self, trial):
        """What the agent has published, once it is of that trial: it comes to it a moment after start does."""
        text = self.device.run("cat", "/run/nm-trial/status.json").stdout
        return text if json.loads(text)["id"] == trial else None

    def told(self, trial, candidate, replaced):
        """All that looks at an open trial."""
        pair = json.loads(self.said_harmlessly("status", "--json"))["pairs"][0]
        self.assertEqual((pair["candidate"]["id"], pair["replaced"]["id"]), (candidate, replaced))
        published = wait_for("the published trial", lambda: self.published(trial))
        self.assert_harmless(published, "status.json")
        self.assertEqual(json.loads(published)["pairs"][0]["candidate"]["id"], candidate)
        self.assertIn("evil\\n\\u001b[31mred", self.said_harmlessly("status"))
        self.said_harmlessly("start", "lan", status=4)
        self.said_harmlessly("confirm", EVIL, status=(3, 4))
        self.assert_journal_harmless(trial)

    def wait_closed(self, trial, status):
        self.assertIn("evil\\n\\u001b[31mred", self.said_harmlessly("wait", trial, status=status))
        self.assertIn("evil\\n\\u001b[31mred", self.said_harmlessly("history"))
        self.said_harmlessly("status")
        pair = json.loads(self.said_harmlessly("history", "--json"))[0]["pairs"][0]
        self.assertIn(pair["candidate"]["id"], (EVIL, LONG))
        self.assert_journal_harmless(trial)

    def test_an_id_for_those_that_open_no_trial(self):
        self.named("evil", EVIL, autoconnect=True)
        text = self.device.profile_path("evil").read_text().replace(uuid_of("evil"), uuid_of("staged"))
        (self.device.disk / "var/tmp/staged.nmconnection").write_text(text.replace("\nid=", "\nid=staged "))
        self.own.add("staged")
        for words, status in ((("annotate", EVIL, f"replaces={EVIL}"), 4), (("annotate", EVIL, f"checks={EVIL}"), 2),
                              (("annotate", EVIL, "timeout=5m"), 0), (("annotate", EVIL), 0), (("guard", EVIL), 0),
                              (("guard",), 0), (("doctor",), (0, 1)), (("doctor", "--json"), (0, 1)),
                              (("guard", EVIL, "--off"), 0), (("stage", "/var/tmp/staged.nmconnection"), 0)):
            with self.step(words=words):
                self.said_harmlessly(*words, status=status)
        self.assert_journal_harmless()

    def test_the_values_of_annotations(self):
        value = EVIL.translate(KEYFILE)
        for key in ("replaces", "timeout", "hold", "confirm", "checks", "fallback"):
            with self.step(key=key):
                keys = {"replaces": "lan", key: value}
                user = "".join(f"nm-trial.{name}={text}\n" for name, text in keys.items())
                self.candidate(ipv6=f"method=disabled\n\n[user]\n{user}")
                self.assertIn("evil\\n\\u001b[31mred", self.said_harmlessly("annotate", "good"))
                self.said_harmlessly("start", "good", status=4)
                self.device.nmcli("connection", "up", "good")
                wait_for("the refusal", lambda: len(self.said('no trial of "good"')) > 0)
                self.device.wait_active("lan")
                self.assert_journal_harmless()
                (self.device.dir / "journal").write_text("")  # makes room for the next refusal

    def test_an_id_of_a_trial_that_a_power_cut_ends(self):
        self.named("long", LONG)
        trial = self.started_as(self.said_harmlessly("start", LONG, *TRIAL))
        self.up()
        self.device.power_cut()
        self.device.boot()
        self.wait_closed(trial, 5)

    def test_a_record_that_is_lost(self):
        """Then the profiles are read from their directory, and what was found there is said."""
        self.named("long", LONG)
        trial = self.started_as(self.said_harmlessly("start", LONG, *TRIAL))
        self.up()
        self.device.power_cut()
        (self.device.disk / RECORD).write_bytes(b"nothing")
        self.device.boot()
        self.device.wait_active("lan")
        self.assertTrue(self.said("demoted"))
        self.assert_journal_harmless(trial)

    def test_a_device(self):
        """The kernel takes what is no space, slash or colon as a name."""
        name = "e\x1b[31m\x9b"
        self.device.run("ip", "link", "set", "eth1", "down")
        self.device.run("ip", "link", "set", "eth1", "name", name)
        self.device.run("ip", "link", "set", name, "up")
        wait_for("the device in NetworkManager", lambda: self.dbus(
            *NM, f"{INTERFACE}.GetDeviceByIpIface", f"string:{name}", check=False))
        self.candidate(device="eth1")
        text = self.device.profile_path("good").read_text().replace("=eth1\n", f"={name}\n")
        self.device.profile_file("good", text)
        options = ("--replace", "none", *TRIAL)
        self.said_harmlessly("start", "good", *options, "--dry-run", status=0)
        trial = self.started_as(self.said_harmlessly("start", "good", *options))
        self.up("10.99.1.20/24", name)
        self.assertEqual(json.loads(self.said_harmlessly("status", "--json"))["pairs"][0]["device"], name)
        self.said_harmlessly("status")
        self.said_harmlessly("cancel", trial)
        self.said_harmlessly("wait", trial, status=5)
        self.said_harmlessly("history")
        self.assert_journal_harmless(trial)

    def test_a_lost_record_beside_a_file_whose_name_is_no_utf8(self):
        """NetworkManager cannot be told to load that one, and it must not stand in the way."""
        self.named("evil", EVIL)
        trial = self.started_as(self.said_harmlessly("start", EVIL, *TRIAL))
        self.up()
        path = os.path.join(os.fsencode(self.device.disk / PROFILES), b"bytes\xff.nmconnection")
        text = self.device.profile_path("evil").read_text().replace(uuid_of("evil"), uuid_of("bytes"))
        self.hold_agent()
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(text)
        self.before = None
        (self.device.disk / RECORD).write_bytes(b"nothing")
        self.release_agent()
        wait_for("the record set aside", lambda: self.state() == "none")
        self.device.wait_active("lan")
        self.assert_journal_harmless(trial)

    @contextlib.contextmanager
    def file(self, name, line):
        """A file of that name (bytes) with a profile that has `line` in the place of its id; yields its UUID."""
        path = os.path.join(os.fsencode(self.device.disk / PROFILES), name)
        text = self.device.profile_path("lan").read_bytes().replace(b"autoconnect=true", b"autoconnect=false")
        text = text.replace(uuid_of("lan").encode(), uuid_of("odd").encode()).replace(b"id=lan\n", line + b"\n")
        with self.step(name=name), open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(text)
            file.flush()
            yield uuid_of("odd")
        os.unlink(path)
        self.device.run("nmcli", "connection", "reload")
        self.device.wait_active("lan")

    def test_files_of_odd_bytes(self):
        for name, line in ((b"comment.nmconnection", b"# \xff\x1b[31m\nid=odd"),
                           (b"name\n\x1b[31m.nmconnection", b"id=odd")):
            with self.file(name, line) as uuid:
                self.said_harmlessly("start", uuid, *TRIAL, "--dry-run")
                trial = self.started_as(self.said_harmlessly("start", uuid, *TRIAL))
                self.said_harmlessly("cancel", trial)
                self.said_harmlessly("wait", trial, status=5)
                self.assert_journal_harmless(trial)

    def test_files_that_are_refused(self):
        for name, line, why in ((b"broken.nmconnection", b"id=broken\xff\x1b[31m", r"broken\..*has no id= in UTF-8"),
                                (b"bytes\xff\x9b.nmconnection", b"id=odd", "no UTF-8. Rename it"),
                                (b"no-id\n\x1b[31m\xff.nmconnection", b"", r"no-id\\n\\u001b\[31m.*has no id=")):
            with self.file(name, line) as uuid:
                for options in (TRIAL, (*TRIAL, "--dry-run")):
                    result = self.trial("start", uuid, *options, status=4)
                    self.assert_harmless(result.stderr, name)
                    self.assertRegex(result.stderr, why)


if __name__ == "__main__":
    unittest.main()
