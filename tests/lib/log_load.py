"""A load that tempts a node to log what it must not: secrets in credentials, data, passwords and keys, and text that would
forge lines or fields. Used by test_logs.py and, beside a journal of its own, by log_journal.py."""

import base64
import contextlib
import hashlib
import os
import signal
import time

import zkd_node
import zkwire as zw
from zkwire import Wire

SECRET = "planted7secret"
FORGED = "forged-line"
# What a client may choose and an operator reads.
NASTY = f'/a"b\\c zxid=0x666 session=0x666\n2026-01-01T00:00:00.000Z zkd[1] error: {FORGED}\x1b[31m\x9b'

# Every way in which the secret might come out.
TRACES = (
    SECRET,
    base64.b64encode(SECRET.encode()).decode().rstrip("="),
    SECRET.encode().hex(),
    base64.b64encode(hashlib.sha1(f"me:{SECRET}".encode()).digest()).decode(),
)

KEYS = {
    "tickTime": 500,
    "DigestAuthenticationProvider.superDigest": f"super:{base64.b64encode(hashlib.sha1(SECRET.encode()).digest()).decode()}",
    "snapCount": 20,
    "jute.maxbuffer": 4096,
    "enforceQuota": "true",
    "extendedTypesEnabled": "true",
}


def quietly(call, *args):
    """What the server thinks of it does not matter; that it is still there is checked at the end."""
    with contextlib.suppress(Exception):
        return call(*args)


def speak(port, *requests, **connect):
    """One connection that sends these and takes what comes."""
    with Wire(port, timeout=2.0) as w:
        quietly(lambda: w.connect(**connect))
        for op, body, *xid in requests:
            quietly(lambda op=op, body=body, xid=xid: w.call(op, body, *xid))


def data(port):
    s = SECRET.encode()
    speak(
        port,
        (zw.CREATE, zw.create("/data", s)),
        (zw.SET_DATA, zw.set_data("/data", s * 3)),
        (zw.SET_DATA, zw.set_data("/data", s, 77)),
        (zw.GET_DATA, zw.path_watch("/data", True)),
        (zw.CREATE, zw.create("/missing/x", s)),
        (zw.CREATE_TTL, zw.create_ttl("/ttl", s, ttl=1)),
        (zw.MULTI, zw.multi((zw.CREATE, zw.create("/multi", s)), (zw.SET_DATA, zw.set_data("/data", s, 99)))),
        (zw.RECONFIG, zw.string(s) + zw.string(s) + zw.string(s) + zw.i64(0)),
        (zw.CREATE, zw.create("/acl", s, [(31, "digest", f"me:{SECRET}")])),
        (zw.CREATE, zw.create("/acl2", s, [(31, SECRET, SECRET)])),
        (zw.CREATE, b"\xff" * 20 + s),
    )
    for i in range(60):
        speak(port, (zw.CREATE, zw.create(f"/n{i}", s)))


def credentials(port):
    for scheme, credential in (
        ("digest", f"me:{SECRET}"),
        ("digest", SECRET),
        ("super", f"super:{SECRET}"),
        ("x509", SECRET),
        (SECRET, SECRET),
        (f'digest" {FORGED}', SECRET),
        ("ensemble", SECRET),
    ):
        speak(port, (zw.AUTH, zw.auth(scheme, credential), zw.XID_AUTH), (zw.CREATE, zw.create("/by-me", b"", [(31, "auth", "")])))
    speak(port, (zw.SASL, zw.string(SECRET)))
    passwd = (SECRET + "xx")[:16].encode()
    speak(port, session=0x1234, passwd=passwd)
    speak(port, passwd=SECRET.encode() * 10)
    speak(port, session=0x1234, passwd=b"", last_zxid=1 << 60)


def garbage(port):
    for first in (
        f"GET /?password={SECRET} HTTP/1.1\r\nAuthorization: {SECRET}\r\n\r\n".encode(),
        f'"="\n{FORGED} {SECRET}'.encode(),
        b"\x1b[31" + SECRET.encode(),
        b"\x16\x03\x01" + SECRET.encode(),
        b"stmk" + SECRET.encode()[:8],
    ):
        with Wire(port, timeout=2.0) as w:
            quietly(w.send_bytes, first)
            quietly(w.receive_frame)


def nasty_text(port):
    long = zw.create(NASTY[:150], SECRET.encode() * 1000)
    speak(port, (zw.CREATE, long))
    speak(
        port,
        (zw.CREATE, zw.create(NASTY, b"")),
        (zw.CREATE, zw.create("/limited", b"")),
        (zw.CREATE, zw.create("/limited/x y\" session=0x666", b"")),
        (zw.DELETE, zw.path_version(NASTY)),
        (zw.GET_DATA, zw.path_watch(NASTY)),
        (zw.ADD_WATCH, zw.path_int(NASTY, 1)),
        (99, SECRET.encode()),
    )


def quota(port):
    """A soft limit that is exceeded is told with its path, which a client chose."""
    name = 'x" zxid=0x666 session=0x666 y'
    for path, content in (
        (f"/{name}", ""),
        (f"/zookeeper/quota/{name}", ""),
        (f"/zookeeper/quota/{name}/zookeeper_limits", "count=1,bytes=1"),
        (f"/zookeeper/quota/{name}/zookeeper_stats", "count=0,bytes=0"),
        (f"/{name}/a", SECRET),
        (f"/{name}/b", SECRET),
    ):
        speak(port, (zw.CREATE, zw.create(path, content)))


def run(node):
    """All of it, with deaths of daemons, a reload and a restart in between. The node logs all it can."""
    node.zkctl("log-level", "debug")
    for part in (data, credentials, garbage, nasty_text, quota):
        part(node.port)
    for daemon in ("clientd", "logd", "syncd"):
        node.wait_restarted(daemon, node.signal(daemon, signal.SIGKILL))
        node.zkctl("log-level", daemon, "debug")
        data(node.port)
    node.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    node.wait_ready()
    nasty_text(node.port)
    assert node.word("ruok") == "imok"


def complain(lines):
    """What is wrong with lines of a log."""
    for line in lines:
        for trace in TRACES:
            if trace in line:
                yield f"a secret: {line!r}"
        if any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in line):
            yield f"a control character: {line!r}"


if __name__ == "__main__":
    with zkd_node.Node(keys=KEYS, port=int(os.environ["PORT"])) as n:
        run(n)
