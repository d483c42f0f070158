"""What the chaos test stands on: who keeps the score, what the machine itself does, and the plan of faults."""

import asyncio
import collections
import os
import random
import threading
import time

import zkd_node

STALL_MAX = 1.0  # leave given for the machine's own stalls
REMEMBERED = 20000  # stalls that are looked back at
FAULTS_PER_SECOND = 3.5  # at most


class Judge:
    def __init__(self):
        self.began = time.monotonic()
        self.violations = collections.defaultdict(list)

    def violation(self, name, text):
        if len(self.violations[name]) < 5:
            print(f"VIOLATION at {time.monotonic() - self.began:.2f} s: {name}: {text}", flush=True)
        self.violations[name].append(text)

    @property
    def count(self):
        return sum(len(v) for v in self.violations.values())


class Machine:
    """What the machine does to everybody: stalls of the disk and of this process."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "stall")
        self.stalls = collections.deque(maxlen=REMEMBERED)  # (until, seconds)
        self.worst = 0.0
        self.running = True
        threading.Thread(target=self.write_and_sync, daemon=True).start()

    def write_and_sync(self):
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        while self.running:
            began = time.monotonic()
            os.pwrite(fd, b"x" * 512, 0)
            os.fdatasync(fd)
            now = time.monotonic()
            self.add(now, now - began)
            time.sleep(0.03)
        os.close(fd)

    async def watch_loop(self):
        while self.running:
            began = time.monotonic()
            await asyncio.sleep(0.01)
            now = time.monotonic()
            self.add(now, now - began - 0.01)

    def add(self, until, seconds):
        self.stalls.append((until, seconds))
        self.worst = max(self.worst, seconds)

    def leave(self, since):
        return min(STALL_MAX, max((s for until, s in list(self.stalls) if until >= since), default=0.0))


# hold: seconds that something sleeps; victim: whom it hits where the kind does not say.
Fault = collections.namedtuple("Fault", "kind pause second_after hold victim")


def make_plan(seed, seconds, only):
    """Faults with their pauses; a fault takes about as long as its recovery, so the plan is as long as it may get."""
    rng = random.Random(seed)
    weights = {f"kill {d}": 3 for d in zkd_node.DAEMONS}
    weights.update({f"stop {d}": 1 for d in zkd_node.DAEMONS})
    several = ("kill zkd", "stop zkd", "kill all", "stop all", "kill daemons", "stop daemons", "freeze one")
    weights.update({kind: 1 for kind in several})
    kinds = [k for k in weights if not only or k in only]
    plan = []
    for _ in range(int(seconds * FAULTS_PER_SECOND) + 1):
        kind = rng.choices(kinds, [weights[k] for k in kinds])[0]
        # A second daemon killed while the first comes back.
        second = rng.uniform(0.0, 0.3) if rng.random() < 0.15 else None
        plan.append(Fault(kind, rng.uniform(0.1, 0.8), second, rng.uniform(0.5, 1.5), rng.choice(zkd_node.DAEMONS)))
    return plan


def name_of(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as f:
        return os.path.basename(f.read().split(b"\0")[0].decode())


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(p) for p in f.read().split()]


def age_of(pid):
    """Seconds since the process was started."""
    with open(f"/proc/{pid}/stat") as f:
        started = int(f.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started
