"""zkctl's commands on data, against a zkd node and against Apache ZooKeeper: the same answers from both."""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

import apache_node
import pytest
import zkd_node

ZKCTL = os.path.join(zkd_node.BUILD, "zkctl", "zkctl")
OK, UNWELL, USAGE, NO_ANSWER, TORN, NO_NODE, CONFLICT, NOT_ALLOWED, UNKNOWN = range(9)
INTERRUPTED = 130
SECRET = "planted-secret"


def environment(**more):
    env = {k: v for k, v in os.environ.items() if not k.startswith("ZKCTL_")}
    return {**env, "LC_ALL": "C.UTF-8", **more}


class Tool:
    """zkctl of one server."""

    def __init__(self, node):
        self.node = node

    def run(self, *args, env=None, **options):
        return subprocess.run(
            [ZKCTL, "--server", self.node.hosts, *map(str, args)],
            capture_output=True,
            timeout=60,
            env=environment(**(env or {})),
            **options,
        )

    def __call__(self, *args, status=OK, **options):
        r = self.run(*args, **options)
        assert r.returncode == status, (args, r)
        return r.stdout.decode()

    def error(self, *args, status, **options):
        r = self.run(*args, **options)
        assert r.returncode == status and r.stdout == b"", (args, r)
        return r.stderr.decode()

    def json(self, *args, **options):
        out = self("--json", *args, **options)
        assert out.count("\n") == 1
        return json.loads(out)

    def start(self, *args, **options):
        return subprocess.Popen(
            [ZKCTL, "--server", self.node.hosts, *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            **options,
        )


@pytest.fixture(scope="module")
def zkd():
    with zkd_node.Node(keys={"tickTime": 500, "extendedTypesEnabled": "true", "enforceQuota": "true", "maxSessionTimeout": 3000}) as n:
        yield n


@pytest.fixture(scope="module")
def apache():
    if not apache_node.installed():
        pytest.skip("no Apache ZooKeeper here")
    with apache_node.ApacheNode(keys={"tickTime": 500, "enforceQuota": "true"}) as n:
        yield n


@pytest.fixture(params=["zkd", "apache"])
def zk(request):
    """A tool whose server is empty."""
    tool = Tool(request.getfixturevalue(request.param))
    for name in tool("ls", "/").split():
        if name != "zookeeper":
            tool("rm", "-r", "-y", f"/{name}")
    return tool


@pytest.fixture
def ours(zkd):
    return Tool(zkd)


# one znode


def test_create_get_set_stat_rm(zk):
    assert zk("create", "/a", "one") == "/a\n"
    assert zk("get", "/a") == "one"
    assert zk("set", "/a", "two") == "/a has version 1 now\n"
    assert "has another version" in zk.error("set", "/a", "x", "--if-version", 0, status=CONFLICT)
    assert "exists already" in zk.error("create", "/a", status=CONFLICT)
    st = zk.json("stat", "/a")
    assert (st["version"], st["data_length"], st["num_children"], st["ephemeral_owner"]) == (1, 3, 0, "0x0")
    assert st["czxid"] != st["mzxid"] and st["ctime_ms"] <= st["mtime_ms"]
    assert re.search(r"^data +3 bytes, version 1$", zk("stat", "/a"), re.M)
    assert zk("rm", "/a") == ""
    for command in ("get", "stat", "rm", "ls", "tree", "export"):
        assert "no such znode" in zk.error(command, "/a", status=NO_NODE)


def test_data_of_all_kinds(zk, tmp_path):
    binary = bytes(range(256)) * 40
    (tmp_path / "in").write_bytes(binary)
    zk("create", "/b", "--file", tmp_path / "in")
    assert zk.run("get", "/b").stdout == binary
    assert zk("get", "--hex", "/b").startswith("00000000  00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f  |....")
    answer = zk.json("get", "/b")
    assert "data" not in answer and len(answer["data_base64"]) == 13656
    zk("set", "/b", "-f", "-", input=b"from a pipe")
    assert zk.json("get", "/b")["data"] == "from a pipe"
    zk("set", "/b", "")
    assert zk.json("get", "/b")["data"] == ""
    zk("create", "/null")
    assert zk.json("get", "/null")["data_base64"] is None
    assert "set takes data" in zk.error("set", "/b", status=USAGE)


def test_kinds_of_znodes(zk):
    assert zk("create", "-p", "/k/deep/er/x", "v") == "/k/deep/er/x\n"
    assert zk("create", "-p", "/k/deep/er/x", "v") == ""
    assert "-p creates that too" in zk.error("create", "/none/x", status=NO_NODE)
    assert re.fullmatch(r"/k/n-\d{10}\n", zk("create", "-s", "/k/n-"))
    assert zk("create", "-c", "/k/c") == "/k/c\n"
    assert "-c and -e cannot" in zk.error("create", "-c", "-e", "/k/ce", status=USAGE)


def test_ttl(ours):
    ours("rm", "-r", "-y", "/t") if "t\n" in ours("ls", "/") else None
    assert ours("create", "--ttl", "1000", "/t") == "/t\n"
    assert re.fullmatch(r"/t\d{10}\n", ours("create", "-s", "--ttl", "0.5", "/t"))


def test_an_ephemeral_lives_as_long_as_the_program(zk):
    with zk.start("create", "-e", "/e", "here") as p:
        assert p.stdout.readline() == "/e\n"
        assert zk.json("stat", "/e")["ephemeral_owner"] != "0x0"
        assert "its parent is ephemeral" in zk.error("create", "/e/x", status=CONFLICT)
        p.send_signal(signal.SIGINT)
        assert p.wait(10) == OK
    zk.error("stat", "/e", status=NO_NODE)


# many znodes


def fill(tool, n, folders=10):
    client = tool.node.client()
    try:
        client.create("/many", b"top")
        for i in range(folders):
            client.create(f"/many/f{i}")
        for r in [client.create_async(f"/many/f{i % folders}/n{i:05d}", b"x" * (i % 50)) for i in range(n)]:
            r.get(30)
    finally:
        client.stop()
        client.close()
    return ["/many", *sorted([f"/many/f{i}" for i in range(folders)] + [f"/many/f{i % folders}/n{i:05d}" for i in range(n)])]


def test_ls_and_tree(zk):
    paths = fill(zk, 30, 3)
    assert zk("ls", "/many") == "f0\nf1\nf2\n"
    assert zk("ls", "-R", "/many").splitlines() == paths
    assert [n["path"] for n in zk.json("ls", "-R", "/many")["nodes"]] == paths
    assert zk("ls", "-l", "/many").splitlines()[1].split()[1:] == ["0", "B", "0", "10", "f0"]
    tree = zk("tree", "/many", "--depth", "1").splitlines()
    assert tree == ["/many  3 B", "├── f0", "├── f1", "└── f2", "", "4 znodes, 3 B of data"]
    assert zk("tree", "/many", env={"LC_ALL": "C"}).splitlines()[1:3] == ["|-- f0", "|   |-- n00000"]


def test_rm_r_counts_and_deletes(zk):
    fill(zk, 2000)
    assert "it has children; rm -r" in zk.error("rm", "/many", status=CONFLICT)
    assert zk("rm", "-r", "/many") == "2011 znodes deleted\n"
    zk.error("stat", "/many", status=NO_NODE)
    assert "cannot be deleted" in zk.error("rm", "-r", "/", status=USAGE)


def test_rm_r_says_how_far_it_went(ours):
    fill(ours, 5000)
    # a server that is slow to answer: the test's own proxy between them
    with Proxy(ours.node.port, delay=0.01) as proxy:
        p = subprocess.Popen(
            [ZKCTL, "--server", f"127.0.0.1:{proxy.port}", "rm", "-r", "/many"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        client = ours.node.client()
        try:
            while len(client.get_children("/many/f9")) == 500:
                time.sleep(0.001)
            p.send_signal(signal.SIGINT)
        finally:
            client.stop()
            client.close()
        out, err = p.communicate(timeout=30)
    told = re.search(r"interrupted: (\d+) of 5011 znodes are deleted, /many itself is still there", err)
    assert p.returncode == INTERRUPTED and told, (out, err)
    assert len(ours("ls", "-R", "/many").splitlines()) == 5011 - int(told[1])
    ours("rm", "-r", "/many")


class Proxy:
    """Passes bytes on; every piece from the server after `delay`. cut() ends all connections."""

    def __init__(self, port, delay=0.0):
        self.target, self.delay, self.pairs = port, delay, []
        self.listener = socket.create_server(("127.0.0.1", zkd_node.free_port()))
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *rest):
        self.listener.close()
        self.cut()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
                self.pairs.append((client, server))
                threading.Thread(target=self.copy, args=(client, server, 0), daemon=True).start()
                threading.Thread(target=self.copy, args=(server, client, self.delay), daemon=True).start()

    def copy(self, source, to, delay):
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                time.sleep(delay)
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)

    def cut(self):
        for pair in self.pairs:
            for s in pair:
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_RDWR)
        self.pairs.clear()


