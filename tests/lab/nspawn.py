# SPDX-License-Identifier: LGPL-2.1-or-later
"""A device with a real systemd: a container by systemd-nspawn, in a network of its own, whose power can be cut.

Its root is made once by debootstrap and kept under CACHE; each device is a copy. It sees one cable, host0, whose other
end is the gateway 10.99.7.1 in a network namespace that nothing else is in. Only processes started here are ended."""
import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

from device import LabError, PROFILE, PROFILES, uuid_of, wait_for

CACHE = pathlib.Path(os.environ.get("NM_TRIAL_CACHE", "/var/cache/nm-trial-tests"))
PACKAGES = ["systemd", "systemd-sysv", "libpam-systemd", "udev", "dbus", "network-manager", "iproute2", "kmod",
            "procps", "libjson-glib-1.0-0", "libnm0"]
MIRROR = "http://deb.debian.org/debian"  # debootstrap's own default
GATEWAY = "10.99.7.1"
ACTIVE = r"device \(host0\): Activation: successful"  # as NetworkManager says it
REBOOT = 133  # systemd-nspawn's status when what it runs asks for that
# Nothing in a test looks at these, and every device copies them.
BALLAST = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/i18n", "var/lib/apt/lists",
           "var/cache/apt/archives")


def made_once(name, make):
    """CACHE/name, a directory that make(path) makes at first use, by whoever comes first; from then on it is only read."""
    path = CACHE / name
    if path.exists():  # nobody waits for another one's
        return path
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            making = CACHE / f"{name}.new"
            shutil.rmtree(making, ignore_errors=True)
            make(making)
            making.rename(path)
    return path


def own_suite():
    """This machine's release of Debian: what is built here runs with its libraries."""
    lines = pathlib.Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith("VERSION_CODENAME="))


def base_root(suite, packages=()):
    """The root that devices of that release are copied from; with more packages than a container needs."""
    packages = [*PACKAGES, *packages]
    key = hashlib.sha256(" ".join([suite, *packages, *BALLAST]).encode()).hexdigest()[:12]

    def make(root):
        log = CACHE / f"{suite}-{key}.log"
        with open(log, "wb") as output:
            # The last word: releases that this machine's debootstrap does not know are made like all others.
            made = subprocess.run(["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", suite, root,
                                   MIRROR, "sid"], stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False)
        if made.returncode != 0:
            raise LabError(f"debootstrap failed, see {log}:\n{log.read_text(errors='replace')[-2000:]}")
        for path in BALLAST:
            shutil.rmtree(root / path, ignore_errors=True)
    return made_once(f"{suite}-{key}", make)


