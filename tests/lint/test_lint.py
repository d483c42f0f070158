#!/usr/bin/env python3
"""The lints must be able to fail: each is given a small project that breaks one rule, and must name the breach."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
CC = os.environ.get("CC", "cc").split()

sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import commands  # noqa: E402
import events  # noqa: E402
import fields  # noqa: E402
import layers  # noqa: E402
import messages  # noqa: E402
import pages  # noqa: E402
import picture  # noqa: E402


class Scratch(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="zkd-lint-")
        self.addCleanup(shutil.rmtree, self.dir)

    def write(self, path, text):
        full = os.path.join(self.dir, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w") as f:
            f.write(text)
        return full


class Commands(unittest.TestCase):
    TABLE = {
        "commands": [
            {"name": "ls", "verb": None, "options": [{"letter": "R", "name": "recursive"}]},
            {"name": "acl", "verb": "get", "options": []},
        ],
        "options": [{"letter": None, "name": "json"}],
        "exit_statuses": [{"status": 0}, {"status": 1}],
    }
    PAGE = (
        ".Sh DESCRIPTION\n.It Fl -json\n.Ss Commands on data\n.It Cm ls Op Fl R\n.It Fl R , Fl -recursive\n"
        ".Dl $ zkctl ls -R /\n.It Cm acl get Ar path\n.Dl $ zkctl acl get /\n.Sh EXIT STATUS\n.It 0\n.It 1\n.Sh SEE ALSO\n"
    )

    def lint(self, old="", new=""):
        self.assertIn(old, self.PAGE)
        return list(commands.zkctl_complaints(self.PAGE.replace(old, new), self.TABLE))

    def test_clean(self):
        self.assertEqual(self.lint(), [])

    def test_breaches(self):
        for old, new, said in (
            (".It Fl R , Fl -recursive", ".It Fl R", "zkctl.1: ls: --recursive is not in the page"),
            (".It Fl R , Fl -recursive", ".It Fl R , Fl -recursive , Fl x", "zkctl.1: ls: the page has -x, the program has not"),
            (".Dl $ zkctl ls -R /", "", "zkctl.1: ls has no example"),
            (".It Fl -json", "", "zkctl.1: --json is not in the page"),
            (".It 1", "", "zkctl.1: exit status: 1 is not in the page"),
        ):
            self.assertEqual(self.lint(old, new), [said])
        self.assertIn("zkctl.1: acl get is not in the page", self.lint(".It Cm acl get", ".It Cm acl put"))

    def test_help(self):
        text = "usage: x [-n]\n\nwith -q nothing\n  -c, --config FILE   as -z or so\n      --help  this\n"
        self.assertEqual(commands.help_options(text), {"-c", "--config", "--help"})


class Events(unittest.TestCase):
    ID = "0123456789abcdef0123456789abcdef"
    ENTRY = "Subject: x\nDefined-By: zkd\nDocumentation: man:zkd(7)\n\nText.\n"
    SOURCE = 'log_event(LOG_ERR, "died", "pid=%d", 1); trace(t, TRACE_NOTICE, "zab",\n "role", "x=1");'

    def lint(self, listed, entries):
        return list(events.complaints(listed, entries, [self.SOURCE]))

    def test_clean(self):
        other = self.ID[::-1]
        self.assertEqual(self.lint([("died", self.ID), ("zab: role", other)], {self.ID: self.ENTRY, other: self.ENTRY}), [])

    def test_breaches(self):
        good = {self.ID: self.ENTRY}
        for listed, entries, said in (
            ([("left", self.ID)], good, "events.def: left: no source logs it"),
            ([("zab: left", self.ID)], good, "events.def: zab: left: no source logs it"),
            ([("died", self.ID)], {}, f"zkd.catalog: died ({self.ID}) is not explained"),
            ([], good, f"zkd.catalog: {self.ID} is no event of ours"),
            ([("died", self.ID)], {self.ID: "Subject: x\n"}, f"zkd.catalog: {self.ID}: its head is malformed or its text is missing"),
            ([("died", "1")], {"1": self.ENTRY}, "events.def: died: 1 is no id of its own"),
        ):
            self.assertEqual(self.lint(listed, entries), [said])


class Picture(unittest.TestCase):
    TEXT = "+---+\n| a |-->\n+---+\n"
    PAGE = f".Bd -literal\n{TEXT}.Ed\n"

    def setUp(self):
        drawer = picture.load_drawer(os.path.join(HERE, "..", ".."))
        self.drawn = "\n".join(drawer.draw(self.TEXT)) + "\n"

    def test_a_box_an_arrow_and_a_text_are_drawn(self):
        self.assertEqual([self.drawn.count(f"<{t} ") for t in ("rect", "polygon", "text")], [2, 1, 1])

    def test_breaches(self):
        self.assertEqual(list(picture.complaints(self.TEXT, self.drawn, self.PAGE, self.drawn)), [])
        self.assertEqual(len(list(picture.complaints(self.TEXT, "", self.PAGE, self.drawn))), 1)
        self.assertEqual(len(list(picture.complaints(self.TEXT, self.drawn, "", self.drawn))), 1)


class Pure(Scratch):
    def lint(self, text, obj="thing"):
        source = self.write(f"{obj}.c", text)
        subprocess.run([*CC, "-c", "-o", f"{self.dir}/{obj}.o", source], check=True)
        subprocess.run(["ar", "crD", f"{self.dir}/libthing.a", f"{self.dir}/{obj}.o"], check=True)
        r = subprocess.run(
            [sys.executable, f"{HERE}/pure.py", "--builddir", self.dir, "libthing.a"], stdout=subprocess.PIPE, text=True
        )
        return r.returncode, r.stdout

    def test_clean(self):
        code, out = self.lint(
            "#include <string.h>\nstatic const char *const names[] = { \"a\", \"b\" };\n"
            "const char *pick(int i) { return names[i & 1]; }\nvoid f(char *p) { memset(p, 0, strlen(p)); }\n"
        )
        self.assertEqual((code, out), (0, "libthing.a is pure\n"))

    def test_clock(self):
        code, out = self.lint("#include <time.h>\nlong f(void) { return (long)time(0); }\n")
        self.assertEqual(code, 1)
        self.assertIn("libthing.a(thing.o) needs time", out)

    def test_malloc_outside_mem(self):
        text = "#include <stdlib.h>\nvoid *f(size_t n) { return malloc(n); }\n"
        code, out = self.lint(text)
        self.assertEqual(code, 1)
        self.assertIn("libthing.a(thing.o) needs malloc", out)
        os.unlink(f"{self.dir}/libthing.a")
        self.assertEqual(self.lint(text, "mem")[0], 0)

    def test_writable_globals(self):
        for text in (
            "static int n; int f(void) { return n++; }\n",
            "static int n = 1; int f(void) { return n++; }\n",
            "int n; int f(void) { return n++; }\n",
            "static __thread int n; int f(void) { return n++; }\n",
            "static const char *n = \"x\"; const char *f(void) { return n++; }\n",
        ):
            code, out = self.lint(text)
            self.assertEqual(code, 1, text)
            self.assertIn("has the writable global n", out)

    def test_missing_library(self):
        r = subprocess.run(
            [sys.executable, f"{HERE}/pure.py", "--builddir", self.dir], stdout=subprocess.PIPE, text=True
        )
        self.assertEqual(r.returncode, 1)
        self.assertIn("libbase.a is not built", r.stdout)


class Layers(Scratch):
    def setUp(self):
        super().setUp()
        self.write("common/base/buf.h", "#include <stdint.h>\n")
        self.write("common/jute/records.h", '#include "base/buf.h"\n')
        self.write("common/ipc/frame.h", '#include "base/buf.h"\n')
        self.write("common/io/loop.h", "#include <ev.h>\n")
        self.write("logd/store.h", "")
        self.write("clientd/clientd.am", "clientd_libtree_a_SOURCES = clientd/tree.c \\\n\tclientd/tree.h\n")
        self.write("clientd/tree.h", '#include "jute/records.h"\n')
        self.write("clientd/shell.h", "")
        self.write("clientd/main.c", '#include <sys/socket.h>\n#include "io/loop.h"\n#include "tree.h"\n#include "shell.h"\n')

    def breaches(self, path, text):
        self.write(path, text)
        problems, _ = layers.check(self.dir)
        return problems

    def test_clean(self):
        self.assertEqual(self.breaches("clientd/tree.c", '#include "tree.h"\n#include <string.h>\n#include "base/buf.h"\n'), [])

    def test_breaches(self):
        for path, text in (
            ("common/base/x.c", '#include "jute/records.h"\n'),
            ("common/jute/x.c", '#include "ipc/frame.h"\n'),
            ("common/ipc/x.c", '#include "jute/records.h"\n'),
            ("common/ipc/x.c", "#include <sys/socket.h>\n"),
            ("common/base/x.c", "#  include <time.h>\n"),
            ("common/disk/x.c", '#include "ipc/frame.h"\n'),
            ("common/io/x.c", '#include "jute/records.h"\n'),
            ("clientd/x.c", '#include "logd/store.h"\n'),
            ("clientd/x.c", '#include "../logd/store.h"\n'),
            ("zkctl/x.c", '#include "logd/store.h"\n'),
            ("clientd/tree.c", "#include <ev.h>\n"),
            ("clientd/tree.c", "#include <sys/socket.h>\n"),
            ("clientd/tree.c", "#include <time.h>\n"),
            ("clientd/tree.c", '#include "io/loop.h"\n'),
            ("clientd/tree.c", '#include "shell.h"\n'),
        ):
            with self.subTest(path=path, text=text):
                problems = self.breaches(path, text)
                os.unlink(os.path.join(self.dir, path))
                self.assertEqual(len(problems), 1, problems)
                self.assertTrue(problems[0].startswith(path), problems)


class Fields(unittest.TestCase):
    HEADER = """