def test_a_lost_connection_is_made_again(ours):
    paths = fill(ours, 3000)
    with Proxy(ours.node.port, delay=0.002) as proxy:
        p = subprocess.Popen(
            [ZKCTL, "--server", f"127.0.0.1:1,127.0.0.1:{proxy.port}", "ls", "-R", "/many"],
            stdout=subprocess.PIPE,
            text=True,
        )
        lines = [p.stdout.readline().strip() for _ in range(20)]
        proxy.cut()
        lines += p.stdout.read().split()
        assert p.wait(30) == OK and lines == paths
    ours("rm", "-r", "/many")


# watch, acl, quota


def test_watch(zk):
    zk("create", "/w")
    with zk.start("watch", "-R", "-n", "4", "/w") as p:
        zkd_node.wait_until(lambda: "/w\n" in zk.node.word("wchp"), 20, "it watches")
        zk("create", "/w/a b")
        zk("set", "/w/a b", "x")
        zk("rm", "/w/a b")
        zk("set", "/w", "y")
        assert p.wait(10) == OK
        events = [line.split(None, 2)[1:] for line in p.stdout]
    assert events == [["created", "/w/a b\n"], ["changed", "/w/a b\n"], ["deleted", "/w/a b\n"], ["changed", "/w\n"]]
    begin = time.monotonic()
    assert zk("watch", "/w", "--timeout", "0.3") == "" and time.monotonic() - begin < 5


