"""The stage `published`: the published accuracies and latencies, of all networks or of one."""

from __future__ import annotations

from dataclasses import dataclass

from edge_mnv3.core.published import Published, read_published
from edge_mnv3.core.reporting import SILENT, Reporter
from edge_mnv3.core.requests import Request, check_call
from edge_mnv3.model.arch import Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRequest(Request):
    """Which figures to show.

    Attributes:
        variant: The network; None for all.
    """

    variant: Variant | None = None


def published(request: PublishedRequest, reporter: Reporter = SILENT) -> Published:
    """Reads the published figures, each with its source; sources that contradict one another stand apart."""
    check_call("published", (PublishedRequest,), request, reporter)
    reporter.step("reading the published figures")
    figures = read_published()
    if request.variant is None:
        return figures
    return figures.of_variant(request.variant.network, request.variant.alpha)
