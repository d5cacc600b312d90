"""How long a test may take of something that would never end by itself."""

from __future__ import annotations

# A busy machine takes a tenth of it; without its timeout, the thing under test takes for ever.
HANGS_AFTER_S = 120