def test_acls(zk, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(f"me:{SECRET}\n")
    secret.chmod(0o600)
    auth = ("--auth", f"digest:@{secret}")
    zk("create", "/mine", "data", "--acl", "auth::all", *auth)
    acl = zk("acl", "get", "/mine", *auth)
    assert re.fullmatch(r"digest:me:\S{28}:cdrwa\n", acl) and SECRET not in acl
    assert "its ACL does not allow it" in zk.error("get", "/mine", status=NOT_ALLOWED)
    assert zk("get", "/mine", *auth) == "data"
    assert zk("get", "/mine", env={"ZKCTL_AUTH": f"digest:me:{SECRET}"}) == "data"
    assert zk("get", "/mine", "--auth", "digest:env:PW", env={"PW": f"me:{SECRET}"}) == "data"
    zk("acl", "set", "/mine", "world:anyone:r,auth::cdrwa", *auth)
    assert [a["perms"] for a in zk.json("acl", "get", "/mine")["acl"]] == ["r", "cdrwa"]
    zk("create", "/mine/sub", *auth)
    assert zk("acl", "set", "-R", "/mine", "world:anyone:all", *auth) == "2 ACLs are set\n"
    assert zk("acl", "get", "/mine/sub") == "world:anyone:cdrwa\n"
    assert json.loads(zk("acl", "set", "/mine", "world:anyone:all", "--json")) == {"path": "/mine", "set": 1, "of": 1}
    assert "no entry of an ACL" in zk.error("acl", "set", "/mine", "world:anyone:xyz", status=USAGE)
    assert "does not take this ACL" in zk.error("acl", "set", "/mine", "nix:me:r", status=USAGE)


def test_a_credential_is_not_taken_from_the_command_line(zk):
    assert "everybody may read" in zk.error("--auth", f"digest:me:{SECRET}", "ls", "/", status=USAGE)


def test_quota(zk):
    zk("create", "-p", "/q/a", "12345")
    assert zk("quota", "ls") == "no quota is set\n"
    assert zk("quota", "set", "/q", "--count", 3, "--bytes", 4) == "/q: 2 znodes of 3, 5 bytes of 4: exceeded\n"
    assert zk("quota", "set", "/q", "--count", 2, "--hard").startswith("/q: 2 znodes of 3 (never more than 2)")
    assert "beyond a quota" in zk.error("create", "/q/b", status=NOT_ALLOWED)
    quota = zk.json("quota", "get", "/q")["quotas"]
    assert [(q["path"], q["count"], q["count_limit"], q["count_hard_limit"], q["bytes_limit"]) for q in quota] == [("/q", 2, 3, 2, 4)]
    assert json.loads(zk("quota", "rm", "/q", "--json")) == {"path": "/q", "removed": True}
    assert zk("quota", "ls") == "no quota is set\n" and zk("ls", "/zookeeper/quota") == ""
    assert "no quota" in zk.error("quota", "rm", "/q", status=NO_NODE)
    zk("create", "/q/b")


# sessions


def test_sessions(zk):
    client = zk.node.client()
    ended = threading.Event()
    client.add_listener(lambda state: ended.set() if state == "LOST" else None)
    try:
        client.create("/mine-eph", ephemeral=True)
        sid = f"{client.client_id[0] & 0xFFFFFFFFFFFFFFFF:#x}"
        (session,) = [s for s in zk.json("sessions", "ls")["sessions"] if s["session"] == sid]
        assert session["ephemerals"] == ["/mine-eph"] and session["client"].startswith("127.0.0.1:")
        assert 0 < session["timeout_ms"] <= 10000 and abs(time.time() * 1000 - session["connected_since_ms"]) < 60000
        assert f"{sid} " in zk("sessions", "ls") and "    /mine-eph\n" in zk("sessions", "ls", "-l")
        assert zk("sessions", "kill", "-y", sid) == f"session {sid} is over\n"
        zk.error("stat", "/mine-eph", status=NO_NODE)
        assert ended.wait(20)
        assert "there is no session" in zk.error("sessions", "kill", "-y", sid, status=NO_NODE)
        assert "is no session" in zk.error("sessions", "kill", "me", status=USAGE)
    finally:
        client.stop()
        client.close()


def test_sessions_of_the_local_node_need_no_whitelist():
    with zkd_node.Node(keys={"tickTime": 500, "4lw.commands.whitelist": "srvr"}) as node:
        client = node.client()
        try:
            client.create("/mine", ephemeral=True)
            (session,) = json.loads(node.zkctl("sessions", "ls", "--json"))["sessions"]
            assert session["ephemerals"] == ["/mine"] and session["session"] == f"{client.client_id[0]:#x}"
            assert "let it: 4lw.commands.whitelist=" in Tool(node).error("sessions", "ls", status=NOT_ALLOWED)
        finally:
            client.stop()
            client.close()


# export, import


def test_export_and_import(zk, tmp_path):
    file = tmp_path / "export.jsonl"
    auth = {"ZKCTL_AUTH": f"digest:me:{SECRET}"}
    zk("create", "-p", "/x/a", "text with \"quotes\" and ü")
    zk("create", "/x/bin", "-f", "-", input=bytes(range(256)))
    zk("create", "/x/null")
    zk("create", "/x/mine", "--acl", "auth::all,world:anyone:r", env=auth)
    with zk.start("create", "-e", "/x/eph") as p:
        p.stdout.readline()
        assert zk("export", "/x", "-f", file, env=auth) == f"6 znodes are in {file}\n"
        p.send_signal(signal.SIGINT)
        p.wait(10)
    assert file.stat().st_mode & 0o777 == 0o600
    before = {p: (zk.json("get", p)["data_base64"], zk.json("acl", "get", p, env=auth)["acl"]) for p in ("/x/a", "/x/bin", "/x/null", "/x/mine")}
    zk("rm", "-r", "/x", env=auth)
    assert zk("import", file).startswith("5 created, 0 overwritten, 0 kept, 1 ephemerals left out")
    assert before == {p: (zk.json("get", p)["data_base64"], zk.json("acl", "get", p, env=auth)["acl"]) for p in before}
    assert "--keep leaves" in zk.error("import", file, status=CONFLICT)
    zk("set", "/x/a", "other")
    assert zk.json("import", "--keep", file)["kept"] == 5 and zk("get", "/x/a") == "other"
    assert zk.json("import", "--overwrite", file, env=auth)["overwritten"] == 5 and zk("get", "/x/a").startswith("text")
    zk("create", "/y")
    zk("import", "--into", "/y/copy", file)
    assert zk("ls", "-R", "/y") == "/y\n/y/copy\n/y/copy/a\n/y/copy/bin\n/y/copy/mine\n/y/copy/null\n"
    file.write_text("".join(file.read_text().splitlines(True)[:-1]))
    assert "the export was not whole" in zk.run("import", "--keep", file).stderr.decode()
    file.write_text("{}\n")
    assert "not what zkctl export wrote" in zk.run("import", file).stderr.decode()


def test_export_of_a_snapshot_knows_kinds(ours, tmp_path):
    node = zkd_node.Node(keys={"tickTime": 500, "extendedTypesEnabled": "true", "snapCount": 10})
    with node:
        tool = Tool(node)
        tool("create", "-c", "/c")
        tool("create", "/c/x", "in it", "--acl", "world:anyone:r")
        tool("create", "--ttl", "5000", "/t", "old")
        for i in range(30):
            tool("set", "/t", str(i))

        def newest():
            files = [f for f in os.listdir(f"{node.data}/version-2") if re.fullmatch("snapshot.[0-9a-f]+", f)]
            newest = max(files, key=lambda f: int(f[9:], 16), default="snapshot.0")
            return int(newest[9:], 16) > 12 and newest

        out = tool("export", "/", "--snapshot", f"{node.data}/version-2/{zkd_node.wait_until(newest, 10, 'a snapshot')}")
    nodes = {n["path"]: n for n in map(json.loads, out.splitlines()) if "path" in n}
    assert nodes["/c"]["container"] is True and nodes["/t"]["ttl_ms"] == 5_000_000
    assert nodes["/c/x"]["acl"][0]["perms"] == "r" and nodes["/c/x"]["data"] == "in it"
    for name in ("c", "t"):
        if f"{name}\n" in ours("ls", "/"):
            ours("rm", "-r", "-y", f"/{name}")
    ours("import", "-", "--keep", input=out.encode())
    assert ours("get", "/c/x") == "in it"


# the shell


def test_a_script_in_the_shell(zk):
    script = b"create /s one\ncd /s\npwd\ncreate 'a b' \"two words\"\nls\nget 'a b'\ncd ..\nls s\n# done\nget /nix\nls /\n"
    r = zk.run("shell", input=script)
    assert r.returncode == NO_NODE and b"no such znode" in r.stderr
    assert r.stdout == b"/s\n/s\n/s/a b\na b\ntwo wordsa b\n"


class Terminal:
    """zkctl at a terminal of 80 columns."""

    def __init__(self, *args, env=None):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            # libedit does not release the names of functions added to it
            more = {"TERM": "xterm", "ASAN_OPTIONS": "detect_leaks=0", **(env or {})}
            os.execve(ZKCTL, [ZKCTL, *args], environment(**more))
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.seen = ""

    def expect(self, text, seconds=10):
        end = time.monotonic() + seconds
        while text not in self.seen:
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            assert ready, (text, self.seen)
            try:
                self.seen += os.read(self.fd, 65536).decode(errors="replace")
            except OSError:
                assert text in self.seen, (text, self.seen)
        before, _, self.seen = self.seen.partition(text)
        return before

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        with contextlib.suppress(OSError):
            while os.read(self.fd, 65536):
                pass
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def test_the_shell_at_a_terminal(zk, tmp_path):
    zk("create", "-p", "/long-name/below", "v")
    t = Terminal("--server", zk.node.hosts, "shell", env={"HOME": str(tmp_path)})
    t.expect("/> ")
    t.type("ge\t")
    t.expect("t ")  # the rest of "get "
    t.type("/lo\t/b\t\n")
    t.expect("elow")
    t.expect("v\r\n")
    t.type("bogus\n")
    t.expect('no command "bogus"')
    t.type("\x10\x10\x10\n")  # up: the line before, which is the first one
    t.expect("v\r\n")
    t.type("half a line\x03")
    t.expect("^C")
    t.expect("/> ")
    t.type(" create /hidden-from-history x\n")
    t.expect("/hidden-from-history\r\n")
    t.type("exit\n")
    assert t.end() == OK
    history = (tmp_path / ".zkctl_history").read_text()
    assert "long-name" in history and "hidden-from" not in history


def test_the_shells_session_outlives_a_pause(ours):
    t = Terminal("--server", ours.node.hosts, "shell")
    t.expect("/> ")
    t.type("create -e /shell-eph\n")
    t.expect("/shell-eph\r\n")
    time.sleep(4)  # longer than the session's timeout
    t.type("get /shell-eph\n")
    t.type("exit\n")
    assert "no such" not in t.expect("exit")
    assert t.end() == OK
    ours.error("stat", "/shell-eph", status=NO_NODE)


# what people see


def test_colour_and_questions_only_at_a_terminal(ours):
    fill(ours, 5, 2)
    for env, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        t = Terminal("--server", ours.node.hosts, "tree", "/many", env=env)
        assert ("\x1b[" in t.expect("8 znodes")) == coloured
        t.end()
    assert "\x1b[" not in ours("tree", "/many")
    t = Terminal("--server", ours.node.hosts, "rm", "-r", "/many")
    t.expect("Delete /many and 7 znodes below it? [y/N]")
    t.type("n\n")
    t.expect("nothing is deleted")
    assert t.end() == UNWELL and len(ours("ls", "-R", "/many").splitlines()) == 8
    t = Terminal("--server", ours.node.hosts, "get", "/many")
    t.expect("top\r\n")
    assert t.end() == OK
    ours("set", "/many", "-f", "-", input=b"\x1b[31mred")
    t = Terminal("--server", ours.node.hosts, "get", "/many")
    assert "\x1b" not in t.expect("|.[31mred|")
    t.end()
    ours("rm", "-r", "/many")


def test_ps_fits_a_terminal(ours):
    t = Terminal("--runtime", ours.node.runtime, "ps", env={"NO_COLOR": "1"})
    lines = t.expect("logd").splitlines() + t.expect("\r\n").splitlines()
    assert "electiond" in "".join(lines) and max(map(len, lines)) <= 80
    t.end()


def test_names_that_would_spoil_a_terminal_are_escaped(ours):
    client = ours.node.client()
    try:
        client.create("/esc-\u202e\\x")
    finally:
        client.stop()
        client.close()
    listing = ours("ls", "/")
    assert "esc-\u202e\\x5cx" in listing or "\\x5cx" in listing
    ours("rm", "/esc-\u202e\\x")


def test_the_first_answer_is_there_within_20_ms(ours):
    ours("create", "-p", "/fast", "x")

    def took():
        begin = time.monotonic()
        assert ours("get", "/fast") == "x"
        return time.monotonic() - begin

    zkd_node.wait_until(lambda: took() < 0.020, 30, "one that no other process delays")


# which server


def test_servers(ours, tmp_path):
    node = ours.node

    def ask(*args, env=None):
        return subprocess.run([ZKCTL, *args], capture_output=True, text=True, timeout=30, env=environment(**(env or {})), cwd=tmp_path)

    assert "zookeeper" in ask("--runtime", node.runtime, "ls", "/").stdout
    assert "zookeeper" in ask("-c", node.config_path, "ls", "/").stdout
    assert "zookeeper" in ask("ls", "/", env={"ZKCTL_SERVER": node.hosts}).stdout
    assert "zookeeper" in ask("-s", f"127.0.0.1:1,{node.hosts}", "ls", "/").stdout
    r = ask("-s", "127.0.0.1:1", "ls", "/")
    assert r.returncode == NO_ANSWER and "127.0.0.1:1: Connection refused" in r.stderr
    r = ask("--runtime", str(tmp_path), "ls", "/")
    assert r.returncode == NO_ANSWER and "name a server with --server" in r.stderr
    for bad in ("", "host:port", "a:1,,b:2", "::1:2181", "a:99999", "a/chroot"):
        r = ask("-s", bad, "ls", "/")
        assert r.returncode == USAGE and "is no server; allowed: host:port" in r.stderr, bad
    for bad in ("a", "/a//b", "/a/../b", ""):
        r = ask("-s", node.hosts, "ls", bad)
        assert r.returncode == USAGE and "is no path of a znode" in r.stderr, bad


def test_a_server_that_does_not_serve_or_is_none(tmp_path):
    with socket.create_server(("127.0.0.1", zkd_node.free_port())) as s:
        port = s.getsockname()[1]

        def serve(answer):
            c, _ = s.accept()
            c.recv(100)
            c.sendall(answer)
            c.close()

        for answer, words in ((b"", "it does not serve now"), (b"HTTP/1.1 400 Bad\r\n\r\n", "does not speak ZooKeeper")):
            t = threading.Thread(target=serve, args=(answer,))
            t.start()
            r = subprocess.run([ZKCTL, "-s", f"127.0.0.1:{port}", "ls", "/"], capture_output=True, text=True, timeout=30, env=environment())
            t.join()
            assert r.returncode == NO_ANSWER and words in r.stderr, r


# completion


def complete(tool, *words):
    r = tool.run("complete", "--", *words)
    assert r.returncode == OK and r.stderr == b""
    lines = r.stdout.decode().splitlines()
    return lines[-1], [line.split("\t")[0] for line in lines[:-1]]


def test_completion(zk):
    zk("create", "-p", "/comp/leaf")
    s = ("-s", zk.node.hosts)
    assert complete(zk, "sta") == ("words", ["stat", "status"])
    assert complete(zk, "acl", "") == ("words", ["get", "set"])
    assert complete(zk, *s, "get", "/co") == ("paths", ["/comp"])
    assert complete(zk, *s, "get", "/comp/") == ("paths", ["/comp/leaf"])
    assert complete(zk, *s, "acl", "get", "/comp/l") == ("paths", ["/comp/leaf"])
    assert complete(zk, "get", "--he") == ("words", ["--help", "--hex"])
    assert complete(zk, "create", "-f", "x") == ("files", [])
    assert complete(zk, "restart", "lo") == ("words", ["logd"])
    assert complete(zk, "log", "dump", "a", "b") == ("files", [])
    assert complete(zk, "log-level", "cl") == ("words", ["clientd"])
    assert complete(zk, "log-level", "clientd", "de") == ("words", ["debug"])
    assert complete(zk, "--js") == ("words", ["--json"])
    assert complete(zk, "--config", "zo") == ("files", [])
    assert complete(zk, "nonsense", "x") == ("words", [])
