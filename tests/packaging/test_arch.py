# SPDX-License-Identifier: LGPL-2.1-or-later
"""Arch's package on a running device."""
import unittest

import installed
import packages


class Arch(installed.Elsewhere):
    KIND = "arch"
    FILES = ("/etc/pacman.conf",)
    DIRECTORIES = ("var/lib/pacman", "var/cache/pacman/pkg")
    REMOVE = ("pacman", "--remove", "--nodeps", "--nodeps", "--noconfirm", "nm-trial")

    def install(self, directory=KIND):
        file = self.put(packages.package(directory, "*.pkg.tar.*"))
        self.container.run("pacman", "--upgrade", "--nodeps", "--nodeps", "--noconfirm", file)


if __name__ == "__main__":
    unittest.main()
