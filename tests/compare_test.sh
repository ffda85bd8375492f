#!/bin/sh
# compare_test.sh - the methods from outside: compare, prompt, train and eval on a tiny base and task made here.
#
# How flags are refused in general is the business of cli_test.sh; here is what these commands do and refuse themselves.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/shell.sh
quiet=--quiet

# ---- a base and a task of our own ----

# lines FIRST COUNT: examples whose label follows from one word
lines() {
    awk -v first="$1" -v n="$2" 'BEGIN {
        split("red green blue", light, " "); split("stop go wait", label, " ")
        for (i = first; i < first + n; i++)
            printf "{\"text\": \"%s on the tower, day %d\", \"label\": \"%s\"}\n", light[i % 3 + 1], i, label[i % 3 + 1]
    }'
}
mkdir "$work/task"
cat >"$work/task/task.yaml" <<'YAML'
name: lights
kind: classification
instruction: "Say what the light means."
template: {input: "Light: {text}\nMark:", answer: " {label}", separator: "\n"}
labels: [stop, go, wait]
metrics: [accuracy, kappa, cost]
costs: [[0, 9, 1], [1, 0, 1], [1, 1, 0]]
YAML
lines 0 24 >"$work/task/train.jsonl"
lines 100 9 >"$work/task/validation.jsonl"
lines 200 9 >"$work/task/test.jsonl"
lines 300 300 | sed 's/", "label": "\(.*\)"}/. Mark: \1"}/' >"$work/corpus.jsonl"
cat >"$work/config.json" <<'JSON'
{ "model_type": "llama", "vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
  "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256, "rms_norm_eps": 1e-05,
  "rope_theta": 10000, "hidden_act": "silu", "tie_word_embeddings": true }
JSON
base=$work/base task=$work/task
check "a base is made" eval '
    "$tailor" tokenize --train "$work/corpus.jsonl" --vocab-size 300 --output "$work/tokenizer" 2>"$work/said" &&
    "$tailor" pretrain --config "$work/config.json" --tokenizer "$work/tokenizer" --data "$work/corpus.jsonl" \
        --output "$base" --init normal --tokens 2560 --batch-tokens 256 --precision f32 2>"$work/said"'
head -5 "$work/corpus.jsonl" >"$base/general.jsonl"
tune="--epochs 2 --batch 8 --micro-batch 256 --k 2"
all=zero-shot,few-shot,lora,full,lora+few-shot,full+few-shot

# ---- compare ----

# compare NAME ARGUMENTS...: into $work/NAME
compare() {
    into=$work/$1
    shift
    works compare "$task" --model "$base" --output "$into" --timed 2 $tune "$@"
}
# What two runs of the same command share: all but times, memory and paths.
numbers() {
    grep -Ev '"(seconds|started|command|peak_bytes|train_seconds|ms_per_request)":' "$1/report.json"
}

check "compare runs all methods" compare runs --methods $all --seeds 2
for m in $(echo $all | tr , ' '); do
    check "the table has $m" grep -qF "$m" "$work/out"
    check "$m leaves a run and a variant" [ -s "$work/runs/$m/seed-1/run.json" -a -s "$work/runs/$m/seed-1/variant/variant.json" ]
done
check "zero-shot runs once, the others as often as there are seeds" \
    [ ! -e "$work/runs/zero-shot/seed-2" -a -e "$work/runs/few-shot/seed-2" -a -e "$work/runs/full/seed-2" ]
check "the report is there twice, to read and to compute with" \
    [ -s "$work/runs/report.json" -a -s "$work/runs/report.html" ]
check "of its metrics the cost alone is better where it is lower" eval '
    [ "$(grep -c "\"cost\": {\$" "$work/runs/report.json")" -eq 18 ] &&
    [ "$(grep -c "\"higher_is_better\": false" "$work/runs/report.json")" -eq 12 ]'
check "the report has the command" grep -q '"command": "tailor compare ' "$work/runs/report.json"
check "an adapter is a directory in PEFT's format" [ -s "$work/runs/lora/seed-1/variant/adapter/adapter_config.json" ]
check "weights are a base of their own" [ -s "$work/runs/full/seed-1/variant/weights/config.json" ]
check "the same again gives the same numbers" \
    eval 'compare again --methods $all --seeds 2 && numbers "$work/runs" >"$work/a" && numbers "$work/again" >"$work/b" &&
        cmp "$work/a" "$work/b" && [ -s "$work/a" ]'
