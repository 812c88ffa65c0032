#!/usr/bin/env bash
# Everything a GPU is needed for, in one call under ten minutes: every CUDA kernel against the CPU, whole steps against
# the reference engine, speed, and the same work by PyTorch. Writes one Markdown file and prints it.
#
#     scripts/gpu-check.sh [BINARY [FOLDER]]
#
# BINARY is a release build of repro (default: target/release/repro, or repro on the PATH); no Rust is needed where this
# runs. FOLDER takes gpu.md (default: $OUT, else reports). Wants a driver for CUDA 13, its cuBLASLt and NVRTC (also looked
# for in PyTorch's own folders) and python3 with torch and transformers; what is missing is said and left out.
set -uo pipefail
cd "$(dirname "$0")/.."

binary=${1:-target/release/repro}
[ -x "$binary" ] || binary=$(command -v repro) || { echo "no binary: $binary" >&2; exit 2; }
binary=$(cd "$(dirname "$binary")" && pwd)/$(basename "$binary")
folder=${2:-${OUT:-reports}}
mkdir -p "$folder"
report=$folder/gpu.md
peer=scripts/bench_pytorch.py

# The folders of pip's NVIDIA packages, then the toolkit's.
libraries=$(python3 - <<'PYTHON' 2>/dev/null
import glob, site, sys
roots = site.getsitepackages() + [p for p in sys.path if p.endswith("site-packages")]
print(":".join(dict.fromkeys(f for r in roots for f in glob.glob(r + "/nvidia/*/lib"))))
PYTHON
)
export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}${libraries:+$libraries:}/usr/local/cuda/lib64
# Compiled kernels stay beside the report of this call.
XDG_CACHE_HOME=$(mktemp -d)
export XDG_CACHE_HOME
trap 'rm -rf "$XDG_CACHE_HOME"' EXIT

failed=0
# part TITLE SECONDS COMMAND...: its output becomes a section; it may take so long.
part() {
    local title=$1 limit=$2 began=$SECONDS
    shift 2
    printf '\n## %s\n\n' "$title"
    if ! timeout "$limit" "$@" 2>&1; then
        printf '\n**FAILED**: `%s`\n' "$*"
        failed=1
    fi
    printf '\n(%d s)\n' $((SECONDS - began))
}

# pytorch WORKLOAD CONFIGURATION: a row of its table: medians of seven rounds after three.
pytorch() {
    { "$binary" kernels --job "$1" --configuration "$2"; yes train | head -10; yes eval | head -10; } |
        timeout 100 python3 "$peer" | python3 -c '
import json, statistics, sys
lines = [json.loads(line) for line in sys.stdin]
if len(lines) != 21: sys.exit("PyTorch answered %d of 21 lines" % len(lines))
rates = [line["tokens"] / line["seconds"] for line in lines[1:]]
train, evaluate = statistics.median(rates[3:10]), statistics.median(rates[13:20])
print("| %s | %s, %s | %.0f | %.0f |" % (sys.argv[1], lines[0]["ready"], sys.argv[2], train, evaluate))' "$1" "$2"
}

compare() {
    echo '| workload | peer | training tokens/s | evaluation tokens/s |'
    echo '|---|---|---|---|'
    for configuration in sdpa sdpa-compile; do
        for workload in glue full-base; do pytorch "$workload" "$configuration" || echo "| $workload | $configuration | failed | |"; done
    done
    pytorch full-large sdpa || echo '| full-large | sdpa | failed | |'
}

{
    printf '# GPU check\n\n%s, `scripts/gpu-check.sh`, %s\n' "$(date -u +%Y-%m-%d)" "$("$binary" --version)"
    part "Devices" 30 "$binary" list --devices
    part "Kernels and steps against the CPU" 180 "$binary" kernels --check
    part "Speed" 120 "$binary" kernels --speed
    if [ -f "$peer" ] && python3 -c 'import torch, transformers' 2>/dev/null; then
        printf '\n## PyTorch, rows padded to the batch'"'"'s longest\n\n'
        compare
    else
        printf '\n## PyTorch\n\nNOT RUN: %s with torch and transformers is needed\n' "$peer"
    fi
    exit $failed
} | tee "$report"
exit "${PIPESTATUS[0]}"
