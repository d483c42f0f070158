"""Apache ZooKeeper for tests: one standalone Java server of the Debian package, in a folder of its own."""

import contextlib
import glob
import os
import shutil
import subprocess
import tempfile

from zkd_node import NodeError, four_letter, free_port, wait_until

JAVA = shutil.which("java")
JARS = "/usr/share/java"
START_SECONDS = 180


def installed():
    return JAVA is not None and os.path.exists(f"{JARS}/zookeeper.jar")


def classpath():
    """The server's class path as the package's own script would make it."""
    environment = "/etc/zookeeper/conf/environment"
    if os.path.exists(environment):
        with open(environment) as f:
            for line in f:
                if line.startswith("CLASSPATH="):
                    # The package leaves out what snapshot.compression.method=snappy needs.
                    return line.split("=", 1)[1].strip().strip('"') + f":{JARS}/snappy-java.jar"
    return ":".join(glob.glob(f"{JARS}/*.jar"))


class ApacheNode:
    """The same with-statement, port, hosts, word and client as zkd_node.Node."""

    def __init__(self, port=None, keys=None, properties=None, folder=None, host="127.0.0.1", wrap=None, jars=(), heap="128m"):
        """host, wrap: as in zkd_node.Node. jars: names of further jars on its class path."""
        self.port = port or free_port()
        self.host = host
        self.jars = ["slf4j-simple", *jars]  # the first makes it log; a bench takes it away
        self.heap = heap
        self.jvm = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]  # quick to start, slow at work: a bench takes them away
        self.wrap = wrap or (lambda command: command)
        self.own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="apache-zk-test-")
        self.data = os.path.join(self.folder, "data")
        self.log_path = os.path.join(self.folder, "zookeeper.log")
        self.keys = {
            "tickTime": 2000,
            "dataDir": self.data,
            "clientPort": self.port,
            "clientPortAddress": host,
            "4lw.commands.whitelist": "*",
            "admin.enableServer": "false",
            **(keys or {}),
        }
        self.properties = {"zookeeper.extendedTypesEnabled": "true", **(properties or {})}
        self.process = None
        os.makedirs(self.data, exist_ok=True)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *rest):
        self.close()

    @property
    def hosts(self):
        return f"{self.host}:{self.port}"

    def launch(self, write=True):
        """
        Starts it and does not wait: a server of an ensemble serves when it has a quorum. Without write its
        configuration file is what it was.
        """
        config = os.path.join(self.folder, "zoo.cfg")
        if write:
            with open(config, "w") as f:
                f.writelines(f"{k}={v}\n" for k, v in self.keys.items() if v is not None)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.wrap(
                    [
                        JAVA,
                        f"-Xmx{self.heap}",
                        *self.jvm,
                        *(f"-D{k}={v}" for k, v in self.properties.items()),
                        "-cp",
                        ":".join([classpath(), *(f"{JARS}/{jar}.jar" for jar in self.jars)]),
                        "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                        config,
                    ]
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )

    def start(self):
        self.launch()

        def ready():
            if self.process.poll() is not None:
                raise NodeError(f"Apache ZooKeeper ended with {self.process.returncode}\n{self.log_end()}")
            # One that connects while the server is half up is never answered: ask again soon.
            with contextlib.suppress(TimeoutError):
                return "Mode: " in self.word("srvr", timeout=1.0)
            return False

        wait_until(ready, START_SECONDS, "Apache ZooKeeper serves")

    def stop(self):
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process = None

    def close(self):
        if self.process is not None:
            self.stop()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def log_end(self, lines=300):
        with open(self.log_path, errors="replace") as f:
            return "".join(f.readlines()[-lines:])

    def word(self, word, timeout=5.0):
        return four_letter(self.port, word, timeout, self.host)

    def client(self, start=True, **options):
        from kazoo.client import KazooClient

        zk = KazooClient(hosts=self.hosts, **options)
        if start:
            zk.start(timeout=20)
        return zk
