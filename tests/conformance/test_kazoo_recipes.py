"""kazoo's recipes, as Python programs use them, also while the node restarts."""

import contextlib
import threading

import pytest
from kazoo.client import KazooState
from kazoo.exceptions import ConnectionLoss, LockTimeout, OperationTimeoutError, SessionExpiredError
from kazoo.recipe.cache import TreeCache, TreeEvent
from kazoo.retry import KazooRetry
from zkd_node import wait_until

LOSSES = (ConnectionLoss, OperationTimeoutError, SessionExpiredError)


@pytest.fixture
def clients(node):
    """clients(n): n clients with sessions of their own."""
    made = []

    def make(n):
        made.extend(node.client(timeout=20, connection_retry=KazooRetry(max_tries=-1, delay=0.05, backoff=1)) for _ in range(n))
        return made[-n:]

    yield make
    for c in made:
        c.stop()
        c.close()


@pytest.fixture
def root(clients, request):
    path = f"/recipes/{request.node.name}"
    clients(1)[0].ensure_path(path)
    return path


def restart(node, clients):
    """The node goes and comes back; all clients are connected again with the sessions that they had."""
    sessions = [c.client_id[0] for c in clients]
    suspended = [threading.Event() for _ in clients]
    for c, gone in zip(clients, suspended):
        c.add_listener(lambda state, gone=gone: gone.set() if state == KazooState.SUSPENDED else None)
    node.stop()
    assert all(gone.wait(20) for gone in suspended)
    node.start()
    wait_until(lambda: all(c.state == KazooState.CONNECTED for c in clients), 20, "all are connected")
    assert [c.client_id[0] for c in clients] == sessions


def in_threads(*calls):
    """Runs all at once; what they return, in order."""
    out = [None] * len(calls)

    def run(i):
        out[i] = calls[i]()

    threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(len(calls))]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
        assert not t.is_alive(), "one of them does not come back"
    return out


def test_lock_over_a_restart(node, clients, root):
    one, two = clients(2)
    lock, other = one.Lock(f"{root}/lock", "one"), two.Lock(f"{root}/lock", "two")
    assert lock.acquire(timeout=20)
    restart(node, [one, two])
    assert lock.contenders() == ["one"]
    with pytest.raises(LockTimeout):
        other.acquire(timeout=0.5)
    lock.release()
    assert other.acquire(timeout=20)
    other.release()


def test_read_and_write_locks(clients, root):
    one, two, three = clients(3)
    readers = [c.ReadLock(f"{root}/rw") for c in (one, two)]
    writer = three.WriteLock(f"{root}/rw")
    assert all(r.acquire(timeout=20) for r in readers)
    assert not writer.acquire(blocking=False)
    readers[0].release()
    assert not writer.acquire(blocking=False)
    readers[1].release()
    assert writer.acquire(timeout=20)
    assert not one.ReadLock(f"{root}/rw").acquire(blocking=False)
    writer.release()


def test_semaphore(clients, root):
    made = [c.Semaphore(f"{root}/semaphore", max_leases=2) for c in clients(3)]
    assert made[0].acquire() and made[1].acquire()
    assert not made[2].acquire(blocking=False)
    made[0].release()
    assert made[2].acquire(timeout=20)
    assert len(made[0].lease_holders()) == 2


def test_election_over_a_restart(node, clients, root):
    one, two = clients(2)
    led, enough = [], threading.Event()

    def lead(name):
        led.append(name)
        assert enough.wait(120)

    elections = [c.Election(f"{root}/election", name) for c, name in ((one, "one"), (two, "two"))]
    threads = [threading.Thread(target=e.run, args=(lead, n), daemon=True) for e, n in zip(elections, ("one", "two"))]
    threads[0].start()
    wait_until(lambda: led == ["one"], 20, "the first leads")
    threads[1].start()
    wait_until(lambda: elections[0].contenders() == ["one", "two"], 20, "both stand")
    restart(node, [one, two])
    assert elections[0].contenders() == ["one", "two"] and led == ["one"]
    enough.set()
    wait_until(lambda: led == ["one", "two"], 20, "the second leads")
    for t in threads:
        t.join(10)


def test_barriers(clients, root):
    one, two = clients(2)
    barrier = one.Barrier(f"{root}/barrier")
    barrier.create()
    passed = []
    t = threading.Thread(target=lambda: passed.append(two.Barrier(f"{root}/barrier").wait(20)), daemon=True)
    t.start()
    t.join(0.3)
    assert not passed
    barrier.remove()
    t.join(10)
    assert passed == [True]
    doubles = [c.DoubleBarrier(f"{root}/double", 2) for c in (one, two)]
    in_threads(*(d.enter for d in doubles))
    assert all(d.participating for d in doubles)
    in_threads(*(d.leave for d in doubles))
    assert not one.get_children(f"{root}/double")


