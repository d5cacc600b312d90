"""Profiles of operators, and what of the graph they are."""

from __future__ import annotations

import random

import pytest

from edge_mnv3.core.errors import BenchmarkLogError
from edge_mnv3.core.tflite.types import Graph, Operator, Tensor
from edge_mnv3_android_bench.benchmark_model.op_profile import read_op_profile
from edge_mnv3_android_bench.benchmark_model.profile_tables import INTERNAL, read_profile_tables
from synthetic_profiles import Row, log_profile, tables

_OPS = (("CONV_2D", "stem"), ("HARD_SWISH", "swish"), ("CONV_2D", "expand"), ("SOFTMAX", "out"))
GRAPH = Graph(
    tensors=tuple(Tensor(name=output, dtype="INT8", shape=(1,)) for _, output in _OPS),
    operators=tuple(
        Operator(index=i, name=name, version=1, inputs=(), outputs=(i,), options={})
        for i, (name, _) in enumerate(_OPS)
    ),
    inputs=(),
    outputs=(3,),
)
BUILTIN = [
    Row("CONV_2D", "[stem]:0", 17_502),
    Row("HARD_SWISH", "[swish]:1", 30_001),
    Row("CONV_2D", "[expand]:2", 2_499),
    Row("SOFTMAX", "[out]:3", 4),
]
# XNNPACK leaves HARD_SWISH out: two partitions, appended behind the graph's own nodes.
PARTITIONED = [
    Row("TfLiteXNNPackDelegate", "[stem]:4", 9_000),
    Row("HARD_SWISH", "[swish]:1", 30_000),
    Row("TfLiteXNNPackDelegate", "[expand, side]:5", 1_000),
    Row("SOFTMAX", "[out]:3", 40),
]


@pytest.mark.parametrize("csv", [False, True])
@pytest.mark.parametrize("start", [False, True])
def test_builtin_kernels(csv: bool, start: bool) -> None:
    profile = read_op_profile(log_profile(tables(BUILTIN, csv=csv, start=start)), GRAPH)
    assert (profile.runs, profile.total_us, profile.partitions) == (50, 50_006.0, 0)
    assert [(c.graph_index, c.op_type, c.outputs, c.time_us) for c in profile.costs] == [
        (0, "CONV_2D", ("stem",), 17_502.0),
        (1, "HARD_SWISH", ("swish",), 30_001.0),
        (2, "CONV_2D", ("expand",), 2_499.0),
        (3, "SOFTMAX", ("out",), 4.0),
    ]
    assert [(s.op_type, s.count, s.time_us) for s in profile.by_type] == [
        ("HARD_SWISH", 1, 30_001.0),
        ("CONV_2D", 2, 20_001.0),
        ("SOFTMAX", 1, 4.0),
    ]
    assert profile.by_type[0].share_percent == pytest.approx(100 * 30_001 / 50_006)
    assert sum(share.share_percent for share in profile.by_type) == pytest.approx(100.0)
    assert [cost.graph_index for cost in profile.slowest(2)] == [1, 0]
    assert (profile.delegated_ops, profile.delegate_internal) == ({}, ())


def test_partitions_of_a_delegate() -> None:
    profile = read_op_profile(log_profile(tables(PARTITIONED)), GRAPH)
    assert profile.partitions == 2
    assert profile.delegated_ops == {"CONV_2D": 2}
    assert [(c.op_type, c.graph_index, c.by_delegate) for c in profile.costs] == [
        ("TfLiteXNNPackDelegate", None, True),
        ("HARD_SWISH", 1, False),
        ("TfLiteXNNPackDelegate", None, True),
        ("SOFTMAX", 3, False),
    ]
    assert profile.costs[2].outputs == ("expand", "side")
    assert profile.by_type[0].op_type == "HARD_SWISH"
    assert profile.by_type[0].share_percent == pytest.approx(100 * 30_000 / 40_040)


@pytest.mark.parametrize("csv", [False, True])
def test_steps_that_a_delegate_profiles_itself(csv: bool) -> None:
    rows = [
        Row("Convolution (NHWC, QC8) IGEMM", "Delegate/Convolution (NHWC, QC8) IGEMM:0", 400),
        Row("Convolution (NHWC, QC8) DWConv", "Delegate/Convolution (NHWC, QC8) DWConv:1", 51, calls=13),
        Row("HARD_SWISH", "[swish]:1", 3_000),
        Row("convolution_2d 2 -> relu 3", "Delegate/convolution_2d 2 -> relu 3:1", 10),
    ]
    profile = read_op_profile(log_profile(tables(rows, csv=csv)), GRAPH)
    assert [(c.op_type, c.time_us, c.calls, c.by_delegate) for c in profile.costs] == [
        ("Convolution (NHWC, QC8) IGEMM", 400.0, 1, True),
        ("Convolution (NHWC, QC8) DWConv", 663.0, 13, True),
        ("HARD_SWISH", 3_000.0, 1, False),
        ("convolution_2d 2 -> relu 3", 10.0, 1, True),
    ]
    assert (profile.partitions, profile.delegated_ops) == (0, {"CONV_2D": 2, "SOFTMAX": 1})


