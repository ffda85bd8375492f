# shell.sh - what the tests written in shell share; they source it from the root of the repository.
#
#     cd "$(dirname "$0")/.." || exit 1
#     . tests/shell.sh
#     check "a base is made" make_base
#     check "an unknown flag is refused" refused 2 "unknown flag" eval --no-such-flag
#     finish
#
# $work is a directory of the test's own, gone at its end; $tailor is the program.  A program's standard error belongs into
# $work/said: a claim that fails shows its end.
# shellcheck shell=sh disable=SC2034,SC2317 # variables and functions are for those who source this
tailor=${BUILD:-build}/tailor
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0 failed=0
quiet=            # --quiet, for commands that tell their progress
OMP_NUM_THREADS=1 # so small a base is not worth a second thread, but where the claim is about it
LC_ALL=C          # bytes, whichever awk is here
export OMP_NUM_THREADS LC_ALL

# check CLAIM COMMAND...: the command's success is the claim's.
check() {
    claim=$1
    shift
    n=$((n + 1))
    if "$@"; then
        echo "ok $n - $claim"
    else
        echo "not ok $n - $claim"
        failed=1
        [ ! -s "$work/said" ] || tail -3 "$work/said" | sed 's/^/# last said: /'
    fi
}

skip() { # CLAIM REASON
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}

# refused CODE WORDS ARGUMENTS...: tailor ends with CODE, writes nothing, and says one sentence with WORDS in it.
refused() {
    code=$1 words=$2
    shift 2
    "$tailor" "$@" $quiet >"$work/out" 2>"$work/said" </dev/null
    [ $? -eq "$code" ] && [ ! -s "$work/out" ] && [ "$(wc -l <"$work/said")" -eq 1 ] &&
        grep -q '^tailor: ' "$work/said" && grep -qF -e "$words" "$work/said"
}

# works ARGUMENTS...: tailor ends with 0 and writes something, kept in $work/out; where it is to be quiet, it is.
works() {
    "$tailor" "$@" $quiet >"$work/out" 2>"$work/said" </dev/null && [ -s "$work/out" ] &&
        { [ -z "$quiet" ] || [ ! -s "$work/said" ]; }
}

finish() {
    echo "1..$n"
    exit $failed
}
