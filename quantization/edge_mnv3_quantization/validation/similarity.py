"""An output of features compared: embeddings and maps, whose numbers themselves are what counts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.results.model_facts import OutputFacts
from edge_mnv3.core.results.validate import OutputComparison, Similarity
from edge_mnv3_quantization.evaluation.records import Columns
from edge_mnv3_quantization.validation.comparing import Answered, Compared, PairNames
from edge_mnv3_quantization.validation.findings import Finding, NotFinite, OneAnswer, Unlike, Which

UNLIKE_COSINE = 0.5  # an angle of 60 degrees: int8 files that work have a few degrees
_LEAST_FOR_NEIGHBOURS = 3
_ROWS = 512  # of the table of cosines held at once

Vectors = npt.NDArray[np.float32]


class FeatureAnswer(NamedTuple):
    """What is kept of both outputs to one image.

    Attributes:
        cosine: Of the angle between them; 1 where both are nought, 0 where one is, or is not finite.
        noise: Sum of the squares of the difference.
        float_sum: Sum of the float numbers.
        square: Sum of the squares of the float numbers.
        numbers: How many there are.
        vectors: Both outputs, for embeddings; None for maps.
        finite: Whether the float's and the int8's numbers are finite.
        digest: Hashes of both outputs, the same in every process, to see whether all are alike.
    """

    cosine: float
    noise: float
    float_sum: float
    square: float
    numbers: int
    vectors: tuple[Vectors, Vectors] | None
    finite: tuple[bool, bool]
    digest: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureComparison:
    """Compares embeddings or maps.

    Attributes:
        facts: The output.
        files: What findings call the files.
    """

    facts: OutputFacts
    files: PairNames

    def read(self, float_output: npt.NDArray[Any], int8_output: npt.NDArray[Any]) -> FeatureAnswer:
        """Measures the int8 output against the float one."""
        float_, int8 = (output.reshape(-1).astype(np.float64) for output in (float_output, int8_output))
        finite = bool(np.isfinite(float_).all()), bool(np.isfinite(int8).all())
        one, other = (np.nan_to_num(each, nan=0.0, posinf=0.0, neginf=0.0) for each in (float_, int8))
        return FeatureAnswer(
            cosine=cosine(one, other) if all(finite) else 0.0,
            noise=float(np.square(other - one).sum()),
            float_sum=float(one.sum()),
            square=float(np.square(one).sum()),
            numbers=one.size,
            vectors=(one.astype(np.float32), other.astype(np.float32))
            if self.facts.task == "embedding"
            else None,
            finite=finite,
            digest=(_digest(one), _digest(other)),
        )

    def columns(self, answers: Sequence[FeatureAnswer]) -> Columns:
        """Lays answers out in columns.

        Returns:
            `sums`, (images, 4) float64: cosine, noise, float_sum and square; `numbers`, (images,) int64;
            `finite`, (images, 2) bool; `digest`, (images, 2) int64; of embeddings `float` and `int8`,
            (images, numbers) float32.
        """
        columns: Columns = {
            "sums": np.array([each[:4] for each in answers], np.float64).reshape(-1, 4),
            "numbers": np.array([each.numbers for each in answers], np.int64),
            "finite": np.array([each.finite for each in answers], np.bool_).reshape(-1, 2),
            "digest": np.array([each.digest for each in answers], np.int64).reshape(-1, 2),
        }
        vectors = [each.vectors for each in answers if each.vectors is not None]
        for place, name in enumerate(("float", "int8") if vectors else ()):
            columns[name] = np.stack([pair[place] for pair in vectors])
        return columns

    def compare(self, answered: Answered) -> Compared:
        """Compares all outputs; labels are not needed."""
        answers = _answers(answered.columns)
        cosines = [each.cosine for each in answers]
        least = int(np.argmin(cosines))
        similarity = Similarity(
            cosine_mean=float(np.mean(cosines)),
            cosine_least=cosines[least],
            least_file=answered.names[least],
            snr_db=_decibels(answers),
            neighbour_agreement_percent=_neighbours(answers),
        )
        findings = list(_findings(self.files, answers))
        if not similarity.cosine_mean >= UNLIKE_COSINE:
            findings.append(Unlike(self.facts.name, similarity.cosine_mean))
        comparison = OutputComparison(
            threshold=None,
            output=self.facts,
            labelled=False,
            agreement_percent=None,
            scores=(),
            similarity=similarity,
        )
        return Compared(comparison, tuple(findings))


def _answers(columns: Columns) -> list[FeatureAnswer]:
    count = len(columns["numbers"])
    pairs = zip(columns["float"], columns["int8"], strict=True) if "float" in columns else [None] * count
    rows = (columns[name].tolist() for name in ("sums", "numbers", "finite", "digest"))
    return [
        FeatureAnswer(
            sums[0],
            sums[1],
            sums[2],
            sums[3],
            numbers,
            vectors,
            (finite[0], finite[1]),
            (digest[0], digest[1]),
        )
        for sums, numbers, finite, digest, vectors in zip(*rows, pairs, strict=True)
    ]


def _digest(output: npt.NDArray[np.float64]) -> int:
    return int.from_bytes(hashlib.blake2b(output.tobytes(), digest_size=8).digest(), "little", signed=True)


def cosine(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Computes the cosine of the angle between two vectors; 1 where both are nought, 0 where one is."""
    lengths = float(np.linalg.norm(one)), float(np.linalg.norm(other))
    if 0.0 in lengths:
        return 1.0 if lengths == (0.0, 0.0) else 0.0
    return float(np.clip(one @ other / lengths[0] / lengths[1], -1.0, 1.0))


