"""zkd's rules with real processes and real signals: daemons that play what the test tells them (dummy.c)."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import unittest

from zkd_node import SLACK_SECONDS, STOP_SECONDS, four_letter
from zkd_process import (
    DAEMONS,
    DUMMY,
    Zkd,
    children,
    descendants,
    free_port,
    real_suite_built,
    wait_gone,
    wait_until,
)

SKIP = None if os.access(DUMMY, os.X_OK) else "not built: make check_PROGRAMS (tests/integration/dummy)"


@unittest.skipIf(SKIP, SKIP)
class Deaths(unittest.TestCase):
    def test_each_daemon_is_restarted_alone(self):
        with Zkd(dummies=True) as z:
            for name in DAEMONS:
                with self.subTest(name):
                    before = z.others(name)
                    old = z.signal(name, signal.SIGKILL)
                    m = z.wait_line(rf"error: died (daemon={name} .*)")
                    self.assertRegex(m.group(1), rf"pid={old} signal=SIGKILL uptime_ms=\d+ restarts=0 restart_in_ms=0")
                    self.assertIn(f'status="{name} plays, zxid=0x7"', m.group(1))
                    z.wait_restarted(name, old)
                    self.assertEqual(z.others(name), before)

    def test_how_it_died_is_told(self):
        with Zkd(dummies=True) as z:
            z.signal("logd", signal.SIGUSR1)
            z.wait_line(r"died daemon=logd pid=\d+ signal=SIGUSR1")
            z.script("syncd", "leave 0 7")
            z.signal("syncd", signal.SIGTERM)
            z.wait_line(r"died daemon=syncd pid=\d+ exit=0")
            z.wait_line(r"died daemon=syncd pid=\d+ exit=7")

    def test_early_deaths_back_off(self):
        with Zkd(dummies=True) as z:
            z.script("logd", "exit 1")
            time.sleep(1.1)  # this death is no early one
            z.signal("logd", signal.SIGKILL)
            waits = [int(z.wait_line(r"died daemon=logd .* restart_in_ms=(\d+)", 10).group(1)) for _ in range(7)]
            self.assertEqual(waits, [0, 0, 100, 200, 400, 800, 1600])
            z.script("logd", "ready")
            z.wait_restarted("logd", 0, 10)

    def test_a_hung_daemon_is_replaced(self):
        with Zkd(dummies=True) as z:
            for name in DAEMONS:
                with self.subTest(name):
                    before, begin = z.others(name), time.monotonic()
                    old = z.signal(name, signal.SIGSTOP)
                    z.wait_line(rf"hangs and is killed daemon={name} pid={old}")
                    z.wait_restarted(name, old)
                    self.assertLess(time.monotonic() - begin, 2.0 + 0.2 + 1.8)
                    self.assertGreater(time.monotonic() - begin, 1.4)
                    self.assertEqual(z.others(name), before)

    def test_fast_failure_detection(self):
        with Zkd(dummies=True, keys={"failureDetection": "fast"}) as z:
            begin = time.monotonic()
            old = z.signal("clientd", signal.SIGSTOP)
            z.wait_restarted("clientd", old)
            self.assertLess(time.monotonic() - begin, 1.9)  # less than an ordinary period

    def test_a_mute_daemon_is_aborted(self):
        with Zkd(dummies=True, keys={"failureDetection": "fast"}) as z:
            z.script("syncd", "mute")
            z.signal("syncd", signal.SIGKILL)
            z.wait_line(r"hangs and is killed daemon=syncd")
            z.wait_line(r"died daemon=syncd pid=\d+ signal=SIGABRT")

    def test_another_suite_restarts_all_in_order(self):
        with Zkd(dummies=True) as z:
            before = z.pids()
            z.script("syncd", "exit 79")
            z.signal("syncd", signal.SIGKILL)
            z.wait_line(r"died daemon=syncd pid=\d+ exit=79")
            z.script("syncd", "ready")
            for name in ("clientd", "logd", "electiond"):
                z.wait_line(rf"stopped daemon={name}")
            z.wait_line("all daemons ready again", 10)
            after = z.pids()
            self.assertEqual(set(after), set(DAEMONS))
            self.assertFalse(set(before.values()) & set(after.values()))

    def test_what_no_restart_can_help_ends_zkd(self):
        for name, status in (("clientd", 2), ("logd", 3)):
            with self.subTest(name), Zkd(dummies=True) as z:
                z.process.kill()
                z.process.wait()
                z.script(name, f"exit {status}")
                code, said = z.run()
                self.assertEqual(code, status)
                self.assertRegex(said, rf"giving up daemon={name} exit={status}")

    def test_a_stranger_can_say_nothing(self):
        with Zkd(dummies=True, keys={"failureDetection": "fast"}) as z:
            pid = z.signal("logd", signal.SIGSTOP)
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
                s.connect(os.path.join(z.runtime, "zkd.notify"))
                for _ in range(20):
                    s.send(b"WATCHDOG=1\nREADY=1\nSTATUS=I am logd")
                    time.sleep(0.05)
            z.wait_restarted("logd", pid)
            self.assertNotIn("I am logd", z.log())


@unittest.skipIf(SKIP, SKIP)
class Listeners(unittest.TestCase):
    def test_callers_wait_for_the_successor(self):
        with Zkd(dummies=True) as z:
            self.assertEqual(z.call(), str(z.pids()["clientd"]))
            z.script("clientd", "slow 500")
            old = z.signal("clientd", signal.SIGKILL)
            answer = z.call()
            self.assertEqual(answer, str(z.pids()["clientd"]))
            self.assertNotEqual(answer, str(old))

    def test_callers_are_turned_away_from_one_that_stays_away(self):
        with Zkd(dummies=True) as z:
            z.script("clientd", "slow 3000")
            z.signal("clientd", signal.SIGKILL)
            z.wait_line("turned away daemon=clientd", 3)
            begin = time.monotonic()
            self.assertEqual(z.call(), "")
            self.assertLess(time.monotonic() - begin, 0.5)
            z.wait_restarted("clientd", 0, 10)
            for _ in range(20):
                self.assertEqual(z.call(), str(z.pids()["clientd"]))

    def test_addresses(self):
        # clientPortAddress, what is bound, who can call
        rows = [
            ("127.0.0.1", "127.0.0.1", ["127.0.0.1"]),
            ("localhost", "127.0.0.1", ["127.0.0.1"]),
            ("::1", "[::1]", ["::1"]),
            (None, "[::]", ["127.0.0.1", "::1"]),
        ]
        if not os.path.exists("/proc/net/if_inet6"):
            rows = [*rows[:2], (None, "0.0.0.0", ["127.0.0.1"])]
        for address, bound, callers in rows:
            with self.subTest(address), Zkd(dummies=True, keys={"clientPortAddress": address}) as z:
                self.assertIn(f"serving client={bound}:{z.port} ", z.log())
                for host in callers:
                    with socket.create_connection((host, z.port), 3) as s:
                        self.assertEqual(s.recv(100).decode().strip(), str(z.pids()["clientd"]))

    def test_a_port_of_the_kernels_choice(self):
        with Zkd(dummies=True, keys={"clientPort": 0}) as z:
            z.mark = 0
            port = int(z.wait_line(r"serving client=127\.0\.0\.1:(\d+) ").group(1))
            with socket.create_connection(("127.0.0.1", port), 3) as s:
                self.assertEqual(s.recv(100).decode().strip(), str(z.pids()["clientd"]))
            self.assertIn(f'"127.0.0.1:{port}"', z.zkctl("status", "--json")[1])

    def test_an_address_of_another_machine_is_told(self):
        z = Zkd(dummies=True, keys={"clientPortAddress": "192.0.2.1"})
        try:
            code, said = z.run()
            self.assertEqual(code, 14)
            self.assertRegex(said, rf"cannot bind the port clientPort={z.port} address=192\.0\.2\.1")
        finally:
            z.close()

    def test_a_taken_port_is_told(self):
        z = Zkd(dummies=True)
        with z, socket.socket() as s:
            z.process.terminate()
            z.process.wait(5)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.1", z.port))
            s.listen()
            code, said = z.run()
            self.assertEqual(code, 14)
            self.assertRegex(said, rf"error: the port is taken clientPort={z.port} .*ss -ltnp")

    def test_a_port_that_is_let_go_is_waited_for(self):
        """A clientd with much memory holds its port for a moment after the death of its zkd."""
        with Zkd(dummies=True) as z:
            z.process.terminate()
            z.process.wait(5)
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("127.0.0.1", z.port))
                s.listen()
                z.start(wait=False)
                time.sleep(0.5)
            z.wait_line("notice: serving", 5)

    def test_stale_sockets_of_a_dead_one_are_replaced(self):
        with Zkd(dummies=True) as z:
            z.process.kill()
            z.process.wait()
            self.assertIn("zkd.control", os.listdir(z.runtime))
            z.skip_log()
            z.start()
            self.assertEqual(z.call(), str(z.pids()["clientd"]))

    def test_listeners_are_private(self):
        with Zkd(dummies=True) as z:
            for name in os.listdir(z.runtime):
                if name != "zkd.lock":
                    self.assertEqual(os.stat(os.path.join(z.runtime, name)).st_mode & 0o007, 0, name)


@unittest.skipIf(SKIP, SKIP)
class ZkdItself(unittest.TestCase):
    def test_its_death_takes_all_along(self):
        for stopped in ([], DAEMONS):
            with self.subTest(stopped=stopped), Zkd(dummies=True) as z:
                pids = z.pids()
                for name in stopped:
                    os.kill(pids[name], signal.SIGSTOP)
                z.process.kill()
                z.process.wait()
                self.assertLess(wait_gone(pids.values(), 5), 1.0)

    def test_a_death_of_its_own_making_takes_all_along(self):
        for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGUSR1):
            with self.subTest(number), Zkd(dummies=True) as z:
                pids = z.pids()
                z.process.send_signal(number)
                z.process.wait(5)
                self.assertLess(wait_gone(pids.values(), 5), 1.0)

    def test_stopped_for_five_seconds_it_disturbs_nobody(self):
        with Zkd(dummies=True) as z:
            before = z.pids()
            z.process.send_signal(signal.SIGSTOP)
            end = time.monotonic() + 5
            while time.monotonic() < end:
                self.assertEqual(z.call(), str(before["clientd"]))
                time.sleep(0.1)
            z.process.send_signal(signal.SIGCONT)
            z.wait_line("stood still myself")
            time.sleep(3)
            self.assertEqual(z.pids(), before)
            self.assertNotIn("died", z.log())
            # and it still watches
            old = z.signal("logd", signal.SIGSTOP)
            z.wait_restarted("logd", old)

    def test_a_death_while_it_was_stopped_is_noticed(self):
        with Zkd(dummies=True) as z:
            z.process.send_signal(signal.SIGSTOP)
            old = z.signal("syncd", signal.SIGKILL)
            time.sleep(1.5)
            z.process.send_signal(signal.SIGCONT)
            z.wait_restarted("syncd", old)

    def test_stops_in_order(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            with self.subTest(number), Zkd(dummies=True) as z:
                pids = z.pids()
                z.process.send_signal(number)
                self.assertEqual(z.process.wait(5), 0)
                for name in ("clientd", "syncd", "logd", "electiond"):
                    z.wait_line(rf"stopped daemon={name} pid={pids[name]} exit=0")
                wait_gone(pids.values(), 0.5)

    def test_stops_in_order_however_early_it_is_told(self):
        for delay in (0.0, 0.002, 0.005, 0.01, 0.02):
            with self.subTest(delay), Zkd(dummies=True) as z:
                z.process.terminate()
                z.process.wait(5)
                z.start(wait=False)
                wait_until(lambda: os.readlink(f"/proc/{z.process.pid}/exe").endswith("zkd"), 5, "zkd runs")
                wait_until(lambda: self.holds_sigterm(z.process.pid), 5, "zkd has begun")
                time.sleep(delay)
                z.process.terminate()
                self.assertEqual(z.process.wait(5), 0)

    @staticmethod
    def holds_sigterm(pid):
        """SIGTERM is blocked or caught."""
        with open(f"/proc/{pid}/status") as f:
            masks = [int(line.split()[1], 16) for line in f if line.startswith(("SigBlk:", "SigCgt:"))]
        return any(mask >> (signal.SIGTERM - 1) & 1 for mask in masks)

    def test_it_keeps_only_the_rights_that_it_needs(self):
        needed = 0
        for bit in (0, 1, 3, 5, 6, 7, 8):  # CHOWN DAC_OVERRIDE FOWNER KILL SETGID SETUID SETPCAP
            needed |= 1 << bit
        with Zkd(dummies=True) as z, open(f"/proc/{z.process.pid}/status") as f:
            status = {k: v.strip() for k, _, v in (line.partition(":") for line in f)}
            self.assertEqual(status["NoNewPrivs"], "1")
            for name in ("CapPrm", "CapEff"):
                self.assertEqual(int(status[name], 16) & ~needed, 0, name)

    def test_stops_in_time_whatever_the_daemons_do(self):
        with Zkd(dummies=True) as z:
            for name in DAEMONS:
                z.script(name, "stubborn")
            for name in DAEMONS:
                z.wait_restarted(name, z.signal(name, signal.SIGKILL))
            pids = z.pids()
            z.process.terminate()
            self.assertEqual(z.process.wait(STOP_SECONDS + SLACK_SECONDS), 0)
            wait_gone(pids.values(), 0.5)

    def test_stops_in_time_with_stopped_daemons(self):
        with Zkd(dummies=True) as z:
            pids = z.pids()
            for pid in pids.values():
                os.kill(pid, signal.SIGSTOP)
            z.process.terminate()
            self.assertEqual(z.process.wait(STOP_SECONDS + SLACK_SECONDS), 0)
            wait_gone(pids.values(), 0.5)

    def test_a_second_one_is_refused(self):
        with Zkd(dummies=True) as z:
            code, said = z.run("-D", f"clientPort={free_port()}")
            self.assertEqual(code, 14)
            self.assertRegex(said, rf"another zkd runs here pid={z.process.pid} .*-D runtimeDir=DIR")
            self.assertEqual(z.call(), str(z.pids()["clientd"]))

    def test_a_very_long_runtime_folder(self):
        z = Zkd(dummies=True)
        z.runtime = os.path.join(z.folder, *(["x" * 100] * 4), "run")
        z.keys["runtimeDir"] = z.runtime
        with z:
            self.assertGreater(len(z.runtime), 400)
            self.assertIn("clientd.link", os.listdir(z.runtime))
            old = z.signal("clientd", signal.SIGKILL)
            z.wait_restarted("clientd", old)
            old = z.signal("logd", signal.SIGSTOP)
            z.wait_restarted("logd", old)

    def test_many_on_one_machine(self):
        suites = []
        try:
            for _ in range(8):
                suites.append(Zkd(dummies=True).start())
            self.assertEqual(len({p for z in suites for p in z.pids().values()}), 4 * 8)
            suites[0].process.terminate()
            self.assertEqual(suites[0].process.wait(5), 0)
            for z in suites[1:]:
                self.assertEqual(z.call(), str(z.pids()["clientd"]))
        finally:
            for z in suites:
                z.close()

    def test_an_upgrade_on_disk_waits_for_the_next_zkd(self):
        with Zkd(dummies=True) as z:
            for name in ("zkd", *DAEMONS):
                os.unlink(z.program_path(name))
                with open(z.program_path(name), "w") as f:
                    f.write("#!/bin/false\ngarbage\n")
                os.chmod(z.program_path(name), 0o755)
            for name in DAEMONS:
                old = z.signal(name, signal.SIGKILL)
                z.wait_restarted(name, old)
            self.assertEqual(z.call(), str(z.pids()["clientd"]))

    def test_a_missing_program_is_named(self):
        z = Zkd(dummies=True)
        with z:
            z.process.kill()
            z.process.wait()
            os.unlink(z.program_path("syncd"))
            code, said = z.run()
            self.assertEqual(code, 1)
            self.assertIn(z.program_path("syncd"), said)

    def test_nothing_is_inherited_but_what_is_meant(self):
        read, write = os.pipe()
        os.set_inheritable(write, True)
        z = Zkd(dummies=True)
        try:
            z.write_config()
            with open(z.log_path, "ab") as log:
                z.process = z.popen(z.command(), log, close_fds=False)
            z.wait_line("notice: serving", 20)
            for name, count in (("clientd", 4), ("logd", 3), ("electiond", 3), ("syncd", 2)):
                folder = f"/proc/{z.pids()[name]}/fd"
                # one more is open while the dummy says something
                wait_until(lambda f=folder, n=3 + count: len(os.listdir(f)) == n, 5, f"{name} has just {3 + count}")
        finally:
            z.close()
            os.close(read)
            os.close(write)


@unittest.skipIf(SKIP, SKIP)
class Configuration(unittest.TestCase):
    def test_a_bad_one_is_refused(self):
        z = Zkd(dummies=True, keys={"tickTime": "fast"})
        try:
            for extra in ((), ("-n",)):
                code, said = z.run(*extra)
                self.assertEqual(code, 2)
                self.assertRegex(said, r"zoo\.cfg:\d+: tickTime.*fast")
        finally:
            z.close()

    def test_check_only(self):
        z = Zkd(dummies=True)
        try:
            code, said = z.run("-n")
            self.assertEqual(code, 0, said)
            self.assertFalse(os.path.exists(z.runtime))
        finally:
            z.close()

    def test_bad_options(self):
        z = Zkd(dummies=True)
        try:
            for extra in (("--no-such-option",), ("stray",), ("-D", "no equals sign")):
                code, said = z.run(*extra)
                self.assertEqual(code, 2, said)
        finally:
            z.close()

    def test_reload(self):
        with Zkd(dummies=True) as z:
            before = z.pids()
            z.process.send_signal(signal.SIGHUP)
            z.wait_line("reload: nothing has changed")

            z.keys["tickTime"] = "bad"
            z.write_config()
            z.process.send_signal(signal.SIGHUP)
            z.wait_line("reload refused: the new configuration is bad")

            z.keys["tickTime"] = 1000
            z.keys["clientPort"] = free_port()
            z.write_config()
            z.process.send_signal(signal.SIGHUP)
            z.wait_line("reload refused: this key needs a restart of zkd key=clientPort")
            self.assertEqual(z.pids(), before)

            z.keys["clientPort"] = z.port
            z.keys["failureDetection"] = "fast"
            z.write_config()
            z.process.send_signal(signal.SIGHUP)
            z.wait_line("new configuration in force")
            z.wait_line("all daemons ready again")
            after = z.pids()
            self.assertFalse(set(before.values()) & set(after.values()))
            begin = time.monotonic()
            old = z.signal("logd", signal.SIGSTOP)
            z.wait_restarted("logd", old)
            self.assertLess(time.monotonic() - begin, 1.9)

    def test_daemons_share_one_sealed_text(self):
        with Zkd(dummies=True) as z:
            texts = set()
            for pid in z.pids().values():
                links = {}
                for fd in os.listdir(f"/proc/{pid}/fd"):
                    with contextlib.suppress(FileNotFoundError):  # it was open only to say something
                        links[fd] = os.readlink(f"/proc/{pid}/fd/{fd}")
                fd = next(fd for fd, target in links.items() if "memfd:zkd-config" in target)
                path = f"/proc/{pid}/fd/{fd}"
                with open(path) as f:
                    texts.add(f.read())
                with self.assertRaises(OSError), open(path, "r+b") as f:
                    f.write(b"x")
            self.assertEqual(len(texts), 1)
            self.assertIn(f"runtimeDir={z.runtime}\n", texts.pop())


@unittest.skipIf(SKIP, SKIP)
class ControlSocket(unittest.TestCase):
    def test_ps(self):
        with Zkd(dummies=True) as z:
            z.wait_restarted("logd", z.signal("logd", signal.SIGKILL))
            code, said = z.zkctl("ps", "--json")
            self.assertEqual(code, 0, said)
            rows = {d["name"]: d for d in json.loads(said)["daemons"]}
            self.assertEqual({n: rows[n]["pid"] for n in DAEMONS}, z.pids())
            self.assertEqual(rows["zkd"]["pid"], z.process.pid)
            self.assertEqual({n: rows[n]["restarts"] for n in DAEMONS}, {**dict.fromkeys(DAEMONS, 0), "logd": 1})
            for row in rows.values():
                with open(f"/proc/{row['pid']}/statm") as f:
                    rss = int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
                self.assertLess(abs(row["rss_bytes"] - rss), 1 << 20)
                self.assertLess(row["uptime_ms"], 60000)

    def test_restart_on_request(self):
        with Zkd(dummies=True) as z:
            for name in DAEMONS:
                before, old = z.others(name), z.pids()[name]
                code, said = z.zkctl("restart", name)
                self.assertEqual(code, 0, said)
                z.wait_line(rf"restart on request daemon={name} pid={old}")
                z.wait_line(rf"stopped daemon={name} pid={old} exit=0")
                z.wait_restarted(name, old)
                self.assertEqual(z.others(name), before)


@unittest.skipIf(SKIP, SKIP)
@unittest.skipIf(os.geteuid() != 0, "only root can give folders away")
class Folders(unittest.TestCase):
    LOGD = 64214

    def start_with(self, prepare):
        z = Zkd(dummies=True, keys={"user.logd": str(self.LOGD)})
        os.mkdir(z.data)
        prepare(z)
        return z

    def owner(self, *path):
        return os.lstat(os.path.join(*path)).st_uid

    def test_a_new_one_is_made_for_logd(self):
        z = Zkd(dummies=True, keys={"user.logd": str(self.LOGD)})
        z.data = z.keys["dataDir"] = os.path.join(z.folder, "a", "b", "data")
        z.keys["dataLogDir"] = os.path.join(z.folder, "log")
        with z:
            for path in (z.data, z.keys["dataLogDir"]):
                self.assertEqual(self.owner(path), self.LOGD)
                self.assertEqual(os.stat(path).st_mode & 0o777, 0o750)
            self.assertEqual(self.owner(z.folder, "a", "b"), 0)

    def test_data_of_another_server_is_taken_over(self):
        def prepare(z):
            os.mkdir(os.path.join(z.data, "version-2"))
            for name in ("myid", "version-2/log.1", "version-2/snapshot.0", "unrelated"):
                with open(os.path.join(z.data, name), "w") as f:
                    f.write("1\n")

        with self.start_with(prepare) as z:
            for name in ("", "myid", "version-2", "version-2/log.1", "version-2/snapshot.0"):
                self.assertEqual(self.owner(z.data, name), self.LOGD, name)
            self.assertEqual(self.owner(z.data, "unrelated"), 0)

    def test_no_link_leads_out(self):
        def prepare(z):
            secret, other = os.path.join(z.folder, "secret"), os.path.join(z.folder, "other")
            os.mkdir(other)
            os.mkdir(os.path.join(z.data, "version-2"))
            for path in (secret, os.path.join(other, "file")):
                with open(path, "w") as f:
                    f.write("mine")
            os.symlink(secret, os.path.join(z.data, "myid"))
            os.symlink(secret, os.path.join(z.data, "version-2", "log.1"))
            os.link(secret, os.path.join(z.data, "version-2", "log.2"))
            os.symlink(other, os.path.join(z.data, "version-2", "log.3"))
            os.mkfifo(os.path.join(z.data, "version-2", "log.4"))

        with self.start_with(prepare) as z:
            self.assertEqual(self.owner(z.data, "version-2"), self.LOGD)
            for name in ("secret", "other", "other/file", "data/myid", "data/version-2/log.4"):
                self.assertEqual(self.owner(z.folder, name), 0, name)

    def test_a_folder_with_other_things_keeps_its_owner(self):
        def prepare(z):
            with open(os.path.join(z.data, "letter.txt"), "w") as f:
                f.write("dear")

        with self.start_with(prepare) as z:
            self.assertEqual(self.owner(z.data), 0)
            self.assertIn(f"keeps its owner folder={z.data}", z.log())

    def test_none_is_made_where_that_is_off(self):
        z = Zkd(dummies=True, keys={"datadir.autocreate": "false"})
        try:
            code, said = z.run()
            self.assertEqual(code, 3)
            self.assertIn(f"dataDir={z.data}", said)
            self.assertFalse(os.path.exists(z.data))
        finally:
            z.close()


def in_pid_namespace():
    return subprocess.run(["unshare", "-fp", "--mount-proc", "true"], capture_output=True, timeout=10).returncode == 0


@unittest.skipIf(SKIP, SKIP)
class Process1(unittest.TestCase):
    def setUp(self):
        if not in_pid_namespace():
            self.skipTest("no PID namespaces here (unshare -fp is refused)")

    def test_reaps_strangers_and_stops(self):
        z = Zkd(dummies=True)
        with self.start_as_process_1(z):
            init = children(z.process.pid)[0]
            with open(f"/proc/{init}/status") as f:
                self.assertRegex(f.read(), r"NSpid:\s+\d+\s+1\n")
            # orphans of somebody else end up with process 1
            subprocess.run(
                ["nsenter", "-t", str(init), "-p", "-m", "sh", "-c", "for i in 1 2 3; do (sleep 0.3 & ) ; done"],
                check=True,
                timeout=10,
            )
            wait_until(lambda: len(children(init)) == 4, 5, "the orphans are reaped")
            daemon = next(p for p in children(init) if self.name(p) == "clientd")
            os.kill(daemon, signal.SIGKILL)
            z.wait_line(r"died daemon=clientd")
            z.wait_line(r"ready daemon=clientd")
            pids = descendants(z.process.pid)
            os.kill(init, signal.SIGTERM)
            self.assertEqual(z.process.wait(5), 0)
            wait_gone(pids, 1)

    @staticmethod
    def name(pid):
        with open(f"/proc/{pid}/cmdline") as f:
            return f.read().split("\0")[0]

    @staticmethod
    def start_as_process_1(z):
        z.write_config()
        with open(z.log_path, "ab") as log:
            z.process = z.popen(["unshare", "-fp", "--mount-proc", *z.command()], log)
        z.wait_line(r"zkd\[1\] notice: serving", 20)
        return z


def serves(z):
    return "Mode: standalone" in four_letter(z.port, "srvr", 1.0)


def wait_serves(z, seconds=5):
    wait_until(lambda: serves(z), seconds, "the node serves")


@unittest.skipIf(not real_suite_built(), "not built: the daemons")
class RealDaemons(unittest.TestCase):
    """The rules once more, with the daemons that they are for."""

    def test_each_daemon_is_restarted_alone(self):
        with Zkd() as z:
            wait_serves(z)
            for name in DAEMONS:
                with self.subTest(name):
                    before = z.others(name)
                    old = z.signal(name, signal.SIGKILL)
                    z.wait_line(rf"error: died daemon={name} pid={old} signal=SIGKILL .* status=\"[^\"]+\"")
                    z.wait_restarted(name, old)
                    wait_serves(z)
                    self.assertEqual(z.others(name), before)

    def test_a_hung_daemon_is_replaced(self):
        with Zkd() as z:
            wait_serves(z)
            for name in DAEMONS:
                with self.subTest(name):
                    before = z.others(name)
                    old = z.signal(name, signal.SIGSTOP)
                    z.wait_line(rf"hangs and is killed daemon={name} pid={old}")
                    z.wait_restarted(name, old)
                    wait_serves(z)
                    self.assertEqual(z.others(name), before)

    def test_the_death_of_zkd_takes_all_along(self):
        """Also the helper child of logd, and also what is stopped."""
        for stopped in (False, True):
            with self.subTest(stopped=stopped), Zkd() as z:
                wait_serves(z)
                pids = descendants(z.process.pid)
                self.assertGreater(len(pids), len(DAEMONS), "logd has a helper child")
                for pid in pids if stopped else []:
                    os.kill(pid, signal.SIGSTOP)
                z.process.kill()
                z.process.wait()
                self.assertLess(wait_gone(pids, 5), 1.0)

    def test_the_death_of_logd_takes_its_helper_along(self):
        with Zkd() as z:
            wait_serves(z)
            helpers = children(z.pids()["logd"])
            self.assertEqual(len(helpers), 1)
            z.signal("logd", signal.SIGKILL)
            self.assertLess(wait_gone(helpers, 5), 1.0)

    def test_stopped_for_five_seconds_zkd_disturbs_nobody(self):
        with Zkd() as z:
            wait_serves(z)
            before = z.pids()
            z.process.send_signal(signal.SIGSTOP)
            end = time.monotonic() + 5
            while time.monotonic() < end:
                self.assertTrue(serves(z))
                time.sleep(0.1)
            z.process.send_signal(signal.SIGCONT)
            z.wait_line("stood still myself")
            time.sleep(3)
            self.assertEqual(z.pids(), before)
            self.assertNotIn("died", z.log())

    def test_a_daemon_that_starts_while_zkd_is_stopped(self):
        """Its READY may not fit into the socket, which others fill: zkd hears it all the same."""
        with Zkd() as z:
            wait_serves(z)
            z.signal("clientd", signal.SIGKILL)
            z.wait_line("started daemon=clientd")
            z.process.send_signal(signal.SIGSTOP)
            time.sleep(3)
            z.process.send_signal(signal.SIGCONT)
            wait_until(lambda: z.zkctl("ps")[1].count("not ready") == 0, 5, "all are ready")
            wait_serves(z)

    def test_stops_in_time(self):
        with Zkd() as z:
            wait_serves(z)
            pids = descendants(z.process.pid)
            begin = time.monotonic()
            z.process.terminate()
            self.assertEqual(z.process.wait(5), 0)
            self.assertLess(time.monotonic() - begin, 2, "nobody had to be waited for")
            wait_gone(pids, 0.5)
            self.assertEqual(z.log().count("exit=0"), len(DAEMONS))

    def test_a_very_long_runtime_folder(self):
        z = Zkd()
        z.runtime = os.path.join(z.folder, *(["x" * 100] * 4), "run")
        z.keys["runtimeDir"] = z.runtime
        with z:
            wait_serves(z)
            z.wait_restarted("syncd", z.signal("syncd", signal.SIGKILL))
            wait_serves(z)
            self.assertEqual(z.zkctl("ps")[0], 0)

    def test_an_upgrade_on_disk_waits_for_the_next_zkd(self):
        with Zkd() as z:
            wait_serves(z)
            for name in ("zkd", *DAEMONS):
                os.unlink(z.program_path(name))
                with open(z.program_path(name), "w") as f:
                    f.write("garbage")
            for name in DAEMONS:
                z.wait_restarted(name, z.signal(name, signal.SIGKILL))
            wait_serves(z)

    def test_reload(self):
        with Zkd() as z:
            wait_serves(z)
            z.keys["tickTime"] = 1234
            z.write_config()
            z.process.send_signal(signal.SIGHUP)
            z.wait_line("all daemons ready again", 10)
            wait_serves(z)
            self.assertIn("tickTime=1234", four_letter(z.port, "conf"))

    def test_sessions_outlive_a_reload_and_a_restart_on_request(self):
        from kazoo.client import KazooClient

        with Zkd() as z:
            wait_serves(z)
            zk = KazooClient(hosts=f"127.0.0.1:{z.port}", timeout=10)
            zk.start(10)
            try:
                session = zk.client_id[0]
                zk.create("/mine", b"1", ephemeral=True)
                z.keys["tickTime"] = 1777
                z.write_config()
                z.process.send_signal(signal.SIGHUP)
                z.wait_line("all daemons ready again", 10)
                self.assertEqual(zk.retry(zk.get, "/mine")[0], b"1")
                for name in DAEMONS:
                    self.assertEqual(z.zkctl("restart", name)[0], 0)
                    zk.retry(zk.set, "/mine", name.encode())
                self.assertEqual(zk.retry(zk.get, "/mine")[0], DAEMONS[-1].encode())
                self.assertEqual(zk.client_id[0], session)
            finally:
                zk.stop()
                zk.close()

    def test_many_nodes_on_one_machine(self):
        nodes = []
        try:
            for _ in range(4):
                nodes.append(Zkd().start())
            for z in nodes:
                wait_serves(z)
            nodes[0].process.terminate()
            self.assertEqual(nodes[0].process.wait(5), 0)
            for z in nodes[1:]:
                self.assertTrue(serves(z))
        finally:
            for z in nodes:
                z.close()

    @unittest.skipIf(os.geteuid() != 0, "only root can be somebody else")
    def test_users(self):
        with Zkd() as z:
            wait_serves(z)
            uids = set()
            for pid in descendants(z.process.pid):
                with open(f"/proc/{pid}/status") as f:
                    status = dict(line.split(":", 1) for line in f if ":" in line)
                self.assertEqual(status["CapEff"].strip("\t\n0"), "")
                uids.add(status["Uid"].split()[0])
            self.assertEqual(len(uids), len(DAEMONS))
            self.assertNotIn("0", uids)
            self.assertNotEqual(os.stat(z.data).st_uid, 0)

    @unittest.skipIf(os.geteuid() != 0, "only root can be somebody else")
    def test_without_root(self):
        """All as one user; without a key the sockets go below the data folder where /run/zkd cannot be written."""
        z = Zkd(keys={"runtimeDir": None})
        os.chmod(z.folder, 0o777)
        z.command = lambda *extra: [
            "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *Zkd.command(z, *extra)
        ]
        with z:
            wait_serves(z)
            self.assertIn("zkd.control", os.listdir(os.path.join(z.data, "run")))
            for pid in descendants(z.process.pid):
                with open(f"/proc/{pid}/status") as f:
                    self.assertRegex(f.read(), r"Uid:\s+65534\s+65534\s+65534")
            z.wait_restarted("logd", z.signal("logd", signal.SIGKILL))
            wait_serves(z)
            pids = descendants(z.process.pid)
            z.process.kill()
            z.process.wait()
            self.assertLess(wait_gone(pids, 5), 1.0)

    def test_process_1(self):
        if not in_pid_namespace():
            self.skipTest("no PID namespaces here (unshare -fp is refused)")
        with Process1.start_as_process_1(Zkd()) as z:
            wait_serves(z)
            init = children(z.process.pid)[0]
            pids = descendants(init)
            os.kill(next(p for p in pids if Process1.name(p) == "clientd"), signal.SIGKILL)
            z.wait_line("ready daemon=clientd")
            wait_serves(z)
            pids = [init, *descendants(init)]
            os.kill(init, signal.SIGTERM)
            self.assertEqual(z.process.wait(5), 0)
            wait_gone(pids, 1)


if __name__ == "__main__":
    unittest.main()
