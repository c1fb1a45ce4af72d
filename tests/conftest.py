"""What holds for every process of the tests."""

from __future__ import annotations

import os

# torch reads it when it is loaded, which test modules do before the command line sets it. Threads that spin while the
# other test processes have the cores took three times the processor time.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
