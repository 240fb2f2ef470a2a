# shellcheck shell=bash
# Sourced after steps.sh by the scripts that compare this tree with another commit.

# find_commit NAME: its full number; status 1 if there is none.
find_commit() { git -C "$root" rev-parse --verify --quiet "${1:-}^{commit}"; }

# build_both COMMIT TARGET…: builds the targets of this tree, and those of COMMIT in build/compare/<commit>,
# where they stay for the next comparison. Sets `other` to that build's folder.
build_both() {
    local commit=$1 folder=$build/compare/${1:0:10}
    shift
    other=$folder/build
    step "Configuring" configure_tree -DAILAB_TESTS=ON
    step "Building this tree" build_tree --target "$@"
    step "Checking out ${commit:0:10}" check_out "$commit" "$folder/source"
    step "Building ${commit:0:10}" build_other "$folder/source" "$@"
}

# check_out COMMIT FOLDER
check_out() {
    [ -d "$2" ] || {
        mkdir -p "$(dirname "$2")"
        git clone --quiet --shared --no-checkout "$root" "$2" && git -C "$2" checkout --quiet --detach "$1"
    }
}

# build_other SOURCE TARGET…: its own way of configuring, with the LibTorch of this tree.
build_other() {
    local torch
    torch=$(sed -n 's!^AILAB_TORCH_CPU:[A-Z]*=\(/.*\)/lib/libtorch_cpu.so$!\1!p' "$build/CMakeCache.txt")
    (cd "$1" && TORCH_DIR=$torch AILAB_BUILD=$other bash -c '. scripts/lib/steps.sh
        configure_tree -DAILAB_TESTS=ON && build_tree --target "$@"' "$1/scripts/lib" "${@:2}")
}
