#!/usr/bin/env bash
# Builds an environment with mmdet in .venv-mmdet (or $MMDET_ENV) and runs tests/mmdet in it.
#
# mmcv publishes no wheel for this torch, so that it is compiled: about ten minutes on two cores.
# The cache of wheels stays off: one compiled against another torch would be reused without a word
# and fail on import. An environment whose mmcv was built against the installed torch is kept.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
env=${MMDET_ENV:-.venv-mmdet}
pip() { "$env/bin/python" -m pip --disable-pip-version-check "$@"; }

if [ ! -x "$env/bin/python" ]; then
    "$python" -m venv "$env"
fi
pip install --quiet 'torch==2.11.0' 'torchvision==0.26.0' 'numpy>=2.1' 'opencv-python-headless>=4.10' \
    scipy safetensors huggingface-hub pytest 'setuptools<81' wheel ninja

torch=$("$env/bin/python" -c 'import torch; print(torch.__version__)')
if [ "$(cat "$env/mmcv-built-for" 2>/dev/null)" != "$torch" ] \
    || ! "$env/bin/python" -W ignore -c 'import mmcv.ops' 2>/dev/null; then
    MMCV_WITH_OPS=1 FORCE_CUDA=0 MAX_JOBS=${MAX_JOBS:-2} \
        pip install --no-cache-dir --no-build-isolation --no-binary mmcv --force-reinstall --no-deps \
        'mmcv==2.1.0'
    pip install --quiet 'mmdet==3.3.0' 'mmcv==2.1.0' 'mmengine==0.10.7'
    "$env/bin/python" -W ignore -c 'import mmcv.ops'
    echo "$torch" >"$env/mmcv-built-for"
fi
exec "$env/bin/python" -m pytest -m mmdet tests/mmdet "$@"
