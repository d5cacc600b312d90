"""What is measured of each point of a sweep: held-out images, labelled images, cost."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from edge_mnv3.core.cache import cache_key
from edge_mnv3.core.choices import IMAGENET_WEIGHTS, Kernels
from edge_mnv3.core.errors import CalibrationDataError, ModelNotLoadedError, RuntimeUnavailableError
from edge_mnv3.core.input_range import InputRange
from edge_mnv3.core.outputs import write_text
from edge_mnv3.core.owned_folders import remove_unfinished
from edge_mnv3.core.reporting import Reporter
from edge_mnv3.core.requests import AnyPath
from edge_mnv3.core.result_files import QUANTIZE_FILE, read_quantize_result, read_result
from edge_mnv3.core.results.cost import DEFAULT_CPU, CostResult
from edge_mnv3.core.results.images import ImageShape
from edge_mnv3.core.results.json_format import from_json, to_json
from edge_mnv3.core.results.quantize import QuantizeResult
from edge_mnv3.core.results.sweep import CostBasis, HeldOutFigures, LabelledFigures
from edge_mnv3.core.results.validate import ValidateResult
from edge_mnv3.core.versions import versions
from edge_mnv3.model.graphs import GraphRequest
from edge_mnv3.packaging.arm import arm_folder, find_arm_runner
from edge_mnv3.stages.cost import CostRequest, cost
from edge_mnv3.stages.float_model import ModelRequest
from edge_mnv3.stages.quantize import quantize
from edge_mnv3.stages.sweep_images import SweepImages
from edge_mnv3.stages.sweep_kept import VALIDATE_FILE, Done, quantize_key
from edge_mnv3.stages.sweep_request import GridPoint, SweepRequest
from edge_mnv3.stages.validate import ValidateRequest, validated_by
from edge_mnv3_quantization.evaluation.engines import Engine
from edge_mnv3_quantization.exploring import file_cost
from edge_mnv3_quantization.exploring.held_out import Logits, Runs, held_out_figures, logits_of

HELD_OUT_FILE, COST_FILE = "held_out.json", "cost.json"


class Measured(NamedTuple):
    """What is known of a point.

    Attributes:
        made: The result of `quantize`.
        kept: Its files were there already.
        held_out: Figures on held-out images; None where they are not looked at.
        validated: Both files on labelled images; None without.
        cost: In the unit of the basis; None for a file that the processor's kernels refuse.
    """

    made: QuantizeResult
    kept: bool
    held_out: HeldOutFigures | None
    validated: ValidateResult | None
    cost: float | None


def cost_basis(wanted: str) -> CostBasis:
    """Decides what the cost of all points is: one thing for all of them.

    Args:
        wanted: `auto`, `instructions` or `modelled`.

    Raises:
        RuntimeUnavailableError: Instructions are wanted, and there is no emulated Arm processor.
    """
    modelled = CostBasis(kind="modelled_cycles", processor=file_cost.PROCESSOR, method=file_cost.METHOD)
    if wanted == "modelled":
        return modelled
    try:
        find_arm_runner()
    except RuntimeUnavailableError:
        if wanted == "instructions":
            raise
        return modelled
    return CostBasis(
        kind="instructions",
        processor=DEFAULT_CPU,
        method="instructions of the runtime under XNNPACK on an emulated processor, as edge-mnv3 cost",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """Makes and measures points; what is done already is taken from their folders.

    Attributes:
        request: The sweep.
        images: Its images.
        basis: What is taken for cost.
        code: What `code_sha256` gave.
        networks: Each network to what `network_sha256` gave.
        engine: Who runs labelled images; None for this machine.
        float_logits: The last float file's SHA-256 to its logits on the held-out images.
    """

    request: SweepRequest
    images: SweepImages
    basis: CostBasis
    code: str
    networks: dict[GraphRequest | ModelRequest, str]
    engine: Engine | None = None
    float_logits: dict[str, Logits] = field(default_factory=dict)

    def key(self, point: GridPoint) -> str | None:
        """The key of a point's files; None where nothing tells what its images hold."""
        identity = self.images.calibration_identity(point.request.seed)
        network = self.networks[point.request.graph]
        return None if identity is None else quantize_key(point, network, identity, self.code)

    def is_done(self, point: GridPoint) -> bool:
        """Whether a point's files are there, whole, and of this request."""
        return Done(Path(point.request.output_dir)).has("quantize", self.key(point))

    def measure(self, point: GridPoint, reporter: Reporter) -> Measured:
        """Makes a point's files, unless they are done, and measures them.

        Raises:
            EdgeMnv3Error: As the stages raise; what was done so far is kept.
        """
        folder = Path(point.request.output_dir)
        done, key = Done(folder), self.key(point)
        kept = done.has("quantize", key)
        if kept:
            made = read_quantize_result(folder / QUANTIZE_FILE)
            for warning in made.warnings:  # they hold as they did when it was made
                reporter.warn(warning)
        else:
            done.forget()
            remove_unfinished(folder)
            made = quantize(point.request, reporter)
            if not self._as_hashed(point, made):
                key = None  # something changed while it was made: it is made again next time
            files = [folder / Path(name).name for name in (made.float_path, made.int8_path)]
            done.note("quantize", key, [*files, folder / QUANTIZE_FILE])
        held_out = self._held_out(made, folder, reporter) if self.images.compares else None
        data = self.request.data
        validated = None if data is None else self._validated(data, folder, made, reporter)
        return Measured(made, kept, held_out, validated, self._cost(made, folder, reporter))

    def _as_hashed(self, point: GridPoint, made: QuantizeResult) -> bool:
        """Whether the images and the network that were used are those of the key."""
        known = self.networks[point.request.graph]
        used = made.source.sha256 if made.source else made.weights.sha256 if made.weights else None
        same = used == known or known == IMAGENET_WEIGHTS
        return same and self.images.were_hashed(point.request.seed, made.calibration.images)

    def _held_out(self, made: QuantizeResult, folder: Path, reporter: Reporter) -> HeldOutFigures:
        identity = self.images.held_out_identity()
        key = None
        if identity is not None:
            parts = {
                "images": identity,
                "preprocess": self.request.preprocess,
                "files": [made.float_sha256, made.int8_sha256],
                "versions": versions(),
                "code": self.code,
            }
            key = cache_key("held-out images", parts)
        done, path = Done(folder), folder / HELD_OUT_FILE
        if done.has("held_out", key):
            return from_json(HeldOutFigures, path.read_text(encoding="utf-8"))
        reporter.step("running held-out images")
        figures = self._compared(made, folder)
        write_text(path, to_json(figures), force=True)
        done.note("held_out", key, [path])
        return figures

    def _compared(self, made: QuantizeResult, folder: Path) -> HeldOutFigures:
        image = made.model.input
        takes = InputRange(image.mean, image.std)
        shape = ImageShape(height_px=image.height_px, width_px=image.width_px, channels=image.channels)
        pixels = self.images.held_out_pixels(shape)
        wanted = self.float_logits.get(made.float_sha256)
        if wanted is None:
            content = (folder / Path(made.float_path).name).read_bytes()
            wanted = logits_of(content, pixels, Runs(input_range=takes))
            self.float_logits.clear()  # points of one network follow one another
            self.float_logits[made.float_sha256] = wanted
        if not (made.checks.xnnpack.loads or made.checks.builtin.loads):
            raise CalibrationDataError(
                "the int8 file loads under no kernels", made.checks.builtin.problem or "", "one that loads"
            )
        kernels: Kernels = "xnnpack" if made.checks.xnnpack.loads else "builtin"
        runs = Runs(kernels=kernels, input_range=takes if made.io == "float32" else None)
        got = logits_of((folder / Path(made.int8_path).name).read_bytes(), pixels, runs)
        return held_out_figures(wanted, got, made.model.outputs, kernels)

    def _validated(
        self, data: AnyPath, folder: Path, made: QuantizeResult, reporter: Reporter
    ) -> ValidateResult:
        """Always through the store, which knows by itself which images it has seen."""
        result = validated_by(
            self.engine,
            ValidateRequest(
                float_path=folder / Path(made.float_path).name,
                int8_path=folder / Path(made.int8_path).name,
                data=data,
                preprocess=self.request.preprocess,
                labels=self.request.labels,
                label_map=self.request.label_map,
                use_store=self.request.use_store,
                engine=self.request.engine,
                scheduler=self.request.scheduler,
            ),
            reporter,
        )
        write_text(folder / VALIDATE_FILE, to_json(result), force=True)
        return result

    def _cost(self, made: QuantizeResult, folder: Path, reporter: Reporter) -> float | None:
        int8_path = folder / Path(made.int8_path).name
        if self.basis.kind == "modelled_cycles":
            return file_cost.modelled_cycles(int8_path.read_bytes(), str(int8_path))
        key = cache_key(
            "cost of a point",
            {
                "file": made.int8_sha256,
                "cpu": DEFAULT_CPU,
                "emulation": _emulation(),
                "versions": versions(),
                "code": self.code,
            },
        )
        done, path = Done(folder), folder / COST_FILE
        if done.has("cost", key):
            return _instructions(read_result(CostResult, path, command="cost"))
        if not made.checks.xnnpack.loads:
            return None
        try:
            counted = cost(CostRequest(files=(int8_path,)), _NoWarnings(reporter))
        except ModelNotLoadedError:  # the emulated processor's kernels refuse it
            return None
        write_text(path, to_json(counted), force=True)
        done.note("cost", key, [path])
        return _instructions(counted)


