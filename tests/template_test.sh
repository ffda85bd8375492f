#!/bin/sh
# template_test.sh - tailor template from outside: what it writes, where it finds its template, what it refuses.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/shell.sh
golden=tests/golden/template

cat >"$work/messages.json" <<'JSON'
[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "caf\u00e9?"},
 {"role": "assistant", "content": "yes"}]
JSON
printf '{"messages": [{"role": "user", "content": "q"}], "other": 1}' >"$work/object.json"
printf '[{"name": "f", "parameters": {}}]' >"$work/tools.json"
printf '{"text": 1}' >"$work/wrong.json"
mkdir "$work/base"
cat >"$work/base/tokenizer_config.json" <<'JSON'
{"bos_token": {"content": "<s>"}, "eos_token": "</s>", "chat_template": [
  {"name": "default", "template": "{{ bos_token }}{% for m in messages %}{{ m.role[0] }}:{{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}a:{% endif %}\n"},
  {"name": "tool_use", "template": "{{ tools|tojson }}"}]}
JSON
says() { [ "$(cat "$work/out"; echo .)" = "$1." ]; }

check "a base's template renders, with its tokens and no newline behind" eval 'works template --model "$work/base" \
    --messages "$work/messages.json" && says "<s>s:Be brief.</s>u:café?</s>a:yes</s>"'
check "a generation prompt is added" eval 'works template --model "$work/base" --messages "$work/object.json" \
    --add-generation-prompt && says "<s>u:q</s>a:"'
check "tools take the template for tools" eval 'works template --model "$work/base" --messages "$work/messages.json" \
    --tools "$work/tools.json" && says "[{\"name\": \"f\", \"parameters\": {}}]"'
check "unless another is named" eval 'works template --model "$work/base" --name default \
    --messages "$work/object.json" --tools "$work/tools.json" && says "<s>u:q</s>"'
printf '{{ a }} {{ b }} {{ bos_token }} {{ tools is defined }} {{ messages is defined }}\n' >"$work/t.jinja"
check "a template from outside takes variables, JSON or text" eval 'works template --template "$work/t.jinja" \
    --set a=[1,null] --set=b=word && says "[1, None] word  False False"'
check "with a base it has that base's tokens" eval 'works template --template "$work/t.jinja" --model "$work/base" \
    --messages "$work/messages.json" --set bos_token=X && says "  X True True" && works template --template \
    "$work/t.jinja" --model "$work/base" --set a=1 && says "1  <s> False False"'
check "spans are written as JSON, in bytes" eval 'works template --model "$work/base" --messages "$work/messages.json" \
    --spans && says "{\"text\":\"<s>s:Be brief.</s>u:café?</s>a:yes</s>\",\"spans\":[[32,39]]}
"'
check "the golden rendering comes out of the program too" eval '"$tailor" template --template "$golden/everything.jinja" \
    --messages "$work/messages.json" >"$work/out" && grep -q "^1a(2b,2c(3d)),1e$" "$work/out"'

check "a template or a base is wanted" refused 2 "--model BASE or --template FILE is wanted" template
check "--name goes with --model" refused 2 "--name chooses" template --template "$work/t.jinja" --name x
check "a name that is not there is refused" refused 2 "there are: default, tool_use" template --model "$work/base" --name x
check "--set wants NAME=VALUE" refused 2 "wants NAME=VALUE" template --template "$work/t.jinja" --set x
check "--set wants a value" refused 2 "--set wants a value" template --template "$work/t.jinja" --set
check "a file without messages is refused" refused 1 "holds no list of messages" template --model "$work/base" \
    --messages "$work/wrong.json"
check "and so is one that is not JSON" refused 1 "not JSON" template --model "$work/base" --messages "$work/t.jinja"
check "a base without a template is refused" refused 1 "has no chat template" template --model tests/golden/tokenizer/tiny
printf '\n{{ x.y }}' >"$work/bad.jinja"
check "a failure names the template and its line" refused 1 "bad.jinja:2: 'x' is undefined" template --template \
    "$work/bad.jinja"
printf '{%% for i in range(99999) %%}{%% for j in range(99999) %%}{%% endfor %%}{%% endfor %%}' >"$work/loop.jinja"
check "an endless loop ends" refused 1 "it takes" template --template "$work/loop.jinja"
finish