def test_several_subgraphs_and_internals_of_delegates() -> None:
    body = [Row("MUL", "[m]:0", 70), Row("ADD", "[a]:1", 30)]
    steps = [Row("DelegateOpInvoke", "Delegate/conv:0", 900)]
    internal = tables([Row("Step", "Delegate/conv:0", 900)])
    text = log_profile(
        "Primary graph (name: main) profile:\n",
        tables(BUILTIN),
        "Subgraph (index: 1, name: body) profile:\n",
        tables(body, prefix="Subgraph (index: 1, name: body) "),
        "Delegate internal: \n",
        internal,
    )
    groups = read_profile_tables(text)
    assert [(group.subgraph, group.total_us) for group in groups] == [(0, 50_006), (1, 100), (INTERNAL, 900)]
    profile = read_op_profile(text, GRAPH)
    assert profile.total_us == 50_006.0
    assert [(c.subgraph, c.op_type) for c in profile.costs[4:]] == [(1, "MUL"), (1, "ADD")]
    assert [share.op_type for share in profile.by_type] == ["HARD_SWISH", "CONV_2D", "SOFTMAX"]
    assert [c.time_us for c in profile.delegate_internal] == [900.0]
    # Builds before that list the steps among the operators, outside of the total.
    mixed = read_op_profile(log_profile(tables(PARTITIONED + steps)), GRAPH)
    assert (mixed.total_us, mixed.partitions) == (40_040.0, 2)
    assert [c.op_type for c in mixed.delegate_internal] == ["DelegateOpInvoke"]


def test_tensorflow_1_has_neither_headings_nor_numbers() -> None:
    rows = [row._replace(name=row.name.partition(":")[0]) for row in BUILTIN]
    text = "Average inference timings in us: Warmup: 1, Init: 1, no stats: 1\n" + tables(rows, start=True)
    assert [cost.graph_index for cost in read_op_profile(text, GRAPH).costs] == [0, 1, 2, 3]


def test_operator_that_does_not_run_in_every_inference_is_taken_by_its_share() -> None:
    # Called 75 times in 50 inferences: the build prints 1 call of 30.001 ms, and the true share.
    text = log_profile(tables(BUILTIN)).replace("30.001\t 59.995%", "20.001\t 59.995%")
    assert read_op_profile(text, GRAPH).costs[1].time_us == pytest.approx(
        30_001, abs=0.5
    )  # 0.0005 % of 50 ms


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            "30.001\t 59.995%",
            "60.001\t 59.995%",
            "HARD_SWISH [swish]:1 with 60.001 ms, but a share of 59.995 %",
        ),
        ("17.502\t 35.000%", "xx.502\t 35.000%", "a damaged row"),
        ("4 nodes observed", "3 nodes observed", "4 rows, but 4, 3, 4 nodes in the sums"),
        ("executed: 4", "executed: 5", "4 rows, but 5, 4, 4 nodes in the sums"),
        ("    20.001\t", "    21.001\t", "rows of CONV_2D that do not make its sum of 21.001 ms"),
        ("count=50 curr=50006", "count=50 curr=5x006", "a damaged total"),
        (
            "[stem]:0",
            "[stem]:2",
            "got CONV_2D that makes 'stem' as operator 2, expected an operator of the file",
        ),
        (
            "[swish]",
            "[other]",
            "got HARD_SWISH that makes 'other' as operator 1, expected an operator of the",
        ),
        ("Regular Benchmark Runs:", "Regular", "a profile that was cut after the start-up"),
    ],
)
def test_damaged_profiles_are_refused(old: str, new: str, text: str) -> None:
    log = log_profile(tables(BUILTIN))
    assert old in log
    with pytest.raises(BenchmarkLogError) as caught:
        read_op_profile(log.replace(old, new), GRAPH)
    assert text in str(caught.value)


def test_no_profile() -> None:
    with pytest.raises(
        BenchmarkLogError, match="got no profile of operators; use --enable_op_profiling=true"
    ):
        read_profile_tables("Inference timings in us: Init: 1\n")


def test_cut_profiles_are_refused_or_whole() -> None:
    log = log_profile(tables(BUILTIN))
    whole = read_op_profile(log, GRAPH)
    needed = log.rindex(" nodes observed") + len(" nodes observed")
    for end in range(0, len(log), 7):
        if end >= needed:
            assert read_op_profile(log[:end], GRAPH) == whole
        else:
            with pytest.raises(BenchmarkLogError):
                read_op_profile(log[:end], GRAPH)


def test_lost_and_doubled_lines_never_change_a_cost() -> None:
    log = log_profile(tables(PARTITIONED)).splitlines(keepends=True)
    whole = read_op_profile("".join(log), GRAPH)
    chance = random.Random(3)
    for _ in range(300):
        lines = list(log)
        place = chance.randrange(len(lines))
        if chance.random() < 0.5:
            del lines[place]
        else:
            lines.insert(chance.randrange(len(lines)), lines[place])
        try:
            profile = read_op_profile("".join(lines), GRAPH)
        except BenchmarkLogError:
            continue
        assert profile == whole
