"""Instructions by class, function and operator, on values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_mnv3.core.errors import RuntimeUnavailableError
from edge_mnv3.core.results.cost import BETWEEN, CPUS
from edge_mnv3.core.tflite.types import Graph, Operator, Tensor
from edge_mnv3_android_bench.instructions.attribution import attribute
from edge_mnv3_android_bench.instructions.costing import data_type, processor_cost
from edge_mnv3_android_bench.instructions.emulation import Inference
from edge_mnv3_android_bench.instructions.instruction_classes import instruction_class
from edge_mnv3_android_bench.instructions.library import Library, read_library, readable
from edge_mnv3_android_bench.instructions.processors import PROCESSORS
from edge_mnv3_android_bench.instructions.qemu_log import Execution

# Words and what LLVM's disassembler calls them.
WORDS = [
    (0x4F8DE210, "dot", "sdot v16.4s, v16.16b, v13.4b[0]"),
    (0x4E8F9410, "dot", "sdot v16.4s, v0.16b, v15.16b"),
    (0x4E8FA410, "dot", "smmla v16.4s, v0.16b, v15.16b"),
    (0x6E42FC20, "dot", "bfdot v0.4s, v1.8h, v2.8h"),
    (0x4F8F1010, "multiply", "fmla v16.4s, v0.4s, v15.s[0]"),
    (0x4E22CC20, "multiply", "fmla v0.4s, v1.4s, v2.4s"),
    (0x6E22DC20, "multiply", "fmul v0.4s, v1.4s, v2.4s"),
    (0x4E420C20, "multiply", "fmla v0.8h, v1.8h, v2.8h"),
    (0x4E228020, "multiply", "smlal2 v0.8h, v1.16b, v2.16b"),
    (0x0E22C020, "multiply", "smull v0.8h, v1.8b, v2.8b"),
    (0x4E629C20, "multiply", "mul v0.8h, v1.8h, v2.8h"),
    (0x6EA2B420, "multiply", "sqrdmulh v0.4s, v1.4s, v2.4s"),
    (0x1F420C20, "multiply", "fmadd d0, d1, d2, d3"),
    (0x9B020C20, "multiply", "madd x0, x1, x2, x3"),
    (0x4E22D420, "vector", "fadd v0.4s, v1.4s, v2.4s"),
    (0x4E020020, "vector", "tbl v0.16b, {v1.16b}, v2.16b"),
    (0x6E22FC20, "vector", "fdiv v0.4s, v1.4s, v2.4s"),
    (0x3DC00020, "load", "ldr q0, [x1]"),
    (0x4C407020, "load", "ld1 {v0.16b}, [x1]"),
    (0xAD400820, "load", "ldp q0, q2, [x1]"),
    (0xF9400020, "load", "ldr x0, [x1]"),
    (0x39C00020, "load", "ldrsb w0, [x1]"),
    (0x58000020, "load", "ldr x0, #4"),
    (0x3D800020, "store", "str q0, [x1]"),
    (0x4C007020, "store", "st1 {v0.16b}, [x1]"),
    (0xA9BF7BFD, "store", "stp x29, x30, [sp, #-16]!"),
    (0x8B020020, "integer", "add x0, x1, x2"),
    (0x9AC20820, "integer", "udiv x0, x1, x2"),
    (0xF1000400, "integer", "subs x0, x0, #1"),
    (0x54000001, "branch", "b.ne"),
    (0x97DF4C62, "branch", "bl"),
    (0xB4000040, "branch", "cbz"),
    (0x37000040, "branch", "tbnz"),
    (0xD63F0020, "branch", "blr x1"),
    (0xD65F03C0, "branch", "ret"),
    (0xF9800020, "other", "prfm pldl1keep, [x1]"),
    (0xD503201F, "other", "nop"),
    (0xF8200020, "other", "ldadd x0, x0, [x1]"),
]


@pytest.mark.parametrize(("word", "kind", "text"), WORDS, ids=[text for *_, text in WORDS])
def test_class_of_an_instruction(word: int, kind: str, text: str) -> None:
    assert instruction_class(word) == kind


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("xnn_f32_vmul_ukernel__neon_u8", "xnn_f32_vmul_ukernel__neon_u8"),
        ("_ZN6tflite8Subgraph10InvokeImplEv", "tflite::Subgraph::InvokeImpl"),
        (
            "_ZN6tflite7xnnpack12_GLOBAL__N_114SubgraphInvokeEP13TfLiteContext",
            "tflite::xnnpack::SubgraphInvoke",
        ),
        ("_ZN6tflite3ops7builtin4conv4EvalILNS2_10KernelTypeE1EEE12X", "tflite::ops::builtin::conv::Eval"),
        ("_ZNK6tflite12RuntimeShape8FlatSizeEv", "tflite::RuntimeShape::FlatSize"),
        ("_ZL4packi", "pack"),
        ("_ZNSt6vectorIbSaIbEE13_M_reallocateEm", "_ZNSt6vectorIbSaIbEE13_M_reallocateEm"),
    ],
)
def test_names_for_people(name: str, said: str) -> None:
    assert readable(name) == said


A76 = PROCESSORS["a76"]
CALL, POINTER_CALL, RETURN, ADD, SDOT = 0x94000000, 0xD63F0020, 0xD65F03C0, 0x8B020020, 0x4E8F9410
INTERPRETER = "_ZN6tflite8Subgraph10InvokeImplEv"
EVAL = "_ZN6tflite3ops7builtin8quantize4EvalEP13TfLiteContextP10TfLiteNode"
DELEGATE = "_ZN6tflite7xnnpack12_GLOBAL__N_114SubgraphInvokeEP13TfLiteContextP10TfLiteNode"
GEMM = "xnn_qs8_qc8w_gemm_minmax_fp32_ukernel_4x16c4__asm_aarch64_neondot_ld128"
# Functions in the order of their code: each instruction of a block, blocks in brackets.
FUNCTIONS: dict[str, list[list[int]]] = {
    INTERPRETER: [[ADD, POINTER_CALL], [ADD, ADD, CALL], [RETURN]],
    "_ZN6tflite8Subgraph26MaybeReleaseDynamicTensorsEv": [[RETURN]],
    EVAL: [[ADD, ADD, ADD, RETURN]],
    DELEGATE: [[CALL], [RETURN]],
    "xnn_invoke_runtime": [[ADD, CALL], [ADD, RETURN]],
    "xnn_run_operator_with_index": [[CALL], [RETURN]],
    GEMM: [[SDOT, ADD], [SDOT, RETURN]],
}
START = 0x1000


def library() -> Library:
    words: list[int] = []
    addresses: list[int] = []
    for blocks in FUNCTIONS.values():
        addresses.append(START + 4 * len(words))
        words += [word for block in blocks for word in block]
    return Library(
        Path("lib.so"), START, np.array(words, np.uint32), np.array(addresses, np.int64), tuple(FUNCTIONS)
    )


BLOCKS = [(name, number) for name, blocks in FUNCTIONS.items() for number in range(len(blocks))]
CALLED_EVAL = [(INTERPRETER, 0), (EVAL, 0), (INTERPRETER, 1), (BLOCKS[3][0], 0)]
CALLED_DELEGATE = [
    (INTERPRETER, 0),
    (DELEGATE, 0),
    ("xnn_invoke_runtime", 0),
    ("xnn_run_operator_with_index", 0),
    (GEMM, 0),
    (GEMM, 1),
    (GEMM, 1),
    ("xnn_run_operator_with_index", 1),
    ("xnn_invoke_runtime", 1),
    (DELEGATE, 1),
]


def inference(ran: list[tuple[str, int]], *parts: tuple[set[int], set[int]]) -> Inference:
    """What ran, where XNNPACK takes these tensors in and gives these out."""
    codes = [tuple(FUNCTIONS[name][number]) for name, number in BLOCKS]
    starts = START + 4 * np.cumsum([0, *map(len, codes)])[:-1]
    entered = np.array([BLOCKS.index(each) for each in ran], np.uint32)
    execution = Execution(starts.astype(np.int64), tuple(codes), entered)
    taken = tuple((frozenset(inputs), frozenset(outputs)) for inputs, outputs in parts)
    return Inference(execution, library(), "litert 2.3.0", taken)


def graph(*names: str) -> Graph:
    """A chain of operators: the first takes tensor 0 and gives tensor 1."""
    image = Tensor(name="image", dtype="INT8", shape=(1,), scales=(1.0,), zero_points=(0,))
    operators = tuple(
        Operator(index=index, name=name, version=1, inputs=(index,), outputs=(index + 1,), options={})
        for index, name in enumerate(names)
    )
    tensors = (image,) * (len(names) + 1)
    return Graph(tensors=tensors, operators=operators, inputs=(0,), outputs=(len(names),))


WHOLE = [*CALLED_EVAL, *CALLED_DELEGATE, (INTERPRETER, 2)]


def test_operators_add_up_to_the_total() -> None:
    cost = processor_cost(A76, "xnnpack", graph("QUANTIZE", "CONV_2D"), inference(WHOLE, ({1}, {2})), None)
    assert cost.operators_problem is None
    assert [(row.order, row.node, row.name, row.instructions.total) for row in cost.operators] == [
        (0, 0, "QUANTIZE", 4),
        (1, 1, "CONV_2D", 8),
        (None, None, BETWEEN, 15),
    ]
    assert cost.instructions.total == 27
    assert cost.instructions.by_class == {
        **dict.fromkeys(("multiply", "vector", "load", "store", "other"), 0),
        **{"dot": 3, "integer": 10, "branch": 14},
    }
    for kind in cost.instructions.by_class:
        assert (
            sum(row.instructions.by_class[kind] for row in cost.operators) == cost.instructions.by_class[kind]
        )
    assert cost.operators[1].kernels == {GEMM: 6, "xnn_run_operator_with_index": 2}
    assert (cost.cycles.low, cost.cycles.high, cost.against) == (None, None, None)


@pytest.mark.parametrize(
    ("names", "parts", "said"),
    [
        (
            ("QUANTIZE", "CONV_2D", "RELU"),
            [({1}, {3})],
            "XNNPACK runs 1 operators where the graph has 2",
        ),
        (
            ("QUANTIZE", "HARD_SWISH"),
            [({1}, {2})],
            "what runs in the place of operator 1, HARD_SWISH, is of another kind",
        ),
        (
            ("QUANTIZE", "UNKNOWN"),
            [({1}, {2})],
            "what runs in the place of operator 1, UNKNOWN, is of another kind",
        ),
        (
            ("CONV_2D", "QUANTIZE", "CONV_2D"),
            [({0}, {1}), ({2}, {3})],
            "XNNPACK runs 2 parts of the graph",
        ),
        (
            ("QUANTIZE", "ADD", "CONV_2D"),
            [({2}, {3})],
            "the interpreter runs 1 operators where the graph has 2",
        ),
        (("QUANTIZE",), [], "XNNPACK runs 1 operators where the graph has 0"),
    ],
)
def test_no_operator_is_named_by_a_guess(
    names: tuple[str, ...], parts: list[tuple[set[int], set[int]]], said: str
) -> None:
    cost = processor_cost(A76, "xnnpack", graph(*names), inference(WHOLE, *parts), None)
    assert cost.operators_problem == said
    assert [(row.node, row.name) for row in cost.operators] == [
        (None, "tflite::ops::builtin::quantize::Eval"),
        (None, "XNNPACK qs8_qc8w_gemm"),
        (None, BETWEEN),
    ]
    assert sum(row.instructions.total for row in cost.operators) == cost.instructions.total == 27


def int8(shape: tuple[int, ...], data: bytes | None = None) -> Tensor:
    return Tensor(name="x", dtype="INT8", shape=shape, scales=(1.0,), zero_points=(0,), data=data)


def operators(*rows: tuple[str, tuple[int, ...], int]) -> tuple[Operator, ...]:
    return tuple(
        Operator(index=index, name=name, version=1, inputs=inputs, outputs=(output,), options={})
        for index, (name, inputs, output) in enumerate(rows)
    )


def delegated(*kernels: str) -> Inference:
    """What ran, where XNNPACK runs one operator after another, each with one kernel."""
    names = [
        INTERPRETER,
        DELEGATE,
        "xnn_invoke_runtime",
        "xnn_run_operator_with_index",
        *dict.fromkeys(kernels),
    ]
    words = [word for name in names for word in (ADD, POINTER_CALL if name == INTERPRETER else RETURN)]
    addresses = START + 8 * np.arange(len(names), dtype=np.int64)
    ran = [0, 1]
    for kernel in kernels:
        ran += [2, 3, names.index(kernel)]
    codes = tuple(zip(words[::2], words[1::2], strict=True))
    execution = Execution(addresses, codes, np.array([*ran, 2, 0], np.uint32))
    there = Library(Path("lib.so"), START, np.array(words, np.uint32), addresses, tuple(names))
    return Inference(execution, there, "", ((frozenset({0}), frozenset({5})),))


HARD_SWISH = Graph(
    tensors=(*[int8((4,))] * 2, int8((1,), b"\1"), *[int8((4,))] * 3),
    operators=operators(
        ("RELU", (0,), 1), ("ADD", (1, 2), 3), ("MUL", (1, 3), 4), ("CONCATENATION", (1, 4), 5)
    ),
    inputs=(0,),
    outputs=(5,),
)
CLAMP, TABLE, COPY = "xnn_s8_vclamp_ukernel", "xnn_x8_lut_ukernel", "xnn_xx_copy_ukernel"


def test_what_xnnpack_joins_and_parts_is_named() -> None:
    """A sum with a constant and the product with it are one table; each input is copied by itself."""
    cost = processor_cost(A76, "xnnpack", HARD_SWISH, delegated(CLAMP, TABLE, COPY, COPY), None)
    assert cost.operators_problem is None
    assert [(row.node, row.name) for row in cost.operators[:-1]] == [
        (0, "RELU"),
        (2, "ADD+MUL"),
        (3, "CONCATENATION"),
        (3, "CONCATENATION"),
    ]
    other = processor_cost(A76, "xnnpack", HARD_SWISH, delegated(CLAMP, CLAMP, COPY, COPY), None)
    assert other.operators_problem == "what runs in the place of operator 2, ADD+MUL, is of another kind"


def test_a_log_of_other_code_is_refused() -> None:
    ran = inference(WHOLE)
    other = Library(Path("lib.so"), START, ran.library.words + 1, ran.library.addresses, ran.library.names)
    with pytest.raises(RuntimeUnavailableError, match=r"other code than lib\.so has"):
        attribute(Inference(ran.execution, other, "", ()))


def test_a_block_that_was_cut_short_is_refused() -> None:
    """Its last instruction is no branch, and what follows is not what stands behind it."""
    ran = inference(WHOLE)
    codes = list(ran.execution.codes)
    codes[BLOCKS.index((EVAL, 0))] = (ADD, ADD)
    cut = Execution(ran.execution.starts, tuple(codes), ran.execution.entered)
    with pytest.raises(RuntimeUnavailableError, match="a block that is not followed by the next one"):
        attribute(Inference(cut, ran.library, "", ()))


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"\x7fELF\x02\x01" + bytes(200)])
def test_what_is_no_library_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "lib.so"
    path.write_bytes(content)
    with pytest.raises(RuntimeUnavailableError, match="no ELF file for aarch64"):
        read_library(path)


def test_processors_are_those_that_results_name() -> None:
    assert tuple(PROCESSORS) == CPUS
    for cpu, processor in PROCESSORS.items():
        shown = [other for other in CPUS if PROCESSORS[other].is_shown_by(processor.cpuinfo())]
        assert shown == [cpu]
    # What qemu 10 shows of its own Cortex-A76, and of another number of cores.
    text = PROCESSORS["a76"].cpuinfo().replace(" evtstrm", "").replace("0x1\n", "0x4\n")
    assert PROCESSORS["a76"].is_shown_by(text * 4)
    assert not PROCESSORS["a76"].is_shown_by(text.replace(" asimddp", ""))
    assert not PROCESSORS["a76"].is_shown_by("")


@pytest.mark.parametrize(
    ("tensors", "kind"),
    [
        ([("FLOAT32", ())], "float32"),
        ([("FLOAT32", ()), ("INT32", ())], "float32"),
        ([("UINT8", (1.0,)), ("INT8", (1.0,))], "int8"),
        ([("FLOAT32", ()), ("INT8", (1.0,))], "mixed"),
    ],
)
def test_data_type(tensors: list[tuple[str, tuple[float, ...]]], kind: str) -> None:
    made = tuple(Tensor(name="x", dtype=dtype, shape=(1,), scales=scales) for dtype, scales in tensors)
    assert data_type(Graph(tensors=made, operators=(), inputs=(0,), outputs=(0,))) == kind
