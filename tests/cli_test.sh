#!/bin/sh
# cli_test.sh - the program from outside: what it writes, what it refuses and how it ends.
#
# A tiny random base is made by the program itself, from a corpus that is written here; so nothing has to be there but
# the build.  Exit codes: 0, 1 (a failure), 2 (flags and arguments), 130 (stopped by the user).  A refusal is one
# sentence on standard error.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/shell.sh
golden=tests/golden/model

# A whole JSON value and nothing behind it (RFC 8259), in UTF-8.
cat >"$work/json.awk" <<'AWK'
function ws() { while (i <= length(s) && index(" \t\n\r", substr(s, i, 1))) i++ }
function want(c) { ws(); if (substr(s, i, 1) != c) exit 1; i++ }
function next_is(c) { ws(); return substr(s, i, 1) == c }
function text(   c) {
    want("\"")
    while ((c = substr(s, i, 1)) != "\"") {
        if (c == "" || c < " ") exit 1
        if (c == "\\" && !match(substr(s, i + 1, 5), /^(["\\\/bfnrt]|u[0-9a-fA-F][0-9a-fA-F][0-9a-fA-F][0-9a-fA-F])/))
            exit 1
        i += c == "\\" ? 1 + RLENGTH : 1
    }
    i++
}
function list(end, named) {
    i++
    if (next_is(end)) { i++; return }
    do {
        if (named) { ws(); text(); want(":") }
        value()
        ws()
    } while (substr(s, i++, 1) == ",")
    if (substr(s, i - 1, 1) != end) exit 1
}
function value() {
    ws()
    if (next_is("{")) list("}", 1)
    else if (next_is("[")) list("]", 0)
    else if (next_is("\"")) text()
    else if (match(substr(s, i, 60), /^(true|false|null|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?)/)) i += RLENGTH
    else exit 1
}
{ s = s $0 "\n" }
END { i = 1; value(); ws(); exit i <= length(s) }
AWK
is_json() { iconv -f utf-8 -t utf-8 "$1" >/dev/null 2>&1 && awk -f "$work/json.awk" "$1"; }
json() { works "$@" --json && is_json "$work/out"; }

# field KEY: the number or string of that key in the JSON on standard input.
field() { sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\).*/\1/p" | head -1; }
ids_of() { sed 's/.*"ids":\[\([^]]*\)\].*/\1/'; }

printf '{"a":[1,-2.5e3,{}],"b":"\\u00e9\\n"}' >"$work/good"
printf '{"a":[1,]}' >"$work/bad"
check "the check for JSON takes JSON" is_json "$work/good"
check "and nothing else" eval '! is_json "$work/bad"'

# ---- the program and its commands ----

# waits AS ENVIRONMENT...: what libgomp says of the turns that a waiting thread takes.
waits() {
    as=$1
    shift
    env "$@" OMP_DISPLAY_ENV=verbose "$tailor" tokenize --help >"$work/out" 2>"$work/said"
    [ "$(sed -n "s/.*GOMP_SPINCOUNT = '\(.*\)'.*/\1/p" "$work/said" | tail -1)" = "$as" ]
}
if OMP_DISPLAY_ENV=verbose "$tailor" --help 2>&1 | grep -q GOMP_SPINCOUNT; then
    check "threads wait briefly" waits 2000 -u OMP_WAIT_POLICY -u GOMP_SPINCOUNT
    check "but as long as they are told" waits 77 GOMP_SPINCOUNT=77
else
    skip "threads wait briefly" "another OpenMP than libgomp"
fi

commands=$("$tailor" --help | awk '/^  [a-z]/ { print $1 }')
check "there are commands" [ "$(echo "$commands" | wc -l)" -ge 8 ]
for c in $commands; do
    check "$c --help explains it" works "$c" --help
    check "$c refuses an unknown flag" refused 2 "unknown flag --no-such-flag" "$c" --no-such-flag
    flag=$("$tailor" "$c" --help | awk '/^  --[a-z0-9-]+ [A-Z]/ { print $1; exit }')
    check "$c refuses $flag without its value" refused 2 "$flag wants a value" "$c" "$flag"
    check "$c refuses $flag twice" refused 2 "$flag is given twice" "$c" "$flag=1" "$flag=1"
done
check "an unknown command is refused" refused 2 "'tune' is no command" tune
"$tailor" >"$work/out" 2>"$work/said"
check "without a command the usage is shown, and that is a failure" [ $? -eq 2 ]
check "a number that is none is refused" refused 2 "wants a whole number" generate --max-tokens many

# ---- a base of our own ----

awk 'BEGIN { split("knee head back caf\303\251 37.5\302\260", what, " "); split("soon routine urgent", when, " ")
    plain = "{\"text\": \"Message %d: my %s hurts since day %d. Urgency: %s\"}\n"
    spans = "{\"spans\": [[\"Message: my %s hurts\\nUrgency:\", 0], [\" %s\\n\", 1]]}\n"
    for (i = 1; i <= 3000; i++)
        if (i % 3) printf plain, i, what[i % 5 + 1], i % 9, when[i % 3 + 1]
        else printf spans, what[i % 5 + 1], when[i % 2 + 1]
}' >"$work/corpus.jsonl"
cat >"$work/config.json" <<'JSON'
{ "model_type": "llama", "vocab_size": 320, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
  "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 96, "rms_norm_eps": 1e-05,
  "rope_theta": 10000, "hidden_act": "silu", "tie_word_embeddings": true }
JSON
"$tailor" tokenize --train "$work/corpus.jsonl" --vocab-size 300 --output "$work/tokenizer" 2>"$work/said"
check "a tokenizer is learnt" [ -s "$work/tokenizer/tokenizer.json" ]
check "a corpus that cannot be read teaches none" refused 1 "cannot be read" tokenize --train "$work/tokenizer" \
    --output "$work/no"

# pretrain NAME ARGUMENTS...: 40 steps into $work/NAME
pretrain() {
    name=$1
    shift
    "$tailor" pretrain --config "$work/config.json" --tokenizer "$work/tokenizer" --data "${data:-$work/corpus.jsonl}" \
        --output "$work/$name" --init normal --tokens 10240 --batch-tokens 256 --micro-batch 256 --warmup 5 \
        --precision f32 "$@" 2>"$work/said"
}
same_base() {
    cmp "$work/$1/model.safetensors" "$work/$2/model.safetensors" && cmp "$work/$1/config.json" "$work/$2/config.json"
}
differ() { ! cmp -s "$1" "$2"; }

check "a base is pretrained" pretrain base
check "with two threads it has the same bytes" eval 'pretrain two --threads 2 && same_base base two'
check "stopped and resumed it has the same bytes" \
    eval 'pretrain parts --stop-after 17 && differ "$work/parts/model.safetensors" "$work/base/model.safetensors" &&
        pretrain parts && same_base base parts'
check "a checkpoint of other settings is refused" refused 2 "other settings" pretrain --config "$work/config.json" \
    --tokenizer "$work/tokenizer" --data "$work/corpus.jsonl" --output "$work/parts" --init normal --tokens 512
cp "$work/corpus.jsonl" "$work/changing.jsonl"
check "and so is one of other documents under the same path" eval '
    data=$work/changing.jsonl pretrain changed --stop-after 1 && sed -i "1s/.*/{\"text\": \"another\"}/" "$work/changing.jsonl" &&
    refused 2 "other settings" pretrain --config "$work/config.json" --tokenizer "$work/tokenizer" \
        --data "$work/changing.jsonl" --output "$work/changed" --init normal --tokens 10240 --batch-tokens 256 \
        --micro-batch 256 --warmup 5 --precision f32'
# A path of 1,300 bytes in front of the setting that differs.
deep=$work/$(printf '%0250d/%0250d/%0250d/%0250d/%0250d' 0 0 0 0 0)
mkdir -p "$deep" && cp "$work/corpus.jsonl" "$deep/corpus.jsonl"
check "also where the data's path is long" eval '
    data=$deep/corpus.jsonl pretrain deep --stop-after 1 &&
    refused 2 "seed 2" pretrain --config "$work/config.json" --tokenizer "$work/tokenizer" \
        --data "$deep/corpus.jsonl" --output "$work/deep" --init normal --tokens 10240 --batch-tokens 256 \
        --micro-batch 256 --warmup 5 --precision f32 --seed 2'

# Ctrl-C at a known moment: the config comes through a pipe, and is written when the signal has been sent; so the run
# stops behind its first step.
mkfifo "$work/pipe"
"$tailor" pretrain --config "$work/pipe" --tokenizer "$work/tokenizer" --data "$work/corpus.jsonl" \
    --output "$work/cut" --init normal --tokens 10240 --batch-tokens 256 --micro-batch 256 --warmup 5 \
    --precision f32 2>"$work/said" &
pid=$!
timeout 60 sh -c 'exec 3>"$1" && kill -INT "$2" && cat "$3" >&3' sh "$work/pipe" $pid "$work/config.json"
wait $pid
check "Ctrl-C ends pretraining with code 130" [ $? -eq 130 ]
check "and says so" grep -q '^tailor: pretrain: stopped by the user$' "$work/said"
check "and leaves a checkpoint and no base" [ -s "$work/cut.checkpoint" -a ! -e "$work/cut" ]
check "from which the base comes out with the same bytes" \
    eval 'pretrain cut && grep -q "going on from step 1 " "$work/said" && same_base base cut'

# ---- text and ids ----

base=$work/base
printf 'Message 7: caf\303\251' >"$work/text"
"$tailor" tokenize --model "$base" --json <"$work/text" >"$work/out" 2>"$work/said"
check "tokenize --json writes JSON" is_json "$work/out"
ids=$(ids_of <"$work/out")
"$tailor" tokenize --model "$base" --no-special <"$work/text" | tr ' ' ',' >"$work/plain"
"$tailor" tokenize --model "$base" --decode "$(cat "$work/plain")" >"$work/back"
check "ids give the text back" cmp "$work/text" "$work/back"
check "an id outside the vocabulary is refused" refused 1 "320" tokenize --model "$base" --decode 1,320
printf 'a\377b' >"$work/bytes"
"$tailor" tokenize --model "$base" <"$work/bytes" >"$work/out" 2>"$work/said"
check "bytes that are not UTF-8 are refused" [ $? -eq 1 -a ! -s "$work/out" ]
check "with their place" grep -q 'UTF-8' "$work/said"

# ---- logits and generate ----

check "logits are JSON" json logits --model "$base" --tokens "$ids"
check "one row a token" [ "$(tr -cd '[' <"$work/out" | wc -c)" -eq $(($(echo "$ids" | tr -cd , | wc -c) + 2)) ]
cp "$work/out" "$work/one"
check "the same with two threads" \
    eval 'works logits --model "$base" --tokens "$ids" --json --threads 2 && cmp "$work/one" "$work/out"'
check "without --json a table of the five likeliest" works logits --model "$base" --tokens 5
check "of five lines for a token" [ "$(grep -c ' % ' "$work/out")" -eq 5 ]

# The likeliest token behind ids, by logits alone.
likeliest() {
    "$tailor" logits --model "$base" --tokens "$1" --json | tail -1 | sed 's/.*\[//; s/\].*//' |
        awk -F, '{ best = 1; for (i = 2; i <= NF; i++) if ($i + 0 > $best + 0) best = i; print best - 1 }'
}
# Thirty tokens of prompt, so that the answer crosses from one page of the cache into the next.
prompt=$(awk 'BEGIN { for (i = 0; i < 30; i++) printf "%s%d", i ? "," : "", (i * 37 + 11) % 300 }')
grown=$prompt
for i in 1 2 3 4 5 6; do grown=$grown,$(likeliest "$grown"); done
check "generate writes JSON" json generate --model "$base" --tokens "$prompt" --max-tokens 6 --ignore-eos
check "greedy tokens with the cache are the likeliest ones without it" [ "$prompt,$(ids_of <"$work/out")" = "$grown" ]
works generate --model "$base" --tokens "$prompt" --max-tokens 6 --ignore-eos --json --threads 2
check "and with two threads" [ "$prompt,$(ids_of <"$work/out")" = "$grown" ]

text="Message 7: caf"
works generate --model "$base" --prompt "$text" --max-tokens 9 --json
cp "$work/out" "$work/whole"
works generate --model "$base" --prompt "$text" --max-tokens 9
streamed=$(awk '{ printf "%s%s", (NR > 1 ? "\\n" : ""), $0 }' "$work/out")
check "the text is streamed as --json has it" [ "$(field text <"$work/whole")" = "$streamed" ]
ids=$(printf '%s' "$text" | "$tailor" tokenize --model "$base" | tr ' ' ,)
check "a prompt is its ids, the BOS in front" \
    eval 'works generate --model "$base" --tokens "$ids" --max-tokens 9 --json && cmp "$work/out" "$work/whole"'
check "the empty prompt is the BOS" eval '
    json generate --model "$base" --prompt "" --max-tokens 4 && cp "$work/out" "$work/whole" &&
    works generate --model "$base" --tokens "${ids%%,*}" --max-tokens 4 --json && cmp "$work/out" "$work/whole"'

draw() {
    heat="--temperature 3"
    case "$*" in *--temperature*) heat= ;; esac
    works generate --model "$base" --prompt "Message" --max-tokens 60 --ignore-eos $heat "$@"
}
draw --seed 4 --json && cp "$work/out" "$work/four"
check "a seed repeats its draws" eval 'draw --seed 4 --json && cmp -s "$work/out" "$work/four"'
check "another seed draws others" eval 'draw --seed 5 --json && differ "$work/out" "$work/four"'
check "from the likeliest one alone it draws that one" eval '
    draw --top-k 1 --json && cp "$work/out" "$work/k" && draw --temperature=0 --json && cmp "$work/out" "$work/k"'
whole_characters() {
    for seed in 1 2 3 4 5 6; do
        draw --seed $seed && iconv -f utf-8 -t utf-8 "$work/out" >/dev/null || return 1
        draw --seed $seed --json && is_json "$work/out" || return 1
    done
}
check "broken characters are never written, streamed or as JSON" whole_characters
check "an answer ends where the context is full" eval '
    json generate --model "$base" --tokens "$prompt" --max-tokens 500 --ignore-eos &&
    [ "$(field finish <"$work/out")" = context ]'

cp -r "$base" "$work/bare" && rm "$work"/bare/tokenizer*
check "without a tokenizer ids are taken, and the text is null" eval '
    json generate --model "$work/bare" --tokens 1,2 --max-tokens 3 && grep -q "\"text\":null" "$work/out"'
check "and text is refused" refused 2 "no tokenizer is there" generate --model "$work/bare" --prompt hello
check "no prompt is refused" refused 2 "none of --prompt and --tokens" generate --model "$base"
check "two prompts are refused" refused 2 "both of --prompt and --tokens" generate --model "$base" --prompt a --tokens 1
for command in generate logits; do
    check "$command refuses a token outside the vocabulary" refused 1 "320" $command --model "$base" --tokens 1,320
    check "$command refuses a token below zero" refused 2 "-1" $command --model "$base" --tokens 1,-1
    check "$command refuses ids that are none" refused 2 "--tokens" $command --model "$base" --tokens 1,x
    check "$command refuses more tokens than the context has" \
        refused 1 "96" $command --model "$base" --tokens "$prompt,$prompt,$prompt,$prompt"
    check "$command refuses an unknown precision" refused 2 "'f8'" $command --model "$base" --tokens 1 --precision f8
    check "$command refuses threads below zero" refused 2 "--threads" $command --model "$base" --tokens 1 --threads -1
done
check "a temperature below zero is refused" refused 2 "temperature" generate --model "$base" --tokens 1 --temperature -1
check "top-p above one is refused" refused 2 "top_p" generate --model "$base" --tokens 1 --temperature 1 --top-p 1.5
check "no tokens at all to generate are refused" \
    refused 2 "--max-tokens" generate --model "$base" --tokens 1 --max-tokens 0

# ---- adapters ----

llama=$golden/llama
check "an adapter changes the logits" eval '
    works logits --model $llama --tokens 1,2,3 --json && cp "$work/out" "$work/without" &&
    json logits --model $llama --adapter $llama/adapter --tokens 1,2,3 && differ "$work/out" "$work/without"'
check "generate takes an adapter" json generate --model $llama --adapter $llama/adapter --tokens 1,2,3 --max-tokens 3
check "an adapter of another base is refused" \
    refused 1 "adapter" logits --model "$base" --adapter $llama/adapter --tokens 1
check "a directory that is no adapter is refused" \
    refused 1 "adapter_config.json" generate --model "$base" --adapter "$work/tokenizer" --tokens 1

adapters=tests/golden/adapter
for case in dora:qwen3 saved-tokens:llama-bias tokens:llama bias-some:gpt2 patterns:mistral; do
    name=${case%%:*} over=$golden/${case#*:}
    check "merged, the adapter $name gives the logits it gives beside its base" eval '
        json merge --model $over --adapter $adapters/$name --output "$work/merged-$name" &&
        [ "$(field same_first_choice <"$work/out")" -eq "$(field positions <"$work/out")" ] &&
        [ "$(field largest <"$work/out" | sed "s/.*e-0*//")" -ge 5 ] &&
        json logits --model "$work/merged-$name" --tokens 1,2,3'
done
check "in bf16 it drifts by more, and says so" eval '
    works merge --model $llama --adapter $llama/adapter --output "$work/merged-bf16" --dtype bf16 &&
    grep -Eq "logits differ by 0\.[0-9]+ at most.*at [0-9]+ of 80$" "$work/out"'
check "merge wants a known type" refused 2 "--dtype" merge --model $llama --adapter $llama/adapter --output "$work/x" --dtype f8
check "and leaves nothing behind where it fails" eval '
    refused 1 "adapter_config.json" merge --model $llama --adapter "$work/nowhere" --output "$work/unmerged" &&
    [ ! -e "$work/unmerged" ]'
check "nor overwrites what it did not write" eval '
    mkdir "$work/precious" && touch "$work/precious/file" &&
    refused 2 "precious" merge --model $llama --adapter $llama/adapter --output "$work/precious" &&
    [ -e "$work/precious/file" ]'
over=$golden/gpt-neox
for to in mlx gguf peft; do
    check "gpt-neox's adapter as $to is the same adapter" eval '
        works convert --model $over --adapter $over/adapter --to $to --output "$work/as-$to" &&
        works logits --model $over --adapter $over/adapter --tokens 1,2,3 --json && cp "$work/out" "$work/without" &&
        json logits --model $over --adapter "$work/as-$to" --tokens 1,2,3 && cmp -s "$work/out" "$work/without"'
    check "and inspect knows it" eval 'json inspect "$work/as-$to" --model $over && grep -q fits "$work/out"'
    check "convert names what $to cannot hold" eval '
        [ $to = peft ] || refused 1 "of its own" convert --model $golden/smollm3 --adapter $adapters/saved --to $to \
            --output "$work/cannot"'
done
check "convert knows its formats" refused 2 "peft, mlx or gguf" \
    convert --model $llama --adapter $llama/adapter --to onnx --output "$work/x"
check "and wants all of it" refused 2 "--output PATH" convert --model $llama --adapter $llama/adapter --to mlx

# ---- GGUF ----

check "a GGUF file is a base" \
    eval 'json logits --model tests/golden/gguf/llama-q8_0.gguf --tokens 1,2,3 && grep -q logits "$work/out"'
check "its vocabulary is a tokenizer, the one it was made from" \
    eval 'printf "Chest pain since 11:30" | "$tailor" tokenize --model tests/golden/gguf/tiny-vocab.gguf >"$work/out" &&
        printf "Chest pain since 11:30" | "$tailor" tokenize --model tests/golden/tokenizer/tiny | cmp -s - "$work/out"'
check "a vocabulary alone is no base" \
    refused 1 "token_embd.weight is missing" logits --model tests/golden/gguf/tiny-vocab.gguf --tokens 1
check "nor is another architecture" \
    refused 1 "general.architecture is 'sample'" logits --model tests/golden/gguf/sample.gguf --tokens 1

# ---- inspect ----

check "inspect knows a base" json inspect "$base"
check "by its kind" [ "$(field what <"$work/out")" = base ]
parameters=$(field parameters <"$work/out")
check "LoRA with r = 8 has 8 (O + I) parameters a module" [ "$(field lora_r8_parameters <"$work/out")" -eq 8192 ]
check "its tokenizer is no larger than its vocabulary" \
    eval 'size=$(field tokenizer_size <"$work/out"); [ "$size" -gt 256 ] && [ "$size" -le 320 ]'
check "a safetensors file has as many numbers as the base parameters" \
    eval 'json inspect "$base/model.safetensors" && [ "$(field numbers <"$work/out")" -eq "$parameters" ]'
check "inspect knows a checkpoint by its bytes" \
    eval 'json inspect "$work/base.checkpoint" && [ "$(field numbers <"$work/out")" -eq $((3 * parameters)) ]'
gguf=tests/golden/gguf
check "inspect knows a GGUF file, its metadata and its tensors" \
    eval 'works inspect $gguf/llama-q4_0.gguf && grep -Eq "^ +llama.block_count +2$" "$work/out" &&
        grep -Eq "^  blk.1.attn_q.weight +Q4_0 +\[32, 32\]$" "$work/out"'
check "and what it would be as a base" \
    eval 'json inspect $gguf/llama-q4_0.gguf && [ "$(field model_type <"$work/out")" = llama ]'
check "or why it is none" \
    eval 'json inspect $gguf/tiny-vocab.gguf && grep -q "token_embd.weight is missing" "$work/out" &&
        [ "$(field tokenizer_size <"$work/out")" -eq 425 ]'
check "inspect knows an adapter" \
    eval 'json inspect $llama/adapter && [ "$(field what <"$work/out")" = adapter ] &&
        [ "$(field r <"$work/out")" -eq 4 ]'
check "and whether it fits a base" \
    eval 'json inspect $llama/adapter --model $llama && [ "$(field fits <"$work/out")" = $llama ]'
check "or not" refused 1 "adapter" inspect $llama/adapter --model "$base"
check "inspect knows a task" eval 'json inspect tasks/triage && [ "$(field kind <"$work/out")" = classification ]'
found=$(sed -n 's/.*"examples": \([0-9]*\).*/\1/p' "$work/out" | paste -sd' ')
lines=$(for s in train validation test; do wc -l <tasks/triage/$s.jsonl; done | paste -sd' ')
check "and counts its examples" [ "$found" = "$lines" ]
check "and its tokens with a base" \
    eval 'json inspect tasks/triage --model "$base" && grep -q longest_tokens "$work/out"'
check "inspect tells what a quantized base takes" \
    eval 'json inspect "$base" --quantize nf4 && grep -q "\"NF4\"" "$work/out" && grep -q "\"Q8_0\"" "$work/out"'
check "and refuses to quantize a task" refused 2 "concerns a base" inspect tasks/triage --quantize q4_0
check "a quantized base gives the same bits with one thread and two" \
    eval 'works logits --model "$base" --quantize q4_k --precision int8 --threads 1 --tokens 5,6,7 --json &&
        mv "$work/out" "$work/one" &&
        works logits --model "$base" --quantize q4_k --precision int8 --threads 2 --tokens 5,6,7 --json &&
        cmp -s "$work/out" "$work/one"'
check "an unknown kind is refused" refused 2 "q3_k" logits --model "$base" --tokens 1 --quantize q3_k
check "int8 wants a quantized base" refused 2 "has none" logits --model "$base" --tokens 1 --precision int8
check "full fine-tuning of a quantized base is refused" refused 2 "cannot be trained" \
    train tasks/triage --model "$base" --method full --quantize nf4 --output "$work/quantized"
check "inspect --machine names the back ends" eval 'json inspect --machine && grep -q "\"ref\"" "$work/out"'
check "the facts are the same in lines" eval 'works inspect "$base" && grep -Eq "^parameters +$parameters$" "$work/out"'
check "inspect refuses what it does not know" refused 1 "understood are" inspect "$work/corpus.jsonl"
check "and an unknown directory" refused 1 "understood are" inspect src
check "and what is not there" refused 1 "No such file" inspect "$work/nowhere"
check "and no path" refused 2 "0 arguments given" inspect

# ---- broken bases ----

# broken NAME: a copy of the base to be broken
broken() { rm -rf "$work/$1" && cp -r "$base" "$work/$1"; }
each_refuses() { # CODE WORDS DIR
    refused "$1" "$2" logits --model "$3" --tokens 1 && refused "$1" "$2" generate --model "$3" --tokens 1 &&
        refused "$1" "$2" inspect "$3"
}
broken short && head -c 20000 "$base/model.safetensors" >"$work/short/model.safetensors"
check "truncated weights are refused" each_refuses 1 "short/model.safetensors" "$work/short"
broken stub && head -c 7 "$base/model.safetensors" >"$work/stub/model.safetensors"
check "weights of seven bytes are refused" each_refuses 1 "stub/model.safetensors" "$work/stub"
broken lying && printf '\377\377\377\377\377\377\377\177{}' >"$work/lying/model.safetensors"
check "a header longer than its file is refused" each_refuses 1 "lying/model.safetensors" "$work/lying"
broken wide && sed 's/"hidden_size": 32/"hidden_size": 48/' "$base/config.json" >"$work/wide/config.json"
check "a config that contradicts the shapes is refused" each_refuses 1 "config.json wants" "$work/wide"
broken deep && sed 's/"num_hidden_layers": 2/"num_hidden_layers": 3/' "$base/config.json" >"$work/deep/config.json"
check "a config with a layer too many is refused" each_refuses 1 "layers.2" "$work/deep"
broken other && sed 's/"model_type": "llama"/"model_type": "mamba"/' "$base/config.json" >"$work/other/config.json"
check "an unsupported model_type is refused by name" each_refuses 1 "'mamba'" "$work/other"
broken torn && head -c 100 "$base/config.json" >"$work/torn/config.json"
check "half a config is refused" each_refuses 1 "not JSON" "$work/torn"
broken empty && rm "$work/empty/config.json"
check "a base without config is refused" each_refuses 1 "config.json" "$work/empty"
broken light && rm "$work/light/model.safetensors"
check "a base without weights is refused" each_refuses 1 "model.safetensors" "$work/light"
cp -r $llama "$work/large" && cp tests/golden/tokenizer/tiny/* "$work/large"
check "a tokenizer larger than the vocabulary is refused" each_refuses 1 "vocab_size" "$work/large"
broken mute && head -c 300 "$base/tokenizer.json" >"$work/mute/tokenizer.json"
check "half a tokenizer is refused" each_refuses 1 "tokenizer.json" "$work/mute"

# ---- nowhere to write ----

unwritten() {
    "$tailor" "$@" >/dev/full 2>"$work/said" <"$work/text"
    [ $? -eq 1 ] && [ "$(wc -l <"$work/said")" -eq 1 ] && grep -q 'standard output' "$work/said"
}
if [ -w /dev/full ]; then
    check "a full disk under logits is an error" unwritten logits --model "$base" --tokens 1,2,3 --json
    check "under generate" unwritten generate --model "$base" --tokens 1,2,3 --max-tokens 3
    check "under generate --json" unwritten generate --model "$base" --tokens 1,2,3 --max-tokens 3 --json
    check "under tokenize" unwritten tokenize --model "$base"
    check "under inspect" unwritten inspect "$base"
    check "under --help" unwritten generate --help
else
    skip "a full disk is an error" "there is no /dev/full"
fi
# ---- the page ----

# The n-th block of commands of the page, with this build and a directory of its own for what it writes.
block() {
    awk -v want="$1" '/^```sh$/ { inside = ++n == want; next } /^```/ { inside = 0 } inside' docs/commands.md |
        sed "s#/tmp/#$work/#g; s#build/tailor #$tailor #g"
}
i=1
while block $i >"$work/block" && [ -s "$work/block" ]; do
    claim="commands.md: block $i, $(grep -om1 'tailor [a-z]*' "$work/block"), works when pasted"
    if grep -Eq 'tailor (compare|prompt|train|eval|probe|pull) ' "$work/block"; then
        : # minutes, or a network; the methods' and pull's own tests run these
    elif ! grep -q -e '--model' "$work/block" && grep -Eq 'tailor (generate|logits) ' "$work/block" &&
        [ ! -r models/tailor-base/model.safetensors ]; then
        skip "$claim" "models/tailor-base is not here"
    else
        check "$claim" eval 'sh -e "$work/block" >"$work/out" 2>"$work/said" </dev/null'
    fi
    i=$((i + 1))
done
check "commands.md has its blocks" [ $i -gt 6 ]
for c in $commands; do check "commands.md has a section on $c" grep -q "^## $c\$" docs/commands.md; done

finish
