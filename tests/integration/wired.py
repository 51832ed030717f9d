# SPDX-License-Identifier: LGPL-2.1-or-later
"""A device as it comes out of the box: no profile stored, NetworkManager's automatic "Wired connection", DHCP."""
import functools
import threading

from case import Case, keyfile, wait_for

WIRED = "Wired connection 1"  # eth0's; eth1 has another one


class WiredCase(Case):
    auto_default = True
    lan = False
    watched = False  # before a trial there is no stored profile

    def _first_boot(self):
        self.addCleanup(self.no_server)
        self.boot()
        self.device.wait_active(WIRED)

    def boot(self):
        """Boots with DHCP servers that are there as soon as the cables are."""
        server = threading.Thread(target=self.serve)
        server.start()
        self.device.boot()
        server.join()

    def serve(self):
        for number in (0, 1):
            wait_for("the cable", functools.partial(self.plugged, number))
            self.device.heal("dhcp", number)

    def plugged(self, number):
        return "10.99" in self.device.network(f"ip -o -4 address show dev wan{number}", check=False).stdout

    def no_server(self):
        for number in (0, 1):
            self.device.break_network("dhcp", number)

    def power_cut(self):
        self.no_server()
        self.device.power_cut()

    def bootable(self):
        """The auto-default's profile on the disk now, if it is there and has autoconnect."""
        profiles = [keyfile.parse(path.read_text()) for path in self.device.profile_path(WIRED).parent.glob("*")]
        return [profile for profile in profiles
                if profile["connection"]["id"] == WIRED and keyfile.autoconnect(profile)]
