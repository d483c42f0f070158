"""For every pytest run below tests/: the shared modules are found, and a node that is not built is said so once."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))

# Files that run side by side (pytest -n 2 --dist loadfile) do not take each other's ports.
worker = os.environ.get("PYTEST_XDIST_WORKER", "")
if worker.startswith("gw"):
    first = 20000 + int(worker[2:]) % 4 * 2500
    os.environ.setdefault("ZKD_TEST_PORTS", f"{first}-{first + 2499}")
