"""Examples of properties: how many (all of them in CI, a fifth of them elsewhere), and of what characters."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st

QUICK, THOROUGH = "quick", "thorough"  # profiles of hypothesis; `pytest --hypothesis-profile=thorough`
_THOROUGH_EXAMPLES = 100
_QUICK_EXAMPLES = 20

# What `st.text()` draws from, which finds that out by encoding a million characters: two seconds a worker.
ANY_CHARACTER = st.characters(exclude_categories=["Cs"])


def register_profiles() -> None:
    """Makes both profiles known, and the quick one the default. A busy machine is no error in either."""
    settings.register_profile(THOROUGH, deadline=None, max_examples=_THOROUGH_EXAMPLES)
    settings.register_profile(QUICK, deadline=None, max_examples=_QUICK_EXAMPLES)
    settings.load_profile(QUICK)


def examples(thorough: int) -> settings:
    """Settings of a property that needs another number of examples than the usual 100."""
    share = settings().max_examples / _THOROUGH_EXAMPLES
    return settings(max_examples=max(1, round(thorough * share)), deadline=None)
