"""Apache Curator, the library that most Java programs use: a program of its recipes, compiled here, over a restart."""

import os
import subprocess

import apache_node
import pytest
from zkd_node import wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
JARS = [f"/usr/share/java/curator-{part}.jar" for part in ("recipes", "framework", "client")]
JARS += ["/usr/share/java/guava.jar"]

pytestmark = pytest.mark.skipif(not all(map(os.path.exists, JARS)), reason="libcurator-recipes-java is not installed")


def test_recipes(make_node, tmp_path):
    classpath = ":".join([str(tmp_path), *JARS, apache_node.classpath()])
    compiled = subprocess.run(
        ["javac", "-Xlint:-options", "-d", tmp_path, "-cp", classpath, f"{HERE}/CuratorRecipes.java"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert compiled.returncode == 0, compiled.stdout
    with make_node(tickTime=500, **{"znode.container.checkIntervalMs": "300"}) as node, open(tmp_path / "errors", "w+") as errors:
        program = subprocess.Popen(
            ["java", "-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", classpath, "CuratorRecipes", node.hosts],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            out = []
            for line in program.stdout:
                out.append(line.strip())
                if out[-1] == "restart":
                    node.stop()
                    node.start()
                    print("go on", file=program.stdin, flush=True)
            status = program.wait(60)
        finally:
            program.kill()
            program.wait()
        errors.seek(0)
        said = "\n".join(out) + "\n" + errors.read()[-5000:]
        assert status == 0 and out[-1] == "0 failed" and not any(line.startswith("FAIL") for line in out), said
        assert sum(line.startswith("ok ") for line in out) >= 24, said
        # nobody keeps it any more
        zk = node.client()
        try:
            wait_until(lambda: zk.exists("/kept") is None, 15, "the TTL node of a closed client goes")
        finally:
            zk.stop()
            zk.close()
