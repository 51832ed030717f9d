# SPDX-License-Identifier: LGPL-2.1-or-later
"""RPM's package on a running device."""
import os
import unittest

import installed
import packages


class Rpm(installed.Elsewhere):
    FILES = ("/usr/lib/rpm",)
    DIRECTORIES = ("var/lib/rpm",)
    REMOVE = ("rpm", "--erase", "nm-trial")

    def install(self):
        file = self.put(packages.package("rpm", f"*.{os.uname().machine}.rpm"))
        self.container.run("rpm", "--upgrade", "--force", "--nodeps", file)

    def test_installed_upgraded_and_removed_in_a_trial(self):
        self.installed_upgraded_and_removed_in_a_trial()

    def test_not_removed_while_a_trial_cannot_end(self):
        self.install()
        self.assert_refused(*self.REMOVE)


if __name__ == "__main__":
    unittest.main()
