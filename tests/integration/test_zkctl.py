"""zkctl as scripts and people use it: a running node, one that hangs, none at all; configurations good and bad."""

import json
import os
import re
import signal
import subprocess
import time

import pytest
import zkd_node
import zkwire
from standin import Standin

ZKCTL = os.path.join(zkd_node.BUILD, "zkctl", "zkctl")
ZKD = os.path.join(zkd_node.BUILD, "supervisor", "zkd")
PROGRAMS = ("zkd", *zkd_node.DAEMONS)
LIMIT = 1.0  # what one program that does not answer may cost
SLACK = 1.0  # of a busy machine

OK, UNWELL, USAGE, NO_ANSWER = range(4)


def zkctl(*args, **options):
    return subprocess.run([ZKCTL, *args], capture_output=True, text=True, timeout=60, **options)


@pytest.fixture(scope="module")
def node():
    with zkd_node.Node(keys={"tickTime": 500}) as n:
        yield n


@pytest.fixture
def ask(node):
    """zkctl of that node, which serves again when the test begins."""
    assert zkctl("--runtime", node.runtime, "wait", "ready").returncode == OK
    return lambda *args: zkctl("--runtime", node.runtime, *args)


def write(path, text):
    path.write_text(text)
    return str(path)


class Stopped:
    """A process that is stopped for a while; its watchdog may have replaced it meanwhile."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)

    def __exit__(self, *rest):
        try:
            os.kill(self.pid, signal.SIGCONT)
        except ProcessLookupError:
            pass


# ps


def test_ps_json_is_the_contract(node, ask):
    r = ask("ps", "--json")
    assert r.returncode == OK and r.stderr == "" and r.stdout.count("\n") == 1
    answer = json.loads(r.stdout)
    assert list(answer) == ["daemons"]
    assert {d["name"] for d in answer["daemons"]} == set(PROGRAMS)
    for d in answer["daemons"]:
        assert list(d)[:5] == ["name", "pid", "uptime_ms", "restarts", "rss_bytes"]
        assert all(isinstance(d[k], int) for k in list(d)[1:5])
        assert d["rss_bytes"] > 100_000 and 0 <= d["uptime_ms"] < 600_000
        parent = 0 if d["name"] == "zkd" else node.process.pid
        with open(f"/proc/{d['pid']}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        assert parent in (0, int(fields[1]))
    assert node.pid("zkd") == node.process.pid


def test_the_answers_fit_a_terminal(ask):
    assert max(map(len, ask("status").stdout.splitlines())) <= 80


def test_ps_for_people(ask):
    lines = ask("ps").stdout.splitlines()
    assert lines[0].split() == ["NAME", "PID", "UP", "RESTARTS", "MEMORY", "QUEUE", "MAX", "TURN", "STATE"]
    assert [line.split()[0] for line in lines[1:]] == ["zkd", "electiond", "syncd", "clientd", "logd"]


def test_ps_tells_what_waits_and_how_long_turns_take(node, ask):
    def daemons(stopped=None):
        """What all but the stopped one say: ps gives each 100 ms, which a busy machine may not have."""

        def told():
            found = {d["name"]: d for d in json.loads(ask("ps", "--json").stdout)["daemons"]}
            return all(d["turn_max_us"] is not None for d in found.values() if d["name"] != stopped) and found

        return zkd_node.wait_until(told, 10, "every daemon answers")

    with zkwire.Wire(node.port) as w:
        w.connect()
        before = daemons()
        for d in before.values():
            assert d["ready"] is True and 0 < d["turn_mean_us"] <= d["turn_max_us"] < 60_000_000, d
        assert [before[d]["queue"] for d in PROGRAMS] == [None, 0, 0, 0, 0]
        logd = node.pid("logd")

        def five_wait():
            found = daemons(stopped="logd")
            return (found["clientd"]["queue"], found["syncd"]["queue"]) == (5, 5) and found

        with Stopped(logd):
            for i in range(5):
                w.send(zkwire.CREATE, zkwire.create(f"/waits-{i}"))
            stopped = zkd_node.wait_until(five_wait, 10, "five writes wait")
        assert stopped["logd"]["queue"] is None and stopped["logd"]["turn_max_us"] is None
        assert stopped["logd"]["pid"] == logd
        assert [w.receive().err for _ in range(5)] == [0] * 5
        assert daemons()["clientd"]["queue"] == 0
        assert w.call(zkwire.CLOSE_SESSION)[1].err == 0


def test_the_first_answer_is_there_within_20_ms(ask):
    def took():
        begin = time.monotonic()
        assert ask("ps", "--json").returncode == OK
        return time.monotonic() - begin

    zkd_node.wait_until(lambda: took() < 0.020, 30, "one that no other process delays")


def test_an_answer_that_cannot_be_written_is_an_error(node):
    with open("/dev/full", "w") as full:
        r = subprocess.run([ZKCTL, "--runtime", node.runtime, "ps"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert r.returncode == UNWELL and "cannot write" in r.stderr


# election


def test_a_standalone_node_holds_no_election(ask):
    r = ask("election")
    assert r.returncode == OK and r.stdout == "standalone: no peers to vote with\n"
    assert json.loads(ask("election", "--json").stdout) == {
        "text": "standalone: no peers to vote with",
        "votes": [],
        "outside": [],
    }


# status


def test_status_of_a_node_that_is_well(node, ask):
    zk = node.client()
    try:
        zk.create("/zkctl-test", b"x")
        text, answer = ask("status"), json.loads(ask("status", "--json").stdout)
        assert text.returncode == OK, text.stdout
        assert text.stdout.startswith(f"The node in {node.runtime} is well.\nIt is a leader of one (standalone)")
        assert re.search(r"^Clients: 1 connection, 1 session, ", text.stdout, re.M), text.stdout
        zxid = re.search(r"^Data: last committed transaction (0x[0-9a-f]+), on disk up to \1,", text.stdout, re.M)
        assert zxid and int(zxid.group(1), 16) >= 2, text.stdout
        assert answer["well"] is True and answer["problems"] == [] and answer["runtime_dir"] == node.runtime
        assert {d["name"]: d["answered"] for d in answer["daemons"]} == dict.fromkeys(PROGRAMS, True)
        facts = {d["name"]: d["facts"] for d in answer["daemons"]}
        assert facts["clientd"]["sessions"] == "1" and facts["syncd"]["role"] == "leader"
        assert "committed zxid" in ask("status", "--facts").stdout
    finally:
        zk.stop()
        zk.close()


@pytest.mark.parametrize("daemon", zkd_node.DAEMONS)
def test_status_names_a_daemon_that_hangs(node, ask, daemon):
    with Stopped(node.pid(daemon)):
        begin = time.monotonic()
        r = ask("status")
        assert time.monotonic() - begin < LIMIT + SLACK
    assert r.returncode == UNWELL
    assert f"  - {daemon} does not answer (stopped, or it hangs)\n" in r.stdout
    for other in {*zkd_node.DAEMONS} - {daemon}:
        assert f"  - {other} does not answer" not in r.stdout


def test_a_stopped_zkd_hangs_no_question(node, ask):
    with Stopped(node.process.pid):
        begin = time.monotonic()
        ps = ask("ps", "--json")
        assert time.monotonic() - begin < LIMIT + SLACK
        assert ps.returncode == NO_ANSWER and ps.stdout == ""
        assert "zkd does not answer" in ps.stderr and node.runtime in ps.stderr
        status = ask("status")
        assert status.returncode == UNWELL
        assert "  - zkd does not answer (stopped, or it hangs)\n" in status.stdout
        assert re.search(r"^clientd +standalone, serving", status.stdout, re.M)


# wait


def test_wait_begun_before_the_node_is_started():
    n = zkd_node.Node(keys={"tickTime": 500})
    os.rmdir(n.runtime)
    with subprocess.Popen([ZKCTL, "--runtime", n.runtime, "wait", "ready"]) as waiter:
        time.sleep(0.2)
        assert waiter.poll() is None
        with n:
            assert waiter.wait(10) == OK
            assert n.mode() == "standalone"


def test_wait_gives_up(node, tmp_path):
    begin = time.monotonic()
    r = zkctl("--runtime", str(tmp_path), "wait", "ready", "--timeout", "0.3")
    assert 0.3 <= time.monotonic() - begin < 0.3 + SLACK
    assert r.returncode == NO_ANSWER and "no node answered" in r.stderr
    with Stopped(node.pid("electiond")):
        r = zkctl("--runtime", node.runtime, "wait", "ready", "--timeout", "0.3")
    assert r.returncode == UNWELL and "electiond does not answer" in r.stderr


# restart


@pytest.mark.parametrize("daemon", zkd_node.DAEMONS)
def test_restart_comes_back_when_the_successor_works(node, ask, daemon):
    zk = node.client()
    try:
        zk.ensure_path("/restart")
        written = zk.create("/restart/n-", daemon.encode(), sequence=True)
        before = node.ps()
        r = ask("restart", daemon)
        assert r.returncode == OK, r.stderr
        after = node.ps()
        assert re.fullmatch(
            rf"{daemon} restarted in .* \(pid {after[daemon]['pid']}, was {before[daemon]['pid']}\)\n", r.stdout
        )
        assert after[daemon]["restarts"] == before[daemon]["restarts"] + 1
        for other in {*PROGRAMS} - {daemon}:
            assert after[other]["pid"] == before[other]["pid"]
        assert zk.retry(zk.get, written)[0] == daemon.encode()
    finally:
        zk.stop()
        zk.close()


# which node


def test_the_node_is_found_by_its_configuration(node, ask):
    assert zkctl("-c", node.config_path, "ps").returncode == OK
    r = zkctl("-D", f"runtimeDir={node.runtime}", "ps", "--json")
    assert json.loads(r.stdout)["daemons"][0]["pid"] == node.process.pid
    # not named there: below the data folder comes before the system's own
    os.symlink(node.runtime, os.path.join(node.data, "run"))
    try:
        r = zkctl("-D", f"dataDir={node.data}", "ps", "--json")
        assert json.loads(r.stdout)["daemons"][0]["pid"] == node.process.pid
    finally:
        os.unlink(os.path.join(node.data, "run"))


def test_another_node_is_not_taken_for_the_one_that_is_named(node, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "run").symlink_to(node.runtime)
    cfg = write(tmp_path / "zoo.cfg", f"dataDir={other}\nclientPort=1\n")
    for args in (("ps",), ("status",), ("restart", "logd"), ("log-level", "info")):
        r = zkctl("-c", cfg, *args)
        assert r.returncode == NO_ANSWER and r.stdout == "", args
        assert f"is another one: its dataDir is {node.data}, that of the configuration named is {other}" in r.stderr
    r = zkctl("-c", cfg, "wait", "ready", "--timeout", "0.3")
    assert r.returncode == NO_ANSWER and "no node answered" in r.stderr
    # nor is its data: the port of the configuration counts
    r = zkctl("-c", cfg, "ls", "/")
    assert r.returncode == NO_ANSWER and "127.0.0.1:1: Connection refused" in r.stderr


def test_a_path_longer_than_a_socket_address(tmp_path):
    runtime = tmp_path / ("r" * 200) / ("s" * 200)
    os.makedirs(runtime)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    with zkd_node.Node(keys={"tickTime": 500, "runtimeDir": str(runtime)}) as n:
        n.runtime = str(runtime)
        assert set(n.ps()) == set(PROGRAMS)
        assert zkctl("-c", n.config_path, "status").returncode == OK


def test_no_node(tmp_path):
    for args in (("ps",), ("status",), ("restart", "logd"), ("log-level", "info")):
        r = zkctl("--runtime", str(tmp_path), *args)
        assert r.returncode == NO_ANSWER and "zkd is not running" in r.stderr, args
        r = zkctl("--runtime", str(tmp_path / "none"), *args)
        assert r.returncode == NO_ANSWER and "No such file" in r.stderr and "start zkd" in r.stderr, args


def test_the_split_form_has_no_zkd(tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "data").mkdir(mode=0o777)
    (tmp_path / "data").chmod(0o777)
    port = zkd_node.free_port()
    cfg = write(tmp_path / "zoo.cfg", f"dataDir={tmp_path}/data\nclientPort={port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n")
    programs = {d: os.path.join(zkd_node.BUILD, d, d) for d in zkd_node.DAEMONS}
    with Standin(str(tmp_path), programs, cfg, port) as s:
        r = zkctl("--runtime", s.runtime, "wait", "ready")
        assert r.returncode == OK, r.stderr + s.log()
        r = zkctl("--runtime", s.runtime, "status")
        assert r.returncode == OK and "is well; its daemons run without zkd." in r.stdout, r.stdout
        assert not re.search(r"^zkd ", r.stdout, re.M)
        answer = json.loads(zkctl("--runtime", s.runtime, "status", "--json").stdout)
        assert [d["name"] for d in answer["daemons"]] == ["electiond", "syncd", "clientd", "logd"]
        for args in (("ps",), ("restart", "logd")):
            r = zkctl("--runtime", s.runtime, *args)
            assert r.returncode == NO_ANSWER and "ask systemctl" in r.stderr
        assert zkctl("--runtime", s.runtime, "log-level", "logd", "info").returncode == OK


# configurations


def test_config_check(tmp_path):
    good = write(tmp_path / "good.cfg", "dataDir=/d\nclientPort=2181\njvm.pause.monitor=true\n")
    r = zkctl("config", "check", good)
    assert r.returncode == OK and r.stdout == f"{good} is good\n"
    assert r.stderr == f"{good}: accepted but not honoured: jvm.pause.monitor\n"
    bad = write(tmp_path / "bad.cfg", "dataDir=/d\ntickTime=fast\nclientprot=1\nsslQuorum=true\n")
    r = zkctl("config", "check", bad)
    assert r.returncode == USAGE and r.stdout == ""
    assert r.stderr.splitlines()[:2] == [
        f'{bad}:2: tickTime: "fast" is not a number; allowed: 1..2147483647 (ms)',
        f"{bad}:3: clientprot: unknown key; did you mean clientPort?",
    ]
    assert f'{bad}:4: sslQuorum: "true" asks for what this version cannot give' in r.stderr
    answer = json.loads(zkctl("-c", bad, "config", "check", "--json").stdout)
    assert answer["good"] is False
    assert [f["line"] for f in answer["findings"] if f["severity"] == "error"] == [2, 3, 4]
    r = zkctl("config", "check", bad, "-D", "tickTime=7")
    assert "tickTime" not in r.stderr


def test_what_zkctl_refuses_zkd_refuses(tmp_path):
    bad = write(tmp_path / "bad.cfg", f"dataDir={tmp_path}/d\nruntimeDir={tmp_path}/r\nsecureClientPort=1\n")
    r = zkctl("config", "check", bad)
    zkd = subprocess.run([ZKD, "-c", bad], capture_output=True, text=True, timeout=10)
    assert zkd.returncode == r.returncode == USAGE
    assert r.stderr.splitlines()[0] in zkd.stderr
    assert not os.path.exists(tmp_path / "d")


def test_config_show_can_be_read_again(tmp_path):
    first = zkctl("config", "show")
    assert first.returncode == OK and "clientPort=2181\n" in first.stdout
    again = zkctl("config", "show", write(tmp_path / "again.cfg", first.stdout))
    assert again.stdout == first.stdout


def test_secrets_stay_where_they_are(tmp_path):
    cfg = write(tmp_path / "zoo.cfg", "dataDir=/d\nDigestAuthenticationProvider.superDigest=super:hush\n")
    for verb in ("show", "check"):
        r = zkctl("config", verb, cfg)
        assert r.returncode == OK and "hush" not in r.stdout + r.stderr


def test_config_keys():
    keys = {k["key"]: k for k in json.loads(zkctl("config", "keys", "--json").stdout)["keys"]}
    assert keys["tickTime"]["status"] == "honoured" and keys["tickTime"]["default"] == "3000"
    text = zkctl("config", "keys").stdout.splitlines()
    shown = {line.split()[0] for line in text if line and line[0] != " " and not line.endswith(":")}
    assert shown == set(keys) and len(keys) > 200
    assert "tickTime  default 3000, allowed 1..2147483647 (ms)" in text
    # names and what is allowed may be longer, what people read is not
    assert max(len(line) for line in text if line.startswith("    ")) <= 80


# log-level, debug


def test_log_level(node, ask):
    assert ask("log-level", "logd", "debug").returncode == OK
    assert ask("log-level", "notice").returncode == OK
    r = ask("log-level", "verbose")
    assert r.returncode == USAGE and "allowed: error, warning, notice, info, debug" in r.stderr


def test_trace(node, ask):
    def lines(event):
        with open(node.log_path) as f:
            return sum(event in line for line in f)

    zk = node.client()
    try:
        before = lines("debug: zab: commit")
        assert ask("trace", "on", "zab").returncode == OK
        zk.create("/traced")
        assert lines("debug: zab: commit") > before
        assert json.loads(ask("trace", "off", "zab", "--json").stdout) == {"room": "zab", "daemon": "syncd", "trace": False}
        after = lines("debug: ")
        zk.delete("/traced")
        assert lines("debug: ") == after
        r = ask("trace", "on", "tre")
        assert r.returncode == USAGE and "did you mean tree?" in r.stderr
    finally:
        zk.stop()
        zk.close()


@pytest.mark.parametrize("daemon", zkd_node.DAEMONS)
def test_debug_probe_finds_every_room_locked(ask, daemon):
    if "debug probe" not in zkctl("--help").stdout:
        pytest.skip("built without --enable-debug")
    r = ask("debug", "probe", daemon, "--json")
    assert r.returncode == OK, r.stdout + r.stderr
    attempts = {a["attempt"]: a["refused"] for a in json.loads(r.stdout)["attempts"]}
    expected = {"file", "dial", "exec", "signal"} | ({"data folder"} if daemon != "logd" else set())
    assert attempts == dict.fromkeys(expected, True)


def test_debugging_verbs_where_there_are_none(ask):
    if "debug probe" in zkctl("--help").stdout:
        pytest.skip("built with --enable-debug")
    r = ask("debug", "drop", "ping")
    assert r.returncode == USAGE and "./configure --enable-debug has them" in r.stderr and r.stdout == ""


# the command line


@pytest.mark.parametrize(
    "args, words",
    (
        (["stauts"], 'no command "stauts", did you mean status?'),
        (["frobnicate"], "zkctl --help lists them"),
        ([], "usage: zkctl"),
        (["--jsno", "ps"], "did you mean json?"),
        (["ps", "--depth", "3"], "ps takes no --depth; it is for tree"),
        (["ps", "-e"], "ps takes no -e; it is for create"),
        (["tree", "--depth"], "wants a value"),
        (["ps", "now"], 'ps takes no argument, but "now" was given'),
        (["restart"], "restart takes one name: electiond, syncd, clientd, logd or admind"),
        (["restart", "clientds"], "did you mean clientd?"),
        (["restart", "zkd"], "systemctl restart zkd"),
        (["wait", "redy"], "did you mean ready?"),
        (["config", "chekc"], "did you mean check?"),
        (["config", "check", "--runtime", "/x"], "config reads a file"),
        (["log-level", "debgu"], "did you mean debug?"),
        (["log-level", "longd", "debug"], "did you mean logd?"),
        (["--timeout", "soon", "wait", "ready"], '"soon" is no number of seconds; allowed: 0..86400'),
        (["-c", "x", "--runtime", "y", "ps"], "give one of them"),
        (["-c", "/nonexistent", "ps"], "/nonexistent: cannot be read: No such file"),
    ),
)
def test_a_wrong_invocation_says_what_is_right(args, words):
    r = zkctl(*args)
    assert r.returncode == USAGE and words in r.stderr and r.stdout == ""


def test_help_and_version():
    r = zkctl("--help")
    assert r.returncode == OK and "exit status" in r.stdout and max(map(len, r.stdout.splitlines())) <= 110
    assert re.fullmatch(r"zkctl \d+\.\d+\.\d+\n", zkctl("--version").stdout)
