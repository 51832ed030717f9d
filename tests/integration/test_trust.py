# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who is trusted with what (README, "Security"), by trying: whoever is not root gets nothing by nm-trial that
NetworkManager's own rules would not give him. Hostile names are in test_hostile_names, checks that others may write in
test_own_checks, profiles of users in test_annotated."""
import json
import os
import unittest

from annotated import AnnotatedCase
from case import background, Case, PROFILES, uuid_of, wait_for
from hands import INTERFACE, NM

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
STATE, RUN = "/var/lib/nm-trial", "/run/nm-trial"
# D-Bus is spoken by hand: there is no library here.
BUS = """
import os, socket, struct, sys, time
bus = socket.socket(socket.AF_UNIX)
bus.connect("/run/dbus/system_bus_socket")
bus.sendall(b"\\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\\r\\n")
assert bus.recv(1000).startswith(b"OK")
bus.sendall(b"BEGIN\\r\\n")
pad = lambda data, n: data + bytes(-len(data) % n)
text = lambda value: struct.pack("<I", len(value)) + value.encode() + b"\\0"
def send(kind, serial, path, interface, member, to, signature="", body=b""):
    fields = b""
    for code, form, value in ((1, "o", path), (2, "s", interface), (3, "s", member), (6, "s", to)):
        fields = pad(fields, 8) + bytes([code, 1]) + form.encode() + b"\\0" + text(value)
    if signature:
        fields = pad(fields, 8) + bytes([8, 1]) + b"g\\0" + bytes([len(signature)]) + signature.encode() + b"\\0"
    head = struct.pack("<cBBBIII", b"l", kind, 0, 1, len(body), serial, len(fields))
    bus.sendall(pad(head + fields, 8) + body)
DBUS = "org.freedesktop.DBus"
send(1, 1, "/org/freedesktop/DBus", DBUS, "Hello", DBUS)
"""
# Has NetworkManager's name on the bus; says "asked" when it is asked anything, and answers nothing.
IMPOSTOR = BUS + """
send(1, 2, "/org/freedesktop/DBus", DBUS, "RequestName", DBUS, "su",
     pad(text("org.freedesktop.NetworkManager"), 4) + struct.pack("<I", 0))
