"""The real electiond on the real network: among its like, beside peers that the test plays, and under hostile bytes.
syncd's part is the test's. What Apache ZooKeeper says to it is in tests/conformance/test_election.py; what the core decides
is tested in tests/unit/test_election.c."""

import contextlib
import json
import os
import signal
import socket
import struct
import sys
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

import electing  # noqa: E402
import zkd_node  # noqa: E402
from electing import (  # noqa: E402
    FOLLOWING,
    LEADING,
    LOOKING,
    ROLE_FOLLOWER,
    ROLE_LEADER,
    ROLE_OBSERVER,
    Electiond,
    Peer,
    Result,
    initial,
    notification,
)

pytestmark = pytest.mark.skipif(not electing.built(), reason="electiond is not built")


@pytest.fixture
def cluster():
    """cluster(n, observers=..., keys=..., only=sids) starts electionds; all end with the test."""
    with contextlib.ExitStack() as stack:

        def begin(n, observers=(), only=None, servers=None, **options):
            servers = servers or electing.server_list(n, observers)
            return {sid: stack.enter_context(Electiond(sid, servers, **options)) for sid in only or servers}

        yield begin


@pytest.fixture
def port_of():
    """Listeners of servers that the test plays."""
    with contextlib.ExitStack() as stack:

        def listen(servers, sid):
            host, _, port = servers[sid].split(":")[:3]
            return stack.enter_context(socket.create_server((host, int(port))))

        yield listen


def leave_all(nodes):
    """Nobody answers any more for the role it had."""
    for e in nodes.values():
        e.leave()
    for e in nodes.values():
        e.wait_fact("phase", "idle")


def elected(nodes):
    results = {sid: e.result() for sid, e in nodes.items()}
    leaders = {r.leader for r in results.values()}
    assert len(leaders) == 1, results
    return leaders.pop(), results


def settled(nodes, zxid):
    """
    As elected; but syncd would let some look again: who follows one that does not lead, and who leads without a quorum
    that follows (those who had voted for it heard of a better one before they had settled).
    """
    results = {sid: e.result() for sid, e in nodes.items()}
    for _ in range(5):
        followed = {sid: sum(r.leader == sid for r in results.values()) > len(nodes) / 2 for sid in nodes}
        astray = [sid for sid, r in results.items() if results[r.leader].state != ROLE_LEADER]
        astray += [sid for sid, r in results.items() if r.state == ROLE_LEADER and not followed[sid]]
        for sid in astray:
            nodes[sid].look(zxid=zxid)
        results.update({sid: nodes[sid].result() for sid in astray})
    leaders = {r.leader for r in results.values()}
    assert len(leaders) == 1, results
    return leaders.pop()


# Among themselves


def test_three_elect_the_best(cluster):
    nodes = cluster(3)
    for sid, e in nodes.items():
        e.look(zxid={1: 5, 2: 9, 3: 7}[sid], epoch=0)
    leader, results = elected(nodes)
    assert leader == 2
    assert [results[s].state for s in (1, 2, 3)] == [ROLE_FOLLOWER, ROLE_LEADER, ROLE_FOLLOWER]
    assert all(r.zxid == 9 and r.epoch == 0 and r.round >= 1 for r in results.values())
    # the epoch counts before the zxid, and the sid decides between equals
    leave_all(nodes)
    for sid, e in nodes.items():
        e.look(zxid=1, epoch={1: 1, 2: 0, 3: 1}[sid])
    assert elected(nodes)[0] == 3


def test_who_looks_first_is_heard_by_who_looks_later(cluster):
    """No election waits for a vote to be said again: 200 ms are the first such wait, and would be in each."""
    took = []
    while len(took) < 15 and min(took, default=1) >= 0.1:
        nodes = cluster(3)
        nodes[3].look(zxid=1)
        nodes[3].wait_fact("connected", "2")
        for sid in (1, 2):
            nodes[sid].look(zxid=1)
        begin = time.monotonic()
        assert elected(nodes)[0] == 3
        took.append(time.monotonic() - begin)
        for e in nodes.values():
            e.close()
    assert min(took) < 0.1, took


