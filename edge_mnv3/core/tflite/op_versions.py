"""The version of each operator that this project writes; others have version 1.

Source: what TFLite's converter writes for int8 operands, see GetBuiltinOperatorVersion in
tensorflow/compiler/mlir/lite/tools/versioning/op_version.cc. A runtime that has a version runs the types of
all earlier ones too, so float operators carry the same.
"""

from __future__ import annotations

OP_VERSIONS = {
    "ADD": 2,
    "CONCATENATION": 2,
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "DEQUANTIZE": 2,
    "FULLY_CONNECTED": 4,
    "HARD_SWISH": 1,
    "L2_NORMALIZATION": 2,
    "LOGISTIC": 2,
    "MAX_POOL_2D": 2,
    "MEAN": 2,
    "MUL": 2,
    "PAD": 2,
    "QUANTIZE": 2,
    "RESHAPE": 1,
    "SOFTMAX": 2,
    "TANH": 2,
}
