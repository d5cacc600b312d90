"""How many examples a property is tried with: all of them in CI, a fifth of them elsewhere."""

from __future__ import annotations

from hypothesis import settings

QUICK, THOROUGH = "quick", "thorough"  # profiles of hypothesis; `pytest --hypothesis-profile=thorough`
_THOROUGH_EXAMPLES = 100
_QUICK_EXAMPLES = 20


def register_profiles() -> None:
    """Makes both profiles known, and the quick one the default. A busy machine is no error in either."""
    settings.register_profile(THOROUGH, deadline=None, max_examples=_THOROUGH_EXAMPLES)
    settings.register_profile(QUICK, deadline=None, max_examples=_QUICK_EXAMPLES)
    settings.load_profile(QUICK)


def examples(thorough: int) -> settings:
    """Settings of a property that needs another number of examples than the usual 100."""
    share = settings().max_examples / _THOROUGH_EXAMPLES
    return settings(max_examples=max(1, round(thorough * share)), deadline=None)
