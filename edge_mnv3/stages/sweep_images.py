"""The images of a sweep: what each point is calibrated on, and what is held out from all of them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from edge_mnv3.core.choices import LabelMap
from edge_mnv3.core.errors import CalibrationDataError, InputFileError
from edge_mnv3.core.images import (
    MAX_SKIPPED_PERCENT,
    ImageSource,
    Pixels,
    SampleRequest,
    check_skipped,
)
from edge_mnv3.core.requests import AnyPath
from edge_mnv3.core.results.images import ImageRecord, ImageShape, SkippedImage
from edge_mnv3.stages.package_inputs import label_files, read_labels
from edge_mnv3.stages.sweep_request import SweepRequest
from edge_mnv3_calibration_data.sampling import sample_order
from edge_mnv3_calibration_data.source_kinds import open_images
from edge_mnv3_quantization.evaluation.contents import ImagesState, hashed

MOST_HELD_OUT = 300
LEAST_HELD_OUT = 2  # the signal is what differs between images
FEW_HELD_OUT = 100
_HELD_OUT_SEED = 20_000_003  # another order than that of any seed that people choose
_MADE = 100  # images of a source without an end that are held out


class SweepImages:
    """The images of a sweep; nothing is decoded before it is asked for.

    Attributes:
        samples: Calibration images of each point, as `QuantizeRequest` has it.
        compares: Points are compared on held-out images.
    """

    def __init__(self, request: SweepRequest, *, compares: bool) -> None:
        """Lists the images.

        Args:
            request: The sweep.
            compares: Hold images out.

        Raises:
            CalibrationDataError: There are no images, or none is left to hold out.
            InputFileError: They cannot be listed.
        """
        self._source = open_images(request.calibration)
        self._seeds = tuple(dict.fromkeys(request.seeds))
        self._preprocess = request.preprocess
        self._other = None if request.held_out is None or not compares else open_images(request.held_out)
        self.compares = compares
        self.samples = request.samples
        self._hashes: dict[tuple[int, int], str | None] = {}
        self._pixels: dict[ImageShape, Pixels] = {}
        if compares and self._other is None:
            self._leave_some()
        self.held_out_indices = self._held_out() if compares else ()

    @property
    def synthetic(self) -> bool:
        """Whether the calibration images are made."""
        return self._source.synthetic

    @property
    def held_out_location(self) -> str:
        """Where the held-out images come from."""
        return (self._other or self._source).location

    @property
    def held_out(self) -> int:
        """How many images are held out, if all can be read."""
        endless = (self._other or self._source).available is None
        return (_MADE if endless else len(self.held_out_indices)) if self.compares else 0

    def calibrated_on(self) -> int:
        """How many calibration images a point has, if all can be read."""
        return self._source.sample_size(self.samples)

    def calibration_identity(self, seed: int) -> str | None:
        """Tells one point's calibration images from others: a hash over their contents in order.

        Returns:
            None where nothing tells what an image holds.
        """
        if self._source.available is None:
            return f"{self._source.kind}"
        return self._identity(self._source, self._touched(seed))

    def were_hashed(self, seed: int, images: Sequence[ImageRecord]) -> bool:
        """Whether images that a point was calibrated on are the files that its identity is of."""
        source = self._source
        hashes = [self._hash(source, index) or "" for index in self._touched(seed)]
        contents = (source.content(index) for index in self._touched(seed))
        if source.available is None or not all(each is not None and each.path for each in contents):
            return True  # pixels in memory, or made
        return {image.sha256 for image in images} <= {text.rpartition(" ")[2] for text in hashes}

    def held_out_identity(self) -> str | None:
        """Tells the held-out images from others; see `calibration_identity`."""
        source = self._other or self._source
        if source.available is None:
            return f"{source.kind} {self._made_seed}"
        return self._identity(source, self.held_out_indices)

    def held_out_pixels(self, shape: ImageShape) -> Pixels:
        """Reads the held-out images once for each shape, (N, H, W, C) uint8.

        Raises:
            CalibrationDataError: Too many cannot be read.
        """
        if shape not in self._pixels:
            self._pixels = {shape: self._read(shape)}
        return self._pixels[shape]

    def _leave_some(self) -> None:
        """Chooses how many images points are calibrated on, so that some are left."""
        source = self._source
        if source.recorded is not None:
            raise CalibrationDataError(
                source.description,
                "a recorded sample, which each point takes whole",
                "images to hold out",
                "use --held-out with others, or give the images themselves",
            )
        if source.available is None or self.samples is not None:
            return
        share = source.available // (len(self._seeds) + 1)
        self.samples = max(1, min(source.default_samples, share))

    def _held_out(self) -> tuple[int, ...]:
        source = self._other or self._source
        if source.available is None:
            return ()
        calibrated = {index for seed in self._seeds for index in self._touched(seed)}
        taken = set() if self._other is not None else calibrated
        contents = {self._hash(self._source, index) for index in calibrated}
        indices: list[int] = []
        for index in sample_order(source, seed=_HELD_OUT_SEED):
            if len(indices) == MOST_HELD_OUT:
                break
            if index not in taken:
                content = self._hash(source, index)
                if content is None or content not in contents:
                    indices.append(index)
        if len(indices) < LEAST_HELD_OUT:
            raise CalibrationDataError(
                source.description,
                f"{len(indices)} images that no point is calibrated on",
                f"at least {LEAST_HELD_OUT}",
                "use fewer --samples or --seeds, more images, or --held-out with others",
            )
        return tuple(indices)

    def _touched(self, seed: int) -> Sequence[int]:
        """The images that a point may be calibrated on: a few may be unreadable, and the next are taken."""
        source = self._source
        if source.available is None:
            return ()
        if source.recorded is not None:
            return range(source.available)
        wanted = source.sample_size(self.samples)
        read = math.ceil(wanted / (1 - MAX_SKIPPED_PERCENT / 100)) + 1
        return sample_order(source, seed=seed)[:read]

    def _identity(self, source: ImageSource, indices: Iterable[int]) -> str | None:
        digest = hashlib.sha256(source.decoder.encode())
        for index in indices:
            content = self._hash(source, index)
            if content is None:
                return None
            digest.update(f"{content}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def _hash(self, source: ImageSource, index: int) -> str | None:
        key = (id(source), index)
        if key not in self._hashes:
            content = source.content(index)
            if content is None or content.path is None:
                self._hashes[key] = None if content is None else content.tag
            else:
                sha256 = source.part_sha256(index) if content.part else _file_sha256(content.path)
                # An image that cannot be read is left out, and will be so again.
                self._hashes[key] = f"{content.tag} {sha256 or 'unreadable'}"
        return self._hashes[key]

    def _refuse_other(self, source: ImageSource, index: int, sha256: str | None) -> None:
        """Refuses an image that is not what it was when its figures got their key."""
        content = source.content(index)
        if sha256 is None or content is None or content.path is None:
            return
        if (self._hash(source, index) or "").rpartition(" ")[2] != sha256:
            raise CalibrationDataError(
                f"held-out image {source.name(index)}",
                "one that changed since the sweep began",
                "images that stay as they are",
                "run it again: points that are done are kept",
            )

    @property
    def _made_seed(self) -> int:
        return max(*self._seeds, _HELD_OUT_SEED) + 1

    def _read(self, shape: ImageShape) -> Pixels:
        source = self._other or self._source
        if source.available is None:
            wanted = SampleRequest(
                shape=shape, samples=_MADE, seed=self._made_seed, preprocess=self._preprocess
            )
            return source.sample(wanted).pixels
        images, skipped = [], []
        for index in self.held_out_indices:
            try:
                pixels, sha256 = source.load_hashed(index, shape=shape, preprocess=self._preprocess)
            except InputFileError as error:
                skipped.append(SkippedImage(file=source.name(index), reason=error.got))
                continue
            self._refuse_other(source, index, sha256)
            images.append(pixels)
        check_skipped(skipped, len(self.held_out_indices))
        if len(images) < LEAST_HELD_OUT:
            raise CalibrationDataError(
                source.description, f"{len(images)} held-out images", f"at least {LEAST_HELD_OUT}"
            )
        return np.stack(images)


def labelled_state(
    location: AnyPath, label_map: LabelMap | None, labels: AnyPath | Sequence[AnyPath] | None = None
) -> str:
    """Tells labelled images as they are now: a hash over names, labels, and what systems say of files.

    Args:
        location: The images.
        label_map: How their class numbers are counted.
        labels: Names of the outputs, as `ValidateRequest` has them.
    """
    images = open_images(location, label_map=label_map)
    indices = range(images.available or 0)
    cells = [[images.cell(index, column) for index in indices] for column in images.columns]
    named = label_files(labels)
    files = ([] if named.first is None else [named.first]) + [named.of[output] for output in sorted(named.of)]
    names = [read_labels(path, None).names for path in files]
    stated = repr((images.labels(), images.label_names(), images.columns, cells, names))
    digest = hashlib.sha256(stated.encode("utf-8", "surrogateescape"))
    digest.update(ImagesState(images, indices).sha256(np.ones(len(indices), np.bool_)).encode())
    return digest.hexdigest()


def _file_sha256(path: Path) -> str | None:
    found = hashed(path)
    return None if found is None else found.sha256
