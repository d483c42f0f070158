"""While a server of an ensemble has no leader its monitoring words and its AdminServer say so, in Apache ZooKeeper's
own words, and stop saying it when it serves."""

import contextlib
import json
import urllib.error
import urllib.request

import apache_node
import loopback
import pytest
import zkd_node
from zkd_node import wait_until

pytestmark = pytest.mark.skipif(not apache_node.installed(), reason="Apache ZooKeeper is not installed")

NOT_SERVING = "This ZooKeeper instance is not currently serving requests"
WORDS = "ruok stat srvr mntr cons dump wchs wchc wchp crst srst isro dirs hash lead obsr nono".split()
# What says something else, or nothing, even then.
OTHERWISE = {"ruok", "isro", "nono", "lead", "obsr"}
# Not monitor, which runs into an exception of theirs then; not observers and zabstate, which admind does not know then.
COMMANDS = """ruok is_read_only stats server_stats stat srvr connections cons dump watches wchc watch_summary wchs
    watches_by_path wchp leader lead voting_view connection_stat_reset crst stat_reset srst configuration conf hash""".split()


def answers(e):
    with contextlib.suppress(OSError):
        return ask(e, "ruok")[0] == 200
    return False


@pytest.fixture(scope="module")
def lonely():
    """Server 1 of three, of either kind, whose two peers do not run."""
    admin = {"admin.enableServer": "true", "admin.serverAddress": "127.0.0.1"}
    made = []
    try:
        for kind in ("zkd", "apache"):
            each = {1: {**admin, "admin.serverPort": zkd_node.free_port()}}
            e = loopback.Ensemble([kind, "zkd", "zkd"], keys={"tickTime": 500, "syncLimit": 20}, each=each)
            if kind == "apache":
                e.nodes[1].jars.append("servlet-api")
            made.append(e)
            e.launch(1)
            wait_until(lambda e=e: e.nodes[1].word("srvr") and answers(e), 180, "it answers")
        yield made
    finally:
        for e in made:
            e.close()


def ask(e, name):
    """(status, answer) of the AdminServer of server 1."""
    url = f"http://127.0.0.1:{e.nodes[1].keys['admin.serverPort']}/commands/{name}"
    try:
        with urllib.request.urlopen(url, timeout=20) as r:
            return r.status, json.loads(r.read())
    except urllib.error.HTTPError as error:
        return error.code, None


@pytest.mark.parametrize("word", WORDS)
def test_words(lonely, word):
    ours, theirs = (e.nodes[1].word(word) for e in lonely)
    assert ours.rstrip("\n") == theirs.rstrip("\n")  # their hash alone has no newline
    assert (ours == NOT_SERVING + "\n") == (word not in OTHERWISE)


@pytest.mark.parametrize("command", COMMANDS)
def test_admin_server(lonely, command):
    (status, ours), (their_status, theirs) = (ask(e, command) for e in lonely)
    assert (status, ours and ours["error"]) == (their_status, theirs and theirs["error"])


def test_they_stop_when_it_serves(lonely):
    for e in lonely:
        assert e.nodes[1].word("srvr") == NOT_SERVING + "\n" and ask(e, "srvr")[1]["error"] == NOT_SERVING
        e.launch(2)
        e.wait_serving()
        for word in ("stat", "srvr", "mntr"):
            assert NOT_SERVING not in e.nodes[1].word(word)
        assert ask(e, "srvr")[1]["error"] is None
        # And say it again when it has no leader any more.
        e.nodes[2].kill()
        wait_until(lambda e=e: e.nodes[1].word("srvr") == NOT_SERVING + "\n", 30, "it says that it does not serve")
