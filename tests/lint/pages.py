#!/usr/bin/env python3
"""Checks the manual pages: clean by mandoc and groff, no reference to a page that is neither ours nor the system's,
and zoo.cfg(5) against the table of keys, key by key: section, default and what is allowed.

usage: pages.py SRCDIR ZKCTL     (ZKCTL: the built program, which prints the table)
"""

import glob
import json
import os
import re
import shutil
import subprocess
import sys

SECTIONS = {"KEYS": "honoured", "KEYS WITHOUT EFFECT": "accepted", "KEYS THAT ARE REFUSED": "refused"}
# How long a line of the source is, and how fresh the machine's index is, no reader sees.
NO_MATTER = re.compile(r"input text line longer than 80 bytes|outdated mandoc.db")
MISSING = re.compile(r"STYLE: referenced manual not found: Xr (\S+) (\d)")


def mandoc_complaints(page, known):
    """What mandoc says about a page, but for references to our own pages, which need not be installed yet."""
    lint = subprocess.run(["mandoc", "-T", "lint", "-W", "style", page], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in lint.stdout.splitlines():
        missing = MISSING.search(line)
        if NO_MATTER.search(line):
            continue
        if missing is None or f"{missing.group(1)}.{missing.group(2)}" not in known:
            yield line


def groff_complaints(page):
    groff = subprocess.run(
        ["groff", "-ww", "-mdoc", "-Tutf8", page], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    yield from groff.stderr.splitlines()


def plain(text):
    """A macro argument or a line without the marks of roff."""
    return text.replace("\\&", "").replace("\\-", "-").replace("\\e", "\\")


def item_keys(line):
    """".It Cm a , b" -> a, b; ".It Cm server.\\& Ns Ar N" -> server.*"""
    words = plain(line[len(".It Cm ") :])
    pattern = re.fullmatch(r"(\S+\.) Ns Ar \S+", words)
    return [pattern.group(1) + "*"] if pattern else words.split(" , ")


def page_keys(text):
    """key -> (status, default, allowed, tier), as the page says; all but the status are None where it is silent."""
    keys, status, current = {}, None, []
    for line in text.splitlines():
        heading = re.match(r"\.Sh (.*)", line)
        if heading:
            status, current = SECTIONS.get(heading.group(1)), []
        elif status and line.startswith(".It Cm "):
            current = item_keys(line)
            for key in current:
                keys[key] = (status, None, None, None)
        elif status and line.startswith("Default: "):
            default, _, allowed = plain(line)[len("Default: ") :].removesuffix(".").partition("; allowed: ")
            for key in current:
                keys[key] = (status, default, allowed or None, None)
        elif status and re.fullmatch(r"Tier \d\.", line):
            for key in current:
                keys[key] = (*keys[key][:3], int(line[5]))
    return keys


def table_keys(zkctl):
    """The same from the program's table. The page gives what is allowed for honoured keys that are no free text."""
    table = json.loads(subprocess.run([zkctl, "config", "keys", "--json"], stdout=subprocess.PIPE, check=True).stdout)
    keys = {}
    for k in table["keys"]:
        status = k["status"]
        default = None if status == "refused" else k["default"] or "none"
        allowed = k["allowed"] if status == "honoured" and k["allowed"] != "text" else None
        keys[k["key"]] = (status, default, allowed, None if status == "refused" else k["tier"])
    return keys


def key_complaints(page, table):
    for key in sorted(table.keys() | page.keys()):
        if page.get(key) != table.get(key):
            yield f"zoo.cfg.5: {key}: the page says {page.get(key)}, the table {table.get(key)}"


def main():
    srcdir, zkctl = sys.argv[1:]
    if shutil.which("mandoc") is None or shutil.which("groff") is None or not os.access(zkctl, os.X_OK):
        print("mandoc, groff or zkctl is missing")
        return 77
    pages = sorted(glob.glob(f"{srcdir}/man/*.[1-8]"))
    known = {os.path.basename(p) for p in pages}
    complaints = []
    for page in pages:
        complaints += [*mandoc_complaints(page, known), *groff_complaints(page)]
    with open(f"{srcdir}/man/zoo.cfg.5") as f:
        complaints += key_complaints(page_keys(f.read()), table_keys(zkctl))
    print("\n".join(complaints) if complaints else f"{len(pages)} pages are clean")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
