"""admind: the AdminServer's commands and metrics over HTTP, asked by friends and by strangers; and that the node takes no
notice of what becomes of it."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest
import zkd_node
from standin import Standin

ADMIND = os.path.join(zkd_node.BUILD, "admind", "admind")
PROMETHEUS = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider"
COMMANDS = {
    "configuration": ["conf", "config"],
    "connection_stat_reset": ["crst"],
    "connections": ["cons"],
    "dump": [],
    "environment": ["env", "envi"],
    "get_trace_mask": ["gtmk"],
    "hash": [],
    "initial_configuration": ["icfg"],
    "is_read_only": ["isro"],
    "leader": ["lead"],
    "monitor": ["mntr"],
    "observers": ["obsr"],
    "ruok": [],
    "server_stats": ["srvr"],
    "set_trace_mask": ["stmk"],
    "stat_reset": ["srst"],
    "stats": ["stat"],
    "voting_view": [],
    "watch_summary": ["wchs"],
    "watches": ["wchc"],
    "watches_by_path": ["wchp"],
    "zabstate": [],
}

pytestmark = pytest.mark.skipif(not os.access(ADMIND, os.X_OK), reason="admind is not built")


taken = set()


def fresh_port():
    """One that nobody listens on, nor will."""
    while True:
        port = zkd_node.free_port()
        if port not in taken:
            taken.add(port)
            return port


class Site(zkd_node.Node):
    """A node with both sites."""

    def __init__(self, keys=None, **options):
        self.admin, self.metrics_port = fresh_port(), fresh_port()
        ours = {
            "admin.enableServer": "true",
            "admin.serverAddress": "127.0.0.1",
            "admin.serverPort": self.admin,
            "admin.idleTimeout": 1000,
            "metricsProvider.className": PROMETHEUS,
            "metricsProvider.httpHost": "127.0.0.1",
            "metricsProvider.httpPort": self.metrics_port,
            "4lw.commands.whitelist": "srvr",
            "DigestAuthenticationProvider.superDigest": "super:c2VjcmV0c2VjcmV0c2VjcmV0c2U=",
        }
        super().__init__(port=fresh_port(), keys={**ours, **(keys or {})}, **options)

    def wait_ready(self, seconds=zkd_node.START_SECONDS):
        super().wait_ready(seconds)
        self.get("/", timeout=10)  # whoever comes early waits in the backlog

    def answers(self):
        with contextlib.suppress(OSError, urllib.error.URLError):
            return self.command("ruok")["error"] is None
        return False

    def get(self, path, port=None, timeout=10):
        """(status, headers, body) of a GET."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port or self.admin}{path}", timeout=timeout) as r:
                return r.status, r.headers, r.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.headers, e.read().decode()

    def command(self, name, timeout=10):
        return json.loads(self.get(f"/commands/{name}", timeout=timeout)[2])

    def scrape(self):
        return self.get("/metrics", self.metrics_port)[2]

    def raw(self, data, port=None, timeout=10):
        """What comes back for these bytes until the connection ends."""
        answer = b""
        with socket.create_connection(("127.0.0.1", port or self.admin), timeout) as s:
            with contextlib.suppress(ConnectionError):
                s.sendall(data)
                while chunk := s.recv(65536):
                    answer += chunk
        return answer


@pytest.fixture(scope="module")
def node():
    with Site() as n:
        yield n


@pytest.fixture
def client(node):
    zk = node.client()
    yield zk
    zk.stop()
    zk.close()


# commands


