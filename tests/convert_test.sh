#!/bin/sh
# convert_test.sh - tailor convert of bases from outside: what comes out answers as what went in, and nothing is lost on the way.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/shell.sh
base=models/tailor-base
[ -e "$base/config.json" ] || { skip "bases are converted" "$base is missing"; finish; }

# same A B [FLAGS...]: the logits of both are equal to the bit, and so are the ids of a text.
same() {
    a=$1 b=$2
    shift 2
    works logits --model "$a" --tokens 1,2,3,500 --json "$@" && mv "$work/out" "$work/a" &&
        works logits --model "$b" --tokens 1,2,3,500 --json && cmp -s "$work/out" "$work/a" &&
        printf 'Message: it hurts, 12 <|eos|>' >"$work/text" &&
        "$tailor" tokenize --model "$a" <"$work/text" >"$work/a" && "$tailor" tokenize --model "$b" <"$work/text" | cmp -s - "$work/a"
}
convert() { works convert "$@"; }
only() { [ "$(ls -A "$1" | wc -l)" -eq "$2" ]; } # no temporary is left

mkdir "$work/o"
check "a base becomes a GGUF file that answers alike" eval 'convert --model $base --to gguf --output "$work/o/a.gguf" &&
    grep -q "a.gguf: a base of [0-9]* numbers, as gguf" "$work/out" && same $base "$work/o/a.gguf"'
check "and a directory of it answers alike" eval 'convert --model "$work/o/a.gguf" --to hf --output "$work/o/back" &&
    same $base "$work/o/back" && [ -e "$work/o/back/generation_config.json" ]'
check "in bf16 there and back its weights have the bytes they had" eval '
    convert --model $base --to hf --type bf16 --output "$work/o/first" &&
    convert --model $base --to gguf --type bf16 --output "$work/o/b.gguf" &&
    convert --model "$work/o/b.gguf" --to hf --type bf16 --output "$work/o/second" &&
    cmp "$work/o/first/model.safetensors" "$work/o/second/model.safetensors"'
check "a directory takes its files along" eval 'for f in tokenizer.json tokenizer_config.json; do
    cmp "$base/$f" "$work/o/first/$f" || exit 1; done; grep -q bfloat16 "$work/o/first/config.json"'
check "blocks in a file are those that --quantize makes" eval '
    convert --model $base --to gguf --type q8_0 --output "$work/o/q.gguf" && same $base "$work/o/q.gguf" --quantize q8_0'
check "blocks pass from file to file untouched" eval 'convert --model "$work/o/q.gguf" --to gguf --output "$work/o/q2.gguf" &&
    same "$work/o/q.gguf" "$work/o/q2.gguf"'
check "shards are read as one" eval 'convert --model $base --to hf --shard-size 300KB --output "$work/o/shards" &&
    [ -e "$work/o/shards/model.safetensors.index.json" ] && same $base "$work/o/shards"'

# ---- what is there already ----

cp "$work/o/q.gguf" "$work/o/old.gguf"
check "a GGUF file is replaced" eval 'convert --model $base --to gguf --type f16 --output "$work/o/old.gguf" &&
    ! cmp -s "$work/o/q.gguf" "$work/o/old.gguf"'
echo keep >"$work/o/notes.txt"
check "any other file stays as it is" eval 'refused 2 "is there and no GGUF file" convert --model $base --to gguf \
    --output "$work/o/notes.txt" && [ "$(cat "$work/o/notes.txt")" = keep ]'
mkdir "$work/mine" && echo keep >"$work/mine/notes.txt"
check "so does a directory of other things" eval 'refused 2 "holds files and no config.json" convert --model $base --to hf \
    --output "$work/mine" && only "$work/mine" 1'

# ---- what fails ----

mkdir "$work/full" && cp "$work/o/q.gguf" "$work/full/a.gguf"
# A disk that is full after so many blocks of 512 bytes.
full() { (ulimit -f "$1" && shift && "$@"); }
check "a full disk leaves the file that was there" eval 'for blocks in 1 100 2000; do
    full $blocks refused 1 "a.gguf: writing" convert --model $base --to gguf --type f32 --output "$work/full/a.gguf" || exit 1
    cmp "$work/full/a.gguf" "$work/o/q.gguf" || exit 1; done; only "$work/full" 1'
check "or no directory at all" eval 'for blocks in 1 100 2000; do
    full $blocks refused 1 ": writing" convert --model $base --to hf --output "$work/full/b" || exit 1; done; only "$work/full" 1'
check "a place that is none is an error" refused 1 "cannot be written" convert --model $base --to gguf \
    --output "$work/no/such/folder/a.gguf"
check "what the format cannot say is refused by name" refused 1 "cannot say that sliding_window is 9" convert \
    --model tests/golden/model/mistral --to gguf --output "$work/o/m.gguf"
check "an unknown type is refused" refused 2 "--type 'q3_k': f32, f16, bf16, q8_0, q4_0, q4_k are known" convert --to gguf \
    --type q3_k --output "$work/o/x.gguf"
check "a type of blocks is none of a directory" refused 2 "--type 'q8_0': f32, f16, bf16 are known" convert --to hf --type q8_0 \
    --output "$work/o/x"
check "a flag that says nothing is refused" refused 2 "--shard-size says nothing of a base that becomes gguf" convert --to gguf \
    --shard-size 1GB --output "$work/o/x.gguf"
check "a size that is none is refused" refused 2 "--shard-size '5 apples'" convert --to hf --shard-size "5 apples" \
    --output "$work/o/x"
check "an unknown format is refused" refused 2 "--to 'onnx': a base can become gguf or hf" convert --to onnx --output "$work/o/x"
check "without a place nothing is done" refused 2 "--to FORMAT and --output PATH are wanted" convert --to gguf
check "nothing but what was asked for is there" only "$work/o" 10
finish
