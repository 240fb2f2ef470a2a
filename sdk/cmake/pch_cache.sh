#!/bin/sh
# Stands in front of the compiler where a user's project makes the SDK's precompiled header, so that it is
# made once a compiler, flags and SDK, and not once a project (AilabPlugin.cmake):
#
#     sh pch_cache.sh COMPILER COMMAND…     COMMAND runs COMPILER, by another launcher or not
#
# The header is made in ${XDG_CACHE_HOME:-~/.cache}/ailab/pch/<key>/ and copied to where CMake wants it. The
# key is all that COMMAND says but the project's own paths, and the compiler's version. What was made counts
# as long as all files that went into it, and the compiler, have the size and time that they had. One process
# at a time works on a key; the others wait for it. What was not asked for in 30 days goes when something new
# is made. Where this does not work, the project makes its own, as without it, and a line says why.
compiler=$1
shift

source='' output='' target='' depfile='' makes_header='' previous=''
for word; do
    case $previous in
        -c) source=$word ;;
        -o) output=$word ;;
        -MT) target=$word ;;
        -MF) depfile=$word ;;
        -x) [ "$word" != c++-header ] || makes_header=yes ;;
    esac
    previous=$word
done
header=${source%.cxx} # CMake's header and its source, which is empty, lie side by side
if ! { [ "$makes_header" ] && [ -f "$header" ] && [ "$source" != "$header" ] && [ "$output" ] && [ "$target" ] &&
    [ "$depfile" ]; }; then
    exec "$@"
fi

say_own() { echo "ailab: $1, so this project makes a precompiled header of its own" >&2; }

case ${XDG_CACHE_HOME:-} in
    /*) cache=$XDG_CACHE_HOME/ailab/pch ;;
    *) cache=${HOME:+$HOME/.cache/ailab/pch} ;;
esac
if [ -z "$cache" ]; then
    say_own "HOME is not set"
    exec "$@"
fi

# What the precompiled header depends on, apart from the files that go into it.
describe() {
    echo 2 # the form of an entry
    # Which standard library clang has chosen it says here only.
    echo "$compiler" && "$compiler" -v 2>&1
    echo "${CPATH:-}:${CPLUS_INCLUDE_PATH:-}:${GCC_EXEC_PREFIX:-}:${COMPILER_PATH:-}"
    cat "$header"
    native=''
    for word; do
        case $word in
            "$header" | "$source" | "$output" | "$target" | "$depfile") echo "(a path of the project)" ;;
            *) printf '%s\n' "$word" ;;
        esac
        case $word in *=native) native=yes ;; esac
    done
    # A home folder may be that of several machines.
    [ ! "$native" ] || grep -m 2 -E '^(model name|flags|Features)' /proc/cpuinfo
}
key=$(describe "$@" | sha256sum | cut -c 1-32)
entry=$cache/$key
kept_header=$entry/${header##*/}

# Files with size, time, and time of change, which nobody can set back, a line each.
measure() { LC_ALL=C xargs -d '\n' stat -c '%s %.9Y %.9Z %n'; }

is_fresh() {
    [ -f "$entry/inputs" ] && cut -d ' ' -f 4- "$entry/inputs" | measure 2>/dev/null | cmp -s - "$entry/inputs"
}

# The files of the compiler's list `TARGET: FILE FILE \`, a line each.
dependencies() {
    sed -e '1s/^pch: *//' -e 's/ *\\$//' -e 's/\\ /\x01/g' -e 's/\\#/#/g' -e 's/\$\$/$/g' "$entry/depfile" |
        tr ' ' '\n' | tr '\001' ' ' | grep .
}

# Clang looks at the time of the header and its source wherever the precompiled one is used.
keep() { cmp -s "$1" "$2" || cp "$1" "$2"; }

# Status 2 when the compiler has something against it.
make_entry() {
    rm -f "$entry/inputs"
    find "$cache" -mindepth 2 -maxdepth 2 -name used -mtime +30 | while IFS= read -r used; do
        # Clang needs the header itself as long as a project has a copy.
        rm -f "${used%used}inputs" "${used%used}pch" "$used"
    done
    keep "$header" "$kept_header" && keep "$source" "$kept_header.cxx" && touch "$entry/begin" || return 1
    previous=''
    for word; do
        shift
        case $previous in
            -c) word=$kept_header.cxx ;;
            -o) word=$entry/pch ;;
            -MT) word=pch ;;
            -MF) word=$entry/depfile ;;
            *) [ "$word" != "$header" ] || word=$kept_header ;;
        esac
        set -- "$@" "$word"
        previous=$word
    done
    "$@" 2>"$entry/messages" || return 2
    cat "$entry/messages" >&2
    { dependencies && readlink -f "$(command -v "$compiler")" && echo "$entry/pch"; } | measure >"$entry/inputs.new" ||
        return 1
    # A relative path means another file in another project; a file that has changed meanwhile may not be the one
    # that was read.
    begin=$(LC_ALL=C stat -c %.9Y "$entry/begin") && LC_ALL=C awk -v begin="$begin" -v pch="$entry/pch" '
        { file = $0; sub(/^[^ ]* [^ ]* [^ ]* /, "", file) }
        file != pch && ($2 > begin || file !~ /^\//) { exit 1 }' "$entry/inputs.new" || return 1
    mv "$entry/inputs.new" "$entry/inputs"
}

deliver() {
    touch "$entry/used" && cp "$entry/pch" "$output.new" && mv "$output.new" "$output" &&
        { printf '%s' "$target" && tail -c +4 "$entry/depfile"; } >"$depfile"
}

mkdir -p "$entry" 2>/dev/null
# Another's precompiled header would be another's code.
if ! { [ -O "$entry" ] && touch "$entry/lock" && [ -w "$entry" ]; } 2>/dev/null; then
    say_own "$cache cannot be written"
    exec "$@"
fi
(
    flock 9 && { is_fresh || make_entry "$@"; } && deliver
) 9>"$entry/lock"
status=$?
[ $status -ne 0 ] || exit 0
"$@" || exit
[ $status -ne 2 ] || cat "$entry/messages" >&2
say_own "it could not be made in $entry"
