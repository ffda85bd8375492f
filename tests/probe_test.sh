#!/bin/sh
# probe_test.sh - tailor probe from outside, on a base of one training step and probes of the project's generator.
# shellcheck disable=SC2317 # functions are called through check
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/shell.sh
generate=${BUILD:-build}/tailor-generate

make_base() {
    "$generate" corpus --seed 1 --documents 200 --output "$work/corpus.jsonl" &&
        "$tailor" tokenize --train "$work/corpus.jsonl" --vocab-size 400 --output "$work/tokenizer" &&
        printf '%s' '{"model_type":"llama","vocab_size":400,"hidden_size":32,"intermediate_size":48,' \
            '"num_hidden_layers":2,"num_attention_heads":2,"num_key_value_heads":2,"max_position_embeddings":1024,' \
            '"tie_word_embeddings":true,"bos_token_id":0,"eos_token_id":1}' >"$work/config.json" &&
        "$tailor" pretrain --config "$work/config.json" --tokenizer "$work/tokenizer" --data "$work/corpus.jsonl" \
            --output "$work/base" --tokens 2000 --batch-tokens 2000 --init normal --threads 2
}

# The rows of a table: family, condition and k; each has an accuracy inside its interval and an n.
rows_hold() {
    awk '/^  [a-z]+ +(true|shuffled|flipped) / {
             gsub(/[][,]/, " ")
             if (!($5 <= $4 && $4 <= $6 && $5 >= 0 && $6 <= 1 && $NF >= 3)) exit 1
             seen[$1 " " $2 " " $3]++
         }
         END { exit !(seen["all true 0"] == 2 && seen["all shuffled 16"] == 2 && seen["all flipped 8"] == 2 &&
                      seen["music true 8"] == 1 && seen["cue true 8"] == 1) }' "$1"
}

tables() {
    "$tailor" probe --model "$work/base" --data "$work/probes.jsonl" --threads 1 >"$work/one" 2>"$work/said" &&
        "$tailor" probe --model "$work/base" --data "$work/probes.jsonl" --threads 2 >"$work/two" 2>"$work/said" &&
        cmp "$work/one" "$work/two" && rows_hold "$work/one"
}

as_json() {
    "$tailor" probe --model "$work/base" --data "$work/probes.jsonl" --json >"$work/json" 2>"$work/said" &&
        grep -q '"model_hash": "[0-9a-f]\{64\}"' "$work/json" && grep -q '"settings": \[' "$work/json" &&
        [ "$(grep -c '"condition": "flipped"' "$work/json")" -eq 22 ] && # 2 groups x 2 k, 18 families at 8
        ! grep -qi '[^a-z]nan\|[^a-z]inf' "$work/json"
}

# refused CODE WORDS ARGUMENTS...
refused() {
    code=$1 words=$2
    shift 2
    "$tailor" probe "$@" >"$work/out" 2>"$work/said"
    [ $? -eq "$code" ] && [ ! -s "$work/out" ] && grep -qF -e "$words" "$work/said"
}

make_base >"$work/said" 2>&1 || { cat "$work/said"; exit 1; }
"$generate" probe --seed 2 --queries 3 --output "$work/probes.jsonl" || exit 1
{ head -n 4 "$work/probes.jsonl"; echo '{"family":"cue"'; } >"$work/broken.jsonl"

check "a probe gives every setting with its interval, the same with one thread and two" tables
check "the same as JSON" as_json
check "a broken line is refused with its file and line" \
    refused 1 "$work/broken.jsonl:5: not JSON" --model "$work/base" --data "$work/broken.jsonl"
check "a file that is not there is named" \
    refused 1 "$work/none.jsonl" --model "$work/base" --data "$work/none.jsonl"
check "a probe without questions is a mistake of usage" refused 2 "--data is wanted" --model "$work/base"
finish
