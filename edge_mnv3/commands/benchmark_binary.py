"""`edge-mnv3 benchmark-binary`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_mnv3.commands.device_options import adb_option, usage_errors
from edge_mnv3.commands.options import json_option
from edge_mnv3.commands.showing import show
from edge_mnv3.commands.terminal import TerminalReporter
from edge_mnv3.commands.types import PATH
from edge_mnv3.core.choices import CURRENT_BINARY

if TYPE_CHECKING:
    from edge_mnv3.core.results.binaries import BenchmarkBinary, BinaryLock

abi_option = click.option(
    "--abi",
    default="arm64-v8a",
    show_default=True,
    metavar="ABI",
    help="Keep the build for this kind of processor, by Android's name.",
)


@click.group("benchmark-binary")
def command() -> None:
    """Keep builds of TensorFlow Lite's benchmark_model under names, each locked by its SHA-256.

    reproduce tries builds whose name begins with era; how old one is, is read from the build itself.

    \b
    Examples:
      edge-mnv3 benchmark-binary fetch current --abi arm64-v8a
      edge-mnv3 benchmark-binary fetch litert-2.2.0 --abi arm64-v8a
      edge-mnv3 benchmark-binary add era-2019 ./benchmark_model --abi arm64-v8a
      edge-mnv3 benchmark-binary list
      edge-mnv3 benchmark-binary accept current --abi arm64-v8a
    """


@command.command("add")
@click.argument("name")
@click.argument("file", type=PATH)
@abi_option
def add(name: str, file: Path, abi: str) -> None:
    """Take FILE into the registry as NAME."""
    from edge_mnv3.stages.benchmark_binary import add_binary

    click.echo(_line(add_binary(name, abi, file)))


@command.command("fetch")
@click.argument("name", default=CURRENT_BINARY)
@click.option(
    "--abi",
    metavar="ABI",
    help="Fetch the build for this kind of processor, by Android's name.  [default: that of --device]",
)
@click.option("--device", metavar="SERIAL|ssh:HOST", help="Fetch the build for this phone or board.")
@click.option(
    "--address",
    metavar="URL",
    help="Download from this address.  [default: LiteRT's build of the version for NAME litert-VERSION, "
    "TensorFlow's nightly build for others]",
)
@click.option("--sha256", metavar="HEX", help="Refuse a file with another SHA-256.")
@click.option("--refresh", is_flag=True, help="Download again, to see whether the file has changed.")
@adb_option
def fetch(**options: Any) -> None:
    """Download a build, and lock it. A file that has changed waits until it is accepted."""
    if (options["abi"] is None) == (options["device"] is None):
        raise click.UsageError("Give either --abi or --device.")
    from edge_mnv3.stages.benchmark_binary import FetchRequest, fetch_binary

    reporter = TerminalReporter()
    with usage_errors():
        request = FetchRequest(**options)
    binary = fetch_binary(request, reporter)
    reporter.close()
    click.echo(_line(binary))


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Show all builds, and what waits to be accepted."""
    from edge_mnv3.stages.benchmark_binary import list_binaries

    lock = list_binaries()
    show(lock, _table, as_json=as_json)


@command.command("accept")
@click.argument("name")
@abi_option
def accept(name: str, abi: str) -> None:
    """Take the change of NAME that was refused last. It is another file, or other flags of the same file."""
    from edge_mnv3.stages.benchmark_binary import accept_binary

    click.echo(_line(accept_binary(name, abi)))


def _table(lock: BinaryLock) -> str:
    lines = [*map(_line, lock.binaries), *(f"waits to be accepted: {_line(b)}" for b in lock.refused)]
    return "\n".join(lines) or "no build yet: see edge-mnv3 benchmark-binary --help"


def _line(binary: BenchmarkBinary) -> str:
    version = f", TFLite {binary.version}" if binary.version else ""
    return (
        f"{binary.name} for {binary.abi}: {binary.size_bytes:,} bytes{version}, from {binary.source}, "
        f"SHA-256 {binary.sha256}"
    )