def test_list(node):
    for path in ("/commands", "/commands/"):
        status, headers, body = node.get(path)
        assert status == 200 and headers["Content-Type"].startswith("text/html")
        assert body == "".join(f'<a href="/commands/{c}">{c}</a>\n<br/>\n' for c in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_and_its_other_names(node, name):
    for alias in (name, *COMMANDS[name]):
        status, headers, body = node.get(f"/commands/{alias}")
        answer = json.loads(body)
        assert status == 200 and headers["Content-Type"] == "application/json" and headers["Connection"] == "close"
        assert answer["command"] == name
        expected = {"leader": "server is not initialized", "set_trace_mask": "setTraceMask requires long traceMask argument"}
        assert answer["error"] == expected.get(name)


def test_unknown_commands_and_paths(node):
    for name in ("nosuch", "ruok/x", "snapshot", "restore", "shed_connections", "dirs", "x%22y"):
        answer = node.command(name)
        plain = urllib.request.unquote(name)
        assert answer == {"command": plain, "error": f"Unknown command: {plain}"}
    for path in ("/", "/commandsx", "/metrics", "/../commands", "/commands/../../etc/passwd"):
        status, _, body = node.get(path)
        assert status == 404 or "Unknown command" in body, path
    assert node.get("/commands", node.metrics_port)[0] == 404


def test_what_is_said_is_true(node, client):
    client.create("/true", b"12345", ephemeral=True)
    client.get("/true", watch=lambda event: None)
    session = client.client_id[0]
    assert node.command("watches")["session_id_to_watched_paths"] == {str(session): ["/true"]}
    assert node.command("watches_by_path")["path_to_session_ids"] == {"/true": [session]}
    assert node.command("watch_summary") == {
        "num_connections": 1, "num_paths": 1, "num_total_watches": 1, "command": "watch_summary", "error": None,
    }
    dump = node.command("dump")
    assert dump["session_id_to_ephemeral_paths"] == {str(session): ["/true"]}
    (when, sessions), = dump["expiry_time_to_session_ids"].items()
    assert sessions == [session] and 0 < int(when) / 1000 - time.time() < 30
    connection, = node.command("connections")["connections"]
    assert connection["session_id"] == session and connection["remote_socket_address"].startswith("127.0.0.1:")
    assert connection["last_operation"] == "GETD"
    stats = node.command("server_stats")
    assert stats["node_count"] == len(client.get_children("/")) + 5 - 1
    assert stats["server_stats"]["num_alive_client_connections"] == 1
    assert stats["server_stats"]["last_processed_zxid"] == client.last_zxid
    assert node.command("monitor")["ephemerals_count"] == 1
    assert node.command("configuration")["client_port"] == node.port
    assert node.command("initial_configuration")["initial_configuration"].count(f"clientPort={node.port}\n") == 1
    assert set(node.command("stats")["connections"][0]) == {
        "remote_socket_address", "interest_ops", "outstanding_requests", "packets_received", "packets_sent",
    }


def test_no_secret_is_told(node):
    text = node.command("initial_configuration")["initial_configuration"]
    assert "superDigest is set, not shown" in text and "c2Vjcm" not in text
    assert "c2Vjcm" not in node.scrape()


def test_what_may_be_set(node, client):
    for _ in range(50):
        client.exists("/")
    assert node.command("monitor")["packets_received"] >= 50
    assert node.command("stat_reset")["error"] is None
    assert node.command("monitor")["packets_received"] < 50
    assert node.command("connections")["connections"][0]["packets_received"] >= 50
    assert node.command("connection_stat_reset")["error"] is None
    assert node.command("connections")["connections"][0]["packets_received"] < 50
    assert node.command("set_trace_mask?traceMask=-7")["tracemask"] == -7
    assert node.command("get_trace_mask")["tracemask"] == -7
    for bad in ("x", "", "1x", "99999999999999999999"):
        assert node.command(f"set_trace_mask?traceMask={bad}")["error"] is not None
    assert node.command("get_trace_mask")["tracemask"] == -7


def test_the_whitelist_is_for_the_client_port_only(node):
    assert "not in the whitelist" in node.word("mntr")
    assert node.command("monitor")["error"] is None


def test_long_lists_end_early_and_say_so(node, client):
    pad = "p" * 200
    for i in range(0, 6000, 1000):
        t = client.transaction()
        for j in range(i, i + 1000):
            t.create(f"/{pad}{j:05d}", b"", ephemeral=True)
        t.commit()
    answer = node.command("dump")
    (paths,) = answer["session_id_to_ephemeral_paths"].values()
    assert answer["truncated"] is True and answer["error"] is None
    assert 1000 < len(paths) < 6000 and all(p.startswith(f"/{pad}") for p in paths)


# metrics


def samples(text):
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if not line.startswith("#")}


