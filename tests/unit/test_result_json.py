"""Results as JSON and back."""

from __future__ import annotations

import dataclasses
import json
from typing import ClassVar

import pytest

from edge_mnv3.core.results.bench import HostBenchConditions, HostBenchResult, HostProtocol
from edge_mnv3.core.results.formats import Format
from edge_mnv3.core.results.json_format import from_json, to_json
from edge_mnv3.core.results.models import KernelCheck, ModelChecks
from edge_mnv3.core.results.validate import AccuracyDelta, Gate

CHECK = KernelCheck(loads=True, partitions=2, undelegated_ops={"HARD_SWISH": 19}, problem=None)
CHECKS = ModelChecks(
    full_integer=True,
    float_tensors=(),
    fixed_shapes=True,
    dynamic_tensors=("a", "b"),
    xnnpack=CHECK,
    builtin=CHECK,
    passed=True,
    problems=(),
)
BENCH = HostBenchResult(
    conditions=HostBenchConditions(
        device="d",
        platform="p",
        runtime="r",
        protocol=HostProtocol(kernels="xnnpack", num_threads=1, num_runs=2, warmup_runs=3),
        cpu_mask="3",
        model_path="m",
        model_sha256="s",
    ),
    median_us=1.5,
    block_medians_us=(1.5,),
    p5_us=1.0,
    p95_us=2.0,
    min_us=1.0,
    max_us=2.0,
    mean_us=1.5,
    std_us=0.5,
    init_us=10.0,
    warnings=("unstable",),
)


@pytest.mark.parametrize("result", [CHECK, CHECKS, BENCH])
def test_round_trip(result: KernelCheck | ModelChecks | HostBenchResult) -> None:
    assert from_json(type(result), to_json(result)) == result


def test_whole_numbers_are_read_as_floats() -> None:
    delta = from_json(
        AccuracyDelta,
        '{"top1_points": 1, "top5_points": 0, "ci95_points": [-1, 1], "method": "m", "lost": 0, "won": 1}',
    )
    assert isinstance(delta.top1_points, float)
    assert delta.ci95_points == (-1.0, 1.0)


def test_trailing_underscore_is_not_written() -> None:
    @dataclasses.dataclass(frozen=True)
    class Pair:
        float_: int

    assert json.loads(to_json(Pair(float_=1))) == {"float": 1}
    assert from_json(Pair, '{"float": 1}') == Pair(float_=1)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_has_no_json(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(Gate(max_drop_points=1.0, drop_points=value, passed=False, problems=()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "a JSON object was expected, got list"),
        ('{"loads": true}', "KernelCheck: missing keys .'partitions', 'problem', 'undelegated_ops'."),
        (
            '{"loads": 1, "partitions": 2, "undelegated_ops": {}, "problem": null}',
            "KernelCheck.loads: .* was expected, got 1",
        ),
        (
            '{"loads": true, "partitions": true, "undelegated_ops": {}, "problem": null}',
            "KernelCheck.partitions: .* was expected, got True",
        ),
        (
            '{"loads": true, "partitions": 2, "undelegated_ops": [], "problem": null}',
            "KernelCheck.undelegated_ops: .* was expected",
        ),
        (
            '{"loads": true, "partitions": 2, "undelegated_ops": {}, "problem": null, "extra": 1}',
            "unknown keys .'extra'.",
        ),
    ],
)
def test_refuses_other_json(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_json(KernelCheck, text)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Third:
    """A format in its third version: `size` became `size_px`, then `name` came."""

    FORMAT: ClassVar[Format] = Format(
        "third",
        (
            lambda old: {"schema_version": 1, "size_px": old["size"]},
            lambda old: {**old, "name": "unnamed"},
        ),
    )
    schema_version: int = FORMAT.version
    size_px: int
    name: str


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"schema_version": 1, "size": 5}', "unnamed"),
        ('{"schema_version": 2, "size_px": 5}', "unnamed"),
        ('{"schema_version": 3, "size_px": 5, "name": "n"}', "n"),
    ],
)
def test_older_versions_are_read(text: str, name: str) -> None:
    assert from_json(Third, text) == Third(size_px=5, name=name)
    assert json.loads(to_json(from_json(Third, text)))["schema_version"] == 3


@pytest.mark.parametrize("version", ["4", "0", "true", "1.0", "null"])
def test_unknown_versions_are_refused(version: str) -> None:
    with pytest.raises(ValueError, match=r"schema_version .* is not supported, this program reads 1 to 3"):
        from_json(Third, f'{{"schema_version": {version}, "size_px": 5, "name": "n"}}')


def test_refuses_a_nested_value_that_is_no_object() -> None:
    data = json.loads(to_json(CHECKS)) | {"xnnpack": 3}
    with pytest.raises(ValueError, match="ModelChecks.xnnpack: an object was expected, got 3"):
        from_json(ModelChecks, json.dumps(data))


def test_refuses_a_tuple_of_another_length() -> None:
    with pytest.raises(ValueError, match="ci95_points"):
        from_json(
            AccuracyDelta,
            '{"top1_points": 1, "top5_points": 0, "ci95_points": [1], "method": "m", "lost": 0, "won": 1}',
        )
