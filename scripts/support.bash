# shellcheck shell=bash
# What the profiling scripts share; sourced, not run. `script` and `here`, where it lies, are set before.

root=$(cd "$here/.." && pwd)

fail() {
    local code=$1
    shift
    printf '%s: %s\n' "$script" "$*" >&2
    exit "$code"
}

# need COMMAND HOW-TO-INSTALL
need() {
    command -v "$1" >/dev/null || fail 3 "needs $1: $2"
}

# Sets `program` to the executable: the one that SQLITE_MEMBENCH names, or a release build.
find_program() {
    if [ -n "${SQLITE_MEMBENCH:-}" ]; then
        program=$SQLITE_MEMBENCH
        [ -x "$program" ] || fail 3 "SQLITE_MEMBENCH=$program is no executable file"
        return
    fi
    need cargo 'install Rust from https://rustup.rs, or name a built program in SQLITE_MEMBENCH'
    cargo build --release --quiet --manifest-path "$root/Cargo.toml" --bin sqlite-membench ||
        fail 3 'the program could not be built'
    program=${CARGO_TARGET_DIR:-$root/target}/release/sqlite-membench
}

# Sets `run` to a run directory that is not there yet: the one of an --out among the arguments, which are
# left in `arguments` without it, or one where the program would make it.
find_run() {
    run=
    arguments=()
    while [ $# -gt 0 ]; do
        case $1 in
        --out)
            [ $# -gt 1 ] || fail 2 '--out takes a directory'
            run=$2
            shift
            ;;
        --out=*) run=${1#--out=} ;;
        *) arguments+=("$1") ;;
        esac
        shift
    done
    [ -z "$run" ] || return 0
    local parent=sqlite-membench-runs
    [ ! -d profiles ] || parent=profiles/runs
    mkdir -p "$parent" || fail 3 "cannot write here: go elsewhere, or say where with --out DIR"
    run=$parent/$(date -u +%Y%m%dT%H%M%SZ)-$$
}

# run_program ARGUMENTS...: 2 is bad usage to the program as to the scripts, anything else a failed run.
run_program() {
    local code=0
    "$program" "$@" || code=$?
    case $code in
    0) ;;
    2 | 130) exit "$code" ;;
    *) fail 3 "the run has failed; what was profiled until then is in $run" ;;
    esac
}

# hand_over OUTPUT FILES...: copies the only file to OUTPUT where one is asked for; says where they are.
hand_over() {
    local output=$1 file
    shift
    if [ -n "$output" ]; then
        [ $# = 1 ] || fail 2 "--output takes one picture, and there are $#: $*"
        cp -- "$1" "$output" || fail 3 "cannot write $output"
        set -- "$output"
    fi
    for file in "$@"; do
        printf 'picture: %s\n' "$file"
    done
}
