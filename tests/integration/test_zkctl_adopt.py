"""zkctl adopt: installations of ZooKeeper, good and bad, become configurations that zkd takes; nothing of theirs changes."""

import hashlib
import json
import os
import subprocess

import apache_node
import pytest
import zkd_node

ZKCTL = os.path.join(zkd_node.BUILD, "zkctl", "zkctl")
OK, UNWELL, USAGE, NO_ANSWER, RESERVED, NO_NODE, CONFLICT = range(7)
SECRET = "super:xQJmxLMiHGwaqBvst5y6rkB6HQs="
SERVERS = "".join(f"server.{n}=10.9.0.{n}:2888:3888\n" for n in (1, 2, 3))
ENSEMBLE = f"tickTime=2000\ninitLimit=10\nsyncLimit=5\nclientPort=2181\nautopurge.purgeInterval=1\n{SERVERS}"


def zkctl(*args, cwd=None):
    return subprocess.run([ZKCTL, *map(str, args)], capture_output=True, text=True, timeout=60, cwd=cwd)


class Installation:
    """A folder as the tarball has it: conf/, data/."""

    def __init__(self, folder):
        self.folder, self.conf, self.data = folder, folder / "conf", folder / "data"
        self.conf.mkdir()
        (self.data / "version-2").mkdir(parents=True)
        self.myid("2\n")

    def myid(self, text):
        (self.data / "myid").write_text(text)

    def cfg(self, text, data=True):
        (self.conf / "zoo.cfg").write_text(text + (f"dataDir={self.data}\n" if data else ""))
        return self

    def env(self, name, text):
        (self.conf / name).write_text(text)
        return self

    def adopt(self, *args, status=OK):
        r = zkctl("adopt", "--json", *args, self.conf)
        assert r.returncode == status, r
        return Answer(json.loads(r.stdout)) if r.stdout else None

    def digest(self):
        """Of all files: their names, times and contents."""
        h = hashlib.sha256()
        for path in sorted(self.folder.rglob("*")):
            h.update(f"{path} {path.stat().st_mtime_ns} {path.stat().st_mode}".encode())
            h.update(path.read_bytes() if path.is_file() else b"")
        return h.hexdigest()


class Answer:
    def __init__(self, answer):
        self.all, self.text = answer, answer.get("configuration")
        self.lines = [line for line in (self.text or "").splitlines() if not line.startswith("#")]

    def of(self, subject):
        """class -> finding of what is said of one thing."""
        return {f["class"]: f for f in self.all["findings"] if f["subject"] == subject}


@pytest.fixture
def inst(tmp_path):
    tmp_path.chmod(0o755)
    return Installation(tmp_path)


def test_an_ordinary_server(inst, tmp_path):
    before = inst.cfg(ENSEMBLE).digest()
    a = inst.adopt()
    assert a.all["verdict"] == "ready"
    assert set(a.lines) == {*ENSEMBLE.splitlines(), f"dataDir={inst.data}"}
    assert inst.digest() == before
    path = tmp_path / "new.cfg"
    path.write_text(a.text)
    assert zkctl("config", "check", path).returncode == OK
    assert f"chown -R zkd:zkd {inst.data}" in a.all["commands"]


def test_the_folder_may_be_named_in_three_ways(inst):
    inst.cfg(ENSEMBLE)
    texts = {zkctl("adopt", p).stdout.partition("\n")[2] for p in (inst.folder, inst.conf, inst.conf / "zoo.cfg", f"{inst.conf}/")}
    assert len(texts) == 1 and "clientPort=2181\n" in texts.pop()


def test_debians_layout(tmp_path):
    conf = "/etc/zookeeper/conf"
    if not os.path.exists(f"{conf}/zoo.cfg"):
        pytest.skip("Debian's zookeeper is not installed")
    data = tmp_path / "data"
    (data / "version-2").mkdir(parents=True)
    r = zkctl("adopt", "--json", "-D", f"dataDir={data}", conf)
    assert r.returncode in (OK, RESERVED)  # its dataDir, /tmp/zookeeper, may be there or not
    a = Answer(json.loads(r.stdout))
    assert f"dataDir={data}" in a.lines and "log4j.properties" in {f["subject"] for f in a.all["findings"]}


# where a setting counts


