"""A small stand-in for systemd: runs the split form from the unit files of systemd/, without systemd.

It speaks the same two protocols (LISTEN_FDS and NOTIFY_SOCKET) and keeps the directives that matter to the daemons:
ListenStream, FileDescriptorName, SocketMode, Service of the .socket files; ExecStart, WatchdogSec, TimeoutAbortSec,
Restart, RestartSec, RestartPreventExitStatus of the .service files and their common drop-in.

    with Standin(folder, programs, config, port) as s:
        s.pid("clientd"), s.ready("clientd"), s.deaths
"""

import configparser
import contextlib
import os
import re
import shlex
import shutil
import signal
import socket
import struct
import threading
import time

UNITS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "systemd")
# the accounts of systemd/sysusers.d where they do not exist: the numbers that the daemons fall back to
NUMBERS = {"zkd-electiond": 64211, "zkd-syncd": 64212, "zkd-clientd": 64213, "zkd-logd": 64214, "zkd-admind": 64215}


def read_unit(*paths):
    """{"Service": {"ExecStart": ...}}: later files over earlier ones."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes=("#",), delimiters=("=",))
    parser.optionxform = str
    for path in paths:
        with open(path) as f:
            parser.read_file(f)
    return {section: dict(parser[section]) for section in parser.sections()}


def seconds(span):
    value, unit = re.fullmatch(r"([\d.]+)\s*(ms|s|min)?", span).groups()
    return float(value) * {"ms": 0.001, "s": 1, "min": 60, None: 1}[unit]


class Service:
    def __init__(self, name, unit):
        self.name, self.unit = name, unit["Service"]
        self.listeners = []  # (FileDescriptorName, socket)
        self.pid = 0
        self.ready = False
        self.status = ""
        self.beat = self.start_at = self.kill_at = None
        self.starts = 0

    def get(self, key):
        return self.unit[key]


class Standin:
    def __init__(self, folder, programs, config, port, environment=None, ports=None):
        """programs: those that are run. ports: of other TCP listeners than clientd's, by FileDescriptorName."""
        self.folder, self.programs, self.config, self.port = folder, programs, config, port
        self.ports = ports or {}
        self.runtime = os.path.join(folder, "run")
        self.environment = environment or {}
        self.log_path = os.path.join(folder, "standin.log")
        self.services = {}
        self.deaths = []  # (name, pid, wait status)
        self.ending = False
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.run, daemon=True)

    # the units

    def load(self):
        common = os.path.join(UNITS, "zkd-.service.d", "10-common.conf")
        for file in sorted(os.listdir(UNITS)):
            m = re.fullmatch(r"zkd-(\w+)\.service\.in", file)
            if m and m.group(1) in self.programs:
                unit = read_unit(common, os.path.join(UNITS, file))
                self.services[m.group(1)] = Service(m.group(1), unit)
        for file in sorted(os.listdir(UNITS)):
            if file.endswith(".socket"):
                unit = read_unit(os.path.join(UNITS, file))["Socket"]
                name = re.fullmatch(r"zkd-(\w+)\.service", unit["Service"]).group(1)
                if name in self.services:
                    self.bind(unit, name)

    def bind(self, unit, name):
        listen = unit["ListenStream"]
        if unit["FileDescriptorName"] in ("election", "quorum") and unit["FileDescriptorName"] not in self.ports:
            return  # enabled in an ensemble only
        if listen.startswith("/"):
            path = listen.replace("/run/zkd/", self.runtime + "/")
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            s.bind(path)
            os.chmod(path, int(unit["SocketMode"], 8))
            # admind gets to control sockets by its group; here, where daemons leave root by themselves, as an owner
            user = "zkd-admind" if path.endswith(".control") else unit["SocketUser"]
            if os.geteuid() == 0 and user in NUMBERS:
                os.chown(path, NUMBERS[user], -1)
        else:
            s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.1", self.ports.get(unit["FileDescriptorName"], self.port)))
        s.listen(128)
        s.setblocking(False)
        self.services[name].listeners.append((unit["FileDescriptorName"], s))

    def arguments(self, service):
        text = service.get("ExecStart").replace("/run/zkd", self.runtime)
        words = shlex.split(text.replace("@sysconfdir@/zkd/zoo.cfg", self.config))
        return [words[0].replace("@pkglibexecdir@/", ""), *words[1:]]

    # life

    def __enter__(self):
        os.makedirs(self.runtime, exist_ok=True)
        self.load()
        self.notify_path = os.path.join(self.folder, "notify")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(self.notify_path)
        self.notify.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.notify.setblocking(False)
        for service in self.services.values():
            self.start(service)
        self.thread.start()
        return self

    def __exit__(self, kind, *rest):
        self.stop()
        if kind is not None:
            with open(self.log_path, errors="replace") as f:
                print(f"--- {self.log_path}\n{f.read()}")

    def restart(self):
        """After stop: the units again, on the same folder."""
        shutil.rmtree(self.runtime)
        os.remove(self.notify_path)
        self.services, self.ending = {}, False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.__enter__()

    def stop(self):
        """SIGTERM to all in the order of zkd; returns whether all ended by themselves with status 0."""
        self.ending = True
        self.thread.join()
        clean = True
        for name in ("admind", "clientd", "syncd", "logd", "electiond"):
            if name in self.services:
                clean = self.stop_one(self.services[name]) and clean
        for service in self.services.values():
            for _, s in service.listeners:
                s.close()
        self.notify.close()
        return clean

    def stop_one(self, service):
        if service.pid == 0:
            return False
        os.kill(service.pid, signal.SIGTERM)
        end = time.monotonic() + seconds(service.get("TimeoutStopSec"))
        while time.monotonic() < end:
            pid, status = os.waitpid(service.pid, os.WNOHANG)
            if pid:
                service.pid = 0
                return status == 0
            time.sleep(0.01)
        os.kill(service.pid, signal.SIGKILL)
        os.waitpid(service.pid, 0)
        service.pid = 0
        return False

    def start(self, service):
        watchdog = seconds(service.get("WatchdogSec"))
        args = self.arguments(service)
        log = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        pid = os.fork()
        if pid == 0:
            try:
                self.become(service, args, watchdog, log)
            finally:
                os._exit(127)
        os.close(log)
        service.pid, service.ready, service.kill_at, service.start_at = pid, False, None, None
        service.beat = time.monotonic() + 10  # as zkd: the watchdog runs from the first sign
        service.starts += 1

    def become(self, service, args, watchdog, log):
        aside = [os.dup2(s.fileno(), 100 + i, False) for i, (_, s) in enumerate(service.listeners)]
        log = os.dup2(log, 99, False)
        null = os.open("/dev/null", os.O_RDONLY)
        for fd, place in ((null, 0), (log, 1), (log, 2), *zip(aside, range(3, 20))):
            os.dup2(fd, place, True)
        environment = {
            **os.environ,
            **self.environment,
            "LISTEN_PID": str(os.getpid()),
            "LISTEN_FDS": str(len(aside)),
            "LISTEN_FDNAMES": ":".join(name for name, _ in service.listeners),
            "NOTIFY_SOCKET": self.notify_path,
            "WATCHDOG_USEC": str(int(watchdog * 1e6)),
            "WATCHDOG_PID": str(os.getpid()),
        }
        os.chdir("/")
        os.execve(self.programs[args[0]], args, environment)

    # watching

    def run(self):
        while not self.ending:
            with self.lock:
                self.listen()
                for service in self.services.values():
                    self.reap(service)
                    self.watch(service, time.monotonic())
            time.sleep(0.005)

    def listen(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                text, ancillary, _, _ = self.notify.recvmsg(4096, socket.CMSG_SPACE(12))
                sender = struct.unpack("iII", ancillary[0][2])[0]
                for service in self.services.values():
                    if service.pid == sender:
                        self.heard(service, text.decode().splitlines())

    @staticmethod
    def heard(service, lines):
        service.ready = service.ready or "READY=1" in lines
        if "WATCHDOG=1" in lines or "READY=1" in lines:
            service.beat = time.monotonic()
        for line in lines:
            if line.startswith("STATUS="):
                service.status = line[len("STATUS=") :]

    def reap(self, service):
        if service.pid == 0:
            return
        pid, status = os.waitpid(service.pid, os.WNOHANG)
        if pid == 0:
            return
        self.deaths.append((service.name, pid, status))
        service.pid, service.ready = 0, False
        code = os.waitstatus_to_exitcode(status)
        if str(code) not in service.get("RestartPreventExitStatus").split() and service.get("Restart") == "always":
            service.start_at = time.monotonic() + seconds(service.get("RestartSec"))

    def watch(self, service, now):
        if service.start_at is not None and now >= service.start_at:
            self.start(service)
        if service.pid == 0:
            return
        if service.kill_at is None and now - service.beat > seconds(service.get("WatchdogSec")):
            os.kill(service.pid, signal.SIGABRT)
            service.kill_at = now + seconds(service.get("TimeoutAbortSec"))
        elif service.kill_at is not None and now >= service.kill_at:
            os.kill(service.pid, signal.SIGKILL)
            service.kill_at = now + 1000

    # looking at it

    def pid(self, name):
        with self.lock:
            return self.services[name].pid

    def ready(self, name):
        with self.lock:
            return self.services[name].ready

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()
