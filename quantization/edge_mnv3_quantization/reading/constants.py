"""What operators make of constants: shapes of an open batch, stored weights of other types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Constant = npt.NDArray[Any]
_Compute = Callable[[Sequence[Constant], Mapping[str, Any]], Constant]


def _strided_slice(given: Sequence[Constant], options: Mapping[str, Any]) -> Constant:
    data, begin, end, strides = given
    cuts: list[Any] = []
    for axis, (first, last, step) in enumerate(zip(begin, end, strides, strict=True)):
        bit = 1 << axis
        if options["shrink_axis_mask"] & bit:
            cuts.append(int(first))
        else:
            cuts.append(
                slice(
                    None if options["begin_mask"] & bit else int(first),
                    None if options["end_mask"] & bit else int(last),
                    int(step),
                )
            )
    return np.asarray(data[tuple(cuts)])


def _slice(given: Sequence[Constant], options: Mapping[str, Any]) -> Constant:
    data, begin, size = given
    return data[
        tuple(
            slice(int(first), None if count < 0 else int(first + count))
            for first, count in zip(begin, size, strict=True)
        )
    ]


def _squeeze(given: Sequence[Constant], options: Mapping[str, Any]) -> Constant:
    axes = tuple(int(axis) for axis in options.get("squeeze_dims") or ())
    return np.squeeze(given[0], axis=axes or None)


_COMPUTE: dict[str, _Compute] = {
    "ADD": lambda given, _: given[0] + given[1],
    "BROADCAST_TO": lambda given, _: np.broadcast_to(given[0], given[1]),
    "CAST": lambda given, _: given[0],
    "CEIL": lambda given, _: np.ceil(given[0]),
    "CONCATENATION": lambda given, options: np.concatenate(given, axis=options["axis"]),
    "DEQUANTIZE": lambda given, _: given[0],
    "DIV": lambda given, _: given[0] / given[1],
    "EXPAND_DIMS": lambda given, _: np.expand_dims(given[0], int(given[1].reshape(-1)[0])),
    "FILL": lambda given, _: np.full(given[0], given[1].reshape(-1)[0]),
    "FLOOR_DIV": lambda given, _: given[0] // given[1],
    "GATHER": lambda given, options: np.take(given[0], given[1], axis=options["axis"]),
    "MAXIMUM": lambda given, _: np.maximum(*given),
    "MINIMUM": lambda given, _: np.minimum(*given),
    "MUL": lambda given, _: given[0] * given[1],
    "NEG": lambda given, _: -given[0],
    "PACK": lambda given, options: np.stack(given, axis=options["axis"]),
    "REDUCE_PROD": lambda given, _: np.prod(given[0], axis=tuple(given[1].reshape(-1).tolist())),
    "RESHAPE": lambda given, _: given[0].reshape(given[1].reshape(-1)),
    "RSQRT": lambda given, _: 1.0 / np.sqrt(given[0]),
    "SLICE": _slice,
    "SQRT": lambda given, _: np.sqrt(given[0]),
    "SQUEEZE": _squeeze,
    "STRIDED_SLICE": _strided_slice,
    "SUB": lambda given, _: given[0] - given[1],
    "TRANSPOSE": lambda given, _: given[0].transpose(given[1].reshape(-1)),
}


def compute(name: str, given: Sequence[Constant], options: Mapping[str, Any]) -> Constant | None:
    """Computes what an operator makes of constants alone; None for operators that are not known here."""
    known = _COMPUTE.get(name)
    if known is None:
        return None
    return np.asarray(known(given, options))
