"""Every error raised on purpose.

One class per thing that a caller would handle differently. Each carries the same four facts, and its
text is one line: what failed, what was got, what was expected, what to do next.
"""

from __future__ import annotations


class EdgeMnv3Error(Exception):
    """Root of all expected errors.

    Attributes:
        what: What failed, naming the file, option or layer.
        got: What was there instead; empty where `what` says it.
        expected: What would have been right; empty where there is no choice.
        next_step: What to do about it; empty where `expected` says it.
    """

    exit_code = 1

    def __init__(self, what: str, got: str = "", expected: str = "", next_step: str = "") -> None:
        super().__init__(what, got, expected, next_step)
        self.what = what
        self.got = got
        self.expected = expected
        self.next_step = next_step

    def __str__(self) -> str:
        parts = [self.what]
        if self.got:
            parts.append(f"got {self.got}")
        if self.expected:
            parts.append(f"expected {self.expected}")
        text = ": ".join(parts[:2]) + "".join(f", {part}" for part in parts[2:])
        if self.next_step:
            text += f"; {self.next_step}"
        return " ".join(text.split())

    def with_log(self, log_path: object) -> EdgeMnv3Error:
        """Returns the same error, which also says where the raw log is."""
        see = f"see {log_path}"
        return type(self)(
            self.what, self.got, self.expected, f"{self.next_step}; {see}" if self.next_step else see
        )


class ArgumentError(EdgeMnv3Error, ValueError):
    """An argument is invalid; a `ValueError`, as the Keras API documents."""


class InputFileError(EdgeMnv3Error):
    """A file or folder given by the user is missing, unreadable or of another format."""


class UnusableImageError(InputFileError):
    """The bytes of an image are of no use, whenever and wherever they are read: they are damaged, say.

    Whatever else keeps an image from being read may pass, and may be so on one machine only.
    """


class WeightsMismatchError(EdgeMnv3Error, ValueError):
    """A weights file belongs to another architecture, width or class count."""


class DownloadError(EdgeMnv3Error):
    """A published file could not be downloaded whole."""


class CalibrationDataError(EdgeMnv3Error):
    """The images or labels cannot be used: none, too many unreadable, labels out of range."""


class ModelFileError(EdgeMnv3Error):
    """A `.tflite` file is invalid, or not of the kind that is needed."""


class ModelNotLoadedError(ModelFileError):
    """A `.tflite` file is whole, but the runtime does not load it with the kernels that were asked for."""


class RuntimeUnavailableError(EdgeMnv3Error):
    """A TFLite runtime is not installed or cannot work in this environment."""


class MissingExtraError(EdgeMnv3Error, ImportError):
    """A package that only some commands need is not installed; an `ImportError`, as Python would raise."""


class ConversionError(EdgeMnv3Error):
    """TensorFlow's converter refused the graph."""


class OutputError(EdgeMnv3Error):
    """A result cannot be written: it exists already, the folder is read-only, the disk is full."""


class BundleError(EdgeMnv3Error):
    """A bundle is not what was packaged: `verify` reports it as a difference, other readers stop."""


class AdbUnavailableError(EdgeMnv3Error):
    """There is no adb binary, or it cannot work here."""


class SshUnavailableError(EdgeMnv3Error):
    """There is no OpenSSH client, or it cannot work here."""


class CloudUnavailableError(EdgeMnv3Error):
    """There is no Google Cloud command line, or it cannot work here."""


class DeviceError(EdgeMnv3Error):
    """A device cannot be used, or not any more; other devices are not concerned."""


class DeviceUnavailableError(DeviceError):
    """No device to begin with: none, several to choose from, unauthorized, offline."""


class DeviceLostError(DeviceError):
    """The connection broke in the middle of a call; what the call did is not known."""


class DeviceTimeoutError(DeviceError):
    """The device did not answer in time, or a program on it did not end in time."""


class DeviceFileError(DeviceError):
    """A file cannot be written to, read from or run on the device."""


class BenchmarkBinaryError(EdgeMnv3Error):
    """No `benchmark_model` for this device, or another one than was accepted."""


class BenchmarkLogError(EdgeMnv3Error):
    """The output of `benchmark_model` does not give the figures that were asked for."""


class ConditionsDifferError(EdgeMnv3Error):
    """Two results cannot be compared: their conditions differ, or one has no figure."""
