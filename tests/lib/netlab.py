"""Machines for tests: each a network namespace of its own on one bridge, whose links can be cut, one way or both.

    netlab.enter()                       at the start of a program: goes on inside namespaces of its own
    lab = Lab(3)                         machines 1, 2, 3 at 10.77.0.1 .. 3; the caller is at 10.77.0.254
    lab.wrap(1, ["zkd", ...])            the command line that runs it on machine 1
    lab.block(1, 2)                      what 1 sends no longer reaches 2
    lab.isolate({1}, {2, 3})             nothing passes between the two groups, in either direction
    lab.lose(1, 2, percent)              so many of a hundred packets from 1 to 2 are lost
    lab.delay(1, 20, 200)                what 1 sends and gets takes 20 to 200 ms longer, in either direction
    lab.heal()

What is cut is dropped where it arrives, so a sender sees silence, as with a real wire. The caller's own traffic is
never cut, but it is delayed like all other (netdelay.py: not every kernel has netem). Needs root, iproute2, nftables.

A program that entered has processes, mounts and networks of its own: however it ends, also by SIGKILL, the kernel ends
all that it started and takes away what it mounted. SIGINT and SIGTERM reach it as they would without.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys

NETWORK = "10.77.0"
OWN = f"{NETWORK}.254"
ENTERED = "ZKD_NETLAB"
TABLE = "zkd_lab"
NAMESPACES = ("--net", "--mount", "--pid", "--fork", "--mount-proc")
DELAYER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "netdelay.py")
CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x20000000, 0x40000000
PR_SET_PDEATHSIG = 1


def usable():
    """None, or why there can be no machines here."""
    for tool in ("ip", "nft", "unshare", "nsenter"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    if os.geteuid() != 0:
        return "namespaces need root"
    made = subprocess.run(["unshare", *NAMESPACES, "nft", "list", "ruleset"], capture_output=True, text=True)
    return None if made.returncode == 0 else made.stderr.strip() or "no namespaces here"


def enter():
    """
    Goes on in namespaces of this program's own, unless it is in them. Three processes then: this one, which hands
    signals down and the status up; the namespaces' init, which buries orphans; and the program.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    init = os.fork()
    if init != 0:
        os._exit(outlive(init))
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setpgid(0, 0)  # a terminal's signals come by way of the first process, once
    run("mount", "--make-rprivate", "/")
    run("mount", "-t", "proc", "proc", "/proc")
    program = os.fork()
    if program != 0:
        os._exit(outlive(program))


def outlive(child):
    """Hands signals on to the child; its status as a shell tells it when it has ended."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda n, frame: hand_on(child, n))
    while True:
        with contextlib.suppress(InterruptedError):
            pid, status = os.wait()
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code


def hand_on(child, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, number)


def run(*command, text=None):
    subprocess.run(command, input=text, text=True, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


class Lab:
    def __init__(self, count):
        self.numbers = range(1, count + 1)
        self.holders = {}
        self.delayers = {}
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

    def delay(self, n, least_ms, most_ms):
        """The wire of n goes through a process that keeps every frame for a while."""
        run("ip", "link", "add", "name", f"slow{n}", "type", "veth", "peer", "name", f"far{n}")
        run("ip", "link", "set", f"lab{n}", "nomaster")
        run("ip", "link", "set", f"slow{n}", "up")
        run("ip", "link", "set", f"far{n}", "master", "lab", "up")
        command = [sys.executable, DELAYER, f"lab{n}", f"slow{n}", str(least_ms), str(most_ms)]
        self.delayers[n] = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.delayers[n].stdout.readline()

    def undelay(self, n):
        delayer = self.delayers.pop(n)
        delayer.kill()
        delayer.wait()
        delayer.stdout.close()
        run("ip", "link", "del", f"slow{n}")
        run("ip", "link", "set", f"lab{n}", "master", "lab")

    def heal(self):
        for n in list(self.delayers):
            self.undelay(n)
        for n in self.numbers:
            self.forget_cuts(n)

    def close(self):
        for n in list(self.delayers):
            self.undelay(n)
        for holder in self.holders.values():
            holder.stdin.close()
            holder.wait()
        self.holders.clear()
        run("ip", "link", "del", "lab")
