#!/usr/bin/env python3
"""Golden renderings of the templates beside this file, by jinja2 in transformers' environment.

    venv/bin/python tests/golden/template/make.py        writes renderings.json

"cases" are the variables; "renderings" has for each template a list as long: {"text": ..., "spans": [[start, end], ...]}
with spans in bytes, or null where jinja2 refuses.  The clock of strftime_now() stands at NOW, in UTC."""
import glob
import json
import os

from peer import Peer

HERE = os.path.dirname(os.path.abspath(__file__))
NOW = 1751630400  # 2025-07-04 12:00:00
TOOLS = [
    {"type": "function", "function": {
        "name": "look_up", "description": "Finds a drug's \u2265 1 uses", "parameters": {
            "type": "object",
            "properties": {"name": {"type": "string", "description": "e.g. ibuprof\u00e8ne"},
                           "limit": {"type": "integer", "default": 5},
                           "kinds": {"type": "array", "items": {"type": "string"}},
                           "where": {"type": "object", "additionalProperties": {"type": "number"}},
                           "unit": {"type": ["string", "null"], "description": " a 'unit' "}},
            "required": ["name"]}, "return": {"type": "string"}}},
    {"type": "function", "function": {"name": "now", "description": "The time", "parameters": {"type": "object",
                                                                                                "properties": {}}}},
]


def call(name, arguments, id_="abcdefgh1"):
    return {"type": "function", "id": id_, "function": {"name": name, "arguments": arguments}}


SYSTEM = {"role": "system", "content": " You triage.  \n"}
ASK = {"role": "user", "content": "Chest pain since 11:30,\nand \"sweating\" \U0001f625 "}
ANSWER = {"role": "assistant", "content": "<think>\nRed flags.\n</think>\n\nUrgent: call 112. "}
MORE = {"role": "user", "content": "  And my knee? {{ x }}"}
PLAIN = {"role": "assistant", "content": "Routine."}
CALLS = {"role": "assistant", "content": "", "tool_calls": [call("look_up", {"name": "aspirin", "limit": 2})]}
TWO = {"role": "assistant", "content": None, "reasoning_content": "Both.", "tool_calls": [
    call("look_up", {"name": "a\u00e7ai", "where": {"x": 1.5}}), call("now", {}, "abcdefgh2")]}
RESULT = {"role": "tool", "name": "look_up", "tool_call_id": "abcdefgh1", "content": "[{\"use\": \"pain\"}]"}
SECOND = {"role": "tool", "name": "now", "tool_call_id": "abcdefgh2", "content": "12:00"}
PARTS = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " What is this? "}]}
DOCUMENTS = [{"title": "One", "text": "Aspirin thins blood."}, {"title": "Two", "text": "Rest.\n"}]


def case(messages, prompt=False, tools=None, **more):
    v = {"messages": messages, "tools": tools, "documents": None, "add_generation_prompt": prompt, "bos_token": "<s>",
         "eos_token": "</s>"}
    v.update(more)
    return v


CASES = [
    case([ASK]),
    case([ASK], True),
    case([SYSTEM, ASK], True),
    case([SYSTEM, ASK, ANSWER]),
    case([ASK, ANSWER, MORE], True),
    case([SYSTEM, ASK, ANSWER, MORE, PLAIN]),
    case([ASK], True, TOOLS),
    case([SYSTEM, ASK], True, TOOLS, enable_thinking=False, tools_in_user_message=False),
    case([SYSTEM, ASK, CALLS, RESULT, PLAIN, MORE], True, TOOLS),
    case([ASK, TWO, RESULT, SECOND], True, TOOLS),
    case([PARTS, PLAIN, MORE], True),
    case([ASK, PLAIN], documents=DOCUMENTS, controls={"citations": True, "length": "short"}),
    case([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]),
    case([dict(SYSTEM, content="Be brief. /no_think"), ASK, PLAIN], custom_tools=TOOLS[:1], reasoning_effort="high"),
]


def main():
    peer, renderings = Peer(NOW), {}
    for path in sorted(glob.glob(os.path.join(HERE, "*.jinja"))):
        with open(path, encoding="utf-8", newline="") as f:
            template = f.read()
        out = [peer.render(template, v) for v in CASES]
        print("%-24s %d of %d" % (os.path.basename(path), sum("text" in o for o in out), len(out)))
        renderings[os.path.basename(path)] = [o if "text" in o else None for o in out]
    with open(os.path.join(HERE, "renderings.json"), "w", encoding="ascii") as f:
        json.dump({"now": NOW, "cases": CASES, "renderings": renderings}, f, indent=0)
        f.write("\n")


if __name__ == "__main__":
    main()
