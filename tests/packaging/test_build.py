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
PLACES = {
    "deb": {"/usr/sbin/nm-trial", "/usr/libexec/nm-trial/before-removal", "/usr/share/zsh/vendor-completions/_nm-trial",
            *(f"/lib/systemd/system/{unit}" for unit in UNITS)},
    "rpm": {"/usr/sbin/nm-trial", "/usr/libexec/nm-trial/before-removal", "/usr/share/zsh/site-functions/_nm-trial",
            *(f"/usr/lib/systemd/system/{unit}" for unit in UNITS)},
    "arch": {"/usr/bin/nm-trial", "/usr/lib/nm-trial/before-removal", "/usr/share/zsh/site-functions/_nm-trial",
             "/usr/share/libalpm/hooks/nm-trial.hook", *(f"/usr/lib/systemd/system/{unit}" for unit in UNITS)},
}


class Build(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for kind in ("deb", "rpm", "arch"):
            packages.build(kind, kind)
            packages.build(kind, f"{kind}-again", **ELSEWHERE)
            packages.build(kind, f"{kind}-newer", newer=True)

    def clean(self, *command):
        """The linter ends well, and its last line says that it has found nothing."""
        result = subprocess.run([str(word) for word in command], check=False, capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def test_lintian(self):
        said = self.clean("lintian", "--fail-on", "error,warning", "--allow-root", packages.package("deb", "*.changes"))
        self.assertEqual(said, "")

    def test_rpmlint(self):
        said = self.clean("rpmlint", "--config", packages.SOURCE / "packaging/rpm/rpmlint.toml",
                          packages.package("rpm", f"*.{os.uname().machine}.rpm"), packages.package("rpm", "*.spec"))
        self.assertRegex(said, r"\n 1 packages and 1 specfiles checked; 0 errors, 0 warnings,")

    def test_everything_is_in_its_place(self):
        deb = self.clean("dpkg-deb", "--contents", packages.package("deb", "*.deb"))
        rpm = self.clean("rpm", "-qpl", packages.package("rpm", f"*.{os.uname().machine}.rpm"))
        with tarfile.open(packages.package("arch", "*.pkg.tar.*")) as archive:
            arch = [f"/{name}" for name in archive.getnames()]
        for kind, files in (("deb", re.findall(r" \.(/\S*)", deb)), ("rpm", rpm.split()), ("arch", arch)):
            with self.subTest(kind):
                self.assertEqual((SHARED | PLACES[kind]) - set(files), set())

    def test_yoctos_recipe_is_of_this_source(self):
        """Nobody builds it here: what it repeats of the source is right."""
        recipe = (packages.SOURCE / "packaging/yocto/recipes-connectivity/nm-trial/nm-trial.bb").read_text()
        license_sum = hashlib.md5((packages.SOURCE / "LICENSE").read_bytes()).hexdigest()
        self.assertIn(f"file://LICENSE;md5={license_sum}", recipe)
        variables = set(re.findall(r"-D(NM_TRIAL_\w+)=", recipe))
        known = "".join(path.read_text() for path in packages.SOURCE.glob("[a-z]*/**/CMakeLists.txt"))
        self.assertEqual({name for name in variables if f"set({name} " not in known}, set())
        self.assertEqual(len(variables), 2)

    def test_they_ask_for_libnm(self):
        """Which no packager's tool finds, as it is loaded while the helper runs."""
        needs = self.clean("dpkg-deb", "-f", packages.package("deb", "*.deb"), "Depends")
        self.assertRegex(needs, r"\blibnm0 \(>= 1\.30\)")
        needs = self.clean("rpm", "-qp", "--requires", packages.package("rpm", f"*.{os.uname().machine}.rpm"))
        self.assertRegex(needs, r"(?m)^libnm\.so\.0\b")
        with tarfile.open(packages.package("arch", "*.pkg.tar.*")) as archive:
            self.assertIn(b"depend = libnm\n", archive.extractfile(".PKGINFO").read())

    def test_the_same_bytes(self):
        for kind in ("deb", "rpm"):
            made = sorted(path.name for path in (packages.OUT / kind).iterdir() if path.name != "log")
            self.assertGreaterEqual(len(made), 2, made)
            for name in made:
                if name.endswith((".buildinfo", ".changes")):
                    continue  # Debian's notes on the machine
                with self.subTest(name):
                    once, again = ((packages.OUT / place / name).read_bytes() for place in (kind, f"{kind}-again"))
                    self.assertTrue(once == again, "differs")

    def test_the_same_content_for_arch(self):
        once, again = (self.content(packages.package(place, "*.pkg.tar.*")) for place in ("arch", "arch-again"))
        self.assertIn("usr/bin/nm-trial", once)
        self.assertEqual(once, again)

    def content(self, path):
        with tarfile.open(path) as archive:
            return {member.name: (member.mode, member.mtime, member.linkname,
                                  archive.extractfile(member).read() if member.isreg() else None)
                    for member in archive if pathlib.Path(member.name).name not in ENVIRONMENT}


if __name__ == "__main__":
    unittest.main()