def test_metrics(node, client):
    client.create("/metrics", b"x")
    status, headers, text = node.get("/metrics", node.metrics_port)
    assert status == 200 and headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    got, monitor = samples(text), node.command("monitor")
    for name in ("znode_count", "watch_count", "num_alive_connections", "ephemerals_count", "global_sessions"):
        assert got[name] == monitor[name]
    assert got["bytes_received_count"] == got["bytes_received_count_total"] > 0
    for name in ("readlatency", "updatelatency"):
        assert f'{name}{{quantile="0.99"}}' in got and got[f"{name}_count"] == monitor[f"cnt_{name}"]
    assert "# TYPE readlatency summary\n" in text and "# TYPE znode_count gauge\n" in text
    for d in ("zkd", *zkd_node.DAEMONS, "admind"):
        assert got[f'zkd_process_resident_memory_bytes{{daemon="{d}"}}'] > 1 << 20
        assert got[f'zkd_process_restarts_total{{daemon="{d}"}}'] == 0
        assert got[f'zkd_process_ready{{daemon="{d}"}}'] == 1
    assert got["zkd_serving"] == 1 and got["zkd_logd_syncs"] > 0
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool(node):
    """It parses; what it does not like is names that are ZooKeeper's."""
    r = subprocess.run(["promtool", "check", "metrics"], input=node.scrape(), capture_output=True, text=True, timeout=20)
    allowed = (
        'counter metrics should have "_total" suffix',
        'non-histogram and non-summary metrics should not have "_count" suffix',
        "metric names should not contain abbreviated units",
        "use base unit",
        'metric name should not include type',
    )
    left = [line for line in r.stderr.splitlines() if not any(a in line for a in allowed)]
    assert r.returncode in (0, 3) and not left, r.stderr


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")
def test_prometheus_scrapes_it(node, tmp_path):
    port = zkd_node.free_port()
    (tmp_path / "p.yml").write_text(
        "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: zk\n  static_configs:\n"
        f"  - targets: ['127.0.0.1:{node.metrics_port}']\n"
    )
    command = ["prometheus", f"--config.file={tmp_path}/p.yml", f"--storage.tsdb.path={tmp_path}/db"]
    with open(tmp_path / "log", "wb") as log:
        p = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:

        def value(query):
            with contextlib.suppress(OSError, ValueError):  # also while it starts
                result = json.loads(node.get(f"/api/v1/query?query={query}", port)[2])["data"]["result"]
                return [float(r["value"][1]) for r in result]
            return []

        zkd_node.wait_until(lambda: value("up") == [1.0], 30, "the target is up")
        # a scrape may come too late for its second: the next one is good
        for query, told in (("znode_count", "znode_count"), ("readlatency_count", "cnt_readlatency")):
            zkd_node.wait_until(lambda q=query, t=told: value(q) == [node.command("monitor")[t]], 30, query)
        zkd_node.wait_until(lambda: len(value("zkd_process_restarts_total")) == 6, 30, "all programs are told of")
    finally:
        p.terminate()
        p.wait(20)


# strangers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "X"])
def test_only_get_and_head(node, method):
    for port in (node.admin, node.metrics_port):
        answer = node.raw(f"{method} /commands/ruok HTTP/1.1\r\nHost: x\r\nX-Secret: s3cr3t\r\n\r\n".encode(), port)
        assert answer.startswith(b"HTTP/1.1 405 ") and b"Allow: GET, HEAD\r\n" in answer
        assert b"s3cr3t" not in answer
    assert node.answers()


def test_head(node):
    answer = node.raw(b"HEAD /commands/ruok HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\n")


def test_origins_that_headers_claim_mean_nothing(node):
    request = b"GET /commands/connections HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 10.1.2.3\r\nForwarded: for=10.1.2.3\r\n\r\n"
    answer = node.raw(request)
    assert answer.startswith(b"HTTP/1.1 200 ") and b"10.1.2.3" not in answer
    assert "10.1.2.3" not in node.log_end(2000)


GARBAGE = [
    b"\0" * 100,
    b"\xff" * 5000,
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /commands/ruok HTTP/1.1\r\n\r\n",  # no Host
    b"GET " + b"/a" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 100000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"H%d: v\r\n" % i for i in range(5000)) + b"\r\n",
    b"GET /commands/ruok HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"GET /commands/ruok HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"GET /commands/ruok HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    b"GET /commands/ruok HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    b"GET /commands/%00%ff%2e%2e HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /commands/ruok?" + b"a&" * 2000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(200),  # TLS
    b"srvr",
]