def furnish(root):
    """Makes a copy of a base root the root of a device."""
    (root / "etc/hostname").write_text("device\n")
    # With an id of its own it is no "first boot", which would enable units by preset.
    (root / "etc/machine-id").write_text(uuid.uuid4().hex + "\n")
    (root / "var/log/journal").mkdir(exist_ok=True)
    (root / "etc/NetworkManager/conf.d/lab.conf").write_text(
        "[main]\nno-auto-default=*\ndns=none\n[device-all]\nmatch-device=*\nmanaged=1\n")
    for unit in ("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "console-getty.service"):
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")


def install(build, root):
    """Installs and enables nm-trial from the CMake build folder as a package would, under `root`."""
    result = subprocess.run(["cmake", "--install", build, "--prefix", "/usr"], check=False, text=True,
                            capture_output=True, env={**os.environ, "DESTDIR": str(root)})
    if result.returncode != 0:
        raise LabError(f"cmake --install:\n{result.stdout}{result.stderr}")
    subprocess.run(["systemctl", f"--root={root}", "-q", "enable", "nm-trial.service", "nm-trial-boot.service"],
                   check=True)


class Container:
    def __init__(self, build=None, packages=()):
        """`build` is the CMake build folder to install nm-trial from; None where a package is installed. `packages`: what
        its root has of Debian's beside PACKAGES."""
        self.build, self.packages = build, packages
        self.name = f"nmt-{uuid.uuid4().hex[:6]}"  # short: "ve-" and this name its cable
        self.dir = self.root = self.keeper = self.gateway = self.nspawn = self.init = self.cgroup = None

    def create(self):
        base = base_root(own_suite(), self.packages)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.name}.", dir=CACHE))
        self.root = self.dir / "root"
        subprocess.run(["cp", "-a", "--reflink=auto", base, self.root], check=True)
        furnish(self.root)
        # All that runs is in here, and it ends when this test does, however that ends: `cat` reads from it, and a
        # pid namespace dies with its first process.
        self.keeper = subprocess.Popen(["unshare", "--net", "--pid", "--mount-proc", "--fork", "--kill-child", "cat"],
                                       stdin=subprocess.PIPE)
        self.gateway = wait_for("the gateway's namespace", lambda: next(
            (pid for pid in _children(self.keeper.pid) if _name(pid) == "cat"), None))
        self.cgroup = _own_cgroup() / self.name
        self.cgroup.mkdir()

    def install(self):
        install(self.build, self.root)

    def boot(self):
        """Returns when the system has come up."""
        with open(self.dir / "console.log", "ab") as console:
            self.nspawn = subprocess.Popen(
                # A cgroup of its own, or two containers would share one.
                [*self._enter(), "sh", "-c", 'echo 0 >"$0/cgroup.procs" && exec "$@"', self.cgroup,
                 "systemd-nspawn", "-q", "-D", self.root, "--boot", "--private-network", "--network-veth", "--register=no",
                 "--keep-unit", "-M", self.name, "--console=pipe", "--link-journal=no"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})
        try:
            self.init = wait_for("the container's first process", self._find_init)
            self._plug()
            wait_for("the container's system bus", lambda: self._raw("test", "-S", "/run/dbus/system_bus_socket"), 20)
            self.run("systemctl", "is-system-running", "--wait", check=False)
        except LabError as error:
            raise LabError(f"{error}\n{(self.dir / 'console.log').read_text(errors='replace')[-2000:]}") from None

    def power_cut(self):
        """Every process in it dies at once; only its disk stays."""
        os.kill(self.init, signal.SIGKILL)
        self.nspawn.wait(20)
        self._off()

    def reboot(self):
        """As `systemctl reboot` does it. Returns how long it took to go down, in seconds; then it is up again."""
        begin = time.monotonic()
        self.run("systemctl", "--no-block", "reboot")
        status = self.nspawn.wait(60)
        if status != REBOOT:
            raise LabError(f"systemd-nspawn ended with status {status}, not as for a reboot")
        down = time.monotonic() - begin
        self._off()
        self.boot()
        return down

    def _off(self):
        self.nspawn = self.init = None
        wait_for("the cable's end", lambda: "ve-" not in self._outside("ip", "-o", "link").stdout)

    def destroy(self):
        if self.keeper:
            self.keeper.stdin.close()
            self.keeper.wait(20)
        if self.nspawn:
            self.nspawn.wait(20)
        if self.cgroup:
            for path, _, _ in sorted(os.walk(self.cgroup), reverse=True):
                os.rmdir(path)
        if self.dir:
            shutil.rmtree(self.dir)
        # What nspawn leaves of a container that was killed.
        shutil.rmtree(f"/run/systemd/nspawn/propagate/{self.name}", ignore_errors=True)

    # Inside

    def run(self, *command, check=True, timeout=60):
        """Runs a command in the container as its systemd would: with its limits, not with this machine's rights."""
        result = subprocess.run(["nsenter", "-t", str(self.init), "-a", "systemd-run", "--wait", "--pipe", "--collect", "-q",
                                 "--", *map(str, command)], check=False, text=True,
                                capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL,
                                env={"PATH": "/usr/sbin:/usr/bin"})
        if check and result.returncode != 0:
            raise LabError(f"{' '.join(map(str, command))}: status {result.returncode}\n{result.stdout}{result.stderr}")
        return result

    def profile(self, name, *, address, gateway=GATEWAY, autoconnect, user=""):
        """Writes a profile to the container's disk, as a person would with an editor. Loads it when it runs."""
        path = self.root / PROFILES / f"{name}.nmconnection"
        path.touch(mode=0o600)
        path.write_text(PROFILE.format(name=name, uuid=uuid_of(name), device="host0", autoconnect=str(autoconnect).lower(),
                                       connection="", ipv4=f"method=manual\naddress1={address}/24,{gateway}\n",
                                       ipv6="method=disabled" + (f"\n\n[user]\n{user}" if user else "")))
        if self.init:
            self.run("nmcli", "connection", "load", f"/{PROFILES}/{name}.nmconnection")

    def profile_text(self, name):
        return (self.root / PROFILES / f"{name}.nmconnection").read_text()

    def active(self):
        """The name of the profile that is activated on host0, "" when none is."""
        lines = self.run("nmcli", "-t", "-f", "NAME,DEVICE,STATE", "connection", "show", "--active").stdout.splitlines()
        return next((line.split(":")[0] for line in lines if line.endswith(":host0:activated")), "")

    def wait_active(self, name, seconds=20):
        wait_for(f"{name!r} active", lambda: self.active() == name, seconds)

    def said(self, pattern, since=0.0):
        """When this boot's journal has such lines, in seconds of CLOCK_MONOTONIC."""
        lines = self.run("journalctl", "-b", "-o", "json").stdout.splitlines()
        entries = [(int(entry["__MONOTONIC_TIMESTAMP"]) / 1e6, str(entry["MESSAGE"])) for entry in map(json.loads, lines)]
        return [at for at, message in entries if at > since and re.search(pattern, message)]

    def default_gateway(self):
        """What host0's default route leads to, "" when there is none."""
        shown = subprocess.run(["nsenter", "-t", str(self.init), "-n", "--", "ip", "-4", "route", "show", "default", "dev",
                                "host0"], check=True, capture_output=True, text=True).stdout.split()
        return shown[shown.index("via") + 1] if "via" in shown else ""

    def processes(self, name):
        """The pids of the container's processes of that name, as the container numbers them."""
        return self.run("pidof", name, check=False).stdout.split()

    def host_pids(self, name):
        """The same as this machine numbers them: for what must be done at an instant."""
        space = os.readlink(f"/proc/{self.init}/ns/pid")
        return [int(pid) for pid in filter(str.isdigit, os.listdir("/proc"))
                if _name(pid) == name and os.readlink(f"/proc/{pid}/ns/pid") == space]

    # Outside

    def _find_init(self):
        if self.nspawn.poll() is not None:
            raise LabError(f"systemd-nspawn ended with status {self.nspawn.returncode}")
        # nsenter has systemd-nspawn as its child, and that has the container's process 1
        for child in _children(self.nspawn.pid):
            for pid in _children(child):
                if _name(pid) == "systemd" and _in_own_numbering(pid) == 1:
                    return pid
        return None

    def _plug(self):
        cable = f"ve-{self.name}"
        wait_for("the cable", lambda: cable in self._outside("ip", "-o", "link").stdout)
        self._outside("ip", "addr", "add", f"{GATEWAY}/24", "dev", cable)
        self._outside("ip", "link", "set", cable, "up")

    def _outside(self, *command):
        return subprocess.run([*self._enter(), *command], check=True, capture_output=True, text=True)

    def _enter(self):
        return ["nsenter", "-t", str(self.gateway), "-n", "-m", "-p", "--"]

    def _raw(self, *command):
        return subprocess.run(["nsenter", "-t", str(self.init), "-m", "-p", *command], check=False).returncode == 0


def _children(pid):
    try:
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _status(pid, field):
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return next((line.split()[1:] for line in lines if line.startswith(f"{field}:")), [])


def _name(pid):
    return " ".join(_status(pid, "Name"))


def _in_own_numbering(pid):
    return int((_status(pid, "NSpid") or ["0"])[-1])


def _own_cgroup():
    """This process' place in the one hierarchy that systemd uses, wherever that is mounted."""
    mounts = [line.split() for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
    mount = next((fields[1] for fields in mounts if fields[2] == "cgroup2"), None)
    if not mount:
        raise LabError("no cgroup2 is mounted here: systemd cannot run in a container")
    place = next(line[3:] for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    return pathlib.Path(mount) / place.lstrip("/")
