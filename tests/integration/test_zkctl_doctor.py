"""zkctl doctor: before a migration, at servers that say anything and at a real ensemble; and of a node of zkd."""

import json
import os
import socket
import subprocess
import threading

import apache_node
import pytest
import zkd_node

ZKCTL = os.path.join(zkd_node.BUILD, "zkctl", "zkctl")
OK, UNWELL, USAGE, NO_ANSWER, RESERVED = range(5)
REFUSED = "{} is not executed because it is not in the whitelist.\n"


def zkctl(*args, timeout=60):
    env = {k: v for k, v in os.environ.items() if not k.startswith("ZKCTL_")}
    return subprocess.run([ZKCTL, *map(str, args)], capture_output=True, text=True, timeout=timeout, env=env)


class Checks:
    def __init__(self, *args, status=None):
        r = zkctl("doctor", "--json", *args)
        assert status is None or r.returncode == status, r
        answer = json.loads(r.stdout)
        self.verdict, self.checks, self.status = answer["verdict"], answer["checks"], r.returncode
        for c in self.checks:
            assert (c["way"] is None) == (c["level"] == "ok"), c

    def find(self, level, subject, text=""):
        return [c for c in self.checks if (c["level"], c["subject"]) == (level, subject) and text in c["text"]]

    def stops(self):
        return {c["subject"] for c in self.checks if c["level"] == "stop"}


class Talker:
    """A server that knows four-letter words only: what each is answered, None for nothing at all."""

    def __init__(self, **words):
        self.words = {"srvr": srvr(), "mntr": mntr(), "conf": conf(), **words}
        self.socket = socket.create_server(("127.0.0.1", zkd_node.free_port()))
        self.name = f"127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            with peer:
                answer = self.words.get(peer.recv(4).decode(errors="replace"))
                if answer is not None:
                    peer.sendall(answer if isinstance(answer, bytes) else answer.encode())

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def srvr(mode="follower", zxid=0x200000100, version="3.8.0-5a02a05eddb59aee6ac762f7ea82e92a68eb9c0f"):
    return f"Zookeeper version: {version}, built on 2022-02-25 08:49 UTC\nZxid: 0x{zxid:x}\nMode: {mode}\nNode count: 5\n"


def mntr(**facts):
    return "".join(f"zk_{k}\t{v}\n" for k, v in {"znode_count": 5, "watch_count": 3, **facts}.items())


def conf(**facts):
    facts = {"clientPort": 2181, "secureClientPort": -1, "tickTime": 2000, "minSessionTimeout": 4000, "maxSessionTimeout": 40000, **facts}
    return "".join(f"{k}={v}\n" for k, v in facts.items())


@pytest.fixture
def examine():
    """examine(words of each server...) -> Checks, and their names in examine.names"""
    talkers = []

    def run(*servers):
        talkers.extend(Talker(**words) for words in servers)
        run.names = [t.name for t in talkers]
        return Checks("--migration", "--server", ",".join(run.names))

    yield run
    for t in talkers:
        t.close()


LEADER = {"srvr": srvr("leader"), "mntr": mntr(synced_followers=2)}


def test_a_healthy_ensemble_by_its_words(examine):
    c = examine(LEADER, {}, {})
    assert c.stops() == {"tree"}  # these have no sessions
    assert c.find("ok", "quorum", "one leader, 2 followers") and c.find("ok", "lag") and c.find("ok", "sizes", "5 znodes, 3 watches")
    assert all(c.find("ok", name, "ZooKeeper 3.8.0") for name in examine.names)


@pytest.mark.parametrize(
    "version, level, text",
    [
        ("3.9.3-c26634f", "ok", "3.9.3"),
        ("3.9.5-zkd-0.1.0", "ok", "zkd 3.9.5"),
        ("3.7.2-abc", "warn", "not tried"),
        ("3.10.0-abc", "warn", "not tried"),
        ("4.0.0", "warn", "not tried"),
        ("nonsense", "warn", "not tried"),
        ("3.4.14-abc", "stop", "cannot talk to"),
    ],
)
def test_versions(examine, version, level, text):
    c = examine(LEADER, {"srvr": srvr(version=version)}, {})
    assert c.find(level, examine.names[1], text)


