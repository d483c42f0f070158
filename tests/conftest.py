"""For every pytest run below tests/: the shared modules are found, and a node that is not built is said so once."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
