#!/usr/bin/env python3
"""Live comparison of the model with transformers and peft, on random bases and adapters.

    python tests/parity/model.py [--tailor build/tailor] [--seeds 3] [--first 0] [--families llama,phi3]

Each seed makes a base of random shape and settings in each family, in f32 and bf16, and a LoRA adapter over random
targets as peft saves it.  The logits of

    tailor logits --model DIR [--adapter DIR] --tokens 1,2,3 --json        {"logits": [[...], ...]}

must be those of transformers for the base, those of peft for the base with the adapter, and those of the base that peft
merged the adapter into; and what our writer makes of the base (model_copy.c), transformers must load as the same base.
Needs torch, transformers and peft, and the library this script compiles model_copy.c against:
tests/golden/model/README.md names versions."""
import argparse
import copy
import json
import os
import random
import subprocess
import sys
import tempfile

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

LLAMA = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def rope(r, kinds, pairs):
    """A rotary scheme, and the positions that are left for one stretched by long factors."""
    kind = r.choice(["default", "default", *kinds])
    scheme = {"rope_type": kind, "rope_theta": r.choice([1e2, 1e4, 5e5])}
    original = r.randint(20, 60)
    if kind not in ("default", "longrope"):
        scheme["factor"] = r.choice([1.5, 2.0, 8.0])
    if kind in ("llama3", "yarn", "longrope"):
        scheme["original_max_position_embeddings"] = original
    if kind == "llama3":
        scheme |= {"low_freq_factor": r.choice([1.0, 2.0]), "high_freq_factor": r.choice([3.0, 4.0])}
    if kind == "yarn":
        scheme |= r.choice([{}, {"beta_fast": 8.0}, {"attention_factor": 1.5}, {"truncate": False}])
    if kind == "longrope":
        scheme |= {"short_factor": [round(r.uniform(1, 3), 2) for _ in range(pairs)],
                   "long_factor": [round(r.uniform(3, 9), 2) for _ in range(pairs)]}
    return scheme


STRETCHED = ("linear", "dynamic", "llama3", "yarn", "longrope")


def shape(r, even=True, head=None):
    """The sizes under Llama's names; head: of a head whose width is not D / H, or None."""
    shared, times = r.randint(1, 3), r.randint(1, 3)
    heads = shared * times
    each = (2 if even else 1) * r.randint(2, 8)
    c = dict(vocab_size=r.randint(20, 300), hidden_size=heads * each, intermediate_size=r.randint(5, 120),
             num_hidden_layers=r.randint(1, 3), num_attention_heads=heads, num_key_value_heads=shared,
             max_position_embeddings=r.randint(60, 100), bos_token_id=1, eos_token_id=2, pad_token_id=None,
             rms_norm_eps=r.choice([1e-5, 1e-6]))
    if head:
        c.update(head_dim=head, hidden_size=heads * 2 * r.randint(1, 8))
    return c


def maybe(r, p=0.3):
    return r.random() < p


def window(r):
    return r.randint(1, 30)


def layer_types(r, n):
    return [r.choice(["sliding_attention", "full_attention"]) for _ in range(n)]


