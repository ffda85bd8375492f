#!/usr/bin/env python3
"""Live comparison of the model with transformers and peft, on random bases and adapters.

    python tests/parity/model.py [--tailor build/tailor] [--seeds 3] [--first 0]

Each seed makes a base of random shape in each family, in f32 and bf16, and a LoRA adapter over random targets as peft
saves it.  The logits of

    tailor logits --model DIR [--adapter DIR] --tokens 1,2,3 --json        {"logits": [[...], ...]}

must be those of transformers for the base, those of peft for the base with the adapter, and those of the base that peft
merged the adapter into.  Needs torch, transformers and peft: tests/golden/model/README.md names versions."""
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
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

TARGETS = {
    "llama": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    "gpt2": ["c_attn", "attn.c_proj", "c_fc", "mlp.c_proj"],
}


def random_base(family, r):
    vocabulary, layers, positions = r.randint(20, 300), r.randint(1, 3), r.randint(40, 100)
    if family == "llama":
        shared, times, head = r.randint(1, 3), r.randint(1, 3), 2 * r.randint(2, 20)
        return LlamaForCausalLM(LlamaConfig(
            vocab_size=vocabulary, hidden_size=r.randint(1, 3) * 2 * shared * times, num_hidden_layers=layers,
            intermediate_size=r.randint(5, 120), num_attention_heads=shared * times, num_key_value_heads=shared,
            head_dim=head, max_position_embeddings=positions, rope_theta=r.choice([1e3, 1e4, 5e5]),
            attention_bias=r.random() < 0.3, mlp_bias=r.random() < 0.3, tie_word_embeddings=r.random() < 0.5))
    heads = r.randint(1, 4)
    return GPT2LMHeadModel(GPT2Config(
        vocab_size=vocabulary, n_embd=heads * r.randint(3, 20), n_layer=layers, n_head=heads, n_positions=positions,
        n_inner=r.choice([None, r.randint(5, 120)]), bos_token_id=0, eos_token_id=1))


def randomize(parameters, g):
    for name, p in parameters:
        noise = torch.randn(p.shape, generator=g)
        p.data = noise * p.shape[-1] ** -0.5 if p.dim() > 1 else noise * 0.2 + float(name.endswith("weight"))


def ours(tailor, base, tokens, adapter=None):
    command = [tailor, "logits", "--model", base, "--tokens", ",".join(map(str, tokens)), "--json"]
    if adapter:
        command += ["--adapter", adapter]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return torch.tensor(json.loads(done.stdout)["logits"])


def theirs(model, tokens):
    with torch.no_grad():
        return model(input_ids=torch.tensor([tokens])).logits[0].float()


def check(what, found, wanted):
    if found.shape != wanted.shape:
        sys.exit(f"{what}: shape is {tuple(found.shape)}, wanted {tuple(wanted.shape)}")
    worst = ((found - wanted).abs() / wanted.abs().clamp(min=1)).max().item()
    print(f"{what}: {worst:.1e}")
    if not worst <= 1e-4:
        sys.exit(f"{what}: off by {worst:.3g}, at most 1e-4 is allowed")


def compare(tailor, family, seed, dtype, home):
    r = random.Random(f"{family} {seed} {dtype}")
    g = torch.Generator().manual_seed(r.randrange(1 << 30))
    model = random_base(family, r).eval()
    randomize(model.named_parameters(), g)
    base, adapter, merged = (os.path.join(home, x) for x in ("base", "adapter", "merged"))
    for p in model.parameters():  # bf16 is how weights are stored; both compute in f32
        p.data = p.data.to(dtype).float()
    copy.deepcopy(model).to(dtype).save_pretrained(base)
    tokens = [r.randrange(model.config.vocab_size) for _ in range(r.randint(1, 40))]
    name = f"{family} seed {seed} {str(dtype)[6:]}"
    check(name, ours(tailor, base, tokens), theirs(model, tokens))

    targets = r.choice(["all-linear", r.sample(TARGETS[family], r.randint(1, len(TARGETS[family])))])
    lora = get_peft_model(copy.deepcopy(model), LoraConfig(
        r=r.randint(1, 9), lora_alpha=r.randint(1, 32), use_rslora=r.random() < 0.3, target_modules=targets,
        task_type="CAUSAL_LM", fan_in_fan_out=family == "gpt2")).eval()
    randomize(((n, p) for n, p in lora.named_parameters() if "lora_" in n), g)
    lora.save_pretrained(adapter)
    wanted = theirs(lora, tokens)
    check(f"{name}, adapter", ours(tailor, base, tokens, adapter), wanted)
    lora.merge_and_unload().save_pretrained(merged)
    check(f"{name}, merged", ours(tailor, merged, tokens), wanted)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--tailor", default="build/tailor")
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--first", type=int, default=0)
    o = p.parse_args()
    for seed in range(o.first, o.first + o.seeds):
        for family in TARGETS:
            for dtype in (torch.float32, torch.bfloat16):
                with tempfile.TemporaryDirectory() as home:
                    compare(o.tailor, family, seed, dtype, home)


main()
