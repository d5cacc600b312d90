"""Whether a file gives the same answers on the device as on this machine, under the same kind of kernels."""

from __future__ import annotations

import contextlib
import shlex
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_mnv3.core.choices import Kernels
from edge_mnv3.core.errors import (
    ArgumentError,
    BenchmarkLogError,
    DeviceError,
    DeviceFileError,
    DeviceTimeoutError,
    ModelFileError,
)
from edge_mnv3.core.hashing import sha256_file
from edge_mnv3.core.images import Pixels
from edge_mnv3.core.input_range import InputRange
from edge_mnv3.core.results.bench import LaunchTimings
from edge_mnv3.core.results.device import PhoneOutputs
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.results.models import TensorInfo
from edge_mnv3.core.runtime import open_model
from edge_mnv3.core.stored_numbers import fed_numbers
from edge_mnv3_android_bench.benchmark_model.log import parse_benchmark_log
from edge_mnv3_android_bench.benchmark_model.told_flags import check_told_flags
from edge_mnv3_android_bench.device.file_names import safe_file_name
from edge_mnv3_android_bench.measuring.launching import keep_log, kill_program, lost_lock
from edge_mnv3_android_bench.measuring.protocols import PUBLISHED, benchmark_flags, custom_protocol
from edge_mnv3_android_bench.measuring.session import DeviceSession, ReadyBinary, place_model
from edge_mnv3_android_bench.transport.files import LOST_LOCK_EXIT_CODE, DeviceFolder, lock_beat, lock_guard

IMAGE_ALLOWANCE_S = 30.0
OUTPUT_FLAGS = ("input_layer", "input_layer_shape", "input_layer_value_files", "output_filepath")
DTYPES = ("uint8", "int8", "float32")
_SEED = 0
_ALL_INPUTS, _INPUT, _OUTPUT = "check_inputs", "check_input", "check_output"
Outputs = list[npt.NDArray[Any]]


class Feed(NamedTuple):
    """What a model is fed, on the device as on this machine.

    Attributes:
        images: (H, W, C) uint8, of the input's shape, at least one.
        input_range: As `input_values` takes it.
    """

    images: Sequence[Pixels]
    input_range: InputRange | None


class PhoneAnswers(NamedTuple):
    """What a model answered on a device.

    Attributes:
        outputs: All outputs for each image, in the file's types and shapes.
        launches: What the log of each image's launch says.
    """

    outputs: list[Outputs]
    launches: list[LaunchTimings]


class Differences(NamedTuple):
    """Counts over several inputs; the fields are those of `PhoneOutputs`."""

    same_top1: int
    equal_values_percent: float
    max_difference: float
    mean_difference: float


def seeded_pixels(shape: ImageShape, count: int) -> list[Pixels]:
    """Makes images of noise, (rows, columns, channels) uint8, the same at each call.

    Each is rougher than the one before it, so that they do not all fall into one class.
    """
    generator = np.random.default_rng(_SEED)
    images = []
    for number in range(count):
        cells = [min(side, 2 ** (number % 8 + 1)) for side in (shape.height_px, shape.width_px)]
        coarse = generator.integers(0, 256, (*cells, shape.channels), dtype=np.uint8)
        rows = np.arange(shape.height_px) * cells[0] // shape.height_px
        columns = np.arange(shape.width_px) * cells[1] // shape.width_px
        images.append(np.ascontiguousarray(coarse[rows][:, columns]))
    return images


def check_comparable(model: Path, kernels: Kernels) -> None:
    """Refuses a file whose outputs could not be compared, before anything is measured.

    Raises:
        ModelFileError: It cannot be run here, has not one image input, or its input cannot be named.
        RuntimeUnavailableError: The runtime on this machine cannot be used.
    """
    inputs = open_model(model, kernels=kernels).inputs
    _check_inputs(inputs)
    _check_name(inputs[0])


