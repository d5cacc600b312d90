"""`model_card.md`, written from the manifest alone: no figure in it comes from anywhere else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge_mnv3.core.counts import count
from edge_mnv3.core.markdown import markdown_table
from edge_mnv3.core.results.bench import HostBenchResult
from edge_mnv3.core.results.bench_turns import runs_words
from edge_mnv3.core.results.model_facts import activation_words
from edge_mnv3.core.results.models import RuntimeNeeds, TensorInfo
from edge_mnv3.core.results.package import BundleManifest, PackagedModel, PackagedOutput
from edge_mnv3.core.results.stated import PhoneLatency, StatedAccuracy, StatedComparison
from edge_mnv3.packaging.card_metadata import card_metadata

CARD_FILE = "model_card.md"
_UNSTATED = "not stated"


def model_card(manifest: BundleManifest) -> str:
    """Writes the card of a bundle, in Markdown."""
    lines = [
        card_metadata(manifest),
        "",
        f"# {_text(manifest.name)}",
        "",
        f"{_kind(manifest)} {_text(manifest.description)}".rstrip(),
        "",
        markdown_table(
            ("", ""),
            [
                ("version", _text(manifest.version)),
                ("author", _text(manifest.author or _UNSTATED)),
                ("licence of the model", _text(manifest.license or _UNSTATED)),
                *([("labels", _labels(manifest))] if manifest.labels else []),
            ],
        ),
    ]
    for model in manifest.models:
        lines += ["", f"## {model.file}", "", *_model(model)]
    lines += ["", "## Limits", "", *(f"- {limit}" for limit in _limits(manifest))]
    lines += ["", "## Verify", "", *_verify(manifest), ""]
    return "\n".join(lines)


def _kind(manifest: BundleManifest) -> str:
    outputs = manifest.models[0].outputs
    if len(outputs) > 1:
        return f"Image model of {count(len(outputs), 'output')}."
    task = "classes" if outputs[0].facts is None else outputs[0].facts.task
    size = outputs[0].tensor.shape[-1]
    if task in ("embedding", "map"):
        return "Image embedder." if task == "embedding" else "Image model that gives a map of features."
    if size == 1:
        return f"Image classifier, one score, of the class named in `{outputs[0].labels}`."
    return f"Image classifier, {size} {'labels, which may hold together' if task == 'labels' else 'classes'}."


def _labels(manifest: BundleManifest) -> str:
    return "; ".join(
        f"`{labels.file}`, {labels.count} names, from {_text(labels.source)}"
        + (f", {labels.license}" if labels.license else "")
        for labels in manifest.labels
    )


def _output(output: PackagedOutput, *, alone: bool) -> tuple[str, str]:
    said = (
        ""
        if output.facts is None
        else f". {output.facts.words}; {activation_words(output.facts.activation)}."
    )
    if output.thresholds:
        least, most = min(output.thresholds), max(output.thresholds)
        between = f"{least:g}" if least == most else f"{least:g} to {most:g}"
        said += f" A label holds where its score lies above its threshold: {between}."
    return "output" if alone else f"output {_text(output.name)}", f"{_tensor(output.tensor)}{said}"


def _model(model: PackagedModel) -> Iterator[str]:
    rows = [
        ("input", _tensor(model.input)),
        *(_output(output, alone=len(model.outputs) == 1) for output in model.outputs),
        ("full integer", "yes" if model.full_integer else "no"),
        ("XNNPACK partitions", str(model.xnnpack_partitions)),
        *([] if model.needs is None else _needs(model.needs)),
        *model.takes.items(),
        ("made of", f"`{model.measured_file}`, SHA-256 `{model.measured_sha256}`: unchanged inside"),
    ]
    yield markdown_table(("", ""), rows)
    yield from ("", "### How it was made", "")
    yield from _made(model)
    yield from ("", "### Accuracy", "")
    if model.accuracy is None and model.comparison is None:
        yield "Not stated: no result of `edge-mnv3 validate` was packaged."
    if model.accuracy is not None:
        yield markdown_table(("", ""), _accuracy(model.accuracy))
    elif model.comparison is not None:
        yield markdown_table(("", ""), _comparison(model.comparison))
    yield from ("", "### Latency", "")
    if not model.latencies and not model.phone_latencies:
        yield "Not stated: no result of `edge-mnv3 bench` was packaged."
    if model.phone_latencies:
        yield from ("Of one inference on phones, by `benchmark_model`:", "")
        yield phone_latency_table(model.phone_latencies)
    if model.phone_latencies and model.latencies:
        yield from ("", "On the machine that packaged:", "")
    if model.latencies:
        yield host_latency_table(model.latencies)


def _needs(needs: RuntimeNeeds) -> list[tuple[str, str]]:
    return [("least runtime", needs.least_words), ("TensorFlow Lite Micro", needs.micro_words)]


def _tensor(tensor: TensorInfo) -> str:
    quantized = (
        f", scale {tensor.scale!r}, zero point {tensor.zero_point}" if tensor.scale is not None else ""
    )
    return f"{list(tensor.shape)} {tensor.dtype}{quantized}"


def _made(model: PackagedModel) -> Iterator[str]:
    made = model.provenance
    if made is None:
        yield "Not stated: no `quantize.json` speaks of this file."
        return
    weights = {"imagenet": "published ImageNet weights", "file": "a file", "none": "random"}
    if made.variant is None:
        rows = [("made of", f"a model of the author's ({made.weights_source})")]
    else:
        rows = [
            ("network", f"MobileNetV3 {made.variant.name}, {made.variant.parameters:,} parameters"),
            ("weights", weights.get(made.weights_source, made.weights_source)),
        ]
    if made.weights_sha256:
        what = "model" if made.variant is None else "weights"
        rows.append((f"SHA-256 of the {what}", f"`{made.weights_sha256}`"))
    if made.recipe:
        rows.append(("recipe", f"{made.recipe}, hard-swish {made.hard_swish}"))
    if made.calibration:
        calibration = made.calibration
        rows += [
            (
                "calibration",
                f"{calibration.n} images, {calibration.kind}, preprocessing {calibration.preprocess}, "
                f"seed {calibration.seed}",
            ),
            ("SHA-256 of the calibration", f"`{calibration.manifest_sha256}`"),
        ]
    rows.append(("versions", ", ".join(f"{name} {version}" for name, version in made.versions.items())))
    yield markdown_table(("", ""), rows)


def _accuracy(stated: StatedAccuracy) -> list[tuple[str, str]]:
    low, high = stated.ci95_percent
    rows = [
        ("top-1", f"{stated.top1_percent:.2f} %, 95 % interval {low:.2f} to {high:.2f} ({stated.method})"),
        ("top-5", f"{stated.top5_percent:.2f} %"),
    ]
    if stated.drop_points is not None and stated.drop_ci95_points is not None:
        drop_low, drop_high = stated.drop_ci95_points
        rows.append(
            (
                "drop against float",
                f"{stated.drop_points:.2f} points, 95 % interval {drop_low:.2f} to {drop_high:.2f}",
            )
        )
    if stated.agreement_percent is not None:
        rows.append(("same answer as float", f"{stated.agreement_percent:.2f} %"))
    rows.append(
        (
            "measured on",
            f"{stated.n} labelled images of {_text(stated.data)}, preprocessing {stated.preprocess}, "
            f"{stated.runtime}, {stated.kernels}",
        )
    )
    return rows


def _comparison(stated: StatedComparison) -> list[tuple[str, str]]:
    """What was measured of outputs that are no classes."""
    rows = []
    for compared in stated.outputs:
        of = "" if len(stated.outputs) == 1 else f" of {_text(compared.output.name)}"
        rows += [
            (
                f"{score.name}{of}",
                f"{score.int8_percent:.2f} %, float {score.float_percent:.2f} %; difference "
                f"{score.difference_points:+.2f} points, 95 % interval {score.ci95_points[0]:+.2f} to "
                f"{score.ci95_points[1]:+.2f} ({score.method})",
            )
            for score in compared.scores
        ]
        if compared.similarity is not None:
            near = compared.similarity
            rows.append(
                (
                    f"cosine similarity to float{of}",
                    f"mean {near.cosine_mean:.4f}, least {near.cosine_least:.4f}",
                )
            )
            if near.neighbour_agreement_percent is not None:
                rows.append(
                    (f"same nearest neighbour as float{of}", f"{near.neighbour_agreement_percent:.2f} %")
                )
    rows.append(
        (
            "measured on",
            f"{stated.n} images of {_text(stated.data)}, preprocessing {stated.preprocess}, "
            f"{stated.runtime}, {stated.kernels}",
        )
    )
    return rows


def host_latency_table(results: Sequence[HostBenchResult]) -> str:
    """Writes a table of latencies on the machine that packaged."""
    rows = [
        (
            f"{result.median_us / 1e3:.3f} ms",
            f"{result.p5_us / 1e3:.3f} to {result.p95_us / 1e3:.3f} ms",
            _text(result.conditions.device),
            f"{result.conditions.runtime}, {result.conditions.protocol.kernels}, "
            f"{result.conditions.protocol.num_threads} threads, {runs_words(result.conditions.protocol)}",
        )
        for result in results
    ]
    return markdown_table(("median", "p5 to p95", "device", "conditions"), rows)


def _system(result: PhoneLatency) -> str:
    return result.build_fingerprint if result.sdk is None else f"Android {result.android_version}"


def phone_latency_table(results: Sequence[PhoneLatency]) -> str:
    """Writes a table of latencies on phones; an unstable one has no figure."""
    return markdown_table(
        ("median", "95 % interval", "phone", "conditions"),
        [
            (
                "unstable" if result.median_us is None else f"{result.median_us / 1e3:.3f} ms",
                _interval(result),
                _text(f"{result.device}, {result.soc}, {_system(result)}, {result.abi}"),
                _text(_phone_conditions(result)),
            )
            for result in results
        ],
    )


def _interval(result: PhoneLatency) -> str:
    if result.median_us is None:
        return "no figure"
    if result.ci95_us is None:
        return "none from so few launches"
    low, high = result.ci95_us
    return f"{low / 1e3:.3f} to {high / 1e3:.3f} ms"


def _phone_conditions(result: PhoneLatency) -> str:
    protocol, binary = result.protocol, result.binary
    threads = "threads as the build chose" if protocol.num_threads < 0 else f"{protocol.num_threads} threads"
    version = f" {binary.version}" if binary.version else ""
    clocks = ", clocks held below their highest" if result.fixed_performance else ""
    return (
        f"protocol {protocol.name}, {threads}, core mask {result.cpu_mask}, kernels {protocol.kernels}, "
        f"delegate {result.delegate}, benchmark_model {binary.name}{version}, {result.launches} launches "
        f"of {protocol.num_runs} runs after {protocol.warmup_runs}{clocks}"
    )


def _limits(manifest: BundleManifest) -> Iterator[str]:
    """Yields each limit once, in the order of the models."""
    limits: dict[str, None] = {}
    for model in manifest.models:
        if model.provenance is not None:
            limits |= dict.fromkeys(model.provenance.warnings)
            if model.provenance.weights_source == "none":
                limits["The weights are random: the answers mean nothing."] = None
        stated = model.accuracy or model.comparison
        if stated is None:
            limits[f"The accuracy of `{model.file}` is not stated."] = None
        else:
            limits |= dict.fromkeys(stated.warnings)
            limits[
                f"The accuracy of `{model.file}` holds for images like those that it was measured on, "
                f"preprocessed by {stated.preprocess}."
            ] = None
        for result in model.latencies:
            limits |= dict.fromkeys(result.warnings)
        for on_phone in model.phone_latencies:
            limits |= dict.fromkeys(on_phone.warnings)
            if not on_phone.stable:
                unstable = (
                    f"The latency of `{model.file}` on {on_phone.device} is unstable: it has no figure."
                )
                limits[unstable] = None
    if any(output.has_classes for model in manifest.models for output in model.outputs):
        limits["It knows its own classes only: an image of anything else gets one of them."] = None
    yield from map(_text, limits)


def _verify(manifest: BundleManifest) -> Iterator[str]:
    golden = manifest.golden
    yield f"`edge-mnv3 verify` checks every hash, the metadata, and {len(golden.files)} golden images, whose"
    yield f"outputs under {golden.kernels} ({golden.runtime}) lie in `golden/`."
    yield "`sha256sum -c SHA256SUMS` checks the hashes without any other program."
    for model in manifest.models:
        for output in model.outputs:
            difference = output.builtin
            which = f"`{model.file}`" + ("" if len(model.outputs) == 1 else f", output {_text(output.name)}")
            same = f"; the same class on {difference.top1_equal} of {difference.images} images"
            yield ""
            yield f"{which}, built-in kernels against {golden.kernels} where it was packaged:"
            yield (
                f"{difference.differing:,} of {difference.values:,} values differ, by up to "
                f"{count(difference.max_apart, difference.unit.removesuffix('s'))}"
                f"{same if output.has_classes else ''}."
            )


def _text(text: str) -> str:
    """A user's text, kept from being taken for Markdown's table or HTML."""
    return text.replace("|", "\\|").replace("<", "&lt;")
