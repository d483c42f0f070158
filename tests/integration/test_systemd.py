"""zkd under a real systemd, booted in namespaces: both the single unit and the split form. See systemd_boot and,
for what is tested, systemd_driver.py. Where namespaces are not permitted, or there is no systemd, it is skipped."""

import glob
import os
import shutil
import subprocess
import tempfile
import unittest

from zkd_process import BUILD, DAEMONS, DUMMY, real_suite_built

HERE = os.path.dirname(os.path.abspath(__file__))
UNITS = os.path.join(HERE, "..", "..", "systemd")
INSIDE = "/mnt/folder"  # where systemd_boot shows the folder
BOOT_SECONDS = 120
# What our units depend on by default.
STANDARD = ["basic", "sysinit", "sockets", "shutdown", "umount", "final", "exit", "network", "multi-user"]


def why_not():
    if os.geteuid() != 0:
        return "a systemd in namespaces needs root"
    if not os.access("/lib/systemd/systemd", os.X_OK):
        return "no systemd on this machine"
    if not os.access(DUMMY, os.X_OK):
        return "not built: make check_PROGRAMS (tests/integration/dummy)"
    probe = "d=$(mktemp -d) && mount -t cgroup2 none $d && mkdir $d/zkd-probe-$$ && rmdir $d/zkd-probe-$$ && umount $d"
    r = subprocess.run(
        ["timeout", "-s", "KILL", "10", "unshare", "-mpfCn", "--mount-proc", "sh", "-c", probe],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return None if r.returncode == 0 else f"namespaces or control groups are not permitted here: {r.stdout.strip()}"


SKIP = why_not()


def render(source, target):
    """A unit as make install would write it, for an installation below INSIDE."""
    with open(source) as f:
        text = f.read()
    for name, value in (("sbindir", f"{INSIDE}/supervisor"), ("pkglibexecdir", f"{INSIDE}/libexec"), ("sysconfdir", "/etc")):
        text = text.replace(f"@{name}@", value)
    with open(target, "w") as f:
        f.write(text)


@unittest.skipIf(SKIP, SKIP)
class Systemd(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="zkd-systemd-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        os.chmod(self.folder, 0o755)
        for name in ("units/zkd-.service.d", "units/zkd.service.d", "etc/zkd", "libexec", "supervisor", *DAEMONS):
            os.makedirs(os.path.join(self.folder, name))

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def install_units(self):
        for source in glob.glob(os.path.join(UNITS, "*.service.in")):
            render(source, self.path("units", os.path.basename(source)[: -len(".in")]))
        for pattern in ("*.socket", "*.target", "zkd-.service.d/*.conf"):
            for source in glob.glob(os.path.join(UNITS, pattern)):
                shutil.copy(source, self.path("units", os.path.relpath(source, UNITS)))
        for name in ("zkd.service.d", "zkd-.service.d"):  # there is no journal here
            with open(self.path("units", name, "99-log.conf"), "w") as f:
                f.write(f"[Service]\nStandardOutput=append:{INSIDE}/units.log\nStandardError=append:{INSIDE}/units.log\n")
        for name in STANDARD:
            shutil.copy(f"/lib/systemd/system/{name}.target", self.path("units"))
        shutil.copy("/lib/systemd/system/systemd-exit.service", self.path("units"))

    def install_journal(self):
        """journald as systemd installs it, with its catalog and ours; our lines go to it."""
        for name in ("zkd.service.d", "zkd-.service.d"):
            os.remove(self.path("units", name, "99-log.conf"))
        for name in ("systemd-journald.service", "systemd-journald.socket", "systemd-journald-dev-log.socket"):
            shutil.copy(f"/lib/systemd/system/{name}", self.path("units"))
        os.mkdir(self.path("catalog"))
        shutil.copy(os.path.join(UNITS, "zkd.catalog"), self.path("catalog"))
        shutil.copy(os.path.join(UNITS, "..", "common", "io", "events.def"), self.folder)
        # the boot lays an empty folder over /var; what the machine's own id is does not matter
        with open(self.path("etc", "machine-id"), "w") as f:
            f.write("0123456789abcdef0123456789abcdef\n")

    def install_programs(self, dummies):
        """The daemons twice: where the split form's units look, and where a zkd in a build tree does."""
        shutil.copy(os.path.join(BUILD, "supervisor", "zkd"), self.path("supervisor"))
        if not dummies:
            shutil.copy(os.path.join(BUILD, "zkctl", "zkctl"), self.folder)
        for name in (*DAEMONS, "admind"):
            os.makedirs(self.path(name), exist_ok=True)
            for place in (self.path("libexec", name), self.path(name, name)):
                shutil.copy(DUMMY if dummies else os.path.join(BUILD, name, name), place)

    def install_driver(self, kind):
        shutil.copy(os.path.join(HERE, "systemd_driver.py"), self.folder)
        shutil.copy(os.path.join(HERE, "..", "lib", "zkd_node.py"), self.folder)
        with open(self.path("etc", "zkd", "zoo.cfg"), "w") as f:
            f.write("dataDir=/var/lib/zkd\nclientPort=2181\n4lw.commands.whitelist=*\nadmin.enableServer=false\n")
        with open(self.path("units", "boot.target"), "w") as f:
            f.write(f"[Unit]\nWants=driver.service{' systemd-journald.service' if kind == 'journal' else ''}\n")
        for name in ("sysusers", "tmpfiles"):
            shutil.copy(os.path.join(UNITS, f"{name}.d", "zkd.conf"), self.path(f"{name}.conf"))
        commands = [
            f"ExecStartPre=systemd-sysusers {INSIDE}/sysusers.conf",
            f"ExecStartPre=systemd-tmpfiles --create {INSIDE}/tmpfiles.conf",
            f"ExecStart=/usr/bin/python3 -B {INSIDE}/systemd_driver.py",
            f"Environment=ZKD_KIND={kind}",
            f"StandardOutput=append:{INSIDE}/driver.log",
            f"StandardError=append:{INSIDE}/driver.log",
            "Type=exec",
        ]
        with open(self.path("units", "driver.service"), "w") as f:
            f.write("[Unit]\nDefaultDependencies=no\n[Service]\n" + "\n".join(commands) + "\n")

    def boot(self):
        script = [os.path.join(HERE, "systemd_boot"), self.folder]
        command = ["timeout", "-s", "KILL", str(BOOT_SECONDS), *script]
        r = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        log = ""
        for name in ("units.log", "driver.log"):
            if os.path.exists(self.path(name)):
                with open(self.path(name), errors="replace") as f:
                    log += f"--- {name}\n{f.read()[-30000:]}"
        subprocess.run([*script, "clean"], timeout=20, check=True)
        self.assertTrue(os.path.exists(self.path("result")), f"status {r.returncode}: {r.stdout}\n{log}")
        with open(self.path("result")) as f:
            self.assertEqual(f.read(), "passed", log)

    def run_kind(self, kind):
        self.install_units()
        if kind == "journal":
            self.install_journal()
        self.install_programs(kind == "dummies")
        self.install_driver(kind)
        self.boot()

    def test_with_dummies(self):
        self.run_kind("dummies")

    @unittest.skipIf(not real_suite_built(), "not built: the daemons")
    def test_with_the_daemons(self):
        self.run_kind("daemons")

    @unittest.skipIf(not real_suite_built(), "not built: the daemons")
    @unittest.skipIf(not os.access("/lib/systemd/systemd-journald", os.X_OK), "no journald on this machine")
    def test_with_a_journal(self):
        self.run_kind("journal")


if __name__ == "__main__":
    unittest.main()
