"""Models whose description was changed answer as Keras lets them answer, or are refused in one line."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

from config_mutations import mutate, read_config, with_config
from edge_mnv3.core.errors import EdgeMnv3Error
from edge_mnv3.core.input_range import stated_range
from edge_mnv3.core.runtime import open_bytes
from edge_mnv3.model.arch import Variant
from edge_mnv3.model.graphs import GraphRequest
from edge_mnv3.model.keras_models import answers
from edge_mnv3.stages.build import BuildRequest, build
from edge_mnv3.stages.float_model import ModelRequest
from edge_mnv3.stages.open_model import open_float_model
from keras_models import FORMS, Base
from recording_reporter import RecordingReporter

# Files that are changed: size, form, suffix.
KINDS = (
    ("minimalistic", "whole", "keras"), ("minimalistic", "in a Sequential", "keras"),
    ("small", "whole", "h5"), ("minimalistic", "input_tensor with Rescaling", "keras"),
    ("minimalistic", "whole, logits", "h5"), ("minimalistic", "batch norm in the head", "h5"),
    ("small", "in a Sequential", "keras"), ("minimalistic", "takes -1..1", "keras"),
    ("minimalistic", "Normalization", "keras"), ("minimalistic", "two heads", "keras"),
    ("minimalistic", "one sigmoid", "h5"), ("minimalistic", "augmentation", "keras"),
)  # fmt: skip
IN_EVERY_RUN = (48, 264, 336)  # of one file: another last layer; nothing that matters; one that cannot be
ALL = 500
PIXEL_ROWS = np.random.default_rng(3).integers(0, 256, (2, 64, 64, 4))


class Outcome(NamedTuple):
    """What a way of giving a model made of it.

    Attributes:
        kind: `equal`, `refused`, or what is wrong: `another answer`, `crash`, `several lines`.
        text: The error, or by how much answers differ.
    """

    kind: str
    text: str = ""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[tuple[str, str, str]], Path]:
    """Makes each kind of file when it is first asked for."""
    folder, made = tmp_path_factory.mktemp("saved"), dict[tuple[str, str, str], Path]()

    def path_of(kind: tuple[str, str, str]) -> Path:
        size, form, suffix = kind
        if kind not in made:
            keras.utils.clear_session()
            keras.utils.set_random_seed(1)
            made[kind] = folder / f"{len(made)}.{suffix}"
            FORMS[form].make(Base(size)).save(made[kind])
        return made[kind]

    return path_of


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        every = metafunc.config.getoption("--all-mutations")
        metafunc.parametrize("seed", range(ALL) if every else IN_EVERY_RUN)


@pytest.mark.filterwarnings("ignore")  # Keras's, of what was changed
def test_a_changed_description(
    seed: int, saved: Callable[[tuple[str, str, str]], Path], tmp_path: Path
) -> None:
    kind = KINDS[seed % len(KINDS)]
    path = saved(kind)
    what, config = mutate(read_config(path), seed)
    changed = tmp_path / f"changed.{kind[2]}"
    with_config(path, config, changed)
    keras.utils.clear_session()
    found = outcomes(changed, kind, tmp_path)
    print(f"{seed} {kind}: {what}: {found}")
    assert {outcome.kind for outcome in found.values()} <= {"equal", "refused"}


def outcomes(path: Path, kind: tuple[str, str, str], folder: Path) -> dict[str, Outcome]:
    """Gives a file to the commands in each way that it can be given."""
    size, form, _ = kind
    theirs = Theirs(path)
    whole = ModelRequest(path=path, input_range=stated_range(FORMS[form].stated))
    found = {"quantize MODEL": _outcome(lambda: _float_file(whole, theirs))}
    built = BuildRequest(graph=ModelRequest(path=path), output=folder / "built.keras", force=True)
    found["build MODEL"] = _outcome(lambda: _built(built, theirs))
    if form.startswith("whole"):
        variant = Variant("small", size == "minimalistic", 0.05)
        weights = GraphRequest(variant=variant, weights=path, include_softmax="logits" not in form)
        found["--weights"] = _outcome(lambda: _float_file(weights, theirs))
    return found


def _outcome(compared: Callable[[], float]) -> Outcome:
    try:
        difference = compared()
    except EdgeMnv3Error as error:
        text = str(error)
        return Outcome("several lines" if "\n" in text or len(text) > 700 else "refused", text)
    except Exception as error:
        return Outcome("crash", repr(error)[:300])
    return Outcome("equal" if difference <= 1e-4 else "another answer", f"{difference:.2g}")


def _float_file(request: ModelRequest | GraphRequest, theirs: Theirs) -> float:
    reporter = RecordingReporter()
    with open_float_model(request, use_cache=False, reporter=reporter) as opened:
        made = opened.made()
    images = made.input_range.apply(_pixels(opened.shape.dimensions))
    return theirs.difference(images, open_bytes(made.content).run_raw, reporter)


def _built(request: BuildRequest, theirs: Theirs) -> float:
    reporter = RecordingReporter()
    build(request, reporter)
    model = keras.saving.load_model(request.output, compile=False)
    images = _pixels(tuple(side or 40 for side in model.inputs[0].shape[1:])).astype(np.float32)
    return theirs.difference(images, lambda image: answers(model, image), reporter)


def _pixels(shape: tuple[int, ...]) -> Any:
    return np.resize(PIXEL_ROWS, (2, *shape)).astype(np.uint8)


class Theirs:
    """What Keras itself makes of a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @functools.cached_property
    def _model(self) -> Any:
        return keras.saving.load_model(self._path, compile=False)

    def difference(
        self, images: Any, run: Callable[[Any], Sequence[Any]], reporter: RecordingReporter
    ) -> float:
        """The largest difference from what Keras answers, as a share of the largest output to the image.

        Of models in reduced precision, Keras's own float32 is meant, and it must have been said.
        """
        if any("float32" in warning for warning in reporter.warnings):
            for layer in self._model._flatten_layers():
                layer.dtype_policy = "float32"
        shares = [0.0]
        for image in images[:, np.newaxis]:
            for wanted, got in zip(answers(self._model, image), run(image), strict=True):
                assert wanted.shape == got.shape
                with np.errstate(all="ignore"):
                    shares.append(np.abs(got - wanted).max() / np.abs(wanted).max())
        return float(np.nan_to_num(shares, nan=np.inf).max())
