"""Machines for tests: each a network namespace of its own on one bridge, whose links can be cut, one way or both.

    netlab.enter()                       at the start of a program: goes on inside a network namespace of its own
    lab = Lab(3)                         machines 1, 2, 3 at 10.77.0.1 .. 3; the caller is at 10.77.0.254
    lab.wrap(1, ["zkd", ...])            the command line that runs it on machine 1
    lab.block(1, 2)                      what 1 sends no longer reaches 2
    lab.isolate({1}, {2, 3})             nothing passes between the two groups, in either direction
    lab.lose(1, 2, percent)              so many of a hundred packets from 1 to 2 are lost
    lab.heal()

What is cut is dropped where it arrives, so a sender sees silence, as with a real wire. The caller's own traffic is
never cut. Needs root, iproute2 and nftables. The machines are gone when the program ends; what runs on them is the
program's to stop.
"""

import os
import shutil
import subprocess
import sys

NETWORK = "10.77.0"
OWN = f"{NETWORK}.254"
ENTERED = "ZKD_NETLAB"
TABLE = "zkd_lab"


def usable():
    """None, or why there can be no machines here."""
    for tool in ("ip", "nft", "unshare", "nsenter"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    if os.geteuid() != 0:
        return "network namespaces need root"
    made = subprocess.run(["unshare", "--net", "nft", "list", "ruleset"], capture_output=True, text=True)
    return None if made.returncode == 0 else made.stderr.strip() or "no network namespaces here"


def enter():
    """Runs this program again in a network namespace of its own, unless it is in one."""
    if os.environ.get(ENTERED) != str(os.getpid()):
        os.environ[ENTERED] = str(os.getpid())  # exec keeps the pid
        os.execvp("unshare", ["unshare", "--net", "--", sys.executable, *sys.argv])


def run(*command, text=None):
    subprocess.run(command, input=text, text=True, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


class Lab:
    def __init__(self, count):
        self.numbers = range(1, count + 1)
        self.holders = {}
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "name", "lab", "type", "bridge")
        run("ip", "addr", "add", f"{OWN}/24", "dev", "lab")
        run("ip", "link", "set", "lab", "up")
        for n in self.numbers:
            self.add_machine(n)

    def add_machine(self, n):
        # The pipe's end is the machine's life: it ends with this process, however that ends.
        holder = subprocess.Popen(
            ["unshare", "--net", "--", "sh", "-c", "echo up; read end"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        holder.stdout.readline()
        self.holders[n] = holder
        run("ip", "link", "add", "name", f"lab{n}", "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
        run("ip", "link", "set", f"lab{n}", "master", "lab", "up")
        run(*self.wrap(n, ["ip", "link", "set", "lo", "up"]))
        run(*self.wrap(n, ["ip", "addr", "add", f"{self.address(n)}/24", "dev", "eth0"]))
        run(*self.wrap(n, ["ip", "link", "set", "eth0", "up"]))
        self.forget_cuts(n)

    def address(self, n):
        return f"{NETWORK}.{n}"

    def wrap(self, n, command):
        return ["nsenter", f"--net=/proc/{self.holders[n].pid}/ns/net", "--", *command]

    def rules(self, n, text):
        run(*self.wrap(n, ["nft", "-f", "-"]), text=text)

    def forget_cuts(self, n):
        self.rules(
            n,
            f"add table inet {TABLE}\ndelete table inet {TABLE}\nadd table inet {TABLE}\n"
            f"add set inet {TABLE} cut {{ type ipv4_addr; }}\n"
            f"add chain inet {TABLE} arrives {{ type filter hook input priority 0; }}\n"
            f"add rule inet {TABLE} arrives ip saddr @cut drop\n",
        )

    def block(self, source, target):
        self.rules(target, f"add element inet {TABLE} cut {{ {self.address(source)} }}\n")

    def isolate(self, group, rest):
        for a in group:
            for b in rest:
                self.block(a, b)
                self.block(b, a)

    def lose(self, source, target, percent):
        rule = f"ip saddr {self.address(source)} numgen random mod 100 < {percent} drop"
        self.rules(target, f"add rule inet {TABLE} arrives {rule}\n")

    def heal(self):
        for n in self.numbers:
            self.forget_cuts(n)

    def close(self):
        for holder in self.holders.values():
            holder.stdin.close()
            holder.wait()
        self.holders.clear()
        run("ip", "link", "del", "lab")