def test_queues(clients, root):
    one, two, three = clients(3)
    queue = one.Queue(f"{root}/queue")
    for i in range(30):
        queue.put(str(i).encode(), priority=100 - i)
    taken = in_threads(
        lambda: [two.Queue(f"{root}/queue").get() for _ in range(15)],
        lambda: [three.Queue(f"{root}/queue").get() for _ in range(15)],
    )
    assert sorted(int(v) for v in taken[0] + taken[1]) == list(range(30))
    locking = one.LockingQueue(f"{root}/locking")
    locking.put_all([b"a", b"b"])
    other = two.LockingQueue(f"{root}/locking")
    assert locking.get(20) == b"a" and other.get(20) == b"b"
    assert locking.consume() and other.consume()
    assert len(locking) == 0


def test_counter_over_a_restart(node, clients, root):
    made = clients(3)

    def add(client):
        counter = client.Counter(f"{root}/counter", default=5)
        for _ in range(20):
            counter += 1

    in_threads(*(lambda c=c: add(c) for c in made))
    restart(node, made)
    in_threads(*(lambda c=c: add(c) for c in made))
    assert made[0].Counter(f"{root}/counter").value == 125


def test_party(node, clients, root):
    made = clients(3)
    parties = [c.Party(f"{root}/party", f"guest {i}") for i, c in enumerate(made)]
    for p in parties:
        p.join()
    assert sorted(parties[0]) == ["guest 0", "guest 1", "guest 2"]
    shallow = made[0].ShallowParty(f"{root}/party", "looks on")
    assert len(shallow) == 3
    restart(node, made)
    assert len(parties[0]) == 3
    made[2].stop()  # its seat goes with it
    wait_until(lambda: sorted(parties[0]) == ["guest 0", "guest 1"], 8, "one has left")
    parties[1].leave()
    assert list(parties[0]) == ["guest 0"]


def test_tree_cache_over_a_restart(node, clients, root):
    one, two = clients(2)
    events, seen = [], threading.Event()
    cache = TreeCache(one, f"{root}/tree")
    cache.listen(lambda e: (events.append((e.event_type, e.event_data and e.event_data.path)), seen.set()))
    cache.start()
    wait_until(lambda: (TreeEvent.INITIALIZED, None) in events, 20, "begun")
    two.ensure_path(f"{root}/tree/a/b/c")
    # A change that comes before the cache has looked is no change to it.
    wait_until(lambda: (TreeEvent.NODE_ADDED, f"{root}/tree/a/b/c") in events, 20, "told of the new ones")
    two.set(f"{root}/tree/a/b", b"1")
    wait_until(lambda: (TreeEvent.NODE_UPDATED, f"{root}/tree/a/b") in events, 20, "told of the change")
    restart(node, [one, two])
    two.create(f"{root}/tree/a/new", b"2")
    two.delete(f"{root}/tree/a/b/c")
    wait_until(
        lambda: (TreeEvent.NODE_ADDED, f"{root}/tree/a/new") in events
        and (TreeEvent.NODE_REMOVED, f"{root}/tree/a/b/c") in events,
        20,
        "told of what came after",
    )
    assert cache.get_data(f"{root}/tree/a/new").data == b"2"
    assert sorted(cache.get_children(f"{root}/tree/a")) == ["b", "new"]
    cache.close()


def test_transactions_under_contention(clients, root):
    made = clients(3)
    made[0].create(f"{root}/total", b"0")

    def add(client, name):
        done = 0
        while done < 15:
            data, stat = client.get(f"{root}/total")
            t = client.transaction()
            t.check(f"{root}/total", stat.version)
            t.set_data(f"{root}/total", str(int(data) + 1).encode(), version=stat.version)
            t.create(f"{root}/{name}-", sequence=True)
            results = t.commit()
            done += not any(isinstance(r, Exception) for r in results)

    in_threads(*(lambda c=c, n=n: add(c, n) for n, c in zip("abc", made)))
    assert made[0].get(f"{root}/total")[0] == b"45"
    assert len(made[0].get_children(root)) == 46  # what failed left nothing


def test_a_queue_of_writes_over_a_restart(node, clients, root):
    """What was acknowledged is there; what was not may be, once."""
    one, two = clients(2)
    acknowledged = []

    def write():
        for i in range(400):
            with contextlib.suppress(*LOSSES):
                acknowledged.append(one.create(f"{root}/n{i:03d}"))
            if len(acknowledged) == 150:
                halfway.set()

    halfway = threading.Event()
    t = threading.Thread(target=write, daemon=True)
    t.start()
    assert halfway.wait(20)
    restart(node, [two])
    t.join(30)
    assert not t.is_alive()
    assert {p.rsplit("/", 1)[1] for p in acknowledged} <= set(two.get_children(root))
    assert len(acknowledged) > 300
