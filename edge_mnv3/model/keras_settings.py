"""Keras as this project needs it: on TensorFlow, float32, channels last, whatever the user's settings say."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edge_mnv3.core.errors import RuntimeUnavailableError
from edge_mnv3.core.native_output import captured_native_output

BACKEND_VARIABLE = "KERAS_BACKEND"
BACKEND = "tensorflow"
# Keras reads its backend and its file of settings, and TensorFlow its verbosity, when they are imported.
_ENVIRONMENT = {BACKEND_VARIABLE: BACKEND, "TF_CPP_MIN_LOG_LEVEL": "2"}


@contextmanager
def tensorflow_keras() -> Iterator[Any]:
    """Yields the module `keras` with its backend TensorFlow, floats of 32 bits, and channels last.

    The environment variable `KERAS_BACKEND` and the entries `floatx` and `image_data_format` of `keras.json`
    have no say inside; what they were is back in place afterwards.

    Raises:
        RuntimeUnavailableError: This process has imported Keras with another backend, for good.
    """
    keras = _imported()
    config = keras.config
    floatx, data_format, policy = config.floatx(), config.image_data_format(), config.dtype_policy()
    config.set_floatx("float32")
    config.set_image_data_format("channels_last")
    config.set_dtype_policy("float32")
    try:
        yield keras
    finally:
        config.set_floatx(floatx)
        config.set_image_data_format(data_format)
        config.set_dtype_policy(policy)


def _imported() -> Any:
    user = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ[BACKEND_VARIABLE] = BACKEND
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", _ENVIRONMENT["TF_CPP_MIN_LOG_LEVEL"])
    already = "keras" in sys.modules
    try:
        with captured_native_output():
            keras = importlib.import_module("keras")
    finally:
        for name, value in user.items():
            if value is not None:
                os.environ[name] = value
            elif name == BACKEND_VARIABLE:
                os.environ.pop(name, None)
    if already and keras.config.backend() != BACKEND:
        raise RuntimeUnavailableError(
            f"Keras runs on {keras.config.backend()} in this process",
            f"{BACKEND_VARIABLE}={keras.config.backend()} when it was imported",
            BACKEND,
            f"set {BACKEND_VARIABLE}={BACKEND}, or import edge_mnv3.builder first",
        )
    return keras