def test_properties_of_the_environment_files(inst):
    inst.cfg(ENSEMBLE)
    inst.env("zookeeper-env.sh", "export SNAPS=5000\nSERVER_JVMFLAGS='-Djute.maxbuffer=4194304'\n")
    inst.env(
        "java.env",
        f"# a comment with JVMFLAGS=-Dnot=this\nif true; then\n  export JVMFLAGS=\"-Xmx2g \\\n -Dzookeeper.snapCount=$SNAPS $JVMFLAGS\"; fi\n"
        f'SERVER_JVMFLAGS="$SERVER_JVMFLAGS -Dzookeeper.DigestAuthenticationProvider.superDigest={SECRET}"\n',
    )
    a = inst.adopt()
    assert {"snapCount=5000", "jute.maxbuffer=4194304", f"DigestAuthenticationProvider.superDigest={SECRET}"} <= set(a.lines)
    assert a.of("JVMFLAGS")["differs"]["value"] == "-Xmx2g"
    told = json.dumps(a.all["findings"])
    assert SECRET not in told and "superDigest" in told


def test_a_secret_is_for_its_owner_only(inst, tmp_path):
    inst.cfg(ENSEMBLE).env("java.env", f"JVMFLAGS=-Dzookeeper.DigestAuthenticationProvider.superDigest={SECRET}\n")
    path = tmp_path / "new.cfg"
    r = zkctl("adopt", "-o", path, inst.conf)
    assert r.returncode == OK and SECRET not in r.stdout + r.stderr
    assert SECRET in path.read_text() and path.stat().st_mode & 0o777 == 0o600


def test_what_had_no_effect_in_zookeeper_is_left_out(inst):
    inst.cfg(ENSEMBLE + "jute.maxbuffer=9999999\nzookeeper.snapCount=7777\nsnapCuont=8888\n")
    inst.env("java.env", "JVMFLAGS='-Dzookeeper.tickTime=1 -DsnapCount=6666 -Dzookeeper.jute.maxbuffer=5555555'\n")
    a = inst.adopt(status=RESERVED)
    assert a.all["verdict"] == "decide"
    for key in ("jute.maxbuffer", "zookeeper.snapCount", "snapCuont", "zookeeper.tickTime", "snapCount", "zookeeper.jute.maxbuffer"):
        assert "left out" in a.of(key)["decide"]["text"], key
    assert "did you mean snapCount" in a.of("snapCuont")["decide"]["text"]
    assert "tickTime=2000" in a.lines and not any("snapC" in line or "jute" in line for line in a.lines)


def test_apache_agrees_on_what_has_no_effect(tmp_path):
    """A znode of 1.5 MB with jute.maxbuffer in zoo.cfg, and as a property."""
    from kazoo.exceptions import KazooException

    for where, taken in (("keys", False), ("properties", True)):
        with apache_node.ApacheNode(**{where: {"jute.maxbuffer": "4194304"}}) as node:
            zk = node.client()
            try:
                zk.create("/big", b"x" * 1500000)
                assert taken
            except KazooException:
                assert not taken
            finally:
                zk.stop()
                zk.close()


def test_zoo_cfg_is_stronger_than_the_command_line(inst):
    inst.cfg(ENSEMBLE + "snapCount=3000\n").env("java.env", "JVMFLAGS=-Dzookeeper.snapCount=4000\n")
    a = inst.adopt()
    assert "snapCount=3000" in a.lines and "snapCount=4000" not in a.lines
    assert "overruled by zoo.cfg" in a.of("zookeeper.snapCount")["differs"]["text"]


@pytest.mark.parametrize(
    "line, effect",
    [("forceSync=false", "forceSync=yes"), ("skipACL=true", "skipACL=no"), ("leaderServes=NO", "leaderServes=yes"), ("forceSync=1", "forceSync=yes")],
)
def test_a_word_that_zookeeper_took_for_another(inst, line, effect):
    a = inst.cfg(ENSEMBLE + line + "\n").adopt(status=RESERVED)
    assert effect in a.lines and line not in a.lines
    assert line.partition("=")[2] == a.of(line.partition("=")[0])["decide"]["value"]


def test_a_variable_that_nobody_knows(inst):
    inst.cfg(ENSEMBLE).env("java.env", "JVMFLAGS=-Dzookeeper.snapCount=$(nproc)\nJAVA_OPTS=-Dzookeeper.commitLogCount=$COUNT\n")
    a = inst.adopt(status=UNWELL)
    assert "-D commitLogCount" in a.of("zookeeper.commitLogCount")["decide"]["text"]
    a = inst.adopt("-D", "commitLogCount=600", "-D", "snapCount=100000")
    assert "commitLogCount=600" in a.lines


# keys without effect, keys that are refused


def test_a_key_without_effect_is_left_out_with_its_tier(inst):
    a = inst.cfg(ENSEMBLE + "nio.numWorkerThreads=16\n").adopt()
    assert a.of("nio.numWorkerThreads")["missing"]["tier"] == 3
    assert not any("nio" in line for line in a.lines)


