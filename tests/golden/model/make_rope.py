#!/usr/bin/env python3
"""Golden frequencies of rotary schemes: what transformers computes for random settings of each.

    python make_rope.py       writes rope.json beside this file

Each case is a config.json, the frequencies that its model begins with, and what cosines and sines are multiplied by."""
import json
import os
import random

from transformers import AutoConfig, GPTNeoXForCausalLM, LlamaForCausalLM, Phi3ForCausalLM

KINDS = {"llama": LlamaForCausalLM, "phi3": Phi3ForCausalLM, "gpt_neox": GPTNeoXForCausalLM}


def scheme(kind, r, pairs):
    original = r.choice([64, 512, 2048])
    rope = {"rope_type": kind, "rope_theta": r.choice([1e3, 1e4, 5e5])}
    if kind in ("linear", "dynamic", "llama3", "yarn"):
        rope["factor"] = r.choice([1.0, 1.5, 4.0, 32.0])
    if kind in ("llama3", "yarn", "longrope"):
        rope["original_max_position_embeddings"] = original
    if kind == "llama3":
        rope |= {"low_freq_factor": r.choice([1.0, 2.0]), "high_freq_factor": r.choice([4.0, 7.5])}
    if kind == "yarn":
        for key, values in (("beta_fast", [16.0, 40.0]), ("beta_slow", [0.5, 2.0]), ("attention_factor", [1.25]),
                            ("truncate", [True, False])):
            if r.random() < 0.4:
                rope[key] = r.choice(values)
        if r.random() < 0.4:
            rope |= {"mscale": r.choice([0.7, 1.0]), "mscale_all_dim": r.choice([0.5, 1.0])}
    if kind == "longrope":
        rope |= {"short_factor": [round(r.uniform(1, 2), 3) for _ in range(pairs)],
                 "long_factor": [round(r.uniform(2, 60), 3) for _ in range(pairs)]}
        if r.random() < 0.5:
            rope["factor"] = r.choice([1.0, 4.0])
    return rope


def case(model_type, kind, r):
    head, part = r.choice([8, 16, 36]), 1.0
    if model_type != "llama":
        part = r.choice([0.5, 1.0])
    config = {"model_type": model_type, "vocab_size": 11, "hidden_size": 2 * head, "intermediate_size": 8,
              "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2,
              "max_position_embeddings": r.choice([2048, 8192])}
    if model_type != "llama":
        config["rotary_pct" if model_type == "gpt_neox" else "partial_rotary_factor"] = part
    config["rope_scaling"] = scheme(kind, r, int(head * part) // 2)
    if model_type == "phi3":
        config["original_max_position_embeddings"] = config["rope_scaling"].get("original_max_position_embeddings", 4096)
    if model_type == "gpt_neox":  # its own word for theta
        config["rotary_emb_base"] = config["rope_scaling"].pop("rope_theta")
    values = dict(config, pad_token_id=None, bos_token_id=1, eos_token_id=2)
    model = KINDS[model_type](AutoConfig.for_model(**json.loads(json.dumps(values))))
    rope = model.base_model.rotary_emb
    return {"config": config, "frequencies": [float(f"{f:.9g}") for f in rope.inv_freq.tolist()],
            "scale": float(f"{rope.attention_scaling:.9g}")}


r = random.Random(1)
cases = [case("llama", kind, r) for kind in ("default", "linear", "dynamic", "llama3", "yarn", "longrope") for _ in range(4)]
cases += [case("llama", "yarn", r) for _ in range(6)]
cases += [case("phi3", kind, r) for kind in ("default", "longrope", "longrope")]
cases += [case("gpt_neox", kind, r) for kind in ("default", "linear", "dynamic")]
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "rope.json"), "w") as f:
    f.write('{"cases": [\n' + ",\n".join(json.dumps(c) for c in cases) + "\n]}\n")
