"""A diagnosis as node data for Google's Model Explorer, which colours the graph of the float file with it.

Source of the form: `node_data_builder.py` of google-ai-edge/model-explorer. A node is known by the name of a
tensor that it gives.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from edge_mnv3.core.results.diagnose import DiagnoseResult

NAME = "signal to noise, dB"
# From the lowest signal to noise of the file to the highest.
_GRADIENT = (
    {"stop": 0, "bgColor": "#c0392b", "textColor": "white"},
    {"stop": 0.5, "bgColor": "#f5e6a8", "textColor": "black"},
    {"stop": 1, "bgColor": "#2e7d4f", "textColor": "white"},
)


def node_data(result: DiagnoseResult, tensors: Collection[str]) -> str:
    """Writes the signal to noise of each value as JSON; one that is constant or without noise has none.

    Args:
        result: From `diagnose`.
        tensors: Names of the float file's tensors. What the int8 file computes in between has no node there.
    """
    results = {
        layer.tensor: {"value": round(layer.snr_db, 2)}
        for layer in result.layers
        if layer.snr_db is not None and layer.tensor in tensors
    }
    return json.dumps({"name": NAME, "results": results, "gradient": _GRADIENT}, indent=1) + "\n"
