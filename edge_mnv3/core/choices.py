"""The values that options of commands and fields of requests choose from, and their defaults.

Commands and stages both read them here, so that neither repeats a literal of the other. Needs the standard
library only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from edge_mnv3.core.results.model_facts import Task

Kernels = Literal["xnnpack", "builtin"]
KernelChoice = Literal["auto", "xnnpack", "builtin"]  # auto: XNNPACK, or built-in where a file does not load
RuntimeName = Literal["litert", "tflite-runtime", "tensorflow"]
PreprocessName = Literal["slim", "resize", "resize256"]
HardSwishPolicy = Literal["auto", "lowered", "fused"]
Target = Literal["phone", "x86"]  # whose costs decide the forms of hard-swish
IoType = Literal["uint8", "int8", "float32"]
Cores = Literal["little", "mid", "big", "prime", "all"]
Accelerator = Literal["cpu", "gpu", "npu"]
ScoreTransformation = Literal["identity", "log", "inverse-logistic"]
LabelMap = Literal["zero", "one", "devkit"]  # class numbers from 0 on, from 1 on, or ILSVRC2012_ID
EngineName = Literal["local", "dask"]  # who runs files over images

KERNELS: tuple[Kernels, ...] = get_args(Kernels)
KERNEL_CHOICES: tuple[KernelChoice, ...] = get_args(KernelChoice)
RUNTIMES: tuple[RuntimeName, ...] = get_args(RuntimeName)
PREPROCESS_NAMES: tuple[PreprocessName, ...] = get_args(PreprocessName)
HARD_SWISH_POLICIES: tuple[HardSwishPolicy, ...] = get_args(HardSwishPolicy)
TARGETS: tuple[Target, ...] = get_args(Target)
IO_TYPES: tuple[IoType, ...] = get_args(IoType)
TASKS: tuple[Task, ...] = get_args(Task)
CORES: tuple[Cores, ...] = get_args(Cores)
ACCELERATORS: tuple[Accelerator, ...] = get_args(Accelerator)
SCORE_TRANSFORMATIONS: tuple[ScoreTransformation, ...] = get_args(ScoreTransformation)
LABEL_MAPS: tuple[LabelMap, ...] = get_args(LabelMap)
ENGINES: tuple[EngineName, ...] = get_args(EngineName)

DEFAULT_KERNELS: Kernels = "xnnpack"
DEFAULT_KERNEL_CHOICE: KernelChoice = "auto"
DEFAULT_RUNTIME: RuntimeName = "litert"
DEFAULT_PREPROCESS: PreprocessName = "slim"
DEFAULT_HARD_SWISH: HardSwishPolicy = "auto"
DEFAULT_TARGET: Target = "x86"
MOST_BUDGET_PERCENT = 100.0  # of more modelled cost than the cheapest file's
DEFAULT_IO: IoType = "uint8"
DEFAULT_ENGINE: EngineName = "local"
DEFAULT_SCORE_TRANSFORMATION: ScoreTransformation = "identity"

SYNTHETIC = "synthetic"  # the location of images that are made, not read
DIGITS = "digits"  # the location of drawings of a few pixels
# Images that are taken for calibration where no number is given. Photographs gain up to the first number,
# made images and drawings up to the second.
CALIBRATION_SAMPLES, MADE_CALIBRATION_SAMPLES = 500, 200
DIAGNOSIS_SAMPLES = 64  # images that `diagnose` runs where no number is given

IMAGENET_WEIGHTS = "imagenet"
RANDOM_WEIGHTS = "none"
DEMO_WEIGHTS = "demo"  # those of the bundled classifier of handwritten digits

QUANTIZED_FOLDER = Path("edge_mnv3_out")
MODELS_FOLDER = Path("edge_mnv3_models")
DEMO_FOLDER = Path("edge_mnv3_demo")
SWEEP_FOLDER = Path("edge_mnv3_sweep")
RUN_CONFIG = Path("edge-mnv3.toml")
HISTORY_FILE = Path("edge_mnv3_history.jsonl")
ExportForm = Literal["csv", "bencher", "github-action-benchmark", "pyperf", "perfetto", "litert-leaderboard"]
EXPORT_FORMS: tuple[ExportForm, ...] = get_args(ExportForm)
CURRENT_BINARY = "current"  # the name of today's official build of benchmark_model