REFUSED = [
    ("secureClientPort=2281\nssl.keyStore.location=/k\nssl.keyStore.password=planted\n", "", "secureClientPort,ssl.*"),
    ("sslQuorum=true\n", "", "sslQuorum"),
    ("quorum.auth.enableSasl=true\n", "", "quorum.auth.*"),
    ("authProvider.sasl=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\n", "", "authProvider.*"),
    ("", "SERVER_JVMFLAGS=-Djava.security.auth.login.config=/etc/zookeeper/conf/jaas.conf\n", "java.security.auth.login.config"),
]


@pytest.mark.parametrize("keys, flags, without", REFUSED)
def test_what_would_weaken_stands_in_the_way(inst, tmp_path, keys, flags, without):
    inst.cfg(ENSEMBLE + keys).env("java.env", flags)
    path = tmp_path / "new.cfg"
    r = zkctl("adopt", "-o", path, inst.conf)
    assert r.returncode == UNWELL and "Stands in the way" in r.stdout and "--without" in r.stdout
    assert not path.exists() and "planted" not in r.stdout + r.stderr
    a = inst.adopt("--without", without)
    assert set(a.lines) == {*ENSEMBLE.splitlines(), f"dataDir={inst.data}"}


# bad input


@pytest.mark.parametrize(
    "path, says",
    [
        ("nothing-here", "No such file"),
        (".", "holds no zoo.cfg"),
        ("empty.cfg", "says nothing"),
        ("binary.cfg", "is no text"),
    ],
)
def test_no_installation(tmp_path, path, says):
    (tmp_path / "empty.cfg").write_text("# nothing\n")
    (tmp_path / "binary.cfg").write_bytes(b"ZKSN\0\0\0\2" * 10)
    r = zkctl("adopt", path, cwd=tmp_path)
    assert r.returncode == USAGE and says in r.stderr and r.stdout == ""


@pytest.mark.parametrize(
    "text, myid, says",
    [
        (ENSEMBLE + "tickTime=fast\n", "2", "is not a number"),
        (ENSEMBLE.replace("initLimit=10\n", ""), "2", "initLimit"),
        (ENSEMBLE, "4", "no server of the list"),
        (ENSEMBLE, "replace this text with the cluster-unique zookeeper's instance id (1-255)", "is not a server number"),
        (ENSEMBLE, None, "needs the server's number"),
        (ENSEMBLE + "dynamicConfigFile=/nowhere/zoo.cfg.dynamic\n", "2", "cannot be read"),
    ],
)
def test_a_server_that_could_not_start(inst, text, myid, says):
    inst.cfg(text)
    inst.myid(myid) if myid else (inst.data / "myid").unlink()
    a = inst.adopt(status=UNWELL)
    assert a.all["verdict"] == "stop" and a.text is None
    assert any(says in (f["text"] or "") for f in a.all["findings"] if f["class"] == "stops")


def test_a_list_in_a_file_of_its_own(inst):
    path = inst.conf / "zoo.cfg.dynamic.100000005"
    path.write_text("".join(f"server.{n}=10.9.0.{n}:2888:3888:participant;2181\n" for n in (1, 2, 3)))
    a = inst.cfg(ENSEMBLE.partition("server.1")[0] + f"dynamicConfigFile={path}\n").adopt()
    assert f"dynamicConfigFile={path}" in a.lines


def test_a_relative_data_folder(inst):
    inst.cfg(ENSEMBLE + "dataDir=data\n", data=False)
    r = zkctl("adopt", "--json", inst.conf, cwd=inst.folder)
    assert r.returncode == RESERVED
    assert "relative to the folder" in Answer(json.loads(r.stdout)).of("dataDir")["decide"]["text"]


def test_an_odd_value_is_read_back_as_it_was(inst, tmp_path):
    odd = tmp_path / "a b#c!=d"
    (odd / "version-2").mkdir(parents=True)
    a = inst.cfg("clientPort=2181\nautopurge.purgeInterval=1\n" + f"dataDir={odd}\n", data=False).adopt()
    path = tmp_path / "new.cfg"
    path.write_text(a.text)
    shown = json.loads(zkctl("config", "show", "--json", path).stdout)["settings"]
    assert shown["dataDir"] == str(odd)


# writing


def test_nothing_is_written_over(inst, tmp_path):
    inst.cfg(ENSEMBLE)
    path = tmp_path / "zoo.cfg"
    path.write_text("precious")
    r = zkctl("adopt", "-o", path, inst.conf)
    assert r.returncode == CONFLICT and "--force" in r.stderr and path.read_text() == "precious"
    assert zkctl("adopt", "-o", tmp_path, inst.conf).returncode == CONFLICT  # as zoo.cfg in the folder
    assert zkctl("adopt", "--force", "-o", tmp_path, inst.conf).returncode == OK
    assert "clientPort=2181" in path.read_text()
    assert [p.name for p in tmp_path.iterdir() if "zoo.cfg" in p.name] == ["zoo.cfg"]
    assert zkctl("adopt", "-o", tmp_path / "no" / "such", inst.conf).returncode == USAGE