stream = bus.makefile("rb")
while head := stream.read(16):
    body, fields = struct.unpack("<I4xI", head[4:])
    stream.read((fields + 7) // 8 * 8 + body)
    if head[1] == 1:
        print("asked", flush=True)
"""
# Tells whoever is named, again and again, that a device has failed because no Wi-Fi network was found.
LIAR = BUS + """
to, device = sys.argv[1:]
changed = pad(pad(text("StateReason") + b"\\4(uu)\\0", 8) + struct.pack("<II", 120, 53), 4)
body = pad(text("org.freedesktop.NetworkManager.Device"), 4) + struct.pack("<I", len(changed))
body = pad(body, 8) + changed + struct.pack("<I", 0)
for serial in range(2, 1 << 31):
    send(4, serial, device, DBUS + ".Properties", "PropertiesChanged", to, "sa{sv}as", body)
    time.sleep(0.001)
"""
# cap_net_admin, as setcap writes it: of version 2, effective
FILE_CAPABILITY = "01000002 00100000 00000000 00000000 00000000"


class Nobody(AnnotatedCase):
    """A process of another user, beside a trial that is open."""
    watched = False

    def nobody(self, *command):
        return self.device.run(*NOBODY, *command, check=False)

    def tried(self):
        self.candidate()
        return self.wait_manual("good")

    def test_no_verb_is_for_him(self):
        trial = self.tried()
        (self.device.disk / "var/tmp/new").write_text(self.device.profile_path("good").read_text())
        record, files = self.settled_record(), self.files()
        for words in (("start", "good"), ("start", "lan", "--dry-run"), ("start", "--edit", "lan", "--from", "/var/tmp/new"),
                      ("stage", "/var/tmp/new"), ("confirm",), ("cancel",), ("cancel", trial), ("extend", "--timeout", "5s"),
                      ("wait", trial), ("status",), ("status", "--json"), ("history",), ("doctor",), ("annotate", "lan"),
                      ("guard",), ("guard", "lan"), ("agent",), ("agent", "--exit-idle"), ("boot",), ("event",),
                      ("event", "eth0", uuid_of("good"))):
            result = self.nobody("nm-trial", *words)
            self.assertEqual((result.returncode, result.stdout), (1, ""), words)
            self.assertTrue(result.stderr, words)
        self.assertEqual((self.record(), self.files(), self.status()["id"]), (record, files, trial))

    def test_no_file_is_for_him(self):
        trial = self.tried()
        for command in (f"cat {STATE}/trial", f"ls {STATE}", f"touch {STATE}/x", f"flock -n {STATE}/lock true",
                        f"flock -n {RUN}/agent true", f"ls {RUN}/events", f"touch {RUN}/events/{uuid_of('good')}",
                        f"touch {RUN}/x", f"mv {RUN}/status.json {RUN}/y", f"echo x >{RUN}/status.json",
                        f"rmdir {RUN}/events"):
            self.assertNotEqual(self.nobody("sh", "-c", command).returncode, 0, command)
        shown = self.nobody("cat", f"{RUN}/status.json")  # this one is
        self.assertEqual(json.loads(shown.stdout)["id"], trial)

    def test_a_helper_that_is_set_user_id_gives_nothing_away(self):
        trial = self.tried()
        capable = f"import os; os.setxattr('{RUN}/it', 'security.capability', bytes.fromhex('{FILE_CAPABILITY}'))"
        for how in (f"chmod 4755 {RUN}/it", f"chmod 2755 {RUN}/it", f'python3 -c "{capable}"'):
            self.device.run("sh", "-ec", f"rm -f {RUN}/it; install -m 755 /usr/local/sbin/nm-trial {RUN}/it; {how}")
            for words in (("status",), ("cancel", trial), ("--version",)):
                result = self.nobody(f"{RUN}/it", *words)
                self.assertEqual((result.returncode, result.stdout), (1, ""), (how, words))
                self.assertIn("must not be set-user-ID", result.stderr)
        self.assertEqual(self.status()["id"], trial)


class LetIn(Nobody):
    """The same user, on a device whose NetworkManager lets everybody do everything."""

    def prepare(self):
        super().prepare()
        (self.device.disk / "etc/NetworkManager/conf.d/polkit.conf").write_text("[main]\nauth-polkit=false\n")

    def tried(self):
        """He starts the trial, and that is all."""
        self.annotated(confirm="manual", checks="none", hold=None, timeout="60s")
        activated = self.nobody("nmcli", "connection", "up", "good")
        self.assertEqual(activated.returncode, 0, activated.stderr)
        trial = self.opened()
        self.assertEqual(self.status()["started_by"], "its activation")
        return trial


class Surroundings(Case):
    def test_the_callers_environment_loads_nothing(self):
        """Libraries would have us open what it names: GLib its modules, its debugger, the C library its time zone."""
        self.candidate()
        for words in (("status",), ("start", "good", "--dry-run"), ("doctor",)):
            self.device.run("env", f"GIO_EXTRA_MODULES={RUN}/lure", f"GIO_MODULE_DIR={RUN}/lure", f"TZ=:{RUN}/lure",
                            f"LOCPATH={RUN}/lure", "G_MESSAGES_DEBUG=all", "strace", "-f", "-o", "/run/trace", "-e",
                            "trace=file", "nm-trial", *words, check=False)
            trace = self.device.run("cat", "/run/trace").stdout
            self.assertIn("/etc/NetworkManager/" if words[0] != "status" else "/var/lib/nm-trial", trace)
            self.assertNotIn("lure", trace, words)

    def test_links_lead_nowhere(self):
        """Only root could put them there; they are not gone through all the same."""
        self.candidate()
        victim = self.device.disk / "var/tmp/victim"
        victim.write_text("precious\n")
        names = [f"{STATE}/{name}" for name in ("trial", "history", "lock", ".nm-trial-new.trial", ".nm-trial-new.history")]
        names += [f"{RUN}/{name}" for name in ("agent", "status.json", f"events/{uuid_of('good')}")]
        names += [f"/{PROFILES}/.nm-trial-new.good.nmconnection"]
        self.hold_agent()
        for n, name in enumerate(names, 10):
            with self.step(name=name):
                self.device.run("sh", "-c", f"mkdir -p {RUN}/events; rm -f {name}; ln -s /var/tmp/victim {name}")
                for words in (("event", "eth0", uuid_of("good")), ("annotate", "good", f"timeout={n}"), ("status",),
                              ("history",), ("boot",)):
                    self.device.run("timeout", "20", "nm-trial", *words, check=False)
                self.device.run("timeout", "5", "nm-trial", "agent", "--exit-idle", check=False)
                self.assertEqual(victim.read_text(), "precious\n")
                self.device.run("rm", "-f", name)
        self.release_agent()
        self.assertEqual(self.device.active(), "lan")

    def bus_name(self, pid):
        """The unique name of the process that has this pid in the device."""
        bus = ("--dest=org.freedesktop.DBus", "/")
        for name in self.dbus(*bus, "org.freedesktop.DBus.ListNames").split():
            if name.startswith(":") and self.dbus(*bus, "org.freedesktop.DBus.GetConnectionUnixProcessID",
                                                  f"string:{name}", check=False).split()[-1:] == [pid]:
                return name
        return None

    def test_a_networkmanager_of_another_name(self):
        """Any user may send the agent what looks like NetworkManager's signals: nothing comes of it, not even a reason."""
        self.candidate(ipv4="method=auto\ndhcp-timeout=3\nmay-fail=false\n")
        device = self.dbus(*NM, f"{INTERFACE}.GetDeviceByIpIface", "string:eth0").strip()
        agent = wait_for("the agent on the bus", lambda: self.bus_name(self.device.run("pidof", "nm-trial").stdout.strip()))
        liar = background(self.device, *NOBODY, "python3", "-c", LIAR, agent, device)
        self.addCleanup(liar.communicate)
        self.addCleanup(os.killpg, liar.pid, 9)
        entry = self.assert_reverted(self.start_manual("good"), "good", "activation-failed")
        self.assertGreaterEqual(entry["duration_s"], 2, "it did not wait for NetworkManager's own word")
        self.assertIn("ip-config-unavailable", entry["detail"])  # NetworkManager's word, among all the others
        self.assertIsNone(liar.poll(), "it was heard to the end")

    def impostor(self):
        """A process of another user's that has NetworkManager's name. The lab's bus gives it to anybody; a real one would
        have been misconfigured."""
        self.device.kill_nm(restart=False)
        impostor = background(self.device, *NOBODY, "python3", "-c", IMPOSTOR)
        self.addCleanup(impostor.communicate)
        self.addCleanup(lambda: impostor.poll() is None and os.killpg(impostor.pid, 9))
        # The name alone is not enough: for a moment it still is that of the one that was killed.
        wait_for("the impostor", lambda: "65534" in self.dbus(
            "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.GetConnectionUnixUser",
            "string:org.freedesktop.NetworkManager", check=False))
        return impostor

    def unmask(self, impostor):
        """The real one is back; nobody has asked the other one."""
        for pid in self.helpers("python3"):
            self.kill_process(pid)
        self.assertEqual(impostor.communicate()[0], "")
        self.device.run("rm", "/run/lab-hold-nm")
        self.device.wait_nm()

    def test_one_that_is_not_roots_in_a_trial(self):
        """Nothing is promoted by its word, and the deadline holds."""
        self.candidate()
        trial = self.wait_manual("good", timeout="8s")
        deadline = self.deadline()
        impostor = self.impostor()
        self.assertNotEqual(self.device.run("nm-trial", "confirm", trial, check=False).returncode, 0)
        wait_for("the verdict", lambda: self.state() == "reverting", 15)
        self.assert_in_time(deadline)
        self.unmask(impostor)
        self.assert_reverted(trial, "good")

    def test_a_networkmanager_that_is_not_roots(self):
        self.candidate()
        impostor = self.impostor()
        for words in (("start", "good"), ("start", "good", "--dry-run")):
            self.assertIn("is not running as root", self.trial(*words, status=(1, 4)).stderr)
        self.unmask(impostor)
        self.device.wait_active("lan")
        self.trial("start", "good", "--dry-run")


class Flood(Case):
    def test_a_flood_of_activations_delays_no_verdict(self):
        """Whoever may activate a profile of his own can make as many events as he likes."""
        self.candidate()
        self.device.profile("users", device="eth1", connection="permissions=user:root:;\n", autoconnect=False)
        self.device.nmcli("connection", "up", "users")
        self.before = self.files()
        self.start_manual("good", timeout="8s")
        self.device.wait_active("good")
        deadline = self.deadline()
        flood = [background(self.device, "sh", "-c", "while :; do nm-trial event $0 $1; done", device, uuid_of(name))
                 for name, device in (("good", "eth0"), ("lan", "eth0"), ("users", "eth1"))]
        try:
            self.assert_in_time(deadline)
        finally:
            for process in flood:
                os.killpg(process.pid, 9)
                process.communicate()
        wait_for("the trial's end", lambda: self.state() == "none", 20)
        self.assertEqual(self.history()[0]["reason"], "timeout")
        wait_for("a look at all of it", lambda: self.device.test(f"test -z \"$(ls -A {RUN}/events)\""), 20)
        self.device.wait_active("lan")


if __name__ == "__main__":
    unittest.main()
