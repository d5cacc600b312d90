"""Readings and tasks that do harm to the Dask worker that has them, the first time or always."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy.typing as npt

from edge_mnv3.core.runtime import LoadedModel
from edge_mnv3_quantization.evaluation.evaluating import Evaluation, Outputs
from edge_mnv3_quantization.validation.readings import TopClasses


@dataclass(frozen=True, slots=True)
class Harming(TopClasses):
    """Reads the highest classes, and does harm at the image of which this is the highest output, rounded.

    Attributes:
        highest: The image's output.
        fuse: A file without which nothing happens; the first worker takes it, unless it is to last.
        harm: The process is killed, stopped, or waits as long as a file `held` lies beside the fuse.
        lasts: Whether the file stays.
    """

    highest: int
    fuse: Path
    harm: Literal["kill", "stop", "wait"]
    lasts: bool = False

    def read(self, outputs: Outputs) -> npt.NDArray[Any]:
        if round(float(outputs[0][0].max())) == self.highest and self._taken():
            if self.harm == "wait":
                while self.held.exists():
                    time.sleep(0.02)
            else:
                os.kill(os.getpid(), signal.SIGKILL if self.harm == "kill" else signal.SIGSTOP)
        return TopClasses.read(self, outputs)

    @property
    def held(self) -> Path:
        return self.fuse.with_name("held")

    def _taken(self) -> bool:
        if self.lasts:
            return self.fuse.exists()
        try:
            self.fuse.rename(self.held)
        except FileNotFoundError:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class KillingTask(Evaluation):
    """Ends the worker that loads its files in a certain folder."""

    folder: Path

    def open_models(self) -> list[LoadedModel]:
        if Path.cwd() == self.folder:
            os.kill(os.getpid(), signal.SIGKILL)
        return Evaluation.open_models(self)