def test_an_observer_only_follows(cluster):
    nodes = cluster(4, observers=(4,))
    nodes[4].look(zxid=99, epoch=9, observer=True)
    nodes[4].nothing_for(0.3)
    for sid in (1, 2, 3):
        nodes[sid].look(zxid=1)
    leader, results = elected(nodes)
    assert leader == 3 and results[4].state == ROLE_OBSERVER


def test_no_quorum_no_leader_and_a_latecomer_makes_it(cluster):
    servers = electing.server_list(3)
    one = cluster(3, servers=servers, only=[1])[1]
    one.look()
    one.nothing_for(1.0)
    two = cluster(3, servers=servers, only=[2])[2]
    two.look()
    assert elected({1: one, 2: two})[0] == 2
    three = cluster(3, servers=servers, only=[3])[3]
    three.look(zxid=50)
    assert three.result().leader == 2


def test_join_a_running_ensemble(cluster):
    nodes = cluster(3)
    for sid in (1, 2):
        nodes[sid].look(zxid=3)
    two = {s: nodes[s] for s in (1, 2)}
    _, results = elected(two)
    # in sync, in the new epoch
    for sid, e in two.items():
        e.role(results[sid]._replace(epoch=1))
    nodes[3].look(zxid=0x500000000, epoch=5)
    assert nodes[3].result()[:3] == (2, results[1].round, ROLE_FOLLOWER)


def test_a_restarted_electiond_knows_its_role_again(cluster):
    nodes = cluster(3)
    for e in nodes.values():
        e.look(zxid=3)
    leader, results = elected(nodes)
    for sid, e in nodes.items():
        e.role(results[sid]._replace(epoch=1))
    nodes[1].kill()
    nodes[1].start()
    nodes[1].role(results[1]._replace(epoch=1))
    nodes[1].wait_fact("phase", "settled")
    # one that lost its role is told so by all of them, also by the new process
    nodes[2].look(zxid=3, epoch=1)
    assert nodes[2].result().leader == leader
    for sid in (1, 3):
        nodes[sid].nothing_for(0.1)


def test_restart_in_the_middle_of_an_election(cluster):
    nodes = cluster(3)
    for sid in (1, 2):
        nodes[sid].look()
    two = {s: nodes[s] for s in (1, 2)}
    nodes[1].kill()
    nodes[1].start()
    nodes[1].look()
    assert elected(two)[0] == 2


def test_one_by_one_restarts_under_elections(cluster):
    nodes = cluster(3)
    for i in range(6):
        leave_all(nodes)
        for sid, e in nodes.items():
            if sid == i % 3 + 1:
                e.kill()
                e.start()
            e.look(zxid=i)
        # the others may have settled before one that was restarted said its word
        assert settled(nodes, i) == 3 or i % 3 + 1 == 3


def test_leave_is_silence(cluster):
    nodes = cluster(3)
    for e in nodes.values():
        e.look()
    elected(nodes)
    leave_all(nodes)
    for sid in (1, 2):
        nodes[sid].look()
    assert elected({s: nodes[s] for s in (1, 2)})[0] == 2


def test_syncd_gone_means_no_role(cluster):
    nodes = cluster(3)
    for e in nodes.values():
        e.look()
    elected(nodes)
    nodes[3].syncd.close()
    nodes[3].wait_fact("phase", "idle")
    nodes[3].greet()
    # the others still say that 3 leads, which does not say it itself
    nodes[3].look(zxid=1)
    nodes[3].nothing_for(0.5)
    for sid in (1, 2):
        nodes[sid].leave()
        nodes[sid].look()
    assert elected(nodes)[0] == 3