def llama(r):
    head = 2 * r.randint(2, 20)
    return dict(shape(r, head=head), rope_parameters=rope(r, STRETCHED, head // 2), attention_bias=maybe(r),
                mlp_bias=maybe(r), tie_word_embeddings=maybe(r, 0.5))


def mistral(r):
    head = 2 * r.randint(2, 20)
    return dict(shape(r, head=head), rope_parameters=rope(r, STRETCHED, head // 2), tie_word_embeddings=maybe(r),
                sliding_window=r.choice([None, window(r), window(r)]))


def qwen2(r):
    c = shape(r)
    c.update(rope_parameters=rope(r, ("yarn",), 0), tie_word_embeddings=maybe(r, 0.5))
    if maybe(r, 0.5):
        c.update(use_sliding_window=True, sliding_window=window(r), max_window_layers=r.randint(0, 2))
    return c


def qwen3(r):
    c = dict(qwen2(r), head_dim=2 * r.randint(2, 20), attention_bias=maybe(r))
    if maybe(r) and c.get("use_sliding_window"):
        c["layer_types"] = layer_types(r, c["num_hidden_layers"])
    return c


def smollm3(r):
    c = shape(r)
    c.update(rope_parameters=rope(r, ("yarn",), 0), tie_word_embeddings=maybe(r, 0.5), attention_bias=maybe(r),
             mlp_bias=maybe(r))
    if maybe(r, 0.7):
        c["no_rope_layers"] = [r.randint(0, 1) for _ in range(c["num_hidden_layers"])]
    else:
        c["no_rope_layer_interval"] = r.randint(1, 3)
    if maybe(r):
        c.update(use_sliding_window=True, sliding_window=window(r))
    return c


def granite(r):
    return dict(shape(r), rope_parameters=rope(r, ("yarn",), 0), tie_word_embeddings=maybe(r, 0.5),
                attention_bias=maybe(r), mlp_bias=maybe(r), embedding_multiplier=r.choice([1.0, 2.5]),
                attention_multiplier=r.choice([0.05, 0.2]), residual_multiplier=r.choice([1.0, 0.3]),
                logits_scaling=r.choice([1.0, 2.0, 8.0]))


def olmo2(r):
    return dict(shape(r), rope_parameters=rope(r, ("yarn",), 0), tie_word_embeddings=maybe(r), attention_bias=maybe(r))


def gemma2(r):
    c = shape(r, head=2 * r.randint(2, 20))
    return dict(c, query_pre_attn_scalar=r.randint(2, 40), sliding_window=window(r), attention_bias=maybe(r),
                attn_logit_softcapping=r.choice([None, 2.0, 50.0]), final_logit_softcapping=r.choice([None, 2.0, 30.0]),
                layer_types=r.choice([None, layer_types(r, c["num_hidden_layers"])]), rope_theta=r.choice([1e2, 1e4]))


def gemma3_text(r):
    c = shape(r, head=2 * r.randint(2, 20))
    full = rope(r, ("linear",), 0)
    return dict(c, query_pre_attn_scalar=r.randint(2, 40), sliding_window=window(r),
                final_logit_softcapping=r.choice([None, 2.0]), layer_types=layer_types(r, c["num_hidden_layers"]),
                rope_parameters={"full_attention": full, "sliding_attention": {
                    "rope_type": "default", "rope_theta": r.choice([10.0, 1e3])}})


def phi3(r):
    c = shape(r)
    pairs = r.randint(1, 5)
    part = r.choice([1.0, 0.5])
    c["hidden_size"] = c["num_attention_heads"] * int(2 * pairs / part)
    c.update(rope_parameters=dict(rope(r, ("longrope", "longrope"), pairs), partial_rotary_factor=part),
             sliding_window=r.choice([None, window(r)]), tie_word_embeddings=maybe(r))
    c["original_max_position_embeddings"] = c["rope_parameters"].get("original_max_position_embeddings", 4096)
    return c


def gpt_neox(r):
    c = shape(r)
    each = 8 * r.randint(1, 3)
    c.update(hidden_size=c["num_attention_heads"] * each, rotary_pct=r.choice([0.25, 0.5, 1.0]),
             use_parallel_residual=maybe(r, 0.7), hidden_act=r.choice(["gelu", "gelu_new"]), attention_bias=maybe(r, 0.8),
             attention_dropout=0.0, hidden_dropout=0.0, layer_norm_eps=c.pop("rms_norm_eps"))
    c.pop("num_key_value_heads")
    return c


def starcoder2(r):
    c = shape(r)
    c.update(norm_epsilon=c.pop("rms_norm_eps"), use_bias=maybe(r, 0.7), sliding_window=r.choice([None, window(r)]),
             tie_word_embeddings=maybe(r, 0.5), rope_parameters=rope(r, (), 0),
             hidden_act=r.choice(["gelu_pytorch_tanh", "gelu"]))
    return c


def experts(r, c):
    count = r.randint(2, 9)
    return dict(c, num_local_experts=count, num_experts_per_tok=r.randint(1, min(3, count)))


def qwen3_moe(r):
    c = dict(shape(r, head=2 * r.randint(2, 20)), rope_parameters=rope(r, ("yarn",), 0), attention_bias=maybe(r),
             moe_intermediate_size=r.randint(3, 30), norm_topk_prob=maybe(r, 0.5), tie_word_embeddings=maybe(r))
    if maybe(r):
        c.update(use_sliding_window=True, sliding_window=window(r))
    return experts(r, c)


def mixtral(r):
    head = 2 * r.randint(2, 20)
    return experts(r, dict(shape(r, head=head), rope_parameters=rope(r, STRETCHED, head // 2),
                           sliding_window=r.choice([None, window(r)]), tie_word_embeddings=maybe(r)))


def gpt2(r):
    heads = r.randint(1, 4)
    return dict(vocab_size=r.randint(20, 300), n_embd=heads * r.randint(3, 20), n_layer=r.randint(1, 3), n_head=heads,
                n_positions=r.randint(40, 100), n_inner=r.choice([None, r.randint(5, 120)]), bos_token_id=0,
                eos_token_id=1)


FAMILIES = {
    "llama": (llama, LLAMA),
    "mistral": (mistral, LLAMA),
    "qwen2": (qwen2, LLAMA),
    "qwen3": (qwen3, LLAMA),
    "smollm3": (smollm3, LLAMA),
    "granite": (granite, LLAMA),
    "olmo2": (olmo2, LLAMA),
    "gemma2": (gemma2, LLAMA),
    "gemma3_text": (gemma3_text, LLAMA),
    "phi3": (phi3, ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]),
    "gpt2": (gpt2, ["c_attn", "attn.c_proj", "c_fc", "mlp.c_proj"]),
    "gpt_neox": (gpt_neox, ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"]),
    "starcoder2": (starcoder2, ["q_proj", "k_proj", "v_proj", "o_proj", "c_fc", "c_proj"]),
    "qwen3_moe": (qwen3_moe, LLAMA[:4]),
    "mixtral": (mixtral, LLAMA[:4]),
}


def randomize(parameters, g, gains=1.0):
    for name, p in parameters:
        noise = torch.randn(p.shape, generator=g)
        p.data = noise * p.shape[-1] ** -0.5 if p.dim() > 1 else noise * 0.2 + gains * float(name.endswith("weight"))


def run(command, what):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{what}: {' '.join(command)}\n{done.stderr}")
    return done.stdout


def ours(tailor, base, tokens, what, adapter=None):
    command = [tailor, "logits", "--model", base, "--tokens", ",".join(map(str, tokens)), "--json"]
    return torch.tensor(json.loads(run(command + (["--adapter", adapter] if adapter else []), what))["logits"])


def theirs(model, tokens):
    with torch.no_grad():
        return model(input_ids=torch.tensor([tokens])).logits[0]


def allowed(model, tokens, wanted):
    """1e-4, or what f32 costs transformers itself where a random base lets a softmax tip over: eight times what double
    makes different."""
    exact = theirs(copy.deepcopy(model).double(), tokens)
    return max(1e-4, 8 * ((exact - wanted).abs() / wanted.abs().clamp(min=1)).max().item())


class Found:
    """The worst of what was compared, and how often more than 1e-4 was allowed."""

    def __init__(self):
        self.worst, self.count, self.tipping = 0.0, 0, 0

    def check(self, what, found, wanted, most):
        if found.shape != wanted.shape:
            sys.exit(f"{what}: shape is {tuple(found.shape)}, wanted {tuple(wanted.shape)}")
        worst = ((found - wanted).abs() / wanted.abs().clamp(min=1)).max().item()
        self.worst, self.count, self.tipping = max(self.worst, worst), self.count + 1, self.tipping + (most > 1e-4)
        if not worst <= most:
            sys.exit(f"{what}: off by {worst:.3g}, at most {most:g} is allowed")


def compare(o, copier, family, seed, dtype, home, found):
    r = random.Random(f"{family} {seed} {dtype}")
    g = torch.Generator().manual_seed(r.randrange(1 << 30))
    settings, targets = FAMILIES[family]
    config = AutoConfig.for_model(family, **settings(r))
    config._experts_implementation = "eager"  # the other one wants widths that are multiples of four
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    randomize(model.named_parameters(), g, 0.0 if family.startswith("gemma") else 1.0)
    base, adapter, merged, written = (os.path.join(home, x) for x in ("base", "adapter", "merged", "written"))
    for p in model.parameters():  # bf16 is how weights are stored; both compute in f32
        p.data = p.data.to(dtype).float()
    copy.deepcopy(model).to(dtype).save_pretrained(base)
    scheme = getattr(config, "rope_parameters", None) or {}
    context = scheme.get("original_max_position_embeddings", 40) if scheme.get("rope_type") == "longrope" else 40
    tokens = [r.randrange(model.config.vocab_size) for _ in range(r.randint(1, min(40, context)))]
    name = f"{family} seed {seed} {str(dtype)[6:]}"
    wanted = theirs(model, tokens)
    found.check(name, ours(o.tailor, base, tokens, name), wanted, allowed(model, tokens, wanted))

    os.mkdir(written)
    run([copier, base, written], name)
    again = AutoModelForCausalLM.from_pretrained(written, attn_implementation="eager", dtype=torch.float32).eval()
    again.config._experts_implementation = "eager"
    found.check(f"{name}, written", theirs(again, tokens), wanted, 1e-6)

    lora_targets = r.choice(["all-linear", r.sample(targets, r.randint(1, len(targets)))])
    if lora_targets == "all-linear" and family in ("qwen3_moe", "mixtral"):
        lora_targets = targets  # peft would adapt the tensors of all experts as parameters
    rank = r.randint(1, 9)
    lora = get_peft_model(copy.deepcopy(model), LoraConfig(
        r=rank, lora_alpha=r.randint(1, 2 * rank), use_rslora=maybe(r), target_modules=lora_targets,
        task_type="CAUSAL_LM", fan_in_fan_out=family == "gpt2")).eval()
    randomize(((n, p) for n, p in lora.named_parameters() if "lora_" in n), g)
    lora.save_pretrained(adapter)
    wanted = theirs(lora, tokens)
    most = allowed(lora, tokens, wanted)
    found.check(f"{name}, adapter", ours(o.tailor, base, tokens, name, adapter), wanted, most)
    lora.merge_and_unload().save_pretrained(merged)
    found.check(f"{name}, merged", ours(o.tailor, merged, tokens, name), wanted, most)


def compile_tool(home, name):
    """The C half of a comparison, against the library of this build."""
    build = os.environ.get("BUILD", "build")
    packages = ["jansson", "libcyaml", "libpcre2-8", "libutf8proc", "libcrypto"]
    libraries = subprocess.check_output(["pkg-config", "--libs", *packages], text=True).split()
    out = os.path.join(home, name)
    here = os.path.dirname(os.path.abspath(__file__))
    subprocess.run([os.environ.get("CC", "gcc"), "-std=gnu11", "-fopenmp", "-Isrc", "-o", out,
                    os.path.join(here, name + ".c"), os.path.join(build, "libtailor.a"), *libraries, "-lm"], check=True)
    return out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--tailor", default="build/tailor")
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--first", type=int, default=0)
    p.add_argument("--families", default=",".join(FAMILIES))
    o = p.parse_args()
    with tempfile.TemporaryDirectory() as tools:
        copier = compile_tool(tools, "model_copy")
        for family in o.families.split(","):
            found = Found()
            for seed in range(o.first, o.first + o.seeds):
                for dtype in (torch.float32, torch.bfloat16):
                    with tempfile.TemporaryDirectory() as home:
                        compare(o, copier, family, seed, dtype, home, found)
            print(f"{family}: {found.count} comparisons, logits within {found.worst:.1e}"
                  + (f", {found.tipping} beyond what f32 can tell" if found.tipping else ""), flush=True)


if __name__ == "__main__":
    main()
