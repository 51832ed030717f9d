# SPDX-License-Identifier: LGPL-2.1-or-later
"""Mobile broadband: NetworkManager, ModemManager and pppd as they are, against a simulated modem and carrier. A modem's
device goes by its port's name (ttyp0), its addresses are on an interface of another (ppp0)."""
import unittest

from case import keyfile, uuid_of, wait_for
from machine import MachineCase

GSM = """[connection]
id={name}
uuid={uuid}
type=gsm
interface-name=ttyp0
autoconnect={autoconnect}

[gsm]
apn={apn}
{more}
[ipv4]
method=auto

[ipv6]
method=disabled
"""
ECHO = "\n[ppp]\nlcp-echo-interval=1\nlcp-echo-failure=3\n"
# On a dead line pppd ends after 6 s, and NetworkManager kills it after 5: its line discipline stays on the tty then, and
# ModemManager finds the modem dead.
PPP_OPTIONS = "lcp-max-terminate 1\n"
OWN_CHECK = """#!/bin/sh
echo "asked through $NM_TRIAL_IFACE"
exec curl -sf --max-time 8 --interface "if!$NM_TRIAL_IFACE" -o /dev/null http://10.99.255.1/
"""


class ModemCase(MachineCase):
    """eth0 has a network of its own, which must not vouch for the modem's."""
    options = {"modules": "ppp_async", "modem": "yes"}

    def prepare(self):
        self.gsm("cell", autoconnect=True)

    def _first_boot(self):
        super()._first_boot()
        self.wait_up("cell")

    def gsm(self, name, apn="good", *, autoconnect=False, more="", user=""):
        self.own.add(name)
        text = GSM.format(name=name, uuid=uuid_of(name), apn=apn, autoconnect=str(autoconnect).lower(), more=more)
        self.device.profile_file(name, text + (f"\n[user]\n{user}" if user else ""))

    def wait_up(self, name):
        self.device.wait_active(name, "ttyp0", 40)
        self.device.wait_online("ppp0")

    def addresses(self, device="ttyp0"):
        return super().addresses("ppp0" if device == "ttyp0" else device)

    def stored_addresses(self, name):
        return {"10.64.0.2/32"} if name != "lan" else super().stored_addresses(name)

    def back(self, trial, name, reason, seconds=60):
        """The trial is reverted with that reason, and the old profile carries traffic again. Returns the entry."""
        self.wait_verdict(trial, seconds)
        entry = self.assert_reverted(trial, name, reason, replaced="cell", device="ttyp0")
        self.device.wait_online("ppp0")
        return entry


class Trials(ModemCase):
    def test_what_a_trial_makes_of_an_apn(self):
        self.gsm("wrong", "wrong")
        self.gsm("right", "good2")
        with self.step(apn="wrong"):
            entry = self.back(self.start("wrong", "--timeout", "2m"), "wrong", "activation-failed")
            self.assertRegex(entry["detail"], "NetworkManager's reason: (modem|gsm|ppp)-")
            self.assertEqual([(check["name"], check["state"]) for check in entry["baseline"]], [("nm", "passing")])
        with self.step(apn="right", check="nm"):
            trial = self.start("right", "--check", "nm", "--hold", "1s", "--timeout", "2m")
            self.wait_verdict(trial, 60)
            self.assert_promoted(trial, "right", "checks-passed", replaced="cell", device="ttyp0")
        with self.step(apn="right", check="own"):
            self.install_check(OWN_CHECK)
            trial = self.start("cell", "--check", "line", "--hold", "1s", "--timeout", "2m")
            self.wait_verdict(trial, 60)
            entry = self.assert_promoted(trial, "cell", "checks-passed", replaced="right", device="ttyp0")
            self.assertEqual(len(self.said("^trial [^ ]+: check line passes on ttyp0: asked through ppp0")), 1)

    def install_check(self, text):
        self.device.run("sh", "-c", "mkdir -p /etc/nm-trial/check.d && cat >/etc/nm-trial/check.d/line && "
                        "chmod 755 /etc/nm-trial/check.d/line", stdin=text)
        self.before = self.files()

    def test_refused(self):
        self.gsm("right", "good2")
        self.device.profile("wired", autoconnect=False)
        for words, said in ((["right", "--replace", "lan"], '"right" is for ttyp0, "lan" for eth0'),
                            (["wired", "--replace", "cell"], '"wired" is for eth0, "cell" for ttyp0'),
                            (["right", "--check", "gateway"], '"right" has no gateway to ask')):
            with self.step(words=words):
                before = self.files()
                self.assertIn(said, self.trial("start", *words, status=4).stderr)
                self.assertEqual(self.files(), before)

    def test_an_annotated_candidate_is_activated(self):
        """The dispatcher names the interface with the addresses (ppp0), the trial the modem's port."""
        self.gsm("right", "good2", user="nm-trial.replaces=cell\nnm-trial.hold=1s\n")
        self.before = self.files()
        self.device.nmcli("connection", "up", "right")
        trial = wait_for("the trial's end", self.history, 40)[0]["id"]
        entry = self.assert_promoted(trial, "right", "checks-passed", replaced="cell", device="ttyp0")
        self.assertEqual([pair["device"] for pair in entry["pairs"]], ["ttyp0"])


