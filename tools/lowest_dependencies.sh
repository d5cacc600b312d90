#!/bin/sh
# Installs the oldest versions that pyproject.toml allows and runs the unit tests with them, so that its lower bounds are
# true. Two minutes of processor time, so it is run by hand, before a release and when a bound changes.
# Usage: tools/lowest_dependencies.sh [PYTHON]    (the oldest Python by default, whose wheels reach back farthest)
set -eu
cd "$(dirname "$0")/.."
python=${1:-python3.10}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q uv
# The tools that run the tests are as new as can be: their bounds are not what users install.
"$folder/venv/bin/uv" pip install -q --python "$folder/venv/bin/python" --resolution lowest-direct \
  '.[adb,digits,heif,parquet,plot,remote,tfrecord]' 'h5py>=3.10'
"$folder/venv/bin/uv" pip install -q --python "$folder/venv/bin/python" \
  hypothesis jsonschema 'pytest<9.2' pytest-timeout pytest-xdist pyyaml
"$folder/venv/bin/uv" pip freeze -q --python "$folder/venv/bin/python"
# Old libraries warn of what newer ones that they call will no longer have: that is theirs.
PYTHONPATH='' "$folder/venv/bin/python" -m pytest -q -p no:cacheprovider -n 2 -W ignore::DeprecationWarning tests/unit