class _NoWarnings(Reporter):
    """Passes steps on: what `cost` warns of concerns cycles, and names of operators."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def step(self, text: str) -> None:
        """Reports a step."""
        self._reporter.step(text)


def labelled_figures(result: ValidateResult) -> LabelledFigures:
    """Takes what a sweep compares out of a result of `validate`.

    Raises:
        CalibrationDataError: No output is of classes or labels.
    """
    problems = tuple(finding.text for finding in result.findings if finding.fails_gate)
    kernels, figures = result.int8.kernels, result.figures
    if figures is not None:
        return LabelledFigures(
            n=result.n,
            measure="top-1",
            float_percent=figures.float_top1_percent,
            int8_percent=figures.int8_top1_percent,
            difference_points=figures.delta.top1_points,
            ci95_points=figures.delta.ci95_points,
            method=figures.delta.method,
            agreement_percent=figures.agreement_percent,
            kernels=kernels,
            problems=problems,
        )
    scored = next((each for each in result.outputs if each.scores), None)
    if scored is None:
        raise CalibrationDataError(
            f"images {result.data}", "no output that labels are held against", "labelled images"
        )
    score = scored.scores[0]
    return LabelledFigures(
        n=result.n,
        measure=score.name,
        float_percent=score.float_percent,
        int8_percent=score.int8_percent,
        difference_points=score.difference_points,
        ci95_points=score.ci95_points,
        method=score.method,
        agreement_percent=scored.agreement_percent,
        kernels=kernels,
        problems=problems,
    )


def _instructions(result: CostResult) -> float:
    return float(result.files[0].cpus[0].instructions.total)


def _emulation() -> str:
    """Tells the emulated runtime from others: its files, with sizes and times."""
    runner, site = find_arm_runner(), arm_folder() / "site"
    files = [runner.qemu, *sorted(path for path in site.rglob("*") if path.is_file())]
    return json.dumps([[os.fspath(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files])
