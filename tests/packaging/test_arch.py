# SPDX-License-Identifier: LGPL-2.1-or-later
"""Arch's package on a running device."""
import unittest

import installed
import packages


class Arch(installed.Elsewhere):
    FILES = ("/etc/pacman.conf",)
    DIRECTORIES = ("var/lib/pacman", "var/cache/pacman/pkg")
    REMOVE = ("pacman", "--remove", "--nodeps", "--nodeps", "--noconfirm", "nm-trial")

    def install(self):
        file = self.put(packages.package("arch", "*.pkg.tar.*"))
        self.container.run("pacman", "--upgrade", "--nodeps", "--nodeps", "--noconfirm", file)


if __name__ == "__main__":
    unittest.main()
