# SPDX-License-Identifier: LGPL-2.1-or-later
"""Promise 8, nothing is guessed: a record that cannot be read is set aside, never deleted, the known-good profile is
secured, and the journal says so."""
import hashlib
import unittest

from case import Case, RECORD, keyfile, wait_for


def flip(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1:]


def newer(data):
    """A record that is sound, of a version that this program does not know."""
    kind, _, length, digest = data.partition(b"\n")[0].split(b" ")
    body = data.partition(b"\n")[2]
    assert (kind, int(length), digest.decode()) == (b"nm-trial-record", len(body), hashlib.sha256(body).hexdigest())
    return b" ".join((kind, b"99", length, digest)) + b"\n" + body


DAMAGES = {"flipped": flip, "truncated": lambda data: data[:-20], "cut to its first line": lambda data: data[:40],
           "empty": lambda data: b"", "longer": lambda data: data + b"x", "text": lambda data: b"state=promoting\n",
           "zeros": lambda data: bytes(len(data)), "newer": newer}


class Record(Case):
    def damaged(self, damage):
        path = self.device.disk / RECORD
        damaged = DAMAGES[damage](path.read_bytes())
        path.write_bytes(damaged)
        return damaged

    def secured(self, damaged):
        directory = (self.device.disk / RECORD).parent
        self.assertFalse((self.device.disk / RECORD).exists())
        kept = [path for path in directory.iterdir()
                if path.is_file() and path.name not in ("history", "lock") and path.read_bytes() == damaged]
        self.assertEqual(len(kept), 1, f"the record was not set aside: {list(directory.iterdir())}")
        self.assertEqual(oct(kept[0].stat().st_mode & 0o777), "0o600")
        kept[0].unlink()
        self.assertEqual(keyfile.annotation(self.profile("bad")), "demoted")
        self.assertFalse(keyfile.autoconnect(self.profile("bad")))
        self.device.wait_active("lan")
        self.assertTrue(self.device.online())
        self.assertEqual(self.status()["state"], "none")
        self.assertTrue(self.said("record"))

    def test_damaged_at_a_power_cut(self):
        self.bad()
        for damage in DAMAGES:
            with self.step(damage=damage):
                self.start_manual("bad")
                self.device.wait_active("bad")
                self.device.power_cut()
                damaged = self.damaged(damage)
                self.device.boot()
                self.secured(damaged)

    def test_damaged_while_the_trial_is_open(self):
        self.bad()
        self.start_manual("bad")
        self.device.wait_active("bad")
        self.settled_record()
        damaged = self.damaged("flipped")
        self.kill_helpers()
        wait_for("the next agent's work", lambda: not (self.device.disk / RECORD).exists())
        self.secured(damaged)

    def test_a_new_trial_can_start_after_that(self):
        self.bad()
        self.candidate()
        self.start_manual("bad")
        self.device.wait_active("bad")
        self.device.power_cut()
        damaged = self.damaged("truncated")
        self.device.boot()
        self.secured(damaged)
        trial = self.wait_manual("good")
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")

    def test_a_history_that_cannot_be_read_hinders_no_trial(self):
        self.candidate()
        trial = self.wait_manual("good")
        self.trial("cancel", trial)
        self.assert_reverted(trial, "good", "cancelled")
        path = self.device.disk / "var/lib/nm-trial/history"
        path.write_bytes(flip(path.read_bytes()))
        trial = self.wait_manual("good")
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")

    def test_the_record_is_roots_alone(self):
        self.candidate()
        trial = self.wait_manual("good")
        path = self.device.disk / RECORD
        self.assertEqual(oct(path.stat().st_mode & 0o777), "0o600")
        self.assertIn(oct(path.parent.stat().st_mode & 0o777), ("0o700", "0o755"))
        self.assertRegex(path.read_bytes().partition(b"\n")[0], rb"^nm-trial-record 1 \d+ [0-9a-f]{64}$")
        self.trial("cancel", trial)
        self.assert_reverted(trial, "good", "cancelled")


if __name__ == "__main__":
    unittest.main(verbosity=2)
