# shellcheck shell=bash
# Sourced by the scripts: named, timed steps with a log file each.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${AILAB_BUILD:-$root/build}
logs=$build/logs
mkdir -p "$logs"

# step "what it does" COMMAND…: prints the name and the time it took. On failure it shows the end of
# the step's log and ends the script with status 1. COMMAND is a program or a function without set -e
# needs (bash ignores set -e inside a condition).
step() {
    local name=$1 start=$SECONDS log status=0
    shift
    log=$logs/$(echo "$name" | tr -c 'A-Za-z0-9\n' '_').log
    printf '%-46s ' "$name"
    "$@" >"$log" 2>&1 || status=$?
    if [ $status -ne 0 ]; then
        printf 'FAILED after %d s\n\n' $((SECONDS - start))
        printf 'The step "%s" failed (status %d). The end of %s:\n\n' "$name" $status "$log"
        tail -n 40 "$log"
        exit 1
    fi
    printf '%4d s\n' $((SECONDS - start))
}

# The compiler: the user's choice, else clang (its precompiled header is twice as fast), else g++.
compiler() {
    if [ -n "${CXX:-}" ]; then echo "$CXX"; else command -v clang++ || command -v g++; fi
}

# configure_tree [CMake options…]: keeps what an existing build folder was configured with. A new one
# compiles the files of a folder twelve at a time: all of it then takes a fifth of the time, and one
# changed file longer, so the presets, which are for developing, do not.
configure_tree() {
    if [ -f "$build/build.ninja" ]; then
        cmake "$@" "$build"
    else
        cmake -G Ninja -S "$root" -B "$build" -DCMAKE_CXX_COMPILER="$(compiler)" \
            -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=20 "$@"
    fi
}

build_tree() { cmake --build "$build" -j "$(build_jobs)" "$@"; }

# A compiler with the precompiled header takes up to 2 GB.
build_jobs() {
    local cores memory_gb
    # For compilers that is no limit, and nproc would obey it.
    cores=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)
    memory_gb=$(awk '/MemAvailable/ {print int($2 / 1048576)}' /proc/meminfo)
    local jobs=$((memory_gb / 2))
    [ $jobs -lt 1 ] && jobs=1
    [ $jobs -gt "$cores" ] && jobs=$cores
    echo "$jobs"
}

# OpenMPI refuses to run as root without these.
allow_mpirun_as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    fi
}