@pytest.mark.parametrize(
    "words, level, text, way",
    [
        ({"mntr": REFUSED.format("mntr")}, "warn", "mntr is not on its whitelist", "4lw.commands.whitelist=srvr,mntr"),
        ({"conf": REFUSED.format("conf")}, "warn", "conf is not on its whitelist", "4lw.commands.whitelist=srvr,mntr"),
        ({"srvr": REFUSED.format("srvr")}, "warn", "srvr is not on its whitelist", "4lw.commands.whitelist=srvr,mntr"),
        ({"srvr": "This ZooKeeper instance is not currently serving requests\n"}, "stop", "does not serve", "bring it back"),
        ({"srvr": None}, "stop", "does not serve", "bring it back"),
        ({"srvr": b"HTTP/1.1 400 Bad Request\r\n\r\n\xff\xfe"}, "stop", "its answer to srvr is none", "ZooKeeper"),
        ({"conf": conf(secureClientPort=2281)}, "stop", "TLS", "plain port"),
        ({"conf": conf(tickTime=3000)}, "warn", "tickTime", "alike"),
        ({"conf": conf(maxSessionTimeout=90000)}, "warn", "session timeouts", "alike"),
        ({"mntr": mntr(outstanding_requests=5000)}, "warn", "5000 requests", "quieter"),
        ({"mntr": mntr(open_file_descriptor_count=995, max_file_descriptor_count=1000)}, "warn", "995 of 1000", "LimitNOFILE"),
        ({"mntr": mntr(max_client_response_size=5000000)}, "warn", "5000000 bytes", "jute.maxbuffer"),
        ({"mntr": mntr(digest_mismatches_count=2)}, "stop", "digest mismatches", "fetch everything"),
        ({"srvr": srvr(zxid=0x200000100 - 5000)}, "stop", "it is at 0x1", "caught up"),
        ({"srvr": srvr(zxid=0x100000100)}, "stop", "0x100000100", "caught up"),
    ],
)
def test_what_is_wrong_with_one_server_is_told_with_the_way_out(examine, words, level, text, way):
    c = examine(LEADER, {}, words)
    found = c.find(level, examine.names[2], text)
    assert found and way in found[0]["way"], c.checks


def test_a_leader_that_has_written_nothing_yet(examine):
    c = examine({"srvr": srvr("leader", 0x300000000)}, {}, {})
    assert c.find("ok", "lag")  # the others show the last transaction that they have


def test_a_server_that_lags(examine):
    c = examine({"srvr": srvr("leader", 0x200010000)}, {"srvr": srvr(zxid=0x200010000 - 999)}, {"srvr": srvr(zxid=0x200010000 - 1001)})
    assert c.find("warn", examine.names[2], "0x20000fc17") and not c.find("warn", examine.names[1])


@pytest.mark.parametrize(
    "servers, level, text",
    [
        ([{}, {}, {}], "stop", "0 lead"),
        ([LEADER, LEADER, {}], "stop", "2 lead"),
        ([LEADER, {}], "warn", "no quorum"),
        ([{"srvr": srvr("standalone")}], "warn", "nobody serves"),
        ([{"srvr": srvr("standalone")}, {"srvr": srvr("standalone")}], "stop", "no ensemble"),
        ([{"srvr": srvr("leader"), "mntr": mntr(synced_followers=1)}, {}, {}], "stop", "counts 1 in sync"),
        ([{"srvr": srvr("leader"), "mntr": mntr(synced_followers=4)}, {}, {}], "warn", "4 followers in sync, and 2"),
    ],
)
def test_quorums(examine, servers, level, text):
    assert examine(*servers).find(level, "quorum", text)


def test_one_that_is_not_there(examine):
    c = Checks("--migration", "--server", f"127.0.0.1:{zkd_node.free_port()}", status=UNWELL)
    assert "Connection refused" in c.checks[0]["text"] and c.verdict == "stop"


@pytest.mark.parametrize("args, says", [([], "Name its servers"), (["/nowhere"], "No such file"), (["--server", "a:b:c"], "--server")])
def test_bad_invocations(args, says):
    r = zkctl("doctor", "--migration", *args)
    assert r.returncode == USAGE and says in r.stderr and r.stdout == ""


# a real one


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    base = tmp_path_factory.mktemp("ensemble")
    port, quorum, election = (zkd_node.free_port() for _ in range(3))
    hosts = [f"127.0.0.{n}" for n in (21, 22, 23)]
    keys = {"initLimit": 20, "syncLimit": 10, **{f"server.{n}": f"{h}:{quorum}:{election}" for n, h in enumerate(hosts, 1)}}
    nodes = []
    try:
        for n, host in enumerate(hosts, 1):
            node = apache_node.ApacheNode(port=port, host=host, folder=str(base / str(n)), keys=keys)
            with open(os.path.join(node.data, "myid"), "w") as f:
                f.write(f"{n}\n")
            nodes.append(node)
            node.launch()
        for node in nodes:
            zkd_node.wait_until(lambda: "Mode: " in node.word("srvr", 1.0), 60, "it serves")
        yield nodes
    finally:
        for node in nodes:
            node.close()


def clockless(c):
    """Without what depends on who keeps this machine's clock."""
    return {x["level"] for x in c.checks if x["subject"] != "clock"}


