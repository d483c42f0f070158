"""An ensemble on loopback, of zkd nodes, Apache servers, or both: no namespaces, no root. Its wires cannot be cut
(ensemble.py has such), its daemons can be killed, stopped and, in a debug build, asked to drop packets.

    with Ensemble(["zkd", "zkd", "apache"], keys={"tickTime": 200}) as e:      all three serve
        e.nodes                       {1: Node, 2: Node, 3: ApacheNode}
        e.leader(), e.followers()     numbers
        e.hosts                       for a client of all
"""

import contextlib
import os

import apache_node
import zkd_node
from zkd_node import NodeError, wait_until


def mode(node):
    with contextlib.suppress(OSError):
        for line in node.word("srvr", 1.0).splitlines():
            if line.startswith("Mode: "):
                return line.removeprefix("Mode: ")
    return ""


class Ensemble:
    def __init__(self, kinds, keys=None, observers=(), each=None):
        """each: number -> keys of that server alone."""
        self.nodes, lines = {}, {}
        ports = set()
        while len(ports) < 3 * len(kinds):
            ports.add(zkd_node.free_port())
        ports = sorted(ports)
        for n in range(1, len(kinds) + 1):
            client, quorum, election = (ports.pop() for _ in range(3))
            role = "observer" if n in observers else "participant"
            lines[f"server.{n}"] = f"127.0.0.1:{quorum}:{election}:{role};127.0.0.1:{client}"
        for n, kind in enumerate(kinds, 1):
            mine = {"initLimit": 20, "syncLimit": 5, **lines, **(keys or {}), **(each or {}).get(n, {})}
            if n in observers:
                mine["peerType"] = "observer"
            node = (zkd_node.Node if kind == "zkd" else apache_node.ApacheNode)(
                port=int(lines[f"server.{n}"].rpartition(":")[2]), keys=mine
            )
            for key in ("clientPort", "clientPortAddress"):
                node.keys.pop(key, None)
            with open(os.path.join(node.data, "myid"), "w") as f:
                f.write(f"{n}\n")
            self.nodes[n] = node

    def launch(self, number):
        node = self.nodes[number]
        if isinstance(node, zkd_node.Node):
            node.start(wait=False)
        else:
            node.launch()

    def __enter__(self):
        try:
            for n in self.nodes:
                self.launch(n)
            self.wait_serving()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind, *rest):
        if kind is not None:
            print(self.log_ends())
        self.close()

    def close(self):
        for node in self.nodes.values():
            with contextlib.suppress(Exception):
                node.close()

    @property
    def hosts(self):
        return ",".join(n.hosts for n in self.nodes.values())

    def modes(self):
        return {n: mode(node) for n, node in self.nodes.items() if node.process is not None}

    def wait_serving(self, seconds=180):
        def all_serve():
            modes = self.modes()
            return all(modes.values()) and list(modes.values()).count("leader") == 1

        try:
            wait_until(all_serve, seconds, "every server serves")
        except NodeError as e:
            raise NodeError(f"{e}\n{self.log_ends()}") from None

    def leader(self):
        """Its number; None while there is not exactly one."""
        found = [n for n, m in self.modes().items() if m == "leader"]
        return found[0] if len(found) == 1 else None

    def followers(self):
        return [n for n, m in self.modes().items() if m == "follower"]

    def log_ends(self):
        return "\n".join(f"--- server {n}\n{node.log_end()}" for n, node in self.nodes.items())