check "--seeds 1 runs each once" \
    eval 'compare single --methods few-shot,lora --seeds 1 && [ ! -e "$work/single/lora/seed-2" ]'

check "an unknown method is refused" refused 2 "'qlora' is not known" compare "$task" --model "$base" --output "$work/no" \
    --methods lora,qlora
check "a method named twice is refused" refused 2 "lora stands there twice" compare "$task" --model "$base" \
    --output "$work/no" --methods lora,full,lora
check "no method is refused" refused 2 "none is named" compare "$task" --model "$base" --output "$work/no" --methods ''
check "compare without --output is refused" refused 2 "--output DIR is wanted" compare "$task" --model "$base"
check "more examples than fit are refused" refused 2 "16 worked examples do not fit" compare "$task" --model "$base" \
    --output "$work/no" --methods few-shot --k 16
check "no seed is refused" refused 2 "--seeds must be 1 or more" compare "$task" --model "$base" --output "$work/no" --seeds 0
check "a general text that is not there is refused" refused 1 "nowhere" compare "$task" --model "$base" \
    --output "$work/no" --methods zero-shot --general "$work/nowhere"
check "a refused comparison leaves no report" [ ! -e "$work/no/report.json" ]
check "flags that are refused leave the report of an earlier comparison" eval '
    refused 2 "named" compare "$task" --model "$base" --output "$work/single" --methods "" &&
    [ -s "$work/single/report.json" -a -s "$work/single/report.html" ]'
check "a comparison that fails leaves no earlier one's report" eval '
    refused 2 "do not fit" compare "$task" --model "$base" --output "$work/single" --methods few-shot --k 16 &&
    [ ! -e "$work/single/report.json" -a ! -e "$work/single/report.html" ]'
check "nor the numbers of the run it was about to replace" \
    [ ! -e "$work/single/few-shot/seed-1/run.json" -a -s "$work/single/lora/seed-1/run.json" ]

# Ctrl-C at a known moment: the general text comes through a pipe that is opened when the signal has been sent.
check "a comparison leaves a report for the next to replace" \
    eval 'compare cut --methods few-shot --seeds 1 && [ -s "$work/cut/report.json" ]'
mkfifo "$work/pipe"
"$tailor" compare "$task" --model "$base" --output "$work/cut" --methods $all $tune --general "$work/pipe" \
    --quiet >"$work/out" 2>"$work/said" </dev/null &
pid=$!
timeout 20 sh -c 'exec 3>"$1" && kill -INT "$2" && cat "$3" >&3' sh "$work/pipe" $pid "$base/general.jsonl"
wait $pid
check "Ctrl-C ends a comparison with code 130" [ $? -eq 130 ]
check "and says so" grep -q '^tailor: .*: stopped by the user$' "$work/said"
check "and leaves no report, not an earlier one either, and no table" [ ! -e "$work/cut/report.json" -a ! -e "$work/cut/report.html" -a ! -s "$work/out" ]

# ---- prompt ----

works prompt "$task" --model "$base" --k 0
printf 'Say what the light means.\n\n' >"$work/wanted"
check "prompt --k 0 prints the instruction and a blank line" cmp "$work/out" "$work/wanted"
check "prompt prints what compare put in front" eval '
    works prompt "$task" --model "$base" --k 2 --seed 2 && cmp "$work/out" "$work/runs/few-shot/seed-2/variant/prompt.txt"'
check "prompt --output writes the same as a variant" eval '
    works prompt "$task" --model "$base" --k 2 --seed 2 --output "$work/prompted" &&
    cmp "$work/prompted/prompt.txt" "$work/runs/few-shot/seed-2/variant/prompt.txt"'
check "prompt writes over no directory of others" refused 2 "$task" prompt "$task" --model "$base" --k 2 --output "$task"

# ---- train ----

weights=adapter/adapter_model.safetensors
check "train leaves the adapter that compare left" eval '
    works train "$task" --model "$base" --method lora --seed 2 --output "$work/tuned" --curve "$work/curve" $tune &&
    cmp "$work/tuned/$weights" "$work/runs/lora/seed-2/variant/$weights"'
check "with two threads too" eval '
    works train "$task" --model "$base" --method lora --seed 2 --output "$work/two" $tune --threads 2 &&
    cmp "$work/tuned/$weights" "$work/two/$weights"'
