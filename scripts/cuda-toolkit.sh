#!/usr/bin/env bash
# Brings NVRTC, the compiler of CUDA kernels, from PyPI into a folder (default: target/cuda-toolkit) and prints the path
# to put on LD_LIBRARY_PATH. It needs no GPU and no driver: with it, every kernel is compiled in CI.
#
#     export LD_LIBRARY_PATH=$(scripts/cuda-toolkit.sh)
#
# Version and digests are fixed; a folder that is complete is left as it is. Needs python3 with pip.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${1:-${CARGO_TARGET_DIR:-target}/cuda-toolkit}
version=13.0.88
if [ ! -e "$folder/$version" ]; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    cat >"$scratch/wanted" <<WANTED
nvidia-cuda-nvrtc==$version \\
    --hash=sha256:ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575 \\
    --hash=sha256:d27f20a0ca67a4bb34268a5e951033496c5b74870b868bacd046b1b8e0c3267b
WANTED
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
        --dest "$scratch" --requirement "$scratch/wanted" >&2
    mkdir -p "$folder"
    python3 -m zipfile -e "$scratch"/nvidia_cuda_nvrtc-*.whl "$folder"
    touch "$folder/$version"
fi
cd "$folder/nvidia/cu13/lib"
pwd
