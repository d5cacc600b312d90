"""The class of an aarch64 instruction, from its 32 bits (Arm Architecture Reference Manual, chapter C4)."""

from __future__ import annotations

from typing import NamedTuple

from edge_mnv3.core.results.cost import CLASSES, InstructionClass


class _Form(NamedTuple):
    """Instructions whose bits under a mask have this value."""

    mask: int
    value: int
    kind: InstructionClass


# The first form that fits decides; within a group special forms come first.
_FORMS = (
    # Data processing, immediate: 100x in bits 28 to 25.
    _Form(0x1C000000, 0x10000000, "integer"),
    # System instructions, hints, barriers and exceptions; all else of 101x in bits 28 to 25 are branches.
    _Form(0xFE000000, 0xD4000000, "other"),
    _Form(0x1C000000, 0x14000000, "branch"),
    # Loads and stores: x1x0 in bits 28 and 25 to 27. Prefetches: register, literal.
    _Form(0xFFC00000, 0xF9800000, "other"),  # PRFM, unsigned offset
    _Form(0xFFE00C00, 0xF8800000, "other"),  # PRFUM
    _Form(0xFFE00C00, 0xF8A00800, "other"),  # PRFM, register offset
    _Form(0xFF000000, 0xD8000000, "other"),  # PRFM, literal
    _Form(0x3F200C00, 0x38200000, "other"),  # atomic operations on memory, which load and store
    _Form(0x3B000000, 0x18000000, "load"),  # literal
    _Form(0x3A400000, 0x28400000, "load"),  # pair
    _Form(0x3A400000, 0x28000000, "store"),
    _Form(0xBE400000, 0x0C400000, "load"),  # vectors' structures, one and several
    _Form(0xBE400000, 0x0C000000, "store"),
    _Form(0x3F400000, 0x08400000, "load"),  # exclusive and ordered
    _Form(0x3F400000, 0x08000000, "store"),
    _Form(0x3FE00C00, 0x19000000, "store"),  # ordered, unscaled offset
    _Form(0x3F200C00, 0x19000000, "load"),
    _Form(0x3E400000, 0x3C400000, "load"),  # a vector register: bit 22 tells, also for 128 bits
    _Form(0x3E400000, 0x3C000000, "store"),
    _Form(0x3EC00000, 0x38000000, "store"),  # a general register: bits 23 and 22 are 0 for stores only
    _Form(0x3A000000, 0x38000000, "load"),
    # Dot products and products of matrices, of integers and of bfloat16.
    _Form(0x9F20F400, 0x0E009400, "dot"),  # SDOT, UDOT, USDOT
    _Form(0x9F20F400, 0x0E00A400, "dot"),  # SMMLA, UMMLA, USMMLA
    _Form(0xBF20EC00, 0x2E00EC00, "dot"),  # BFDOT, BFMMLA
    _Form(0x9F00F400, 0x0F00E000, "dot"),  # SDOT, UDOT by element
    _Form(0xBF40F400, 0x0F00F000, "dot"),  # SUDOT, USDOT, BFDOT by element: size 00, 10, and 01 below
    _Form(0xBFC0F400, 0x0F40F000, "dot"),
    # Products of vectors, with and without a sum.
    _Form(0x9F000400, 0x0F000000, "multiply"),  # by element
    _Form(0xDF000400, 0x5F000000, "multiply"),  # of scalars by element
    _Form(0x9F20F400, 0x0E209400, "multiply"),  # MLA, MLS, MUL, PMUL
    _Form(0x9F20FC00, 0x0E20B400, "multiply"),  # SQDMULH, SQRDMULH
    _Form(0x9F20FC00, 0x0E20CC00, "multiply"),  # FMLA, FMLS
    _Form(0x9F20FC00, 0x0E20DC00, "multiply"),  # FMUL, FMULX
    _Form(0x9F60FC00, 0x0E400C00, "multiply"),  # the same of half precision
    _Form(0x9F60FC00, 0x0E401C00, "multiply"),
    _Form(0x9F20CC00, 0x0E208000, "multiply"),  # SMLAL, SQDMLAL, SMLSL, SQDMLSL
    _Form(0x9F20CC00, 0x0E20C000, "multiply"),  # SMULL, SQDMULL, PMULL
    _Form(0xBF20F400, 0x2E008400, "multiply"),  # SQRDMLAH, SQRDMLSH
    _Form(0xBF20E400, 0x2E00C400, "multiply"),  # FCMLA
    _Form(0xDF20FC00, 0x5E20B400, "multiply"),  # SQDMULH, SQRDMULH of scalars
    _Form(0xFF207C00, 0x1E200800, "multiply"),  # FMUL, FNMUL
    _Form(0xFF000000, 0x1F000000, "multiply"),  # FMADD, FMSUB, FNMADD, FNMSUB
    _Form(0x0E000000, 0x0E000000, "vector"),
    # Data processing, register: x101 in bits 28 to 25.
    _Form(0x1F000000, 0x1B000000, "multiply"),  # MADD, MSUB, SMULH and their kind
    _Form(0x0E000000, 0x0A000000, "integer"),
)


def instruction_class(word: int) -> InstructionClass:
    """Tells the class of an instruction."""
    for form in _FORMS:
        if word & form.mask == form.value:
            return form.kind
    return "other"


def class_counts(code: tuple[int, ...]) -> list[int]:
    """Counts a block's instructions by class, in the order of `CLASSES`."""
    counts = dict.fromkeys(CLASSES, 0)
    for word in code:
        counts[instruction_class(word)] += 1
    return list(counts.values())
