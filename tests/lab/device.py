# SPDX-License-Identifier: LGPL-2.1-or-later
"""A device with a real NetworkManager and its network, in namespaces.

A device is a directory: `disk/` is what survives a power cut, everything else is gone with it. Its power cut kills
every process in it and drops its tmpfs and its network namespace; it keeps the page cache, so it is a process
crash for the disk (tests/crash has the other kind)."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import uuid

LAB = pathlib.Path(__file__).resolve().parent
SCRIPT = LAB.parents[1] / "dispatcher/90-nm-trial"
HOME = pathlib.Path(os.environ.get("NM_TRIAL_LAB", LAB.parents[1] / "build/lab"))  # not /tmp: it may be memory
PROFILES = "etc/NetworkManager/system-connections"

OPTIONS = {"trial_boot": "yes", "trial_agent": "yes"}

NM_CONF = """\
[main]
plugins=keyfile
auth-polkit=root-only
dhcp=internal
dns=none
rc-manager=unmanaged
{auto_default}

[device-all]
match-device=*
managed=1

[logging]
level=INFO
backend=journal
{connectivity}"""

CONNECTIVITY = """
[connectivity]
enabled=true
uri=http://10.99.255.1/
interval=300
"""

PROFILE = """\
[connection]
id={name}
uuid={uuid}
type=ethernet
interface-name={device}
autoconnect={autoconnect}
{connection}
[ethernet]

[ipv4]
{ipv4}

[ipv6]
{ipv6}
"""


PATIENCE = 1  # how much slower than a device in namespaces it may be


class LabError(Exception):
    pass


def wait_for(what, condition, seconds=10.0, pause=0.02):
    """Returns the condition's first true value; raises LabError, naming `what`, after `seconds`."""
    seconds *= PATIENCE
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f"not seen within {seconds:g} s: {what}")
        time.sleep(pause)


