#!/bin/sh
# bench_test.sh - make bench from outside: a quick row as JSON, and wrong flags.
# shellcheck disable=SC2317 # functions are called through check
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/shell.sh
bench=${BUILD:-build}/bench/bench

one_object() {
    "$bench" --rows product-f32-m64 --quick --json --threads 1 >"$work/json" 2>"$work/said" &&
        tr -d '\n ' <"$work/json" >"$work/line" &&
        grep -qE '^\{"machine":\{.*"ceilings":\{"f32":\{"value":[0-9.]+,' "$work/line" &&
        grep -qE '"rows":\[\{"name":"product-f32-m64","value":[0-9.]+,.*"ceiling_ratio":[0-9.]+,' "$work/line" &&
        grep -qE '"peer":null' "$work/line" && grep -qE '"met":(true|false)' "$work/line"
}

says() { # CODE WORDS ARGUMENTS...
    code=$1 words=$2
    shift 2
    "$bench" "$@" >"$work/out" 2>"$work/said"
    [ $? -eq "$code" ] && grep -q "$words" "$work/said" && [ ! -s "$work/out" ]
}

no_such_row() {
    ! "$bench" --rows no-such-row >"$work/out" 2>"$work/said" && grep -q "no row's name has that" "$work/said"
}

check "one row is one JSON object with the machine and the row" one_object
check "a row that is not there is refused" no_such_row
check "an unknown flag is refused" says 1 "help names the flags" --no-such-flag
check "a peer that is not there is refused" says 1 "no such program" --llama-bench /nonexistent
check "a stray argument is refused" says 1 "rows are chosen" decode
finish
