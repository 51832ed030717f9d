# SPDX-License-Identifier: LGPL-2.1-or-later
"""README's example of a verdict hook, as it stands there, in the unit's sandbox: with the drop-in that README names it
writes what node_exporter reads, at a boot after a power cut, too."""
import re
import unittest

from device import wait_for
from readme import example
from units import explained, SystemdCase

HOOK = "/etc/nm-trial/verdict.d/node-exporter"
DIRECTORY = "/var/lib/prometheus/node-exporter"
# Prometheus' text format, strictly: for each metric its HELP, its TYPE and one sample.
METRIC = re.compile(r"# HELP (?P<name>[a-z_]+) [^\n]+\n"
                    r"# TYPE (?P=name) gauge\n"
                    r"(?P=name)(?:\{(?P<labels>[a-z_]+=\"[^\"\\\n]*\"(?:,[a-z_]+=\"[^\"\\\n]*\")*)\})? (?P<value>[0-9]+)\n")


class Hooks(SystemdCase):
    def setUp(self):
        super().setUp()
        hook = self.container.root / HOOK[1:]
        hook.parent.mkdir(parents=True)
        hook.write_text(example("`/etc/nm-trial/verdict.d/node-exporter`"))
        hook.chmod(0o755)
        (self.container.root / DIRECTORY[1:]).mkdir(parents=True)  # as Debian's package has it, root's
        self.container.profile("good", address="10.99.7.30", autoconnect=False)

    def metrics(self):
        """{name: (labels, value)} of the file that is read; {} while there is none."""
        path = self.container.root / DIRECTORY[1:] / "nm_trial.prom"
        if not path.exists():
            return {}
        text = path.read_text(encoding="ascii")
        found = list(METRIC.finditer(text))
        self.assertEqual("".join(match[0] for match in found), text, "that is no text format")
        self.assertEqual(path.stat().st_mode & 0o777, 0o644, "node_exporter is not root")
        return {match["name"]: (match["labels"], int(match["value"])) for match in found}

    def wait_metrics(self, trial, verdict, reason):
        labels = f'id="{trial}",verdict="{verdict}",reason="{reason}"'
        wait_for(f"{labels} among the metrics", lambda: self.metrics().get("nm_trial_verdict_info") == (labels, 1))
        clock = int(self.container.run("date", "+%s").stdout)
        told = self.metrics()["nm_trial_verdict_timestamp_seconds"]
        self.assertTrue(clock - 60 < told[1] <= clock, (told, clock))
        self.assertEqual(len(self.metrics()), 2)
        self.assertEqual([path.name for path in (self.container.root / DIRECTORY[1:]).iterdir()], ["nm_trial.prom"])

    def lines(self):
        """This boot's about the hook: (unit, message)."""
        return [(entry.get("_SYSTEMD_UNIT"), entry["MESSAGE"]) for entry in self.journal()
                if ": hook node-exporter" in str(entry.get("MESSAGE")) and entry.get("NM_TRIAL_ID")]

    @explained
    def test_readmes_textfile(self):
        trial = self.start()
        self.trial("cancel", trial)
        wait_for("the hook's failure", lambda: any("Read-only file system" in message for _, message in self.lines()))
        self.assertEqual(self.metrics(), {})
        self.container.wait_active("lan")
        self.assert_quiet()

        self.edit("nm-trial.service", example("In its sandbox that directory is read-only"))
        self.container.run("systemctl", "daemon-reload")
        trial = self.start()
        self.trial("confirm", trial)
        self.wait_metrics(trial, "promoted", "confirmed")
        self.assert_quiet()

        trial = self.start("lan")
        self.container.power_cut()
        self.container.boot()
        self.wait_metrics(trial, "reverted", "unconfirmed-reboot")
        self.assertEqual(self.lines(), [("nm-trial.service", f"trial {trial}: hook node-exporter: exit status 0")])
        self.assert_quiet()


if __name__ == "__main__":
    unittest.main(verbosity=2)
