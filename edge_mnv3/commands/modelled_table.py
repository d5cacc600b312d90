"""Modelled costs against published latencies, for people to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_mnv3.core.counts import count

if TYPE_CHECKING:
    from edge_mnv3.core.results.modelled import ModelledPhone, ModelledResult, ModelledRow

TITLE = "MODELLED, NOT MEASURED: no figure below was taken on a phone"
_MEASURES = {
    "multiply_adds": "multiply-adds",
    "instructions": "instructions",
    "cycles_low": "cycles alone",
    "cycles_high": "cycles and second cache",
}


def modelled_table(result: ModelledResult) -> str:
    """Writes a result, phone by phone."""
    lines = [TITLE, ""]
    for phone in result.phones:
        lines += [*_phone(phone), ""]
    lines += ["ratios to the geometric mean of the source's float networks on this phone"]
    lines += ["left out: the error where the row has no part in that mean; int8 rows never do"]
    lines += [f"{result.runtime}, emulated; cycles by {result.cycle_model}"]
    lines += [
        f"not held against: {count(number, 'latency', 'latencies')}: {reason}"
        for reason, number in result.left_out.items()
    ]
    return "\n".join(lines)


def _phone(phone: ModelledPhone) -> list[str]:
    lines = [f"{phone.phone}, {phone.source}, {phone.kernels} kernels; modelled as {phone.processor}"]
    lines.append("  network              alpha precision  published  modelled    error  left out")
    lines += map(_row, phone.rows)
    lines.append("  one factor, float rows            mean   worst  left out  pairs in wrong order")
    for each in phone.errors:
        left_out = "" if each.left_out_mean_percent is None else f"{each.left_out_mean_percent:.1f} %"
        lines.append(
            f"  {_MEASURES[each.measure]:<30}{each.mean_error_percent:>6.1f} %"
            f"{each.worst_error_percent:>6.1f} %{left_out:>10}  {each.swapped_pairs} of {each.pairs}"
        )
    return lines


def _row(row: ModelledRow) -> str:
    left_out = "" if row.left_out_error_percent is None else f"{row.left_out_error_percent:+.1f} %"
    conditions = "" if row.conditions is None else f"  ({row.conditions})"
    return (
        f"  {row.variant:<19}{row.alpha:>7g} {row.precision:<9}{row.published_ratio:>11.3f}"
        f"{row.modelled_ratio:>10.3f}{row.error_percent:>+7.1f} %{left_out:>10}{conditions}"
    )
