# SPDX-License-Identifier: LGPL-2.1-or-later
"""From the source, by README's own words, on a device that has nothing for it; then all that a package would be."""
import json
import shutil
import subprocess
import unittest

from installed import Installed
from packages import SOURCE
from readme import example, lines

TREE = "srv/nm-trial"
ASSUME_YES = 'APT::Get::Assume-Yes "true";\n'


class Source(Installed):
    def prepare(self):
        """What needs the mirror and takes time, before the device boots: a device has no way out of the lab."""
        root = self.container.root
        shutil.copytree(SOURCE, root / TREE, symlinks=True, ignore=shutil.ignore_patterns("build", ".git", "__pycache__"))
        (root / "etc/apt/apt.conf.d/90test").write_text(ASSUME_YES)
        self.commands = lines(example("Everywhere else:"))
        made = subprocess.run(["systemd-nspawn", "-q", "-D", root, "--register=no", "--keep-unit", "--console=pipe",
                               "--resolv-conf=copy-host", f"--chdir=/{TREE}", "--setenv=DEBIAN_FRONTEND=noninteractive",
                               "sh", "-exc", "\n".join(["apt-get update", *self.commands[:3]])],
                              check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.assertEqual(made.returncode, 0, made.stdout[-3000:] + made.stderr[-3000:])

    def test_installed_and_used(self):
        for command in self.commands[3:]:
            self.container.run("sh", "-c", command)
        findings = json.loads(self.trial("doctor", "--json", check=False).stdout)["findings"]
        self.assertEqual([one for one in findings if one["state"] == "failure"], [])
        self.assertIn("nm-trial: A network profile is on trial", self.container.run("journalctl", "--list-catalog").stdout)
        self.assert_activation_starts_a_trial()
        self.container.power_cut()
        self.container.boot()
        self.container.wait_active("lan")
        self.assertEqual(self.container.run("systemctl", "is-active", "nm-trial-boot.service").stdout, "active\n")


if __name__ == "__main__":
    unittest.main()
