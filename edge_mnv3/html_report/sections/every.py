"""All sections of the page, in its order."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from edge_mnv3.html_report.blocks import Section
from edge_mnv3.html_report.gathered import Gathered
from edge_mnv3.html_report.names import ClassNames
from edge_mnv3.html_report.pictures import Pictures
from edge_mnv3.html_report.sections.accuracy import accuracy
from edge_mnv3.html_report.sections.calibration import calibration
from edge_mnv3.html_report.sections.flips import flips
from edge_mnv3.html_report.sections.gates import gates
from edge_mnv3.html_report.sections.headline import headline
from edge_mnv3.html_report.sections.latency import latency
from edge_mnv3.html_report.sections.noise import noise
from edge_mnv3.html_report.sections.operators import operators
from edge_mnv3.html_report.sections.published import published
from edge_mnv3.html_report.sections.ranges import ranges
from edge_mnv3.html_report.sections.repeat import repeat
from edge_mnv3.html_report.sections.sweep import sweeps


class Told(NamedTuple):
    """What is known beside the results: names of classes, and pictures."""

    names: ClassNames
    pictures: Pictures


def sections_of(gathered: Gathered, told: Told) -> tuple[Section, ...]:
    """All sections, in the order of the page; those without results too."""
    return (
        headline(gathered),
        *gates(gathered),
        accuracy(gathered, told.names),
        flips(gathered, told.names, told.pictures),
        noise(gathered),
        ranges(gathered),
        operators(gathered),
        latency(gathered),
        *sweeps(gathered),
        published(gathered),
        calibration(gathered, told.pictures),
        repeat(gathered),
    )


def title_of(gathered: Gathered) -> str:
    """What the page is called: the name of the run, or of its int8 file."""
    made = gathered.quantize
    return made.name if made is not None else Path(gathered.subject.int8_path).stem
