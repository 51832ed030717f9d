# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every kind of package is built, the linters find nothing in it, and built again elsewhere it has the same bytes."""
import hashlib
import os
import pathlib
import re
import subprocess
import tarfile
import unittest

import packages

# Another place, a later time (of the files, too), another user's habits.
ELSEWHERE = {"umask": 0o077, "TZ": "Asia/Kathmandu", "LANG": "tr_TR.UTF-8", "LC_ALL": "tr_TR.UTF-8", "USER": "somebody",
             "HOME": "/nonexistent"}
# makepkg notes there what the package was built with, and where.
ENVIRONMENT = {".BUILDINFO", ".MTREE"}
# What each kind has, and where its distribution wants it.
SHARED = {"/usr/lib/NetworkManager/dispatcher.d/90-nm-trial", "/usr/lib/NetworkManager/dispatcher.d/no-wait.d/90-nm-trial",
          "/usr/lib/systemd/catalog/nm-trial.catalog", "/usr/share/bash-completion/completions/nm-trial",
          "/usr/share/fish/vendor_completions.d/nm-trial.fish", "/usr/share/man/man5/nm-trial-annotations.5.gz",
          "/usr/share/man/man5/nm-trial.conf.5.gz", "/usr/share/man/man7/nm-trial-design.7.gz",
          "/usr/share/man/man8/nm-trial.8.gz"}
UNITS = ("nm-trial.service", "nm-trial-boot.service")
MACHINE = os.uname().machine


