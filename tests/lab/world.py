#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The network that the lab's device is plugged into: one process in a network namespace of its own.

It serves the page of NetworkManager's connectivity check on 10.99.255.1, which is behind the gateways
10.99.0.1 (eth0's) and 10.99.1.1 (eth1's), and outlives the device's power cuts."""
import http.server
import signal
import socket
import subprocess
import threading

PAGE = b"NetworkManager is online\n"


class V6Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6  # answers both families, IPv4 by mapped addresses


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("X-NetworkManager-Status", "online")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_):
        pass


def main():
    for command in ("link set lo up", "addr add 10.99.255.1/32 dev lo", "addr add fd99:ff::1/128 dev lo nodad"):
        subprocess.run(["ip", *command.split()], check=True)
    server = V6Server(("::", 80), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