check "full fine-tuning leaves weights and their tokenizer" eval '
    works train "$task" --model "$base" --method full --output "$work/whole" $tune &&
    [ -s "$work/whole/weights/model.safetensors" -a -s "$work/whole/weights/tokenizer.json" ]'
check "a curve has a line for each step, the last with the validation loss" eval '
    awk -F"[:,}]" "\$2 != NR || \$4 <= 0 { exit 1 } END { exit !(NR > 1) }" "$work/curve" &&
    tail -1 "$work/curve" | grep -q "\"validation\": [0-9.]*}"'
check "training without training is refused" refused 2 "few-shot trains nothing" train "$task" --model "$base" \
    --method few-shot --output "$work/no"
check "train without --output is refused" refused 2 "--output DIR is wanted" train "$task" --model "$base"
check "targets that name no module are refused" refused 1 "nothing_proj" train "$task" --model "$base" \
    --output "$work/no" --lora-targets nothing_proj
check "an example longer than a micro-batch is refused with its line" refused 1 "train.jsonl:" train "$task" \
    --model "$base" --output "$work/no" --micro-batch 8
check "a schedule that is none is refused" refused 2 "'square'" train "$task" --model "$base" --output "$work/no" \
    --schedule square

# ---- memory ----

small_tune=$tune
tune="--epochs 2 --batch 8 --micro-batch 512 --k 2" # a fused step is one micro-batch
memory() { sed -n 's/.*"memory": "\(.*\)".*/\1/p' "$work/$1/seed-1/run.json"; }
check "--low-memory trains in less, and the run says in what" eval '
    compare low --methods lora,full --seeds 1 --low-memory &&
    [ "$(memory low/full)" = "recompute on, weights bf16, state 8bit, gradients fused" ] &&
    [ "$(memory low/lora)" = "recompute on, weights f32, state f32, gradients f32" ] &&
    [ "$(memory runs/full)" = "recompute off, weights f32, state f32, gradients f32" ]'
check "the weights it leaves are the ones that were evaluated" eval '
    works eval "$task" --model "$base" --variant "$work/low/full/seed-1/variant" --json &&
    sed -n "/\"predictions\": \[/,/\]/p" "$work/out" >"$work/a" &&
    sed -n "/\"predictions\": \[/,/\]/p" "$work/low/full/seed-1/run.json" >"$work/b" &&
    [ "$(tr -d " ,\n" <"$work/a")" = "$(tr -d " ,\n" <"$work/b")" ]'
tune=$small_tune
check "a layer run again gives the same adapter to the bit" eval '
    works train "$task" --model "$base" --method lora --seed 2 --output "$work/again-lora" $tune --recompute on &&
    cmp "$work/tuned/$weights" "$work/again-lora/$weights"'
check "each of them can be said by itself, and over --low-memory" eval '
    works train "$task" --model "$base" --method full --output "$work/own" $tune --weights bf16 --optimizer-state bf16 \
        --gradients bf16 && grep -q "MB planned for training" "$work/out" &&
    works train "$task" --model "$base" --method full --output "$work/over" $tune --low-memory --gradients f32 \
        --max-grad-norm 1'
for f in "recompute never" "weights f16" "optimizer-state 4bit" "gradients none"; do
    check "--$f is refused with what is known" refused 2 "are known" train "$task" --model "$base" --method full \
        --output "$work/no" --${f% *} "${f#* }"
done
check "clipping inside the backward is refused" refused 2 "--max-grad-norm 1 cannot be" train "$task" --model "$base" \
    --method full --output "$work/no" --low-memory --max-grad-norm 1
check "a norm below zero is refused" refused 2 "--max-grad-norm -2" train "$task" --model "$base" --output "$work/no" \
    --max-grad-norm -2
check "a fused step of several micro-batches is refused" refused 2 "micro-batch, and 16 samples" train "$task" \
    --model "$base" --method full --output "$work/no" --gradients fused --micro-batch 64 --batch 16
check "an adapter takes none of them" refused 2 "--weights concerns full fine-tuning" train "$task" --model "$base" \
    --output "$work/no" --weights bf16
check "nor does a comparison without full fine-tuning" refused 2 "--gradients concerns full fine-tuning" compare "$task" \
    --model "$base" --output "$work/no" --methods few-shot,lora --gradients bf16
