"""Two users of one phone, and one phone under two names: nobody gets a foreign figure.

`EDGE_MNV3_RACE_ROUNDS=50` runs as many rounds of the race; the usual number is two.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from pathlib import Path

import pytest

from device.adb_servers import AdbServer
from device.bench_setup import QUICK, STEADY, device_on, measure, model_file, quick_plan, registry_with
from device.command_setup import Bench, assert_clean, printed
from device.conftest import MakePhone
from device.layouts import generic_phone
from device.phone import Phone
from device.stand_in_behaviour import Behaviour, Figures
from edge_mnv3.core.hashing import sha256_file

ROUNDS = int(os.environ.get("EDGE_MNV3_RACE_ROUNDS", "2"))
FIGURES_US = (10_000, 70_000)


class User:
    """A tool with a model and a build of its own, whose model always takes the same time.

    Attributes:
        figure_us: What its model takes.
        said: What came of each round: a figure, or why there is none.
    """

    def __init__(self, folder: Path, figure_us: int, *, classes: int) -> None:
        folder.mkdir()
        self.folder = folder
        self.figure_us = figure_us
        self.model = model_file(folder, classes=classes)
        # Builds of one name, and yet two files.
        self.registry = registry_with(folder, current=Behaviour(build="nightly" if classes == 5 else "2.10"))
        self.said: list[float | str | None] = []

    @property
    def name_on_phone(self) -> str:
        return f"{sha256_file(self.model)[:16]}.tflite"

    def measure(self, server: AdbServer, phone: Phone, start: threading.Barrier) -> None:
        protocol = dataclasses.replace(QUICK, launches=1)
        plan = quick_plan(self.folder, self.model, protocol=protocol, resume_path=None)
        start.wait(60)
        done = measure([device_on(server, phone)], plan, self.registry)
        if done.failures:
            self.said.append(str(done.failures[0].error))
        else:
            (result,) = done.results
            self.said.append("; ".join(result.problems) or result.median_us)


@pytest.mark.any_adb
@pytest.mark.timeout(60 + 20 * ROUNDS)
def test_two_tools_at_once(adb_server: AdbServer, phone: Phone, tmp_path: Path) -> None:
    users = [
        User(tmp_path / f"user{number}", figure_us, classes=5 + number)
        for number, figure_us in enumerate(FIGURES_US)
    ]
    scripted = {user.name_on_phone: [[user.figure_us]] for user in users}
    phone.figures = Figures(inference_us=scripted)
    for number in range(ROUNDS):
        start = threading.Barrier(2)
        threads = [threading.Thread(target=user.measure, args=(adb_server, phone, start)) for user in users]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        said = [user.said[number] for user in users]
        # Each figure is its owner's; who has none was told who has the phone.
        foreign = [
            text
            for user, text in zip(users, said, strict=True)
            if text != user.figure_us and "is in use" not in str(text)
        ]
        assert not foreign
        assert any(not isinstance(text, str) for text in said)
    assert_clean(phone)


@pytest.mark.any_adb
def test_a_phone_under_two_names_is_measured_once(bench: Bench, make_phone: MakePhone) -> None:
    layout = generic_phone()
    phone = make_phone(dataclasses.replace(layout, properties={**layout.properties, "ro.serialno": "8A1X"}))
    phone.figures = STEADY
    other_name = phone.serial.replace("127.0.0.1", "localhost")
    bench.server.reach(other_name)
    try:
        done = bench.measure(
            phone,
            *("--device", other_name, model_file(bench.folder), "--benchmark-binary", bench.binary()),
            *("--launches", "1", "--json"),
        )
    finally:
        bench.server.disconnect(other_name)
    assert done.exit_code == 0, done.output
    (result,) = printed(done)["results"]
    assert result["conditions"]["device"]["hardware_serial"] == "8A1X"
    assert f"device {other_name} is the same phone as {phone.serial} (serial number 8A1X)" in done.output
    assert len([line for line in phone.launches if any("--graph" in word for word in line)]) == 1
    assert_clean(phone)
