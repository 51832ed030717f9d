# SPDX-License-Identifier: LGPL-2.1-or-later
"""IPv4 alone, IPv6 alone, both: the built-in checks ask for what the candidate's profile needs, and for no more."""
import itertools
import typing
import unittest

from case import Case, wait_for

# NetworkManager takes no IPv6 literal as its page's host, and an IPv4 literal says nothing of IPv6: so a name with both.
HOST = "connectivity.example.com"
HOSTS = f"127.0.0.1 localhost\n10.99.255.1 {HOST}\nfd99:ff::1 {HOST}\n"
BAD = {4: "10.99.{n}.254", 6: "fd99:{n}::254"}
GOOD = {4: "10.99.{n}.1", 6: "fd99:{n}::1"}
ADDRESS = {4: "10.99.{n}.20/24", 6: "fd99:{n}::20/64"}


class Row(typing.NamedTuple):
    """A candidate: its families, those whose gateway nobody is, those without which it fails; and the judgement."""
    families: tuple
    dead: tuple
    required: tuple
    passes: bool


ROWS = [
    Row((4,), (), (), True),
    Row((4,), (4,), (), False),
    Row((6,), (), (), True),
    Row((6,), (6,), (), False),
    Row((6,), (), (6,), True),
    Row((6,), (6,), (6,), False),
    Row((4, 6), (), (), True),
    Row((4, 6), (4,), (), True),  # one family is enough where the profile requires none
    Row((4, 6), (6,), (), True),
    Row((4, 6), (4, 6), (), False),
    Row((4, 6), (), (4, 6), True),
    Row((4, 6), (4,), (4, 6), False),
    Row((4, 6), (6,), (4, 6), False),
    Row((4, 6), (6,), (4,), True),
    Row((4, 6), (4,), (4,), False),
    Row((4, 6), (4,), (6,), True),
    Row((4, 6), (6,), (6,), False),
]


class Candidates(Case):
    def section(self, row, family):
        if family not in row.families:
            return "method=disabled"
        gateway = (BAD if family in row.dead else GOOD)[family]
        may_fail = "" if family not in row.required else "\nmay-fail=false"
        return f"method=manual\naddress1={ADDRESS[family]},{gateway}{may_fail}".format(n=0)


class Families(Candidates):
    def prepare(self):
        (self.device.disk / "etc/hosts").write_text(HOSTS)
        (self.device.disk / "etc/host.conf").write_text("multi on\n")  # both lines of a name count
        conf = self.device.disk / "etc/NetworkManager/NetworkManager.conf"
        text = conf.read_text()
        self.assertIn("uri=http://10.99.255.1/", text)
        conf.write_text(text.replace("uri=http://10.99.255.1/", f"uri=http://{HOST}/"))

    def judged(self, row, check):
        self.candidate(ipv4=self.section(row, 4), ipv6=self.section(row, 6))
        self.before = None
        trial = self.wait_manual("good", check=check)
        # An IPv6 address is not usable for a moment, so the first round may fail; it is not the last.
        expected = "passing" if row.passes else "failing"
        wait_for(f"{check} {expected}", lambda: [seen["state"] for seen in self.status()["checks"]] == [expected], 20)
        if not row.passes:
            self.assertIn(f"check {check} is failing", self.trial("confirm", status=4).stderr)
        self.trial("cancel", trial)
        self.assert_reverted(trial, "good", "cancelled")

    def judge_all(self, check):
        for row in ROWS:
            with self.step(row=row, check=check):
                self.judged(row, check)

    def test_gateway(self):
        self.judge_all("gateway")

    def test_nm(self):
        self.judge_all("nm")

    def test_one_that_is_promoted(self):
        """What counts in the end, for each kind of network."""
        for families, number in zip(((6,), (4, 6), (4,)), itertools.count(1)):
            with self.step(families=families):
                row = Row(families, (), families, True)
                name = f"good{number}"
                replaced = self.device.active()
                self.candidate(name, ipv4=self.section(row, 4), ipv6=self.section(row, 6))
                trial = self.start(name, "--check", "nm", "--check", "gateway", "--timeout", "20s", "--hold", "1s")
                self.assert_promoted(trial, name, "checks-passed", replaced)
                for family in families:
                    self.assertTrue(self.device.online(family=family))


class Literal(Candidates):
    """The page of the lab is an IPv4 literal, to which IPv6 has no way: that decides nothing, and comes last."""

    def test_what_decides_comes_first(self):
        row = Row((4, 6), (4, 6), (), False)
        self.candidate(ipv4=self.section(row, 4), ipv6=self.section(row, 6))
        trial = self.wait_manual("good", check="nm")
        said = wait_for("both", lambda: [check["output"] for check in self.status()["checks"]
                                         if "IPv4 does" in check["output"] and "IPv6 does" in check["output"]], 20)
        self.assertRegex(said[0], "^IPv4 does not reach http://10.99.255.1/: .*, IPv6 does not reach")
        self.trial("cancel", trial)
        self.assert_reverted(trial, "good", "cancelled")


if __name__ == "__main__":
    unittest.main(verbosity=2)
