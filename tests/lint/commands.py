#!/usr/bin/env python3
"""Keeps what a program takes and what its page says in step: for every program the options of --help and those of its page;
for zkctl also every command with its options and an example, and the exit statuses. (Its help, its parser and the
completion of the shells all follow one table, which `zkctl help --json` prints.)

usage: commands.py SRCDIR BUILDDIR
"""

import json
import os
import re
import subprocess
import sys

PROGRAMS = {
    "supervisor/zkd": "zkd.8",
    "electiond/electiond": "electiond.8",
    "syncd/syncd": "syncd.8",
    "clientd/clientd": "clientd.8",
    "logd/logd": "logd.8",
    "admind/admind": "admind.8",
    "bench/zkbench": "zkbench.1",
}
OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*|-[a-zA-Z])(?![\w-])")


def plain(text):
    return text.replace("\\-", "-").replace("\\&", "").replace("\\(dq", '"').replace("\\(aq", "'").replace("\\e", "\\")


def help_options(text):
    """Those of the lines that describe options, not what a sentence or the usage names."""
    found = set()
    for line in text.splitlines():
        if re.match(r" +-", line):
            found |= set(OPTION.findall(re.split(r" {2,}(?=[^ -])", line.strip())[0]))
    return found


def flags(line):
    """".It Fl c Ar file , Fl -config Ar file" -> -c, --config"""
    return {"-" + f for f in re.findall(r"Fl ([\w-]+)", plain(line)) if f != "-"}


def page_options(text):
    return set().union(*(flags(line) for line in text.splitlines() if line.startswith(".It Fl ")), set())


def compare(where, left, page):
    for missing in sorted(left - page):
        yield f"{where}: {missing} is not in the page"
    for extra in sorted(page - left):
        yield f"{where}: the page has {extra}, the program has not"


def program_complaints(srcdir, builddir):
    for program, page in PROGRAMS.items():
        binary, path = f"{builddir}/{program}", f"{srcdir}/man/{page}"
        if not os.access(binary, os.X_OK):
            continue
        said = subprocess.run([binary, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
        if not os.path.exists(path):
            yield f"{program} has no page {page}"
            continue
        with open(path) as f:
            yield from compare(page, help_options(said), page_options(f.read()))


# zkctl


def title(row):
    return row["name"] + (f" {row['verb']}" if row["verb"] else "")


def row_flags(options):
    found = set()
    for o in options:
        found |= {f"-{o['letter']}"} if o["letter"] else set()
        found |= {f"--{o['name']}"} if o["name"] else set()
    return found


def page_commands(text, titles):
    """title -> (flags of the options in its item, whether it has an example), in "Ss Commands on ..." """
    commands, current, inside = {}, None, False
    for line in map(plain, text.splitlines()):
        if line.startswith((".Ss", ".Sh")):
            inside, current = line.startswith(".Ss Commands on"), None
        if not inside:
            continue
        if line.startswith(".It Cm "):
            words = line[len(".It Cm ") :].split(" ")
            # the longest title that the item begins with; else the item itself, which is a complaint
            current = next((t for t in sorted(titles, key=len, reverse=True) if words[: t.count(" ") + 1] == t.split()), " ".join(words))
            commands[current] = [set(), False]
        elif current and line.startswith(".It Fl "):
            commands[current][0] |= flags(line)
        elif current and line.startswith(".Dl $ ") and re.search(rf"\bzkctl\b.* {re.escape(current)}\b", line):
            commands[current][1] = True
        elif current == "shell" and line.startswith(".Dl $ ") and line.endswith("| zkctl shell"):
            commands[current][1] = True
    return commands


def zkctl_complaints(page, table):
    rows = {title(r): r for r in table["commands"]}
    # What only builds with --enable-debug have, the page has always; its arguments are then not told from its name.
    optional = "debug "
    commands = {k: v for k, v in page_commands(page, rows).items() if k in rows or not k.startswith(optional)}
    told = {k for k in commands if not k.startswith(optional)}
    yield from compare("zkctl.1", {k for k in rows if not k.startswith(optional)}, told)
    if any(k.startswith(optional) for k in rows):
        yield from compare("zkctl.1", rows.keys() - told, commands.keys() - told)
    for name, (found, example) in commands.items():
        if name in rows:
            yield from compare(f"zkctl.1: {name}", row_flags(rows[name]["options"]), found)
        if not example:
            yield f"zkctl.1: {name} has no example"
    before, _, rest = page.partition(".Ss Commands on data")
    yield from compare("zkctl.1", row_flags(table["options"]), page_options(before))
    statuses = re.search(r"\.Sh EXIT STATUS\n(.*?)\.Sh", rest, re.S)
    told = set(re.findall(r"^\.It (\d+)$", statuses.group(1) if statuses else "", re.M))
    yield from compare("zkctl.1: exit status", {str(s["status"]) for s in table["exit_statuses"]}, told)


def main():
    srcdir, builddir = sys.argv[1:]
    zkctl = f"{builddir}/zkctl/zkctl"
    if not os.access(zkctl, os.X_OK):
        print("zkctl is missing")
        return 77
    complaints = list(program_complaints(srcdir, builddir))
    table = json.loads(subprocess.run([zkctl, "help", "--json"], stdout=subprocess.PIPE, check=True).stdout)
    with open(f"{srcdir}/man/zkctl.1") as f:
        complaints += zkctl_complaints(f.read(), table)
    said = subprocess.run([zkctl, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    complaints += [f"zkctl --help: longer than 80 columns: {line}" for line in said.splitlines() if len(line) > 80]
    print("\n".join(complaints) if complaints else "programs and pages are in step")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