def test_another_data_folder_brings_the_number_along(inst, tmp_path):
    a = inst.cfg(ENSEMBLE).adopt("-D", f"dataDir={tmp_path / 'new'}")
    assert {"myid=2", f"dataDir={tmp_path / 'new'}"} <= set(a.lines) and f"dataDir={inst.data}" not in a.lines


# data of a real server


@pytest.fixture(scope="module")
def java():
    """A server with a file beside it that has a relative dataDir and properties that only its command line knows."""
    properties = {"zookeeper.snapCount": "500", "zookeeper.extendedTypesEnabled": "true", "readonlymode.enabled": "false"}
    with apache_node.ApacheNode(properties=properties) as node:
        zk = node.client()
        zk.add_auth("digest", "u:p")
        for i in range(300):
            zk.create(f"/n{i}", b"d" * i)
        zk.stop()
        zk.close()
        yield node


def test_a_server_that_runs(java):
    r = zkctl("adopt", "--json", java.folder)
    a = Answer(json.loads(r.stdout))
    assert r.returncode == OK, a.all["findings"]
    assert [p["pid"] for p in a.all["processes"]] == [java.process.pid]
    assert {"snapCount=500", "extendedTypesEnabled=true"} <= set(a.lines)
    assert a.of("zookeeper.snapCount")["carries"]["where"] == f"pid {java.process.pid}"
    data = a.all["data"]
    # a server begins another log, and a snapshot, somewhere between half of snapCount and all of it
    assert data["snapshot_whole"] and data["logs"] in (1, 2) and int(data["last_zxid"], 16) >= 300


def test_a_flag_that_the_running_server_does_not_have(java):
    env = os.path.join(java.folder, "java.env")
    with open(env, "w") as f:
        f.write("JVMFLAGS='-Dzookeeper.snapCount=500 -Dzookeeper.commitLogCount=700'\n")
    try:
        r = zkctl("adopt", "--json", java.folder)
        a = Answer(json.loads(r.stdout))
        assert r.returncode == RESERVED and a.of("zookeeper.snapCount")["carries"]["where"] == "java.env:1"
        assert "started without it" in a.of("zookeeper.commitLogCount")["decide"]["text"]
        with open(env, "w") as f:
            f.write("JVMFLAGS=-Dzookeeper.snapCount=600\n")
        a = Answer(json.loads(zkctl("adopt", "--json", java.folder).stdout))
        assert "another value" in a.of("zookeeper.snapCount")["decide"]["text"] and "snapCount=500" in a.lines
    finally:
        os.remove(env)


def test_reconfig_needs_a_file_that_zkd_may_write(inst):
    a = inst.cfg(ENSEMBLE + "reconfigEnabled=true\n").adopt()
    assert any(c.startswith("chown zkd ") for c in a.all["commands"])
    assert any(c.startswith("printf") and f"ReadWritePaths={inst.data} /" in c for c in a.all["commands"])


def test_what_the_snapshot_holds(tmp_path):
    with apache_node.ApacheNode(properties={"zookeeper.extendedTypesEnabled": "true"}) as node:
        zk = node.client()
        zk.create("/big", b"x" * 50000)
        zk.ensure_path("/zookeeper/quota/big")
        zk.create("/zookeeper/quota/big/zookeeper_limits", b"count=10,bytes=-1")
        subprocess.run([ZKCTL, "-s", node.hosts, "create", "-c", "/container"], check=True, stdout=subprocess.PIPE)
        subprocess.run([ZKCTL, "-s", node.hosts, "create", "--ttl", "1000", "/ttl"], check=True, stdout=subprocess.PIPE)
        zk.stop()
        zk.close()
        node.stop()
        node.start()  # it writes a snapshot
        node.stop()
        a = Answer(json.loads(zkctl("adopt", "--json", node.folder).stdout))
        data = a.all["data"]
        assert (data["containers"], data["ttls"], data["quotas"], data["largest_data"]) == (1, 1, 1, 50000)
        # a time to live needs the key that its command line had
        assert "extendedTypesEnabled" in a.of("TTL nodes")["decide"]["text"]
        newest = max((p for p in os.listdir(f"{node.data}/version-2") if p.startswith("snapshot.")), key=lambda p: int(p[9:], 16))
        with open(f"{node.data}/version-2/{newest}", "r+b") as f:
            f.seek(200)
            f.write(b"damage")
        r = zkctl("adopt", "--json", node.folder)
        assert r.returncode == UNWELL and "not whole" in r.stdout
