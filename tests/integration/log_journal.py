"""A node whose standard error is a journal: binds journald's socket, which has to be free in this mount namespace, runs the
load of log_load.py and prints each datagram that came as a line of JSON. Run by test_logs.py under unshare."""

import json
import os
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import log_load  # noqa: E402
import zkd_node  # noqa: E402

os.makedirs("/run/systemd/journal")
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.bind("/run/systemd/journal/socket")
os.chmod("/run/systemd/journal/socket", 0o666)
datagrams = []


def collect():
    while True:
        datagrams.append(journal.recv(1 << 16))


threading.Thread(target=collect, daemon=True).start()
node = zkd_node.Node(keys=log_load.KEYS)
with open(node.log_path, "wb") as log:
    st = os.fstat(log.fileno())
os.environ["JOURNAL_STREAM"] = f"{st.st_dev}:{st.st_ino}"
with node:
    log_load.run(node)
    # what comes in its own time
    for event in (b"MESSAGE=snapshot zxid", b"MESSAGE=front: serving", b"MESSAGE=serving "):
        zkd_node.wait_until(lambda event=event: any(event in d for d in datagrams), 20, event)
    leaked = open(node.log_path, errors="replace").read()
print(json.dumps({"stderr": leaked}))
for d in datagrams:
    print(json.dumps(d.decode(errors="surrogateescape")))