def test_ipv6_names_and_several_addresses(cluster):
    q = electing.take_ports(8)
    servers = {
        1: f"[::1]:{q[0]}:{q[1]}",
        2: f"localhost:{q[2]}:{q[3]}",
        3: f"127.0.0.9:{q[4]}:{q[5]}|127.0.0.3:{q[6]}:{q[7]}",
    }
    nodes = cluster(3, servers=servers, keys={"multiAddress.enabled": "true"})
    # one of its two paths is gone
    nodes[3].election[0].shutdown(socket.SHUT_RDWR)
    for e in nodes.values():
        e.look()
    assert elected(nodes)[0] == 3
    for e in nodes.values():
        e.wait_fact("connected", "2")


def test_a_name_that_is_none_costs_that_peer_only(cluster):
    servers = electing.server_list(3)
    q = electing.take_ports(2)
    servers[4] = f"-no.such.name-:{q[0]}:{q[1]}"
    servers[5] = f"127.0.0.1:{electing.take_ports(1)[0]}:{electing.take_ports(1)[0]}"
    nodes = cluster(5, servers=servers, only=[1, 2, 3])
    for e in nodes.values():
        e.look()
    assert elected(nodes)[0] == 3


# The port


def test_the_larger_sid_dials(cluster, port_of):
    servers = electing.server_list(3)
    listeners = {sid: port_of(servers, sid) for sid in (1, 3)}
    two = cluster(3, servers=servers, only=[2])[2]
    two.look()
    # to the larger one it only says who it is
    peer, sid, addresses = Peer.accept(listeners[3])
    assert (sid, addresses) == (2, [f"127.0.0.1:{two.election_port}"])
    with peer:
        assert peer.ended()
    with Peer.dial(two.election_port, 3) as p:
        assert p.receive().leader == 2
    # with the smaller one it stays, its vote behind the initial message
    peer, sid, _ = Peer.accept(listeners[1])
    assert sid == 2 and peer.receive()[:3] == (LOOKING, 2, 0)
    # the smaller one dials although there is a connection: it is closed, and dialled back
    with Peer.dial(two.election_port, 1) as p:
        assert p.ended()
    again, sid, _ = Peer.accept(listeners[1])
    assert sid == 2 and again.receive()[:3] == (LOOKING, 2, 0)
    assert peer.ended()
    again.close()


def test_a_listener_that_dies_with_a_dial_in_it(cluster, port_of):
    """The kernel takes connections for a server that is dying. Nobody waits for that one's vote (finalizeWait is 200 ms)."""
    took = []
    while len(took) < 5 and min(took, default=1) >= 0.15:
        servers = electing.server_list(3)
        listeners = {sid: port_of(servers, sid) for sid in (1, 3)}
        two = cluster(3, servers=servers, only=[2])[2]
        two.look()
        one, _, _ = Peer.accept(listeners[1])
        with one:
            assert one.receive()[:2] == (LOOKING, 2)
            one.send(notification(LOOKING, 2, 0, 1, 0))
            began = time.monotonic()
            listeners[3].close()
            assert two.result().leader == 2
            took.append(time.monotonic() - began)
        two.close()
    assert min(took) < 0.15, took


def test_a_dial_that_crossed_is_no_reason_for_another(cluster, port_of):
    servers = electing.server_list(3)
    listener = port_of(servers, 1)
    two = cluster(3, servers=servers, only=[2])[2]
    two.look()
    peer, _, _ = Peer.accept(listener)
    peer.receive()
    for round in range(1, 6):
        with Peer.dial(two.election_port, 1) as p:
            assert p.ended()
        # a sign of life on the connection that there is, in time
        peer.send(notification(LOOKING, 1, 0, 1, 0))
        try:
            peer = Peer.accept(listener, seconds=0.4)[0]
        except TimeoutError:
            assert not peer.ended(0.1)
            return
    pytest.fail(f"it dials back each of {round} times")


def test_a_newer_connection_takes_the_place_of_an_older(cluster):
    one = cluster(3, only=[1])[1]
    one.look()
    with Peer.dial(one.election_port, 3) as old:
        assert old.receive().leader == 1
        with Peer.dial(one.election_port, 3) as new:
            assert old.ended()
            assert new.receive().leader == 1
            new.send(notification(LOOKING, 3, 7, 1, 0))
            assert new.wait_vote(lambda v: v.leader == 3).zxid == 7


