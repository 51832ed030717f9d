# SPDX-License-Identifier: LGPL-2.1-or-later
"""The container's image, built by its Dockerfile, beside a real NetworkManager. Debian's own image is not to be had from
Debian's mirror, so a root by debootstrap has its name."""
import json
import subprocess

import container
from nspawn import MIRROR, made_once
from packages import OUT, SOURCE, VERSION

BASE = "docker.io/library/debian:bookworm-slim"
NAME = "localhost/nm-trial"


def buildah(*arguments, **options):
    storage = OUT / "image"
    made = subprocess.run(["buildah", "--storage-driver", "vfs", "--root", storage / "root", "--runroot", storage / "run",
                           *arguments], check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, **options)
    if made.returncode != 0:
        raise AssertionError(f"buildah {arguments}: status {made.returncode}\n{made.stdout[-3000:]}{made.stderr[-3000:]}")
    return made.stdout.strip()


def slim(root):
    subprocess.run(["debootstrap", "--variant=minbase", "bookworm", root, MIRROR], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL)


class Image(container.Trials):
    programs = "/usr/sbin"
    process = "/usr/sbin/nm-trial-entry"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        base = buildah("from", "scratch")
        buildah("copy", base, made_once("bookworm-slim", slim), "/")
        buildah("commit", "--rm", base, BASE)
        buildah("build", "--isolation", "chroot", "--pull=never", "--file", SOURCE / "packaging/container/Dockerfile",
                "--ignorefile", SOURCE / ".gitignore", "--tag", NAME, SOURCE)
        cls.image = buildah("mount", buildah("from", "--pull=never", NAME))
        cls.addClassCleanup(buildah, "rmi", "--all", "--force")
        cls.addClassCleanup(buildah, "rm", "--all")

    def test_what_it_says_of_itself(self):
        told = json.loads(buildah("inspect", "--type", "image", NAME))["OCIv1"]["config"]
        self.assertEqual((told["Cmd"], list(told["Volumes"])), ([self.process], ["/var/lib/nm-trial"]))
        self.assertEqual(self.trial("--version").stdout, f"nm-trial {VERSION}\n")
