"""The table of RESULTS.md, out of what zkbench --compare --json said of zkd, ZooKeeper and a server that does no work.

usage: bench/results_table.py all|ratios FILE
FILE has a line of JSON for each row: label, goals, and result, which is zkbench's. With `ratios` there are no figures of
one server alone: rounds that are too short for them.
"""

import json
import sys


def spread(ratios, key):
    if key not in ratios:
        return "-"
    r = ratios[key]
    return f"{r['median']:.2f} ({r['min']:.2f} to {r['max']:.2f})"


def middle(runs, name, key):
    values = sorted(run[key] for run in runs if run["server"] == name)
    return f"{values[len(values) // 2]:,.0f}"


def cells(row, figures):
    runs = row["result"]["runs"]
    by = {r["to"]: r for r in row["result"]["ratios"]}
    java = by["zookeeper"]
    alone = [
        middle(runs, "zkd", "ops_per_s"),
        middle(runs, "zookeeper", "ops_per_s"),
        middle(runs, "zkd", "p50_us"),
        middle(runs, "zookeeper", "p50_us"),
        middle(runs, "nothing", "p50_us") if "nothing" in by else "-",
    ]
    own = max(run["own_cpu_s"] / run["seconds"] for run in runs if run["server"] == "zkd")
    return [
        row["label"],
        *(alone if figures else []),
        spread(java, "throughput"),
        row["goals"] or "-",
        *(spread(java, key) for key in ("per_cpu_second", "p50", "p99")),
        *([f"{by['nothing']['throughput']['median']:.2f}"] if "nothing" in by else ["-"]),
        f"{own:.2f}",
    ]


def table(rows, figures):
    head = ["", "throughput", "goal", "per CPU second", "p50", "p99", "share of ceiling", "own CPU"]
    if figures:
        head[1:1] = ["zkd, per s", "ZooKeeper, per s", "zkd p50, us", "ZooKeeper p50, us", "ceiling p50, us"]
    body = [cells(row, figures) for row in rows]
    # a column that nobody has anything to say in is left out
    told = [i for i in range(len(head)) if any(line[i] != "-" for line in body)]
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line[i] for i in told) + " |" for line in lines)


if __name__ == "__main__":
    with open(sys.argv[2]) as f:
        print(table([json.loads(line) for line in f], sys.argv[1] == "all"))
