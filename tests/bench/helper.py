# SPDX-License-Identifier: LGPL-2.1-or-later
"""The program itself: its size, what it loads, what its start costs."""
import contextlib
import pathlib
import subprocess
import tempfile

from measure import HELPER, PATH, Row, instructions, run

SIZE_GOAL = 200 << 10


@contextlib.contextmanager
def place():
    """The words that run nm-trial on a device with one profile, where nothing was ever tried."""
    with tempfile.TemporaryDirectory() as name:
        top = pathlib.Path(name)
        (top / "lib").mkdir()
        (top / "etc/system-connections").mkdir(parents=True)
        (top / "run").mkdir()
        profile = top / "etc/system-connections/lan.nmconnection"
        profile.write_text("[connection]\nid=lan\nuuid=7c7a1f5e-51a7-4b0e-9a51-6d9f1f4f4c11\ntype=ethernet\n\n[ipv4]\n"
                           "method=auto\n", encoding="ascii")
        profile.chmod(0o600)
        yield ["unshare", "--mount", "sh", "-c",
               f"mount --bind {top}/lib /var/lib && mount --bind {top}/run /run && "
               f'mount --bind {top}/etc /etc/NetworkManager && exec "$@"',
               "sh", "env", "-i", f"PATH={PATH['PATH']}"]


def stripped_size():
    with tempfile.NamedTemporaryFile() as file:
        run(["strip", "-o", file.name, HELPER])
        return pathlib.Path(file.name).stat().st_size


def libraries(program):
    listed = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    return sum("=> /" in line for line in listed.splitlines())


def starts():
    with place() as inside:
        return {"--version": instructions([HELPER, "--version"], inside), "status": instructions([HELPER, "status"], inside),
                "boot, nothing to do": instructions([HELPER, "boot"], inside)}


def counts():
    found = {f"{name}: instructions": value for name, value in starts().items()}
    found["libraries loaded"] = libraries(HELPER)
    return found


def rows(rounds):
    nmcli, true = instructions(["/usr/bin/nmcli", "--version"]), instructions(["/bin/true"])
    yield Row("stripped size", "bytes", [stripped_size()], goal=SIZE_GOAL)
    yield Row("shared libraries loaded", "", [libraries(HELPER)], "nmcli", [libraries("/usr/bin/nmcli")])
    for name, value in starts().items():
        if name == "boot, nothing to do":
            yield Row(f"{name}: instructions", "", [value], "/bin/true", [true], 10)
        else:
            yield Row(f"{name}: instructions", "", [value], "nmcli --version", [nmcli], 0.5)