@pytest.mark.parametrize("handshake", ["sid", "one", "several"])
@pytest.mark.parametrize("form", ["oldest", "3.4", "new"])
def test_every_version_is_understood(cluster, handshake, form):
    one = cluster(3, only=[1])[1]
    one.look(zxid=1)
    zxid = (2 << 32) + 5
    with Peer.dial(one.election_port, 3, form=handshake, addresses=["127.0.0.1:1", "[::1]:2"]) as p:
        first = p.receive()
        assert first[:5] == (LOOKING, 1, 1, 1, 0) and first.config.endswith("version=0")
        p.send(notification(LOOKING, 3, zxid, 1, 2, form=form))
        assert p.wait_vote(lambda v: v.leader == 3)[:5] == (LOOKING, 3, zxid, 1, 2)
        assert one.result() == Result(3, 1, ROLE_FOLLOWER, zxid, 2)
        # one that looks is told, in all of its forms
        p.send(notification(LOOKING, 3, zxid, 2, 2, form=form))
        assert p.wait_vote(lambda v: v.state == FOLLOWING).leader == 3


def test_a_leader_of_the_old_version_is_followed(cluster):
    one = cluster(3, only=[1])[1]
    one.look(zxid=1)
    with Peer.dial(one.election_port, 3, form="sid") as three, Peer.dial(one.election_port, 2, form="sid") as two:
        three.send(notification(LEADING, 3, 9, 7, 1, form="3.4"))
        two.send(notification(FOLLOWING, 3, 9, 7, 1, form="3.4"))
        assert one.result()[:3] == (3, 7, ROLE_FOLLOWER)


def test_observers_without_a_number_and_servers_not_listed_are_answered(cluster):
    one = cluster(3, only=[1, 2])
    for e in one.values():
        e.look()
    elected(one)
    with Peer.dial(one[1].election_port, 77) as p:
        p.send(notification(LOOKING, 77, 0, 1, 0))
        assert p.wait_vote(lambda v: v.state == FOLLOWING).leader == 2
    # Long.MAX stands for none: such a one is dialled back where it says it is
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with Peer.dial(one[1].election_port, (1 << 63) - 1, addresses=[f"127.0.0.1:{port}"]) as p:
            assert p.ended()
        peer, sid, _ = Peer.accept(listener)
        assert sid == 1
        with peer:
            peer.send(notification(LOOKING, -(1 << 63), -(1 << 63), 1, -(1 << 63)))
            assert peer.wait_vote(lambda v: v.state == FOLLOWING).leader == 2


def test_a_newer_configuration_goes_to_syncd_and_comes_back(cluster):
    one = cluster(5, only=[1])[1]
    one.look()
    with Peer.dial(one.election_port, 3) as p:
        config = p.receive().config
        newer = config.replace("version=0", "version=100000000")
        p.send(notification(LOOKING, 3, 1, 1, 0, config=newer))
        kind, _, zxid, body = one.syncd.receive()
        assert (kind, zxid, body.decode()) == (electing.CONFIG, 0x100000000, newer)
        one.config(newer)
        # the same servers vote: the round goes on, under the new version
        vote = p.wait_vote(lambda v: v.config == newer)
        assert (vote.leader, vote.round) == (3, 1)
        # others vote: it begins again
        lines = newer.splitlines()
        other = "\n".join([*lines[:4], lines[4].replace("participant", "observer"), "version=100000001"])
        one.config(other)
        vote = p.wait_vote(lambda v: v.config == other)
        assert (vote.leader, vote.round) == (1, 2)
        assert one.facts()["members_version"] == "0x100000001"