@pytest.mark.parametrize("i", range(len(GARBAGE)))
def test_garbage(node, i):
    pid = node.pid("admind")
    for port in (node.admin, node.metrics_port):
        with socket.create_connection(("127.0.0.1", port), 10) as s, contextlib.suppress(OSError):
            s.sendall(GARBAGE[i])
            s.shutdown(socket.SHUT_WR)
            answer = b""
            while chunk := s.recv(65536):
                answer += chunk
            assert len(answer) < 10000
    assert node.answers() and node.pid("admind") == pid


def test_floods_of_connections(node):
    """Far more than it takes: those are closed, and memory stays where it was."""
    pid = node.pid("admind")
    for port in (node.admin, node.metrics_port):
        held = []
        for _ in range(300):
            s = socket.create_connection(("127.0.0.1", port), 10)
            with contextlib.suppress(OSError):
                s.sendall(b"GET /commands/ruok HTTP/1.1\r\nHost: x\r\nA: ")
            held.append(s)
        for s in held:
            s.close()
        zkd_node.wait_until(node.answers, 5, "it answers again")
    assert node.pid("admind") == pid
    status = json.loads(node.zkctl("ps", "--json"))
    assert next(d for d in status["daemons"] if d["name"] == "admind")["rss_bytes"] < 64 << 20


def test_readers_that_never_read(node, client):
    """Answers wait in its memory up to a limit; others are served meanwhile."""
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            s = stack.enter_context(socket.create_connection(("127.0.0.1", node.admin), 10))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.sendall(b"GET /commands/dump HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.5)
        assert node.answers() and client.exists("/") is not None


def test_slow_bytes_end():
    """Each byte is in time, all of them are not."""
    with Site(keys={"admin.idleTimeout": "2000"}) as n:
        idle = socket.create_connection(("127.0.0.1", n.admin), 40)
        began = time.monotonic()
        assert idle.recv(1) == b"" and 1 <= time.monotonic() - began < 8
        drip = socket.create_connection(("127.0.0.1", n.admin), 40)
        drip.settimeout(0.5)
        began = time.monotonic()
        over = False
        while not over and time.monotonic() - began < 25:
            try:
                drip.sendall(b"G")
                over = drip.recv(1000) == b""
            except TimeoutError:
                pass
            except ConnectionError:
                over = True
            assert not over or time.monotonic() - began > 1
        assert over and time.monotonic() - began < 20
        assert n.answers()


# the node and its guest


class Writes:
    """Writes one after the other, and how long each took."""

    def __init__(self, node):
        self.zk = node.client()
        self.took, self.over = [], False
        self.zk.ensure_path("/writes")
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.over:
            began = time.monotonic()
            self.zk.set("/writes", b"x")
            self.took.append(time.monotonic() - began)

    def worst(self):
        """The third longest: two may have met a slow sync of the disk."""
        return sorted(self.took)[-3]

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *rest):
        self.over = True
        self.thread.join()
        self.zk.stop()
        self.zk.close()


def test_its_death_and_its_silence_are_nobodys_business(node):
    pids = {d: node.pid(d) for d in zkd_node.DAEMONS}
    with Writes(node) as writes:
        for signo in (signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, signal.SIGKILL):
            old = node.pid("admind")
            os.kill(old, signo)
            zkd_node.wait_until(lambda o=old: node.pid("admind") not in (0, o) and node.answers(), 15, "it is back")
        before = len(writes.took)
        zkd_node.wait_until(lambda: len(writes.took) > before + 50, 10, "writes go on")
    assert writes.worst() < 2.0
    assert {d: node.pid(d) for d in zkd_node.DAEMONS} == pids
    status = json.loads(node.zkctl("ps", "--json"))
    assert next(d for d in status["daemons"] if d["name"] == "admind")["restarts"] >= 4
    assert 'died daemon=admind' in node.log_end(2000)