struct config_source {
	int fd;
};
struct config {
	/* Time; in ticks. */
	int tick_time_ms; /* a tick; long */
	const char *user[CONFIG_DAEMONS];
	struct arena arena;
};
"""

    def test_fields_are_found(self):
        self.assertEqual(fields.fields(self.HEADER), ["tick_time_ms", "user"])

    def test_an_unread_one_is_named(self):
        names = fields.fields(self.HEADER)
        self.assertEqual(fields.unread(names, ["x = c->tick_time_ms;", "y = d.config->user[0];"]), [])
        self.assertEqual(fields.unread(names, ["int tick_time_ms;", "y = c.users + c->user;"]), ["tick_time_ms"])


class Pages(Scratch):
    PAGE = """.Sh KEYS
.It Cm tickTime
Length of a tick.
Default: \\-1; allowed: \\-1..9 (ms).
Tier 1.
.It Cm server.\\& Ns Ar N
Default: none.
Tier 2.
.Sh KEYS WITHOUT EFFECT
.It Cm kinit
Default: /usr/bin/kinit.
Tier 3.
.Sh KEYS THAT ARE REFUSED
.It Cm sslQuorum , portUnification
.It Cm ssl.\\& Ns Ar *
No.
.Sh SEE ALSO
.It Cm other
"""
    KEYS = {
        "tickTime": ("honoured", "-1", "-1..9 (ms)", 1),
        "server.*": ("honoured", "none", None, 2),
        "kinit": ("accepted", "/usr/bin/kinit", None, 3),
        "sslQuorum": ("refused", None, None, None),
        "portUnification": ("refused", None, None, None),
        "ssl.*": ("refused", None, None, None),
    }

    def test_keys_are_read(self):
        self.assertEqual(pages.page_keys(self.PAGE), self.KEYS)
        self.assertEqual(list(pages.key_complaints(pages.page_keys(self.PAGE), self.KEYS)), [])

    def test_breaches(self):
        for page, breach in (
            (self.PAGE.replace("Cm kinit", "Cm other"), "kinit"),
            (self.PAGE.replace("..9", "..8"), "tickTime"),
            (self.PAGE.replace("bin/kinit", "kinit"), "kinit"),
            (self.PAGE.replace(" , portUnification", ""), "portUnification"),
            (self.PAGE.replace(".Sh KEYS WITHOUT EFFECT", ".Sh KEYS"), "kinit"),
            (self.PAGE.replace("server", "group"), "server.*"),
            (self.PAGE.replace("Tier 2", "Tier 1"), "server.*"),
        ):
            with self.subTest(breach=breach):
                complaints = list(pages.key_complaints(pages.page_keys(page), self.KEYS))
                self.assertTrue(any(f": {breach}: " in c for c in complaints), complaints)

    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is missing")
    def test_a_reference_to_nowhere(self):
        page = self.write("x.1", ".Dd November 22, 2026\n.Dt X 1\n.Os\n.Sh NAME\n.Nm x\n.Nd y\n.Sh SEE ALSO\n.Xr nowhere 8\n")
        self.assertEqual(len(list(pages.mandoc_complaints(page, set()))), 1)
        self.assertEqual(list(pages.mandoc_complaints(page, {"nowhere.8"})), [])


class Messages(unittest.TestCase):
    HEADER = "enum msg_type {\n\t/* MSG_OLD = 9 */\n\tMSG_A = 1,\n\tMSG_B = 2, /* and MSG_A = 3 */\n};\n"

    def found(self, page):
        return list(messages.complaints(messages.header_messages(self.HEADER), messages.page_messages(page)))

    def test_clean(self):
        self.assertEqual(self.found(".It Dv MSG_A Pq 1\n.It Dv MSG_B Pq 2\n"), [])

    def test_missing(self):
        self.assertEqual(self.found(".It Dv MSG_A Pq 1\n"), ["MSG_B: msg.h says 2, zkd-ipc(7) None"])

    def test_number(self):
        self.assertEqual(
            self.found(".It Dv MSG_A Pq 1\n.It Dv MSG_B Pq 3\n"), ["MSG_B: msg.h says 2, zkd-ipc(7) 3"]
        )

    def test_gone(self):
        page = ".It Dv MSG_A Pq 1\n.It Dv MSG_B Pq 2\n.It Dv MSG_OLD Pq 9\n"
        self.assertEqual(self.found(page), ["MSG_OLD: msg.h says None, zkd-ipc(7) 9"])


if __name__ == "__main__":
    unittest.main()
