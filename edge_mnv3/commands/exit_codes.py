"""Exit codes of all commands; click gives 2 to wrong usage."""

from __future__ import annotations

from edge_mnv3.core.errors import EdgeMnv3Error

EXPECTED_ERROR = EdgeMnv3Error.exit_code
POINTS_FAILED = EXPECTED_ERROR  # of several parts of the work some were done, and others ended in errors
GATE_FAILED = 3  # the work was done, and its result is not good enough or differs