def test_daemons_that_do_not_answer(node):
    """It waits 2 s for a daemon that is stopped, and answers without it; of one that is dead it says so at once."""
    os.kill(node.pid("electiond"), signal.SIGSTOP)
    began = time.monotonic()
    text = node.scrape()
    assert time.monotonic() - began < 5
    assert samples(text)["zkd_serving"] == 1
    zkd_node.wait_until(lambda: samples(node.scrape())['zkd_answers{daemon="electiond"}'] == 1, 10, "electiond is back")
    os.kill(node.pid("clientd"), signal.SIGSTOP)
    answer = node.command("monitor", timeout=6)
    assert answer["error"] in (None, "This ZooKeeper instance is not currently serving requests")
    zkd_node.wait_until(node.answers, 10, "clientd is back")


def test_scrapes_do_not_disturb_writes(node):
    with Writes(node) as writes:
        for _ in range(50):
            assert node.get("/metrics", node.metrics_port)[0] == 200
    assert writes.worst() < 1.0


def test_it_may_only_ask():
    """Whoever runs as admind gets no other answer at a control socket than to a question."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    code = (
        "import os, socket, struct, sys\n"
        "os.chdir(sys.argv[1]); os.setgid(64215); os.setuid(64215)\n"
        "for name, kind, body in (('zkd', 64, b''), ('zkd', 66, b'\\x0a\\x04logd'), ('zkd', 67, b'\\x0a\\x05error'),\n"
        "                         ('clientd', 67, b'\\x0a\\x05error'), ('logd', 67, b'\\x0a\\x05error'),\n"
        "                         ('logd', 65, b''), ('clientd', 68, b'\\x0a\\x04srvr')):\n"
        "    s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect(name + '.control')\n"
        "    s.sendall(struct.pack('>IHHQQ', 20 + len(body), kind, 0, 1, 0) + body)\n"
        "    print(name, kind, len(s.recv(100)) > 0)\n"
    )
    with Site() as n:
        pid = n.pid("logd")
        r = subprocess.run(["/usr/bin/python3", "-c", code, n.runtime], capture_output=True, text=True, timeout=30)
        assert r.stdout.splitlines() == [
            "zkd 64 True", "zkd 66 False", "zkd 67 False", "clientd 67 False", "logd 67 False", "logd 65 False",
            "clientd 68 True",
        ], r.stderr
        assert n.pid("logd") == pid


@pytest.mark.skipif("ZKD_DEBUG 1" not in open(os.path.join(zkd_node.BUILD, "config.h")).read(), reason="no debug build")
def test_locked_room(node):
    probe = json.loads(node.zkctl("debug", "probe", "admind", "--json"))
    assert len(probe["attempts"]) >= 4 and all(a["refused"] for a in probe["attempts"]), probe
    with open(f"/proc/{node.pid('admind')}/status") as f:
        status = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
    assert (status["NoNewPrivs"], status["Seccomp"], status["CapEff"]) == ("1", "2", "0" * 16)
    assert int(status["Threads"]) == 1
    if os.geteuid() == 0:
        assert status["Uid"].split() == ["64215"] * 4 or "0" not in status["Uid"].split()


# what configurations ask for


def test_without_it_nothing_is_there():
    with zkd_node.Node() as n:
        names = [d["name"] for d in json.loads(n.zkctl("ps", "--json"))["daemons"]]
        assert names == ["zkd", *zkd_node.DAEMONS]
        assert not os.path.exists(os.path.join(n.runtime, "admind.control"))
        assert "is well" in n.zkctl("status")
        n.zkctl("log-level", "info")


def test_a_taken_port_is_a_warning():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with zkd_node.Node(keys={"admin.enableServer": "true", "admin.serverPort": port, "admin.serverAddress": "127.0.0.1"}) as n:
            log = n.log_end()
            assert f"warning: the port is taken admin.serverPort={port} address=127.0.0.1" in log
            assert "the node runs without it key=admin.serverPort" in log
            assert "admind" not in n.zkctl("ps")


def test_providers():
    for value, port in (
        ("org.apache.zookeeper.metrics.impl.DefaultMetricsProvider", False),
        ("org.apache.zookeeper.metrics.impl.NullMetricsProvider", False),
        (PROMETHEUS, True),
    ):
        keys = {"metricsProvider.className": value, "metricsProvider.httpHost": "127.0.0.1", "metricsProvider.httpPort": zkd_node.free_port()}
        with zkd_node.Node(keys=keys) as n:
            assert ("admind" in n.zkctl("ps")) == port
    n = zkd_node.Node(keys={"metricsProvider.className": "com.example.Unknown"})
    try:
        with pytest.raises(zkd_node.NodeError):
            n.start()
        assert "metricsProvider.className" in n.log_end() and "com.example.Unknown" in n.log_end()
        assert "PrometheusMetricsProvider" in n.log_end()
    finally:
        n.close()


def test_other_places():
    with Site(keys={"admin.commandURL": "/zk/admin"}) as n:
        assert n.get("/commands/ruok")[0] == 404
        assert json.loads(n.get("/zk/admin/ruok")[2])["error"] is None
        assert '<a href="/zk/admin/ruok">ruok</a>' in n.get("/zk/admin")[2]


def test_reload_does_not_move_it():
    with Site() as n:
        n.keys["admin.serverPort"] = n.admin + 1
        with open(n.config_path, "w") as f:
            f.writelines(f"{k}={v}\n" for k, v in n.keys.items() if v is not None)
        n.process.send_signal(signal.SIGHUP)
        zkd_node.wait_until(lambda: "reload refused" in n.log_end(), 5, "it says so")
        assert "key=admin.serverPort" in n.log_end()


def test_members_of_an_ensemble():
    ports = [fresh_port() for _ in range(6)]
    servers = {f"server.{k + 1}": f"127.0.0.1:{ports[2 * k]}:{ports[2 * k + 1]}" for k in range(3)}
    limits = {"initLimit": 10, "syncLimit": 5, "tickTime": 1000}
    with contextlib.ExitStack() as stack:
        nodes = [Site(keys={**servers, **limits, "myid": k + 1}) for k in range(3)]
        for n in nodes:
            stack.callback(n.close)
            n.start(wait=False)
        for n in nodes:
            n.wait_ready()
        modes = [n.mode() for n in nodes]
        assert sorted(modes) == ["follower", "follower", "leader"]
        leader = modes.index("leader") + 1
        for k, n in enumerate(nodes):
            answer = n.command("leader")
            assert answer == {
                "is_leader": k + 1 == leader, "leader_id": leader, "leader_ip": "127.0.0.1", "command": "leader", "error": None,
            }
            zab = n.command("zabstate")
            assert (zab["myid"], zab["is_leader"], zab["voting"], zab["zabstate"]) == (k + 1, k + 1 == leader, True, "broadcast")
            assert int(zab["last_zxid"], 16) == zab["zab_epoch"] << 32 | zab["zab_counter"]
            view = n.command("voting_view")["current_config"]
            assert view["1"] == {
                "server_addresses": [f"127.0.0.1:{ports[0]}"], "election_addresses": [f"127.0.0.1:{ports[1]}"],
                "client_address": "", "learner_type": "participant",
            }
            assert n.command("observers")["error"] == "Unknown command: observers"
            got = samples(n.scrape())
            assert got["quorum_size"] == 3 and ("synced_followers" in got) == (k + 1 == leader)
        for n in nodes:
            n.process.send_signal(signal.SIGTERM)
        for n in nodes:
            n.process.wait(20)
            n.process = None


def test_split_form(tmp_path):
    os.chmod(tmp_path, 0o755)
    port, admin, metrics = (fresh_port() for _ in range(3))
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o777)
    config = tmp_path / "zoo.cfg"
    config.write_text(f"dataDir={data}\nclientPort={port}\nclientPortAddress=127.0.0.1\nadmin.serverPort={admin}\n")
    programs = {d: os.path.join(zkd_node.BUILD, d, d) for d in (*zkd_node.DAEMONS, "admind")}
    with Standin(str(tmp_path), programs, str(config), port, ports={"admin": admin, "metrics": metrics}) as s:

        def monitor():
            with contextlib.suppress(OSError, urllib.error.URLError):
                with urllib.request.urlopen(f"http://127.0.0.1:{admin}/commands/monitor", timeout=5) as r:
                    return json.loads(r.read())["error"] is None
            return False

        zkd_node.wait_until(monitor, 20, "the command is answered\n" + s.log())
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=5) as r:
            assert b"zkd_serving 1\n" in r.read()