def test_bad_messages_of_syncd_end_the_link_only(cluster):
    one = cluster(3, only=[1])[1]
    for kind, body in (
        (electing.LOOK, electing.proto({1: 2})),
        (electing.LOOK, b"\xff"),
        (electing.RESULT, electing.proto({1: 1, 3: 0})),
        (electing.RESULT, electing.proto({1: 1, 3: 9})),
        (electing.CONFIG, b"server.1=a\nversion=1"),
        (electing.CONFIG, b"server.1=a:1:2\nversion=1"),
        (7, b""),
    ):
        one.syncd.send(kind, body=body)
        assert one.syncd.receive() is None
        one.syncd.close()
        one.greet()
    assert one.alive()


# Hostile bytes (ZOOKEEPER-2186, 3769)

GARBAGE = [
    b"\x80",  # half a handshake, then silence
    initial(3)[:19],
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 200,
    b"\xff" * 4096,
    struct.pack(">qqi", -65536, 3, 2049) + b"a" * 2049,
    struct.pack(">qqi", -65536, 3, -1),
    struct.pack(">qqi", -65536, 3, 0),
    struct.pack(">qqi", -65536, -3, 5) + b"a:123",
    struct.pack(">qqi", -65536, 3, 5) + b"a:b:c",
    struct.pack(">q", -1),
    struct.pack(">qqi", -65536, 1, 5) + b"a:123",  # it says that it is this server
    initial(2) + struct.pack(">i", -1),
    initial(2) + struct.pack(">i", 0x7FFFFFFF) + b"x" * 100000,
    initial(2) + struct.pack(">i", 524289),
]


@pytest.fixture
def besieged(cluster, port_of):
    """Servers 1 and 3; 2 does not run: it is for impostors."""
    servers = electing.server_list(3)
    return cluster(3, servers=servers, only=[1, 3], keys={"quorumCnxnTimeoutMs": 1500}, verbose=False)


def test_garbage_costs_its_connection_only(besieged):
    held = []
    for data in GARBAGE * 20:
        p = Peer.dial(besieged[1].election_port)
        with contextlib.suppress(ConnectionError):
            p.send(data)
        held.append(p)
    for e in besieged.values():
        e.look()
    assert elected(besieged)[0] == 3
    for i, p in enumerate(held):
        assert p.ended(5), GARBAGE[i % len(GARBAGE)][:40]
        p.close()
    assert besieged[1].alive()
    lines = [line for line in besieged[1].log().splitlines() if "connection refused" in line]
    assert 1 <= len(lines) <= 8, lines


def test_notifications_that_make_no_sense_are_passed_over(besieged):
    one = besieged[1]
    one.look()
    with Peer.dial(one.election_port, 2) as p:
        p.receive()
        for body in (b"x", b"\x00" * 27, b"\x00" * 29, struct.pack(">iqqqqi", 9, 1, 1, 1, 1, 1), b"\x00" * 43):
            p.send(struct.pack(">i", len(body)) + body)
        # an absurd configuration length inside a good frame
        p.send(struct.pack(">i", 44) + struct.pack(">iqqqqii", 0, 2, 1, 1, 0, 2, 1 << 30))
        p.send(notification(LOOKING, 2, 5, 1, 0))
        assert p.wait_vote(lambda v: v.leader == 2).zxid == 5


def test_half_a_notification_is_not_waited_for(besieged):
    """A length that is wrong would make the connection deaf for good."""
    one = besieged[1]
    one.look()
    with Peer.dial(one.election_port, 2) as p:
        p.receive()
        p.send(struct.pack(">i", 1000) + b"\x00" * 44)
        assert p.ended(5)
    assert one.alive()


def test_silence_is_limited(besieged):
    begin = time.monotonic()
    with Peer.dial(besieged[1].election_port) as p:
        assert p.ended(5)
    assert 1.2 < time.monotonic() - begin < 4