def nearest(vectors: Vectors) -> npt.NDArray[np.intp]:
    """Finds the nearest other vector of each, by cosine.

    Args:
        vectors: (images, numbers), at least two.

    Returns:
        (images,): its index; the lowest of those that are equally near.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths > 0, lengths, 1.0)
    found = []
    for start in range(0, len(unit), _ROWS):
        table = unit[start : start + _ROWS] @ unit.T
        rows = np.arange(len(table))
        table[rows, start + rows] = -np.inf
        found.append(table.argmax(axis=1))
    return np.concatenate(found)


def _neighbours(answers: Sequence[FeatureAnswer]) -> float | None:
    """How many images have the same nearest one; those with numbers that are not finite have none."""
    given = sum(each.vectors is not None for each in answers)
    pairs = [each.vectors for each in answers if each.vectors is not None and all(each.finite)]
    if given < _LEAST_FOR_NEIGHBOURS:
        return None
    if len(pairs) < _LEAST_FOR_NEIGHBOURS:
        return 0.0
    one, other = (nearest(np.stack([pair[place] for pair in pairs])) for place in (0, 1))
    return float(100 * (one == other).sum() / given)


def _decibels(answers: Sequence[FeatureAnswer]) -> float | None:
    """Signal to noise over all images; the signal is what differs from the mean of all numbers.

    None where there is no noise or no signal, or a number is not finite.
    """
    if not all(all(each.finite) for each in answers):
        return None
    count = sum(each.numbers for each in answers)
    mean = sum(each.float_sum for each in answers) / count
    signal = sum(each.square for each in answers) / count - mean**2
    noise = sum(each.noise for each in answers) / count
    return float(10 * np.log10(signal / noise)) if signal > 0 and noise > 0 else None


def _findings(files: PairNames, answers: Sequence[FeatureAnswer]) -> list[Finding]:
    found: list[Finding] = []
    of_files: list[tuple[Which, int, Path]] = [("float", 0, files.float_), ("int8", 1, files.int8)]
    for which, place, path in of_files:
        not_finite = sum(not each.finite[place] for each in answers)
        if not_finite:
            found.append(NotFinite(which, path, not_finite, len(answers)))
        elif len(answers) > 1 and len({each.digest[place] for each in answers}) == 1:
            found.append(OneAnswer(which, path, "the same numbers"))
    return found
