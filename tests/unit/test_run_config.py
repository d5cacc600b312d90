"""Configs: what they may say, what is refused and where, and the one that `init` writes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_mnv3.cli import main
from edge_mnv3.commands.run_config import find_config, read_config
from edge_mnv3.commands.run_tables import FROM_EARLIER, OWN_KEYS, keys, located
from edge_mnv3.commands.run_template import template
from edge_mnv3.core.errors import InputFileError
from edge_mnv3.stages.run_plan import STAGES, RunPlan, StagePlan

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

QUANTIZE = '[quantize]\nvariant = "small"\n'


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str, name: str = "run.toml") -> RunPlan:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return read_config(path)


def plan(text: str, stage: str, name: str = "run.toml") -> StagePlan:
    return next(each for each in read(text, name).stages if each.name == stage)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[quantize]\nvariant = "smal"', "run.toml:2: [quantize] variant: 'smal' is none of "),
        ("[quantise]", "run.toml:1: [quantise]: there is no such table or key. Did you mean 'quantize'?"),
        ("\n[validate]\ndta = 1", "run.toml:3: [validate] dta: there is no such key. Did you mean 'data'?"),
        ("[report]\nxyzzy = 1", "run.toml:2: [report] xyzzy: there is no such key. Known are labels, data"),
        (f'{QUANTIZE}samples = "ten"', 'run.toml:3: [quantize] samples: got "ten", expected a whole number'),
        (f"{QUANTIZE}samples = 1.5", "[quantize] samples: got 1.5, expected a whole number"),
        (f"{QUANTIZE}samples = true", "[quantize] samples: got true, expected a whole number"),
        (f"{QUANTIZE}samples = 0", "run.toml:3: [quantize] samples: 0 is not in the range x>=1"),
        (f"{QUANTIZE}alpha = nan", "[quantize] alpha: got nan, expected a number"),
        (f"{QUANTIZE}softmax = 1", "[quantize] softmax: got 1, expected true or false"),
        (f"{QUANTIZE}recipe = 1", '[quantize] recipe: got 1, expected "accurate" or "fast" or "stock"'),
        (f"{QUANTIZE}calibration = 1", "[quantize] calibration: got 1, expected a text"),
        (f"{QUANTIZE}calibration = 2020-01-01", "calibration: got 2020-01-01, expected a text"),
        (f"{QUANTIZE}io = {{}}", "[quantize] io: got a table, expected "),
        (f"{QUANTIZE}statistics = [1]", "[quantize] statistics: got [1], expected a text, or a list"),
        (f'{QUANTIZE}force = true', "run.toml:3: [quantize] force: got a key, expected none: run gives it"),
        (f'{QUANTIZE}calibration = ""', "[quantize] calibration: it is empty"),
        ("quantize = 1", "run.toml:1: [quantize]: got 1, expected a table, [quantize]"),
        (f"output_dir = 1\n{QUANTIZE}", "output_dir: got 1, expected the path of a folder"),
        ("[validate]\nfloat = 'a'\nint8 = 'b'", "run.toml:1: [validate] data: expected a value"),
        ("[validate]\ndata = 'a'", "[validate]: got no float and int8 file, expected [quantize]"),
        ("[cost]", "[cost]: got no int8 file"),
        ("[bench]\nhost = true\nthreads = 'x'", "run.toml:3: [bench] threads: 'x' is not a valid integer"),
        ("", "config run.toml: got no stage, expected a table for one: quantize, validate"),
        ("[a", "config run.toml: got no TOML: "),
        (f"{QUANTIZE}[gates]\nmin_top = 1", "[gates] min_top: there is no such key. Did you mean 'min_top1_"),
        (f"{QUANTIZE}[gates]\nmax_int8_bytes = 0", "run.toml:4: [gates] max_int8_bytes: got 0, "),
        (f"{QUANTIZE}[gates]\nmax_int8_bytes = 'a'", 'max_int8_bytes: got "a", expected a number, at'),
        (f"{QUANTIZE}[gates]\nmax_drop_points = 1", "got no table [validate], expected one: it measures"),
        (
            f"{QUANTIZE}[validate]\ndata = 'd'\nmax_drop_points = 1\n[gates]\nmax_drop_points = 1",
            "[gates] max_drop_points: got max_drop_points in [validate] too, expected one of the two",
        ),
        (f"{QUANTIZE}[cost]\n[gates]\nbaseline = 'b'", "got only one of baseline and max_"),
        (f"{QUANTIZE}[gates]\nmax_int8_bytes = 1{'0' * 400}", "got a number of more than 300 digits, exp"),
        ("[modle]\na = 1", "run.toml:1: [modle]: there is no such table or key"),
        ("modle = 1", "run.toml:1: modle: there is no such table or key"),
        (f"{QUANTIZE}[[bench]]", "run.toml:3: [bench]: got several tables, expected a table, [bench]"),
        ("[quantize]\n", "run.toml:1: [quantize]: got neither model nor variant, expected one of the two"),
        (f"{QUANTIZE}model = 'm'", "run.toml:2: [quantize] variant: got both model and variant, exp"),
        (f"{QUANTIZE}[bench]\nhost = false", "toml:4: [bench] host: got host = false, without device and"),
        (f"{QUANTIZE}[bench]\nhost = true\nlog = 'l'", "run.toml:4: [bench] host: got host and log, exp"),
        (f"{QUANTIZE}[bench]\ndevice = 'a'\nlog = 'l'", "[bench] device: got device and log, expected one"),
        (f"{QUANTIZE}[bench]\nvariant = 'small'", "run.toml:4: [bench] variant: got a variant with host"),
        (f"{QUANTIZE}[bench]\nlog = 'l'\nfiles = 'f'", "[bench] files: got a files with log, expected one"),
        (f"{QUANTIZE}[bench]\nlog_result = 'l'", "[bench] log_result: got no log, expected one: log_result"),
        (f"{QUANTIZE}[cost]\n[gates]\nbaseline = 1", "baseline: got 1, expected the JSON of an earlier"),
        (f"{QUANTIZE}[bench]\nhost = true\ncores = 'big'", "toml:5: [bench] cores: host takes no cores."),
        (f"{QUANTIZE}[bench]\nthreads = [1, 2]", "toml:4: [bench] threads: host takes one number of threads"),
        (f"{QUANTIZE}[bench]\nruns = 10", "toml:4: [bench] runs: got 10, expected 20 at least,"),
        (f"{QUANTIZE}[bench]\ndevice = 'a'\naccelerator = 'tpu'", "[bench] accelerator: got 'tpu', expected"),
        (f"{QUANTIZE}[bench]\nlog = 'l'\nruns = 50", "toml:5: [bench] runs: log takes no runs."),
        (f"{QUANTIZE}alpha = 0.6", "toml:3: [quantize] alpha: published weights of small_0.6: got"),
        (f"{QUANTIZE}alpha = -1", "toml:3: [quantize] alpha: got -1.0, expected a finite number"),
        (f"{QUANTIZE}alpha = 1e9\nweights = 'none'", "small_1000000000.0 with 1000 classes: got "),
        (f"{QUANTIZE}classes = 5", "[quantize] classes: classes with the ImageNet weights: got 5"),
        (f"{QUANTIZE}recipe = 'stock'\nbudget = 5", "toml:4: [quantize] budget: budget with recipe"),
        ("[quantize]\nmodel = 'm'\nweights = 'w'", "toml:3: [quantize] weights: weights with model: got"),
        ("[quantize]\nmodel = 'm'\nalpha = 1", "toml:3: [quantize] alpha: alpha with model: got m,"),
        (f"{QUANTIZE}input_size = '64x32'", "toml:3: [quantize] input_size: input_size with variant:"),
        (f"{QUANTIZE}[diagnose]\ninput_range = 'odd'", "toml:4: [diagnose] input_range: input range: got 'o"),
        (f"{QUANTIZE}[cost]\nmax_instructions_percent = 1", "[cost] max_instructions_percent: "),
    ],
)  # fmt: skip
def test_refusals(text: str, said: str) -> None:
    with pytest.raises(InputFileError) as error:
        read(text)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_refused_on_the_command_line_in_one_line() -> None:
    Path("run.toml").write_text("[quantise]")
    done = CliRunner().invoke(main, ["run", "run.toml"])
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    Path("run.toml").write_bytes(b"\xff")
    assert "text that is no UTF-8" in CliRunner().invoke(main, ["run", "run.toml"]).stderr
    assert "no such file" in CliRunner().invoke(main, ["run", "none.toml"]).stderr
    assert "got neither edge-mnv3.toml nor [tool.edge-mnv3]" in CliRunner().invoke(main, ["run"]).stderr


def test_values_become_the_words_of_the_command() -> None:
    words = plan(
        '[quantize]\nvariant = "small"\nsamples = 8\nalpha = 0.5\nweights = "none"\nsoftmax = false\n'
        "cache = true\n"
        'statistics = ["a.npz", "b.npz"]\ninput_size = 64\nbudget = 5',
        "quantize",
    ).options
    assert words == (
        *("--variant=small", "--samples=8", "--alpha=0.5", "--weights=none", "--no-softmax", "--cache"),
        *("--statistics=a.npz", "--statistics=b.npz", "--input-size=64", "--budget=5"),
    )
    bench = plan(f'{QUANTIZE}[bench]\nthreads = 2\nprofile = false\nfiles = ["a.tflite"]', "bench")
    assert bench.options == ("--threads=2", "--host")
    assert bench.arguments == ("a.tflite",)
    assert plan(f'{QUANTIZE}[bench]\ndevice = "all"\ncores = "big"', "bench").options == (
        *("--device=all", "--cores=big"),
    )
    assert plan(f"{QUANTIZE}[validate]\ndata = 'd'\nno_store = true", "validate").options[-1] == "--no-store"


def test_paths_are_relative_to_the_file() -> None:
    text = (
        '[quantize]\nmodel = "m.keras"\ncalibration = "photos"\n'
        '[validate]\ndata = "digits"\nlabels = ["kind=l.txt", "/all.txt"]\nstore = "kept"\n'
        '[diagnose]\nplot = "p.png"\n'
        '[bench]\ndevice = "all"\nweights = "none"\nbenchmark_binary = ["current", "mine"]\n'
    )
    Path("configs").mkdir()
    Path("configs/mine").write_text("a build")
    quantize, validate, diagnose, bench = read(text, "configs/run.toml").stages
    assert quantize.arguments == ("configs/m.keras",)
    assert quantize.options == ("--calibration=configs/photos",)
    assert [(each.key, each.path, each.images) for each in quantize.locations] == [
        ("model 1", "configs/m.keras", False),
        ("calibration 1", "configs/photos", True),
    ]
    assert validate.options == (
        *("--data=digits", "--labels=kind=configs/l.txt", "--labels=/all.txt", "--store=configs/kept"),
    )
    assert [each.path for each in validate.locations] == ["digits", "configs/l.txt", "/all.txt"]
    assert validate.resolved()["labels"] == [f"kind={Path('configs/l.txt').absolute()}", "/all.txt"]
    assert validate.resolved()["store"] == str(Path("configs/kept").absolute())
    assert validate.resolved()["data"] == "digits"
    assert diagnose.outputs == (Path("configs/p.png"),)
    assert [each.path for each in bench.locations] == ["configs/mine"]
    assert "--benchmark-binary=current" in bench.options


def test_urls_and_empty_texts_are_no_paths() -> None:
    data = keys("validate")["data"]
    assert located(data, "https://a/b.tar", Path("c")) == ("https://a/b.tar", "https://a/b.tar")
    assert located(data, "", Path("c")) == ("", None)
    assert located(keys("package")["name"], "x", Path("c")) == ("x", None)


def test_the_folder() -> None:
    assert read(QUANTIZE, "a/my-flowers.toml").folder == Path("a/my_flowers_run")
    assert read(f'output_dir = "out"\n{QUANTIZE}', "a/b.toml").folder == Path("a/out")
    assert read_config(Path("a/b.toml"), folder=Path("c")).folder == Path("c")
    # Of the config that a run left, its own folder; and the folder stands for it.
    assert read(QUANTIZE, "a/run.toml").folder == Path("a/run_run")
    Path("a/.run").touch()
    assert read_config(Path("a/run.toml")).folder == Path("a")
    assert find_config(Path("a")) == Path("a/run.toml")


def test_pyproject_and_the_file_of_its_own() -> None:
    tables = '[project]\nname = "a"\n[tool.edge-mnv3.quantize]\nvariant = "small"\nsample = 1\n'
    Path("pyproject.toml").write_text('[project]\nname = "a"\n')
    with pytest.raises(InputFileError, match="neither"):
        find_config(None)
    with pytest.raises(InputFileError, match=r"no table \[tool.edge-mnv3\]"):
        read_config(Path("pyproject.toml"))
    Path("pyproject.toml").write_text(tables)
    with pytest.raises(InputFileError, match=re.escape("toml:5: [tool.edge-mnv3.quantize] sample: there is")):
        read_config(find_config(None))
    Path("pyproject.toml").write_text(tables.replace("sample = 1", "samples = 1"))
    assert read_config(find_config(None)).folder == Path("edge_mnv3_run")
    Path("edge-mnv3.toml").write_text(QUANTIZE)
    assert find_config(None) == Path("edge-mnv3.toml")


def test_dotted_keys_and_a_byte_order_mark() -> None:
    Path("pyproject.toml").write_text("[tool]\nedge-mnv3.quantize.variant = 'small'\n", encoding="utf-8-sig")
    assert [each.name for each in read_config(find_config(None)).stages] == ["quantize"]
    Path("pyproject.toml").write_text("# edge-mnv3\n[tool.other]\na = '[tool.edge-mnv3]'\n")
    with pytest.raises(InputFileError, match="neither"):
        find_config(None)
    Path("pyproject.toml").write_text("[tool.edge-mnv3\n")
    with pytest.raises(InputFileError, match="no TOML"):
        read_config(find_config(None))


def test_a_log_alone_is_a_bench() -> None:
    assert plan(f"{QUANTIZE}[bench]\nlog = 'l'", "bench").options == ("--log=l",)


def test_gates_are_those_of_the_commands_where_they_have_them() -> None:
    request = read(
        f"{QUANTIZE}[validate]\ndata = 'd'\n[cost]\n"
        "[gates]\nmax_drop_points = 1\nmin_top1_percent = 50\n"
        "max_instructions_percent = 2\nbaseline = 'b.json'",
        "a/run.toml",
    )
    _, validate, cost = request.stages
    assert validate.options[-1] == "--max-drop-points=1.0"
    assert cost.options == ("--max-instructions-percent=2.0", "--baseline=a/b.json")
    assert cost.locations[-1].path == "a/b.json"
    assert cost.gated == {"max_instructions_percent": 2.0}
    sized = read("[validate]\ndata = 'd'\nfloat = 'f'\nint8 = 'q'\n[gates]\nmax_int8_bytes = 9")
    assert sized.gates == {"max_int8_bytes": 9}


def test_every_option_of_every_command_is_a_key() -> None:
    for stage in STAGES:
        names = list(keys(stage))
        assert names, stage
        assert len(names) == len(set(names))
        for key in keys(stage).values():
            assert key.name not in OWN_KEYS
            assert key.name.isidentifier()
            assert key.expected()


def test_the_template_has_every_key_and_run_takes_it() -> None:
    text = template()
    for stage in STAGES:
        table = re.search(rf"^(?:# )?\[{stage}\]\n(.*?)(?=^(?:# )?\[|\Z)", text, re.MULTILINE | re.DOTALL)
        assert table, stage
        assert re.findall(r"^(?:# )?(\w+) =", table[1], re.MULTILINE) == list(keys(stage))
    request = read(text, "edge-mnv3.toml")
    assert [each.name for each in request.stages] == ["quantize", "validate", "diagnose", "bench", "report"]
    assert max(map(len, text.splitlines())) <= 110


def test_every_default_of_the_template_can_be_written_out() -> None:
    """Keys behind a # are those that a user takes the # away from."""
    text = re.sub(r"^# (\[\w+\]|\w+ = .+)$", r"\1", template(), flags=re.MULTILINE)
    data = tomllib.loads(text)
    assert {*STAGES} <= {*data}
    assert len(data["bench"]) > 10
    # What stands for nothing set is a switch that is off, and changes no word of the command line.
    request = read(text, "edge-mnv3.toml")
    flags = [word for each in request.stages for word in each.options if "=" not in word]
    assert set(flags) <= {"--softmax", "--cache", "--host"}


def test_init_never_overwrites(tmp_path: Path) -> None:
    def init(*arguments: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(main, ["init", *arguments])
        return done.exit_code, done.stdout, done.stderr

    assert init() == (0, "written: edge-mnv3.toml\n", "Next: edge-mnv3 run\n")
    Path("edge-mnv3.toml").write_text("mine")
    code, _, said = init()
    assert code == 1
    assert "edge-mnv3.toml exists already; use --force to overwrite it, or another name" in said
    assert init("-")[0] == 1
    assert not Path("-").exists()
    assert Path("edge-mnv3.toml").read_text() == "mine"
    assert init("--force")[0] == 0
    assert Path("edge-mnv3.toml").read_text() == template()
    assert init("a/b.toml")[2] == "Next: edge-mnv3 run a/b.toml\n"


def test_what_earlier_stages_give_is_named_as_the_commands_do() -> None:
    for stage, names in FROM_EARLIER.items():
        known = {*keys(stage), "run"}
        assert {*names} <= known