def test_thousands_of_connections(besieged):
    """They sit there and say nothing, or half a word; an election among them takes no longer."""
    held = []
    for i in range(3000):
        s = socket.socket()
        s.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            s.connect(("127.0.0.1", besieged[1].election_port))
        held.append(s)
        if i == 1500:
            for e in besieged.values():
                e.look()
    assert elected(besieged)[0] == 3
    facts = besieged[1].facts()
    assert int(facts["unknown"]) <= 256
    for s in held:
        s.close()
    # and it still hears
    with Peer.dial(besieged[1].election_port, 2) as p:
        p.send(notification(LOOKING, 2, 0, 1, 0))
        assert p.receive().leader == 3
    assert len([x for x in besieged[1].log().splitlines() if "connection refused" in x]) <= 8


def test_a_flood_of_votes_and_of_strangers(besieged):
    one = besieged[1]
    flood = notification(LOOKING, 2, 0, 1, 0, config="x" * 1000) * 2000
    with Peer.dial(one.election_port, 2) as p:
        p.socket.setblocking(False)
        strangers = [Peer.dial(one.election_port, 1000 + i) for i in range(50)]
        left = flood
        for i in range(20):
            with contextlib.suppress(BlockingIOError):
                left = left[p.socket.send(left) :] or flood  # whole votes, or it is garbage
            with contextlib.suppress(ConnectionError):  # it may have been shown out already
                strangers[i].send(notification(LOOKING, 5, 1, 1, 0))
        # the impostor and one would elect each other: three is to be heard before one looks
        besieged[3].look()
        besieged[3].wait_fact("connected", "1")
        one.look()
        assert elected(besieged)[0] == 3
        assert sum(s.ended(0.1) for s in strangers) >= 30
        for s in strangers:
            s.close()


def test_an_impostor_that_keeps_calling_keeps_nobody_dialling(cluster, port_of):
    servers = electing.server_list(3)
    listener = port_of(servers, 1)
    two = cluster(3, servers=servers, only=[2])[2]
    two.look()
    real, _, _ = Peer.accept(listener)
    for _ in range(100):
        with Peer.dial(two.election_port, 1, addresses=["127.0.0.1:1"]) as p:
            assert p.ended()
    dials = 0
    with contextlib.suppress(TimeoutError):
        while True:
            Peer.accept(listener, seconds=0.4)[0].close()
            dials += 1
    assert dials <= 15
    real.close()


# Deaf


def test_a_deaf_electiond_beats_no_more(cluster):
    one = cluster(3, only=[1], environment={"WATCHDOG_USEC": "300000"})[1]
    one.wait_fact("self_checks", lambda v: int(v) >= 2)
    # nobody gets through to it any more, and itself knows of nothing
    one.election[0].shutdown(socket.SHUT_RDWR)
    one.wait_log("deaf: a connection to the own port is not accepted")
    one.signs.settimeout(1.0)
    with pytest.raises(TimeoutError):
        for _ in range(100):
            one.signs.recv(4096)
    one.election[0].listen()
    one.wait_log("hears again")
    one.signs.settimeout(5)
    while b"WATCHDOG=1" not in one.signs.recv(4096):
        pass


def test_it_stops_in_order(cluster):
    nodes = cluster(3)
    for e in nodes.values():
        e.look()
    elected(nodes)
    assert all(e.stop() == 0 for e in nodes.values())


def test_its_resolver_ends_with_it(cluster):
    one = cluster(3, only=[1])[1]
    with open(f"/proc/{one.process.pid}/task/{one.process.pid}/children") as f:
        child = int(f.read().split()[0])
    os.kill(child, signal.SIGKILL)
    # nobody can make a new one behind the locked door: it ends, to be restarted
    assert one.process.wait(10) == 1
    one.syncd.close()
    one.start()
    with open(f"/proc/{one.process.pid}/task/{one.process.pid}/children") as f:
        child = int(f.read().split()[0])
    one.kill()
    electing.wait_until(lambda: not os.path.exists(f"/proc/{child}/fd"), 5, "the resolver ends")


