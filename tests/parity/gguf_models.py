#!/usr/bin/env python3
"""Live comparison of GGUF bases with transformers, on random bases.

    python tests/parity/gguf_models.py [--tailor build/tailor] [--seeds 3] [--first 0]

Each seed makes, with the gguf package, a base of random shape for each architecture, every matrix in a type drawn for it
(tests/golden/gguf/make_models.py and make_architectures.py, which have the layouts).  The logits of

    tailor logits --model FILE.gguf --tokens 1,2,3 --json

must be those that transformers computes with the numbers in the file.  Needs torch, transformers and gguf:
tests/golden/gguf/README.md names versions."""
import argparse
import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile

import numpy as np
import torch
from gguf import GGMLQuantizationType as T
from transformers import (AutoConfig, AutoModelForCausalLM, GPT2Config, LlamaConfig, LlamaForCausalLM, Qwen2Config,
                          Qwen2ForCausalLM)

HERE = os.path.dirname(os.path.abspath(__file__))
PLAIN = [T.F32, T.F16, T.BF16]
SMALL = PLAIN + [T.Q8_0, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1]
LARGE = SMALL + [T.Q2_K, T.Q3_K, T.Q4_K, T.Q5_K, T.Q6_K]
MATRICES = ["token_embd", "output", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]



def load(name, path):
    spec = importlib.util.spec_from_file_location(name, os.path.join(HERE, path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make = load("make_models", "../golden/gguf/make_models.py")
architectures = load("make_architectures", "../golden/gguf/make_architectures.py")
parity = load("model_parity", "model.py")


def types_for(r, widths):
    """A type for each matrix whose rows, of that many numbers, are whole blocks."""
    return {name: r.choice(LARGE if n % 256 == 0 else SMALL if n % 32 == 0 else PLAIN) for name, n in widths.items()}


def llama_like(name, arch, r, golden):
    shared, times = r.randint(1, 2), r.randint(1, 3)
    head = 2 * r.randint(2, 20) if r.random() < 0.5 else 32
    heads = shared * times
    D = heads * head
    if arch == "llama":
        D = 256 if 256 % heads == 0 and r.random() < 0.5 else 32 * heads
    F = r.choice([r.randint(5, 90), 64, 256])
    c = dict(vocab_size=r.randint(50, 200), hidden_size=D, intermediate_size=F, num_hidden_layers=r.randint(1, 2),
             num_attention_heads=heads, num_key_value_heads=shared, max_position_embeddings=r.randint(40, 90),
             rope_theta=r.choice([1e3, 1e4, 5e5]), rms_norm_eps=r.choice([1e-5, 1e-6]), attn_implementation="eager",
             tie_word_embeddings=r.random() < 0.5, bos_token_id=1, eos_token_id=2)
    bias = arch == "qwen2" or r.random() < 0.3
    if arch == "llama":
        c.update(head_dim=head, attention_bias=bias)
    widths = {m: D for m in MATRICES} | {"attn_output": heads * head, "ffn_down": F}
    kind, config = (LlamaForCausalLM, LlamaConfig) if arch == "llama" else (Qwen2ForCausalLM, Qwen2Config)
    make.llama_like(name, arch, kind, config(**c), types_for(r, widths) | {"": T.F32}, golden,
                    tied=c["tie_word_embeddings"], bias=bias)


def gpt2(name, _, r, golden):
    heads = r.randint(1, 4)
    make.gpt2(name, GPT2Config(vocab_size=r.randint(50, 200), n_embd=heads * r.randint(3, 20), n_layer=r.randint(1, 2),
                               n_head=heads, n_positions=r.randint(40, 90), n_inner=r.randint(5, 120), bos_token_id=0,
                               eos_token_id=1), golden)


def expressible(family, r):
    """Random settings of a family that a GGUF file can hold: what llama.cpp takes for given is left as it is."""
    c = parity.FAMILIES[family][0](r)
    for key in ("layer_types", "no_rope_layers", "no_rope_layer_interval", "use_sliding_window", "max_window_layers"):
        c.pop(key, None)
    if family in ("mistral", "qwen2", "qwen3", "smollm3"):
        c["sliding_window"] = None
    if family.startswith("gemma"):
        c["query_pre_attn_scalar"] = c["head_dim"]
    if family == "gemma2":  # a file without caps has the usual ones
        c = {k: v for k, v in c.items() if v is not None or not k.endswith("softcapping")}
    if family.startswith("gemma") or family == "gpt_neox":
        c["attention_bias"] = family == "gpt_neox"
    if family == "gpt_neox":
        c["hidden_act"] = "gelu"
    if family == "starcoder2":
        c["hidden_act"] = "gelu_pytorch_tanh"
    scheme = c.get("rope_parameters", {})
    for key in ("beta_fast", "attention_factor", "truncate"):
        scheme.pop(key, None)
    if scheme.get("rope_type") in ("dynamic", "longrope") and family != "phi3":
        c["rope_parameters"] = {"rope_type": "default", "rope_theta": scheme["rope_theta"]}
    return c


def any_family(family):
    """A maker for a family, by transformers' own model of it."""
    def maker(name, _, r, golden):
        g = torch.Generator().manual_seed(r.randrange(1 << 30))
        config = AutoConfig.for_model(family, **expressible(family, r))
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
        parity.randomize(model.named_parameters(), g, 0.0 if family.startswith("gemma") else 1.0)
        architectures.write(model, os.path.join(make.OUT, name + ".gguf"), lambda _, columns: r.choice(
            LARGE[:-5] if columns % 32 == 0 else PLAIN))
        golden["ids"] %= config.vocab_size
        with torch.no_grad():
            golden[name + ".logits"] = model(input_ids=golden["ids"][None]).logits[0]
    return maker


OTHERS = ["mistral", "llama", "qwen3", "smollm3", "granite", "olmo2", "gemma2", "gemma3_text", "phi3", "starcoder2",
          "gpt_neox"]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--tailor", default="build/tailor")
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--first", type=int, default=0)
    a = p.parse_args()
    failed, bases, worst = 0, 0, 0.0
    for seed in range(a.first, a.first + a.seeds):
        for arch, maker in (("llama", llama_like), ("qwen2", llama_like), ("gpt2", gpt2),
                            *((f"{family}, by its model", any_family(family)) for family in OTHERS)):
            with tempfile.TemporaryDirectory() as folder:
                r = random.Random(f"{arch}{seed}")
                make.OUT, make.rng = folder, np.random.default_rng(seed)
                golden = {"ids": torch.tensor([r.randrange(50) for _ in range(r.randint(1, 20 if "," in arch else 40))])}
                maker("base", arch, r, golden)
                ids = golden["ids"].tolist()
                done = subprocess.run([a.tailor, "logits", "--model", os.path.join(folder, "base.gguf"), "--tokens",
                                       ",".join(map(str, ids)), "--json"], capture_output=True, text=True)
                if done.returncode:
                    sys.exit(f"{arch} seed {seed}: {done.stderr}")
                found, wanted = torch.tensor(json.loads(done.stdout)["logits"]), golden["base.logits"]
                error = ((found - wanted).abs() / wanted.abs().clamp(min=1)).max().item()
                bases, worst = bases + 1, max(worst, error)
                if error > 1e-4:
                    failed += 1
                    print(f"{arch} seed {seed}: logits differ by {error:.2g}")
    print(f"gguf: {bases} bases, logits within {worst:.2g}, {failed} beyond 1e-4")
    sys.exit(1 if failed else 0)


main()
