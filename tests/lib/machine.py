"""What a machine of a test has beside its wires: a disk of its own that fills and fails, and a wall clock that steps.

    disk = Disk(image, folder)           a file system of its own at folder, in a file
    disk.fill(); disk.free()             not a block is left on it; as it was
    disk.fail(); disk.repair()           the kernel makes it read-only after an error, under the feet of those that have
                                         files open; checked and mounted again, when nobody has
    clock = Clock(folder)
    clock.wrap(["zkd", ...])             the command line that runs it with this clock
    clock.step(-3600000)                 from now on it is so many milliseconds off

The program must have mounts of its own (netlab.enter), so that what is left of them goes away with it.
"""

import contextlib
import errno
import os
import shutil
import struct
import subprocess

DISK_BYTES = 1 << 30  # sparse
BLOCK = 4096
FILLER = "filler"
CLOCK_SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wallclock.c")


def run(*command):
    r = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if r.returncode != 0:
        raise OSError(f"{' '.join(command)}: status {r.returncode}: {r.stdout.strip()}")
    return r.stdout.strip()


class Disk:
    def __init__(self, image, folder):
        self.image, self.folder = image, folder
        with open(image, "wb") as f:
            f.truncate(DISK_BYTES)
        run("mkfs.ext4", "-q", "-m", "0", image)
        os.makedirs(folder, exist_ok=True)
        self.mount()

    def mount(self):
        run("mount", "-o", "loop,errors=remount-ro", self.image, self.folder)
        self.device = os.path.basename(run("findmnt", "-n", "-o", "SOURCE", self.folder))

    def close(self):
        """Lazily: whoever still has a file open there is on the way out."""
        with contextlib.suppress(OSError):
            run("umount", "-l", self.folder)

    @property
    def filler(self):
        return os.path.join(self.folder, FILLER)

    def free_bytes(self):
        s = os.statvfs(self.folder)
        return s.f_bavail * s.f_frsize

    def fill(self):
        fd = os.open(self.filler, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            self.take_blocks(fd)
        finally:
            os.close(fd)

    def take_blocks(self, fd):
        """Most at once, then block by block, until there is none."""
        size = os.fstat(fd).st_size
        step = self.free_bytes()
        while step >= BLOCK:
            try:
                os.posix_fallocate(fd, size, step)
                size += step
            except OSError as e:
                if e.errno != errno.ENOSPC:
                    raise
                step = step // 2 // BLOCK * BLOCK

    def free(self):
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.filler)

    def fail(self):
        with open(f"/sys/fs/ext4/{self.device}/trigger_fs_error", "w") as f:
            f.write("test")

    def repair(self):
        run("umount", self.folder)
        subprocess.run(["e2fsck", "-p", self.image], stdout=subprocess.DEVNULL, check=False)  # 1: it was repaired
        self.mount()


class Clock:
    def __init__(self, folder):
        self.path = os.path.join(folder, "wallclock")
        self.preload = os.path.join(folder, "wallclock.so")
        self.step(0)
        run(shutil.which("cc") or "gcc", "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o", self.preload, CLOCK_SOURCE)

    def wrap(self, command):
        return ["env", f"LD_PRELOAD={self.preload}", f"ZKD_WALLCLOCK={self.path}", *command]

    def step(self, milliseconds):
        """In one piece, as the readers have it mapped."""
        self.offset_ms = milliseconds
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o644)
        os.pwrite(fd, struct.pack("=q", milliseconds), 0)
        os.close(fd)


def lacks_disks():
    """None, or why there can be no disks here."""
    for tool in ("mkfs.ext4", "e2fsck", "findmnt", "mount"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    return None if os.path.exists("/dev/loop-control") else "no loop devices here"