def test_the_votes_as_they_stand(cluster):
    nodes = cluster(3)
    nodes[1].look(zxid=4)
    nodes[1].wait_fact("vote.1", "state=looking leader=1 round=1 epoch=0 zxid=0x4")
    answer = nodes[1].zkctl("election", "--json")
    assert answer["sid"] == 1 and answer["round"] == 1 and answer["outside"] == []
    assert answer["votes"] == [
        {"sid": 1, "link": "this server", "state": "looking", "leader": 1, "round": 1, "epoch": 0, "zxid": "0x4"}
    ]
    for sid in (2, 3):
        nodes[sid].look(zxid=4)
    leader, _ = elected(nodes)
    votes = {v["sid"]: v for v in nodes[1].zkctl("election", "--json")["votes"]}
    assert votes[1]["state"] == "following" and votes[1]["leader"] == leader
    assert {votes[s]["link"] for s in votes} <= {"this server", "connected"}
    shown = nodes[1].zkctl("election").splitlines()
    assert shown[0].startswith("following: leader ") and any(x.startswith("1       following") for x in shown)


def test_states_of_the_facts(cluster):
    nodes = cluster(3)
    for e in nodes.values():
        e.look()
    leader, _ = elected(nodes)
    facts = nodes[1].facts()
    assert facts["sid"] == "1" and facts["phase"] == "settled" and facts["elections"] == "1"
    assert f"leader={leader}" in facts["vote.1"] and facts["peer.3"] == "connected"


# In whole nodes


@pytest.fixture
def ensemble():
    """Three zkd nodes on ports of their own."""
    servers = electing.server_list(3)
    ports = electing.take_ports(3)
    with contextlib.ExitStack() as stack:
        nodes = {}
        for sid in servers:
            keys = {"initLimit": 10, "syncLimit": 5, "tickTime": 2000, "myid": sid}
            keys.update({f"server.{s}": line for s, line in servers.items()})
            nodes[sid] = zkd_node.Node(port=ports[sid - 1], keys=keys)
            stack.callback(nodes[sid].close)
            nodes[sid].start(wait=False)
        electing.wait_until(lambda: all(mode(n) for n in nodes.values()), 30, "the ensemble serves")
        yield nodes


def mode(node):
    with contextlib.suppress(OSError):
        for line in zkd_node.four_letter(node.port, "srvr", 1.0).splitlines():
            if line.startswith("Mode: "):
                return line.split()[1]
    return ""


def election_of(node):
    return json.loads(node.zkctl("election", "--json"))


def is_settled(node):
    with contextlib.suppress(zkd_node.NodeError):  # a new electiond may not answer yet
        return election_of(node)["text"].split(":")[0] in ("following", "leading")
    return False


@pytest.mark.skipif(not zkd_node.built(), reason="zkd is not built")
def test_nobody_misses_electiond_and_its_successor_knows_the_role(ensemble):
    modes = {sid: mode(n) for sid, n in ensemble.items()}
    assert sorted(modes.values()) == ["follower", "follower", "leader"]
    zk = ensemble[1].client()
    try:
        for how in (signal.SIGKILL, signal.SIGSTOP):
            for node in ensemble.values():
                old = node.pid("electiond")
                os.kill(old, how)
                zk.set("/", b"written")
                electing.wait_until(lambda node=node, old=old: node.pid("electiond") not in (0, old), 10, "a new electiond")
                electing.wait_until(lambda node=node: is_settled(node), 10, "it knows the node's role")
        # nobody held an election for that, and nobody lost its place
        assert {sid: mode(n) for sid, n in ensemble.items()} == modes
        assert {election_of(n)["elections"] for n in ensemble.values()} == {0}
    finally:
        zk.stop()
        zk.close()
    # the leader's node goes: the new electionds elect another, and tell the node when it is back
    leader = next(sid for sid, m in modes.items() if m == "leader")
    ensemble[leader].stop()
    others = {sid: n for sid, n in ensemble.items() if sid != leader}
    electing.wait_until(lambda: "leader" in [mode(n) for n in others.values()], 10, "another leader")
    ensemble[leader].start(wait=False)
    electing.wait_until(lambda: mode(ensemble[leader]) == "follower", 15, "it follows")
