# SPDX-License-Identifier: LGPL-2.1-or-later
"""RPM's package on a running device."""
import os
import unittest

import installed
import packages


class Rpm(installed.Elsewhere):
    KIND = "rpm"
    FILES = ("/usr/lib/rpm",)
    DIRECTORIES = ("var/lib/rpm",)
    REMOVE = ("rpm", "--erase", "nm-trial")

    def install(self, directory=KIND):
        file = self.put(packages.package(directory, f"*.{os.uname().machine}.rpm"))
        self.container.run("rpm", "--upgrade", "--force", "--nodeps", file)


if __name__ == "__main__":
    unittest.main()