def check_phone_outputs(
    session: DeviceSession,
    ready: ReadyBinary,
    model: Path,
    feed: Feed,
    *,
    kernels: Kernels,
    stop: threading.Event | None = None,
) -> PhoneOutputs:
    """Runs a model on the same inputs on the device and here.

    Args:
        session: The device.
        ready: The build of `benchmark_model` on it.
        model: A `.tflite` file with one image input of fixed shape.
        feed: The images, and the range that they are fed in.
        kernels: Kind of kernels on both sides.
        stop: Ends the call when it is set, as in `process.run`.

    Raises:
        ArgumentError: There are no images, or of another size than the input.
        ModelFileError: The file cannot be run here, or its input cannot be named on a command line.
        BenchmarkBinaryError: The build cannot take inputs from files or write outputs.
        BenchmarkLogError: The program failed on the device.
        DeviceFileError: It wrote no outputs, or not all.
        DeviceError: `DeviceFolder.ensure` failed.
    """
    host = open_model(model, kernels=kernels)
    expected = [host.run_raw(input_values(image, host.inputs, feed.input_range)) for image in feed.images]
    on_phone = run_on_phone(session, ready, model, feed, kernels=kernels, stop=stop).outputs
    differences = compare_outputs(on_phone, expected)
    return PhoneOutputs(
        device=session.info,
        binary=ready.binary.name,
        binary_sha256=ready.binary.sha256,
        kernels=kernels,
        runtime=host.runtime,
        model_path=str(model),
        model_sha256=sha256_file(model),
        images=len(feed.images),
        **differences._asdict(),
    )


def run_on_phone(
    session: DeviceSession,
    ready: ReadyBinary,
    model: Path,
    feed: Feed,
    *,
    kernels: Kernels,
    stop: threading.Event | None = None,
) -> PhoneAnswers:
    """Runs a model on images on the device, with one launch for each image.

    Args and errors are those of `check_phone_outputs`.
    """
    here = open_model(model, kernels=kernels)
    inputs = [input_values(image, here.inputs, feed.input_range) for image in feed.images]
    if not inputs:
        raise ArgumentError("images to compare outputs on", "none", "at least one")
    flags = benchmark_flags(
        custom_protocol(
            PUBLISHED,
            kernels=kernels,
            num_runs=1,
            warmup_runs=0,
            min_secs=0.0,
            warmup_min_secs=0.0,
        ).settings,
        graph=place_model(session, model, sha256_file(model), stop=stop),
        known=ready.known_flags,
        extra=_io_flags(session, here.inputs[0]),
    )
    return _run_all(session, [ready.program, *flags], inputs, here.outputs, stop)


def input_values(
    image: Pixels, inputs: Sequence[TensorInfo], input_range: InputRange | None = None
) -> npt.NDArray[Any]:
    """Converts an image to what the input takes, with the batch's dimension, as `LoadedModel.run` does.

    Args:
        image: (rows, columns, channels) uint8.
        inputs: The model's inputs: one image.
        input_range: What a float input is fed, and what an integer input stores in its steps; None for the
            numbers 0 to 255.

    Raises:
        ModelFileError: The model has not one image input.
        ArgumentError: The image has another size.
    """
    _check_inputs(inputs)
    if image.dtype != np.uint8 or (1, *image.shape) != inputs[0].shape:
        raise ArgumentError("image", f"{image.dtype} {image.shape}", f"uint8 {inputs[0].shape[1:]}")
    return fed_numbers(image[np.newaxis], inputs[0], input_range)


def _check_inputs(inputs: Sequence[TensorInfo]) -> None:
    if len(inputs) != 1 or inputs[0].dtype not in DTYPES or len(inputs[0].shape) != 4:
        got = ", ".join(f"{tensor.dtype} {tensor.shape}" for tensor in inputs) or "none"
        raise ModelFileError("model's inputs", got, "one image")


def _check_name(tensor: TensorInfo) -> None:
    if "," in tensor.name:
        raise ModelFileError("model's input", f"the name {tensor.name!r}", "a name without a comma")


def compare_outputs(on_phone: Sequence[Outputs], expected: Sequence[Outputs]) -> Differences:
    """Compares the outputs of several inputs; the first output is the one whose top class is compared."""
    same_top1, equal, values = 0, 0, 0
    sums, largest = 0.0, 0.0
    for ours, theirs in zip(on_phone, expected, strict=True):
        finite = bool(np.isfinite(ours[0]).all() and np.isfinite(theirs[0]).all())
        same_top1 += int(finite and np.argmax(ours[0]) == np.argmax(theirs[0]))
        for one, other in zip(ours, theirs, strict=True):
            equal += int(np.count_nonzero(one == other))
            values += one.size
            distances = np.abs(one.astype(np.float64) - other.astype(np.float64))
            # A NaN on one side only is the worst that there is.
            distances = np.where(np.isnan(one) & np.isnan(other), 0.0, np.nan_to_num(distances, nan=np.inf))
            sums += float(distances.sum())
            largest = max(largest, float(distances.max()))
    return Differences(same_top1, 100.0 * equal / values, largest, sums / values)