class Faults(ModemCase):
    def prepare(self):
        super().prepare()
        options = self.device.disk / "etc/ppp/options"
        options.parent.mkdir()
        options.write_text(PPP_OPTIONS)
        self.gsm("right", "good2")
        self.gsm("echo", "good2", more=ECHO)

    def manual(self, name, check="none", timeout="10m"):
        trial = self.start_manual(name, check=check, timeout=timeout)
        self.wait_up(name)
        return trial

    def test_a_silent_loss_of_the_line(self):
        """NetworkManager knows nothing of it; with lcp-echo it does."""
        trial = self.manual("right", check="nm")
        self.wait_judged("passing")
        self.device.lose_line()
        self.wait_judged("failing")
        self.assertEqual(self.device.active("ttyp0"), "right")
        self.trial("extend", trial, "--timeout", "2s")
        self.back(trial, "right", "check-failed", 80)
        trial = self.manual("echo")
        self.device.lose_line()
        self.back(trial, "echo", "superseded")
        self.assertTrue(self.said("not active on ttyp0 any more: NetworkManager's reason: ppp-"))

    def test_the_modem_is_gone_and_comes_back(self):
        trial = self.manual("right")
        self.device.pull_modem()
        wait_for("its going", lambda: "ttyp0" not in self.device.nmcli("-f", "DEVICE", "device"), 20)
        self.device.plug_modem()
        self.back(trial, "right", "superseded", 80)

    def test_networkmanager_is_killed_and_leaves_its_pppd(self):
        """Which holds the line: nothing can be activated until it has gone. The trial goes on then."""
        trial = self.manual("right")
        self.device.run("kill", "-KILL", self.device.nm_pid())
        wait_for("the line in the way", lambda: self.said("port is already connected", "NetworkManager"), 20)
        self.assertEqual(self.state(), "trying")
        self.device.run("pkill", "-f", "pppd .*ttyp0")
        self.wait_up("right")
        self.trial("cancel", trial)
        self.back(trial, "right", "cancelled")

    def test_its_pppd_stays_beyond_the_deadline(self):
        """The old profile comes up when the line is free again."""
        trial = self.manual("right", timeout="20s")
        self.device.run("kill", "-KILL", self.device.nm_pid())
        wait_for("the line in the way", lambda: self.said("port is already connected", "NetworkManager"), 20)
        self.assertEqual(self.state(), "trying")
        wait_for("the verdict", lambda: self.state() != "trying", 30)
        self.device.run("pkill", "-f", "pppd .*ttyp0")
        self.back(trial, "right", "timeout", 120)


class PowerCut(ModemCase):
    """Of a disk that loses what was not synced."""

    def test_while_trying_and_after_a_confirm(self):
        self.gsm("right", "good2")
        trial = self.start_manual("right", timeout="10m")
        self.wait_up("right")
        self.device.power_cut()
        self.device.boot()
        self.wait_up("cell")
        self.assertEqual(self.entry(trial)["reason"], "unconfirmed-reboot")
        self.assertEqual(keyfile.annotation(self.profile("right")), "demoted")

        trial = self.start_manual("right", check="nm", timeout="10m")
        self.confirm_when_ready(trial)
        self.device.power_cut()
        self.device.boot()
        self.wait_up("right")
        self.assertEqual(self.entry(trial)["verdict"], "promoted")
        self.assertFalse(keyfile.autoconnect(self.profile("cell")))


if __name__ == "__main__":
    unittest.main(verbosity=2)
