#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A modem and its carrier. It answers AT commands on the master side of a pty (argument 1), whose other side
ModemManager takes for a serial port; after ATD the line belongs to a pppd in the namespace "world".

Only APNs that begin with "good" are let in. /run/modem/carrier has the pid of the carrier's pppd: killed, it is a loss of
the line of which nobody is told, as what the modem says of it (NO CARRIER) means nothing to a pppd."""
import os
import pathlib
import re
import select
import socket
import subprocess
import sys
import time
import tty

STATE = pathlib.Path("/run/modem")
LOCK = pathlib.Path("/run/lock/LCK..ttyp0")  # pppd's
CARRIER = ["ip", "netns", "exec", "world", "pppd", "notty", "nodetach", "noauth", "local", "silent", "nocrtscts",
           "noproxyarp", "10.64.0.1:10.64.0.2"]
IMSI, ICCID = "001010000000001", "89440000000000000010"
SWAPPED = "".join(b + a for a, b in zip(ICCID[::2], ICCID[1::2]))  # as a SIM card's file has it

# 3GPP TS 27.007 and 27.005, as far as ModemManager's generic plugin asks.
ANSWERS = {
    "+GCAP": "+GCAP: +CGSM", "I": "lab modem", "+CGMI": "nm-trial", "+CGMM": "lab modem", "+CGMR": "1",
    "+CGSN": "490154203237518", "+CIMI": IMSI, "+CCID": f"+CCID: {ICCID}", "+CPIN?": "+CPIN: READY",
    "+CFUN?": "+CFUN: 1", "+CSQ": "+CSQ: 20,99",
    "+CREG?": "+CREG: 0,1", "+CGREG?": "+CGREG: 0,1", "+CREG=?": "+CREG: (0-2)", "+CGREG=?": "+CGREG: (0-2)",
    "+COPS?": '+COPS: 0,2,"00101"', "+CGATT?": "+CGATT: 1", "+CGACT?": "+CGACT: 1,0", "+WS46=?": "+WS46: (12,22,25)",
    "+CGDCONT=?": '+CGDCONT: (1-4),"IP",,,(0-2),(0-4)', "+CSCS=?": '+CSCS: ("IRA","UCS2")', "+CSCS?": '+CSCS: "IRA"',
    "+CMGF=?": "+CMGF: (0,1)", "+CPMS=?": '+CPMS: ("ME"),("ME"),("ME")',
    "+CIND=?": '+CIND: ("signal",(0-5)),("service",(0,1))',
    '+CLCK="SC",2': "+CLCK: 0", "+CRSM=176,12258,0,0,10": f'+CRSM: 144,0,"{SWAPPED}"',
    "+CRSM=176,28589,0,0,4": '+CRSM: 144,0,"00000002"'}
# Taken without an answer but OK: what only sets something. The basic ones may come several in a row.
TAKEN = re.compile(r"([EVXZQ&HS][\dCDF=]*\s*)*$|\+(CMEE|CFUN|CREG|CGREG|COPS|CMER|CMGF|CSCS|CGATT|CGACT|CGEREP|CNMI|CPMS|"
                   r"CRC|CUSD)=[^?]*$")


def in_use():
    """Whether a pppd has the port; a serial line would tell the modem by DTR."""
    try:
        os.kill(int(LOCK.read_text()), 0)
    except (OSError, ValueError):
        return False
    return True


class Modem:
    def __init__(self, path):
        self.apn, self.echo = {}, True
        self.line = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self.line)

    def say(self, text):
        print("<", text, flush=True)
        os.write(self.line, f"\r\n{text}\r\n".encode())

    def command(self, text):
        """One command's answer: "" is OK alone, None is ERROR."""
        context = re.match(r'\+CGDCONT=(\d+),"[^"]*","([^"]*)"', text, re.I)
        word = text.strip().upper()
        if context:
            self.apn[context[1]] = context[2]
            return ""
        if word == "+CGDCONT?":
            return "\r\n".join(f'+CGDCONT: {number},"IP","{apn}","",0,0' for number, apn in self.apn.items())
        if word in ANSWERS:
            return ANSWERS[word]
        basic = re.match(r"[EZ]\d?", word)
        if basic:
            self.echo = basic[0] != "E0"
        return "" if TAKEN.match(word) else None

    def line_of_commands(self, text):
        print(">", text, flush=True)
        if text.upper().startswith("D"):
            self.dial(re.search(r"\*\*\*(\d+)#", text))
            return
        plus = text.find("+")
        commands = text.split(";") if plus == 0 else [text[:plus], *text[plus:].split(";")] if plus > 0 else [text]
        for command in commands:
            answer = self.command(command)
            if answer is None:
                self.say("ERROR")
                return
            if answer:
                self.say(answer)
        self.say("OK")

    def dial(self, context):
        apn = self.apn.get(context[1] if context else "1", "")
        if not apn.startswith("good"):
            self.say("NO CARRIER")
            return
        self.say("CONNECT 115200")
        ours, carriers = socket.socketpair()
        with carriers:
            carrier = subprocess.Popen(CARRIER, stdin=carriers, stdout=carriers, stderr=subprocess.DEVNULL)
        (STATE / "carrier").write_text(f"{carrier.pid}\n")
        hung_up = self.pass_through(ours)
        ours.close()
        carrier.terminate()
        carrier.wait()
        if hung_up:
            self.say("NO CARRIER")

    def pass_through(self, carrier):
        """The line is the carrier's, until one side has enough. True: the carrier has."""
        used = False
        while not used or in_use():
            used = used or in_use()
            for ready in select.select([self.line, carrier], [], [], 0.1)[0]:
                try:
                    data = os.read(self.line, 4096) if ready == self.line else carrier.recv(4096)
                except OSError:
                    return ready == carrier
                if not data:
                    return True
                try:
                    os.write(carrier.fileno() if ready == self.line else self.line, data)
                except OSError:
                    return ready == self.line
        return False

    def serve(self):
        (STATE / "ready").touch()
        pending = b""
        while True:
            try:
                data = os.read(self.line, 1024)
            except OSError:  # nobody has the port open
                time.sleep(0.02)
                continue
            if self.echo:
                os.write(self.line, data)
            *lines, pending = (pending + data).replace(b"\n", b"").split(b"\r")
            for line in lines:
                found = re.search(rb"AT(.*)", line, re.I)
                if found:
                    self.line_of_commands(found[1].decode("latin-1"))


if __name__ == "__main__":
    Modem(sys.argv[1]).serve()