def _io_flags(session: DeviceSession, tensor: TensorInfo) -> list[str]:
    _check_name(tensor)
    path = session.folder.file(_INPUT)
    return [
        f"--input_layer={tensor.name}",
        f"--input_layer_shape={','.join(map(str, tensor.shape))}",
        f"--input_layer_value_files={tensor.name.replace(':', '::')}:{path}",
        f"--output_filepath={session.folder.file(_OUTPUT)}",
    ]


def _run_all(
    session: DeviceSession,
    argv: Sequence[str],
    inputs: Sequence[npt.NDArray[Any]],
    outputs: Sequence[TensorInfo],
    stop: threading.Event | None,
) -> PhoneAnswers:
    """Runs the program once for each input."""
    folder = session.folder
    with tempfile.TemporaryDirectory() as temporary:
        local = Path(temporary) / _ALL_INPUTS
        local.write_bytes(b"".join(values.tobytes() for values in inputs))
        try:
            folder.ensure(local, _ALL_INPUTS, stop=stop)
            answers = PhoneAnswers([], [])
            for number, values in enumerate(inputs):
                answers.launches.append(_launch(session, argv, number, values.nbytes, stop))
                answers.outputs.append(
                    _pull_outputs(session, outputs, Path(temporary) / f"{_OUTPUT}_{number}")
                )
            return answers
        finally:
            _clear(folder, argv[0].rpartition("/")[2])


def _clear(folder: DeviceFolder, program: str) -> None:
    """Ends the program and removes the files, these also where it does not end in time.

    Whoever has taken over the device by now keeps both.
    """
    with contextlib.suppress(DeviceError):
        try:
            kill_program(folder, program)
        except DeviceTimeoutError:
            if folder.is_lost():
                return
        folder.remove(_ALL_INPUTS, _INPUT, _OUTPUT)


def _launch(
    session: DeviceSession, argv: Sequence[str], number: int, size_bytes: int, stop: threading.Event | None
) -> LaunchTimings:
    """Runs the program on the input of this number."""
    folder = session.folder
    script = "\n".join(
        (
            f"cd {shlex.quote(folder.path)} || exit 1",
            lock_guard(folder.lock_token),
            lock_beat() if folder.lock_token else ":",
            f"rm -f {_OUTPUT} && dd if={_ALL_INPUTS} of={_INPUT} bs={size_bytes} skip={number} count=1 "
            f"2>/dev/null && exec {shlex.join(argv)}",
        )
    )
    done = folder.device.shell(script, timeout_s=IMAGE_ALLOWANCE_S, stop=stop)
    if done.exit_code == LOST_LOCK_EXIT_CODE:
        raise lost_lock(folder.device.serial, done)
    try:
        timings = parse_benchmark_log(done.stdout, done.stderr, done.exit_code, expected_runs=1)
        check_told_flags(done.stdout, done.stderr, argv[1:])
    except BenchmarkLogError as error:
        name = f"outputs_{safe_file_name(folder.device.serial)}.log"
        log_path = keep_log(name, f"# {shlex.join(argv)}\n{done.stdout}\n{done.stderr}\n")
        raise error.with_log(log_path) from error
    return timings


def _pull_outputs(session: DeviceSession, tensors: Sequence[TensorInfo], local: Path) -> Outputs:
    """Reads what the last launch wrote: all outputs, one behind the other."""
    like = [np.empty(tensor.shape, tensor.dtype) for tensor in tensors]
    wanted_bytes = sum(output.nbytes for output in like)
    session.folder.device.pull(session.folder.file(_OUTPUT), local, size_bytes=wanted_bytes)
    content = local.read_bytes()
    if len(content) != wanted_bytes:
        raise DeviceFileError(
            f"device {session.info.serial}: outputs of the model",
            f"{len(content)} bytes",
            f"{wanted_bytes} bytes",
        )
    outputs, offset = [], 0
    for output in like:
        values = np.frombuffer(content, output.dtype, count=output.size, offset=offset)
        outputs.append(values.reshape(output.shape))
        offset += output.nbytes
    return outputs