def test_a_live_ensemble_found_by_its_configuration(ensemble):
    c = Checks("--migration", ensemble[0].folder)
    assert clockless(c) == {"ok"}, c.checks
    assert c.status in (OK, RESERVED)
    assert sum("ZooKeeper 3.8" in x["text"] for x in c.checks) == 3
    assert c.find("ok", "members", "3 servers") and c.find("ok", "quorum", "2 followers") and c.find("ok", "snapshot", "whole")
    by_name = Checks("--migration", "--server", ",".join(n.hosts for n in ensemble))
    assert clockless(by_name) == {"ok"}
    one = Checks("--migration", "--server", ensemble[0].hosts)
    assert one.find("warn", "members", "3 servers, and 1 were asked")


def test_what_is_in_the_tree(ensemble):
    from kazoo.security import ACL, Id, make_digest_acl

    zk = ensemble[0].client()
    zk.add_auth("digest", "u:p")
    try:
        zk.create("/t")
        zk.create("/t/ip", acl=[ACL(31, Id("ip", "10.0.0.0/8")), ACL(31, Id("world", "anyone"))])
        zk.create("/t/secret", acl=[make_digest_acl("u", "p", all=True), ACL(1, Id("world", "anyone"))])
        zk.create("/t/big", b"x" * 60000)
        for i in range(50):
            zk.create(f"/t/child-{i:04}-{'n' * 100}")
        zk.ensure_path("/zookeeper/quota/t")
        zk.create("/zookeeper/quota/t/zookeeper_limits", b"count=100,bytes=-1")
        c = Checks("--migration", ensemble[0].folder)
        assert {"world", "ip", "digest"} <= set(c.find("ok", "ACLs")[0]["text"].replace(",", "").split()) and c.find("ok", "quotas", "1,")
        assert c.find("ok", "jute.maxbuffer", "largest data 60000 bytes"), c.checks
        c = Checks("--migration", ensemble[0].folder, "-D", "jute.maxbuffer=5000", status=UNWELL)
        assert c.find("stop", "jute.maxbuffer", "/t/big has 60000") and c.find("stop", "jute.maxbuffer", "children of /t take")
        assert Checks("--migration", ensemble[0].folder, "--count", "10").find("warn", "ACLs", "only the first 10")
    finally:
        zk.delete("/t", recursive=True)
        zk.delete("/zookeeper/quota/t", recursive=True)
        zk.stop()
        zk.close()


def test_a_configuration_that_zkd_refuses(ensemble, tmp_path):
    with open(os.path.join(ensemble[0].folder, "zoo.cfg")) as f:
        (tmp_path / "zoo.cfg").write_text(f.read() + "sslQuorum=true\nnio.numWorkerThreads=4\nzookeeper.snapCount=5\n")
    c = Checks("--migration", tmp_path, "--server", ensemble[0].hosts, status=UNWELL)
    assert c.find("stop", "sslQuorum=true", "TLS") and c.find("warn", "zookeeper.snapCount=5", "no effect")
    assert not Checks("--migration", "--without", "sslQuorum", tmp_path).find("stop", "sslQuorum=true")


def test_acls_of_a_scheme_that_zkd_does_not_know(tmp_path):
    provider = {"zookeeper.authProvider.1": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"}
    with apache_node.ApacheNode(properties=provider) as node:
        from kazoo.security import ACL, Id

        zk = node.client()
        zk.create("/s", acl=[ACL(31, Id("sasl", "bob"))])
        c = Checks("--migration", "--server", node.hosts)
        assert c.find("warn", "ACLs", "1 znodes may not be read")  # nor their ACLs
        zk.create("/r", acl=[ACL(31, Id("sasl", "bob")), ACL(1, Id("world", "anyone"))])
        zk.stop()
        zk.close()
        c = Checks("--migration", "--server", node.hosts, status=UNWELL)
        found = c.find("stop", "ACLs", "scheme sasl")
        assert found and "zkctl acl set" in found[0]["way"]
        node.stop()
        node.start()  # it writes a snapshot, which tells without asking anybody
        assert Checks("--migration", node.folder).find("stop", "ACLs", "ACLs of scheme sasl")


# a node of zkd


def test_of_a_node():
    with zkd_node.Node(keys={"tickTime": 500}) as node:
        c = Checks("-c", node.config_path)
        assert clockless(c) == {"ok"}, c.checks
        assert c.find("ok", "node", "is well") and c.find("ok", node.hosts, "standalone, zkd")
        pid = node.pid("logd")
        os.kill(pid, 9)
        node.wait_restarted("logd", pid)
        assert Checks("-c", node.config_path, status=RESERVED).find("warn", "logd", "restarted 1 time")
        runtime = node.runtime
        assert "migration" in zkctl("doctor", "/etc").stderr
    r = zkctl("--runtime", runtime, "doctor")
    assert r.returncode == NO_ANSWER