def uuid_of(name):
    """The lab's profiles have UUIDs that follow from their names."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.lab.nm-trial"))


class Device:
    def __init__(self, name="device"):
        self.dir = HOME / name
        self.disk = self.dir / "disk"
        self._keeper = self._world_keeper = None  # subprocesses of this process; another one may have started them

    # The device as a thing: made, switched on, cut off, thrown away

    def create(self, helper=None, *, connectivity=True, auto_default=False, **options):
        """Makes the disk of a new device, with no profile on it. `helper` is the nm-trial to install."""
        if self.dir.exists():
            raise LabError(f"{self.dir} exists already: 'lab destroy' it, or choose another --name")
        for path in ("etc/lab/dbus-services", "etc/nm-trial", PROFILES, "etc/NetworkManager/dispatcher.d/no-wait.d",
                     "etc/NetworkManager/dispatcher.d/pre-up.d", "etc/NetworkManager/conf.d", "var/lib/NetworkManager",
                     "var/lib/dbus", "var/log", "var/tmp"):
            (self.disk / path).mkdir(parents=True)
        (self.disk / "var/run").symlink_to("/run")
        for path in ("passwd", "group", "nsswitch.conf", "ld.so.cache", "alternatives", "protocols", "services"):
            source = pathlib.Path("/etc") / path
            if source.is_dir():
                shutil.copytree(source, self.disk / "etc" / path, symlinks=True)
            elif source.exists():
                shutil.copy(source, self.disk / "etc" / path)
        (self.disk / "etc/hostname").write_text("device\n")
        (self.disk / "etc/machine-id").write_text(uuid.uuid4().hex + "\n")
        (self.disk / "etc/resolv.conf").write_text("")
        # the one service that the bus starts; where its program is depends on the release
        shutil.copy("/usr/share/dbus-1/system-services/org.freedesktop.nm_dispatcher.service",
                    self.disk / "etc/lab/dbus-services/nm_dispatcher.service")
        self.configure(connectivity=connectivity, auto_default=auto_default)
        (self.dir / "sbin").mkdir()
        if helper:
            self.install(helper)
        else:
            options = {"trial_boot": "no", "trial_agent": "no", **options}
        (self.dir / "options").write_text(
            "".join(f"{key}={value}\n" for key, value in {"lab": LAB, **OPTIONS, **options}.items()))

    def configure(self, *, connectivity=True, auto_default=False):
        (self.disk / "etc/NetworkManager/NetworkManager.conf").write_text(NM_CONF.format(
            connectivity=CONNECTIVITY if connectivity else "",
            auto_default="" if auto_default else "no-auto-default=*"))

    def install(self, helper):
        """As packages do: the helper, and the dispatcher script in no-wait.d with its link."""
        scripts = self.disk / "etc/NetworkManager/dispatcher.d"
        shutil.copy(SCRIPT, scripts / "no-wait.d")
        link = scripts / SCRIPT.name
        link.unlink(missing_ok=True)
        link.symlink_to(f"no-wait.d/{SCRIPT.name}")
        shutil.copy(helper, self.dir / "sbin/nm-trial.new")
        os.rename(self.dir / "sbin/nm-trial.new", self.dir / "sbin/nm-trial")

    def boot(self):
        """Switches the device on and returns when NetworkManager has finished its startup."""
        if self.running():
            raise LabError("the device is running already")
        self._network_up()
        (self.dir / "boot_id").write_text(str(uuid.uuid4()) + "\n")
        for name in ("init.log", "nm.log", "agent.log"):
            (self.dir / name).touch()
        with open(self.dir / "init.log", "ab") as log:
            keeper = subprocess.Popen(["unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child",
                                       LAB / "init.sh", self.dir], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                      start_new_session=True, env={"PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
                                                                   "LANG": "C.UTF-8"})
        children = pathlib.Path(f"/proc/{keeper.pid}/task/{keeper.pid}/children")
        self._keeper = keeper

        def first_child():
            if keeper.poll() is not None:
                raise LabError(f"the device died at once: {(self.dir / 'init.log').read_text().strip()}")
            return children.read_text().split()

        init = int(wait_for("the device's first process", first_child)[0])
        (self.dir / "init.pid").write_text(f"{init}\n")
        wait_for("the device's D-Bus", lambda: self.test("test -e /run/ready"))
        for number in (0, 1):
            self._plug(init, number)
        self.wait_nm()
        if "trial_agent=yes" in (self.dir / "options").read_text():
            wait_for("the agent", lambda: self.test(
                "test -e /run/nm-trial/agent && ! flock -n /run/nm-trial/agent true"))

    def power_cut(self):
        """Every process of the device dies at once; what is not on its disk is gone."""
        init = self.init_pid()
        if init is None:
            raise LabError("the device is not running")
        with open(f"/proc/{init}/status", encoding="ascii") as status:
            keeper = next(int(line.split()[1]) for line in status if line.startswith("PPid:"))
        os.kill(init, signal.SIGKILL)
        wait_for("the end of the device's processes", lambda: not _alive(init))
        _reap(self._keeper, keeper)
        (self.dir / "init.pid").unlink()
        self._devices_gone()

    def destroy(self):
        if self.running():
            self.power_cut()
        keeper = self._world_pid()
        if keeper:
            for number in (0, 1):
                self.network(self.BREAKS["dhcp"][0].format(n=number, dir=self.dir), check=False)
            os.kill(keeper, signal.SIGKILL)
            _reap(self._world_keeper, keeper)
        if self.dir.exists():
            shutil.rmtree(self.dir)

    def init_pid(self):
        """The device's process 1 as this machine numbers it, None when it is off."""
        try:
            pid = int((self.dir / "init.pid").read_text())
        except (FileNotFoundError, ValueError):
            return None
        return pid if _alive(pid) else None

    def running(self):
        return self.init_pid() is not None

    # Its network, and what can break in it

    def _world_pid(self):
        try:
            pid = int((self.dir / "world.pid").read_text())
        except (FileNotFoundError, ValueError):
            return None
        return pid if _alive(pid) else None

    def _network_up(self):
        if self._world_pid():
            return
        with open(self.dir / "world.log", "ab") as log:
            keeper = subprocess.Popen(["unshare", "--net", LAB / "world.py"], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=log, start_new_session=True, text=True)
        if keeper.stdout.readline() != "ready\n":
            raise LabError(f"the network did not come up: see {self.dir}/world.log")
        keeper.stdout.close()
        self._world_keeper = keeper
        (self.dir / "world.pid").write_text(f"{keeper.pid}\n")

    def network(self, command, check=True):
        """Runs `command` in the network that the device is plugged into."""
        return subprocess.run(["nsenter", "-t", str(self._world_pid()), "-n", "sh", "-c", command],
                              check=check, capture_output=True, text=True)

    def _plug(self, init, number):
        self.network(f"""set -e
            ip link add wan{number} type veth peer name eth{number} netns {init} address 02:00:00:00:00:1{number}
            ip addr add 10.99.{number}.1/24 dev wan{number}
            ip addr add fd99:{number}::1/64 dev wan{number} nodad
            sysctl -qw net.ipv6.conf.wan{number}.keep_addr_on_down=1
            ip link set wan{number} up""")

    def _devices_gone(self):
        """Unplugs the cables: the next boot needs their names, and the kernel keeps a dead namespace for minutes
        when one of its sockets still waits for an answer."""
        for number in (0, 1):
            self.network(f"ip link del wan{number}", check=False)
        wait_for("the cables' end", lambda: "wan" not in self.network("ip -o link").stdout)

    BREAKS = {
        "carrier": ("ip link set wan{n} down", "ip link set wan{n} up"),
        "gateway": ("ip addr del 10.99.{n}.1/24 dev wan{n}; ip addr del fd99:{n}::1/64 dev wan{n}",
                    "ip addr add 10.99.{n}.1/24 dev wan{n}; ip addr add fd99:{n}::1/64 dev wan{n} nodad"),
        "internet": ("ip addr del 10.99.255.1/32 dev lo; ip addr del fd99:ff::1/128 dev lo",
                     "ip addr add 10.99.255.1/32 dev lo; ip addr add fd99:ff::1/128 dev lo nodad"),
        "dhcp": ("kill $(cat {dir}/dhcp{n}.pid)",
                 "dnsmasq --conf-file=/dev/null --port=0 --interface=wan{n} --bind-interfaces --no-hosts --no-resolv "
                 "--dhcp-range=10.99.{n}.100,10.99.{n}.150,1h --dhcp-option=3,10.99.{n}.1 --dhcp-authoritative "
                 "--dhcp-leasefile={dir}/dhcp{n}.leases --pid-file={dir}/dhcp{n}.pid"),
    }

    def break_network(self, what, number=0):
        """what: carrier (the cable), gateway (the router), internet (behind it), dhcp (served after `heal` only)."""
        self.network(self.BREAKS[what][0].format(n=number, dir=self.dir))

    def heal(self, what, number=0):
        self.network(self.BREAKS[what][1].format(n=number, dir=self.dir))

    # Inside the device

    def run(self, *command, check=True, timeout=60, stdin=None):
        """Runs a command in the device; returns subprocess' CompletedProcess with text output."""
        result = subprocess.run(self.inside(*command), check=False, capture_output=True, text=True,
                                timeout=timeout, input=stdin)
        if check and result.returncode != 0:
            raise LabError(f"{' '.join(map(str, command))}: status {result.returncode}\n{result.stdout}{result.stderr}")
        return result

    def inside(self, *command):
        """The argument list that runs `command` in the device."""
        init = self.init_pid()
        if init is None:
            raise LabError("the device is not running")
        return ["nsenter", "-t", str(init), "-n", "-m", "-p", "-i", "-u", "--",
                "env", "-i", "PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
                f"TERM={os.environ.get('TERM', 'dumb')}", *map(str, command)]

    def test(self, command):
        return self.run("sh", "-c", command, check=False).returncode == 0

    def nmcli(self, *arguments, check=True):
        return self.run("nmcli", "-t", *arguments, check=check).stdout.strip()

    def wait_nm(self, seconds=20):
        wait_for("NetworkManager's startup", lambda: self.test("nm-online -s -q -t 5"), seconds)

    def nm_pid(self):
        """NetworkManager's process in the device's own numbering, None when it does not run."""
        result = self.run("pidof", "NetworkManager", check=False)
        return int(result.stdout.split()[0]) if result.returncode == 0 else None

    def kill_nm(self, restart=True):
        """SIGKILLs NetworkManager; it is started again at once, as systemd would, unless `restart` is false."""
        old = self.nm_pid()
        self.run("rm" if restart else "touch", *(["-f"] if restart else []), "/run/lab-hold-nm")
        if old is not None:
            self.run("kill", "-KILL", old)
            wait_for("NetworkManager's end", lambda: self.nm_pid() != old)
        if restart:
            wait_for("NetworkManager's restart", self.nm_pid)
            self.wait_nm()

    def profile(self, name, *, load=True, **more):
        """Writes a profile to the device's disk (and loads it when the device is on). Returns its UUID."""
        self.profile_file(name, self.profile_text(name, **more), load)
        return uuid_of(name)

    @staticmethod
    def profile_text(name, *, device="eth0", autoconnect=True, address="10.99.{n}.10/24", gateway="10.99.{n}.1",
                     method="manual", ipv4=None, ipv6="method=disabled", connection=""):
        number = device[-1] if device and device[-1].isdigit() else "0"
        if ipv4 is None:
            ipv4 = f"method={method}\n"
            if method == "manual":
                ipv4 += f"address1={address.format(n=number)},{gateway.format(n=number)}\n"
        return PROFILE.format(name=name, uuid=uuid_of(name), device=device, autoconnect=str(autoconnect).lower(),
                              connection=connection, ipv4=ipv4, ipv6=ipv6)

    def read(self, path):
        """A file of its disk, named without the leading slash: its bytes, None when there is none."""
        try:
            return (self.disk / path).read_bytes()
        except FileNotFoundError:
            return None

    def tree(self, path):
        """The files below a directory of its disk: {path below it: (mode, bytes)}."""
        top = self.disk / path
        return {str(file.relative_to(top)): (file.stat().st_mode, file.read_bytes())
                for file in top.rglob("*") if file.is_file() and not file.is_symlink()}

    def profile_path(self, name):
        return self.disk / PROFILES / f"{name}.nmconnection"

    def profile_file(self, name, text, load=True):
        path = self.profile_path(name)
        temporary = path.with_name(f".{name}")
        temporary.write_text(text)
        temporary.chmod(0o600)
        os.rename(temporary, path)
        if load and self.running():
            self.run("nmcli", "connection", "load", "/" / path.relative_to(self.disk))

    def active(self, device="eth0"):
        """The name of the profile that is activated on the device, "" when none is."""
        for line in self.nmcli("-f", "NAME,DEVICE,STATE", "connection", "show", "--active").splitlines():
            name, dev, state = line.rsplit(":", 2)
            if dev == device and state == "activated":
                return name
        return ""

    def wait_active(self, name, device="eth0", seconds=15):
        wait_for(f"{name!r} active on {device}", lambda: self.active(device) == name, seconds)

    def online(self, device="eth0", family=4):
        """Whether the page behind the gateway can be had through that interface."""
        host = "10.99.255.1" if family == 4 else "[fd99:ff::1]"
        return self.run("curl", "-s", "-o", "/dev/null", "--max-time", 2, "--interface", device, f"http://{host}/",
                        check=False).returncode == 0

    def wait_online(self, device="eth0", seconds=15):
        wait_for(f"a working network on {device}", lambda: self.online(device), seconds)

    # The journal, which survives a power cut here (a real one loses what was not synced)

    def journal(self, identifier=None):
        """The journal's entries, oldest first, of one SYSLOG_IDENTIFIER or all."""
        try:
            text = (self.dir / "journal").read_text()
        except FileNotFoundError:
            return []
        entries = [json.loads(line) for line in text.splitlines(True) if line.endswith("\n")]
        return [entry for entry in entries if identifier in (None, entry.get("SYSLOG_IDENTIFIER"))]


def _reap(process, pid):
    """Takes in a dead child's status: `process` if it was started here, else (it is nobody's child here) nothing."""
    if process is not None and process.pid == pid:
        process.wait()


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False