pretrain() {
    "$tailor" pretrain --config "$work/config.json" --tokenizer "$work/tokenizer" --data "$work/corpus.jsonl" \
        --init normal --tokens 1024 --batch-tokens 256 --precision f32 "$@" 2>"$work/said"
}
check "pretraining takes them too, stops and resumes to the same bits" eval '
    small="--weights bf16 --optimizer-state 8bit --gradients fused --max-grad-norm 0" &&
    pretrain --output "$work/pre" $small && pretrain --output "$work/cut-pre" $small --stop-after 2 --save-every 2 &&
    pretrain --output "$work/cut-pre" $small && cmp "$work/pre/model.safetensors" "$work/cut-pre/model.safetensors"'
check "and refuses to go on with others" eval '
    pretrain --output "$work/other-pre" --optimizer-state 8bit --stop-after 2 &&
    ! pretrain --output "$work/other-pre" --optimizer-state bf16 && grep -q "state 8bit" "$work/said"'

# ---- eval ----

# The predictions of a JSON file, one line each.
predictions() { sed -n '/"predictions": \[/,/\]/p' "$1" | tr -d ' ,' | grep -v ']\|\['; }
for m in few-shot lora full; do
    check "eval of the variant of $m gives the answers of its run" eval '
        works eval "$task" --model "$base" --variant "$work/runs/$m/seed-1/variant" --json &&
        predictions "$work/out" >"$work/a" && predictions "$work/runs/$m/seed-1/run.json" >"$work/b" &&
        cmp "$work/a" "$work/b" && [ "$(wc -l <"$work/a")" -eq 9 ]'
done
check "eval without a variant is zero-shot" eval '
    works eval "$task" --model "$base" --json && grep -q "\"method\": \"zero-shot\"" "$work/out" &&
    predictions "$work/out" >"$work/a" && predictions "$work/runs/zero-shot/seed-1/run.json" >"$work/b" &&
    cmp "$work/a" "$work/b"'
check "without --json each metric is a line with its interval and n" eval '
    works eval "$task" --model "$base" --split validation &&
    [ "$(grep -cE "^  (accuracy|macro_f1|kappa|cost) .*\[.*\] n=9$" "$work/out")" -eq 4 ]'
check "raw scores are scored where asked for" works eval "$task" --model "$base" --raw --timed 0
check "a split that is none is refused" refused 2 "'dev'" eval "$task" --model "$base" --split dev
check "a variant that is not there is refused" refused 1 "variant.json" eval "$task" --model "$base" --variant "$work/nowhere"
check "a variant of another base is refused" refused 1 "made for the base" eval "$task" \
    --model "$work/runs/full/seed-1/variant/weights" --variant "$work/runs/lora/seed-1/variant"
cp -r "$work/runs/lora/seed-1/variant" "$work/torn" && rm -r "$work/torn/adapter"
check "a variant without its adapter is refused" refused 1 "torn/adapter" eval "$task" --model "$base" --variant "$work/torn"
cp -r "$base" "$work/bare" && rm "$work"/bare/tokenizer*
check "a base without a tokenizer is refused" refused 1 "no tokenizer" eval "$task" --model "$work/bare"
sed 's/kappa/auroc/' "$task/task.yaml" >"$work/yaml" && cp -r "$task" "$work/odd" && mv "$work/yaml" "$work/odd/task.yaml"
check "an unknown metric is refused before anything runs" \
    eval 'refused 1 "auroc" compare "$work/odd" --model "$base" --output "$work/odd-runs" && [ ! -e "$work/odd-runs" ]'

# ---- the page ----

# The blocks of docs/commands.md with these commands, over the tiny base and task.
i=0 blocks=0
while i=$((i + 1)) && awk -v want=$i '/^```sh$/ { inside = ++n == want; next } /^```/ { inside = 0 } inside' \
    docs/commands.md >"$work/block" && [ -s "$work/block" ]; do
    grep -Eq 'tailor (compare|prompt|train|eval) ' "$work/block" || continue
    blocks=$((blocks + 1))
    sed "s#/tmp/#$work/page-#g; s#build/tailor #$tailor #; s#tasks/triage#$task --model $base#" "$work/block" >"$work/page"
    check "commands.md: block $i works when pasted" eval 'sh -e "$work/page" >"$work/out" 2>"$work/said" </dev/null'
done
check "all four commands have their blocks there" [ $blocks -ge 4 ]

finish