class Kind:
    """A subclass has KIND, as packaging/package calls it, the PLACES of its distribution and what that one's tools say."""
    UNIT_DIR = "/usr/lib/systemd/system"

    @classmethod
    def setUpClass(cls):
        packages.build(cls.KIND, cls.KIND)
        packages.build(cls.KIND, f"{cls.KIND}-again", **ELSEWHERE)
        packages.build(cls.KIND, f"{cls.KIND}-newer", newer=True)

    def clean(self, *command):
        """It ends well; returns what it has said."""
        result = subprocess.run([str(word) for word in command], check=False, capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def test_everything_is_in_its_place(self):
        units = {f"{self.UNIT_DIR}/{unit}" for unit in UNITS}
        self.assertEqual((SHARED | self.PLACES | units) - set(self.files()), set())

    def assert_same_bytes(self, *but):
        made = sorted(path.name for path in (packages.OUT / self.KIND).iterdir() if path.name != "log")
        self.assertGreaterEqual(len(made), 2, made)
        for name in made:
            if name.endswith(but):
                continue
            with self.subTest(name):
                once, again = ((packages.OUT / place / name).read_bytes() for place in (self.KIND, f"{self.KIND}-again"))
                self.assertTrue(once == again, "differs")


class Deb(Kind, unittest.TestCase):
    KIND = "deb"
    PLACES = {"/usr/sbin/nm-trial", "/usr/libexec/nm-trial/before-removal", "/usr/share/zsh/vendor-completions/_nm-trial"}

    @property
    def UNIT_DIR(self):  # below /lib before trixie
        return self.clean("pkg-config", "--variable=systemdsystemunitdir", "systemd").strip()

    def files(self):
        return re.findall(r" \.(/\S*)", self.clean("dpkg-deb", "--contents", packages.package("deb", "*.deb")))

    def test_lintian(self):
        """One before 2.115 reads overrides written otherwise than ours, and is older than our policy's version."""
        version = tuple(map(int, re.findall(r"\d+", self.clean("lintian", "--version"))[:2]))
        unknown = "newer-standards-version,mismatched-override,systemd-service-file-refers-to-unusual-wantedby-target"
        said = self.clean("lintian", *(["--suppress-tags", unknown] if version < (2, 115) else []), "--fail-on",
                          "error,warning", "--allow-root", packages.package("deb", "*.changes"))
        self.assertEqual(said, "")

    def test_it_asks_for_libnm(self):
        """Which no packager's tool finds, as it is loaded while the helper runs."""
        needs = self.clean("dpkg-deb", "-f", packages.package("deb", "*.deb"), "Depends")
        self.assertRegex(needs, r"\blibnm0 \(>= 1\.30\)")

    def test_the_same_bytes(self):
        notes = (".buildinfo", ".changes")  # of the machine, and of what it built
        gcc = int(self.clean("gcc", "-dumpversion").split(".")[0])
        self.assert_same_bytes(*notes, *((".deb",) if gcc < 11 else ()))  # it makes symbols' names of the build's path


class Rpm(Kind, unittest.TestCase):
    KIND = "rpm"
    PLACES = {"/usr/sbin/nm-trial", "/usr/libexec/nm-trial/before-removal", "/usr/share/zsh/site-functions/_nm-trial"}

    def files(self):
        return self.clean("rpm", "-qpl", packages.package("rpm", f"*.{MACHINE}.rpm")).split()

    def test_rpmlint(self):
        said = self.clean("rpmlint", "--config", packages.SOURCE / "packaging/rpm/rpmlint.toml",
                          packages.package("rpm", f"*.{MACHINE}.rpm"), packages.package("rpm", "*.spec"))
        self.assertRegex(said, r"\n 1 packages and 1 specfiles checked; 0 errors, 0 warnings,")

    def test_it_asks_for_libnm(self):
        needs = self.clean("rpm", "-qp", "--requires", packages.package("rpm", f"*.{MACHINE}.rpm"))
        self.assertRegex(needs, r"(?m)^libnm\.so\.0\b")

    def test_what_the_source_needs_is_asked_for(self):
        """A build service installs nothing else: each library that CMake looks for, by the name that it looks for."""
        cmake = (packages.SOURCE / "CMakeLists.txt").read_text()
        modules = re.search(r"pkg_check_modules\(DEPS REQUIRED IMPORTED_TARGET\s+([^)]*)\)", cmake)[1]
        needs = self.clean("rpmspec", "-q", "--buildrequires", packages.package("rpm", "*.spec"))
        asked = set(re.findall(r"(?m)^pkgconfig\((\S+)\)", needs))
        self.assertEqual(asked, set(re.findall(r"[a-z][a-z0-9.+-]*[a-z0-9]", re.sub(r"[<>=]+[0-9.]+", "", modules))))
        self.assertLess({"cmake", "gcc"}, set(needs.split()))

    def test_the_same_bytes(self):
        self.assert_same_bytes()


class Arch(Kind, unittest.TestCase):
    KIND = "arch"
    PLACES = {"/usr/bin/nm-trial", "/usr/lib/nm-trial/before-removal", "/usr/share/zsh/site-functions/_nm-trial",
              "/usr/share/libalpm/hooks/nm-trial.hook"}

    def files(self):
        with tarfile.open(packages.package("arch", "*.pkg.tar.*")) as archive:
            return [f"/{name}" for name in archive.getnames()]

    def test_it_asks_for_libnm(self):
        with tarfile.open(packages.package("arch", "*.pkg.tar.*")) as archive:
            self.assertIn(b"depend = libnm\n", archive.extractfile(".PKGINFO").read())

    def test_the_same_content(self):
        once, again = (self.content(packages.package(place, "*.pkg.tar.*")) for place in ("arch", "arch-again"))
        self.assertIn("usr/bin/nm-trial", once)
        self.assertEqual(once, again)

    def content(self, path):
        with tarfile.open(path) as archive:
            return {member.name: (member.mode, member.mtime, member.linkname,
                                  archive.extractfile(member).read() if member.isreg() else None)
                    for member in archive if pathlib.Path(member.name).name not in ENVIRONMENT}


class Yocto(unittest.TestCase):
    def test_the_recipe_is_of_this_source(self):
        """Nobody builds it here: what it repeats of the source is right."""
        recipe = (packages.SOURCE / "packaging/yocto/recipes-connectivity/nm-trial/nm-trial.bb").read_text()
        license_sum = hashlib.md5((packages.SOURCE / "LICENSE").read_bytes()).hexdigest()
        self.assertIn(f"file://LICENSE;md5={license_sum}", recipe)
        variables = set(re.findall(r"-D(NM_TRIAL_\w+)=", recipe))
        known = "".join(path.read_text() for path in packages.SOURCE.glob("[a-z]*/**/CMakeLists.txt"))
        self.assertEqual({name for name in variables if f"set({name} " not in known}, set())
        self.assertEqual(len(variables), 2)


if __name__ == "__main__":
    unittest.main()
