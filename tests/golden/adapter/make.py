#!/usr/bin/env python3
"""Golden numbers of adapters: what peft computes with each field of adapter_config.json that we take.

    python make.py [NAME...]  writes NAME/ for each case below, or for those named, beside this file

    NAME/                     adapter_config.json, adapter_model.safetensors, as peft saves them
    NAME/golden.safetensors   logits and loss of the adapted base, for the ids of the base's own golden file
    NAME/gradients/           the loss's gradients, stored as an adapter is

The bases are those of ../model.  Every number that an adapter has is random, its own weights included.  What is computed
is computed in double: some gradients are small sums of large terms.
"""
import json
import os
import shutil
import sys

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = os.path.join(os.path.dirname(HERE), "model")

# name: base, fields of LoraConfig
CASES = {
    "dora": ("qwen3", dict(target_modules=["q_proj", "v_proj", "gate_proj", "down_proj"], use_dora=True)),
    # q, k, v in one transposed tensor; biases.
    "dora-gpt2": ("gpt2", dict(target_modules=["c_attn", "mlp.c_proj"], use_dora=True, use_rslora=True)),
    # Rows by heads; the blocks beside each other.
    "dora-neox": ("gpt-neox", dict(target_modules=["query_key_value", "dense"], use_dora=True)),
    "dora-moe": ("qwen3-moe", dict(target_modules=["k_proj", "o_proj"], use_dora=True)),
    # Norms after the blocks: what a block gives is not added in the product.
    "dora-gemma2": ("gemma2", dict(target_modules=["o_proj", "up_proj", "down_proj"], use_dora=True)),
    "patterns": ("mistral", dict(
        target_modules=["q_proj", "k_proj", "down_proj", "up_proj"], use_rslora=True,
        rank_pattern={"k_proj": 1, "layers[.]1[.].*(up|down)_proj": 4}, alpha_pattern={"q_proj": 9, "0.mlp.up_proj": 1})),
    "layers": ("qwen2", dict(target_modules=["q_proj", "v_proj", "model.layers.0.mlp.up_proj"],
                             layers_to_transform=[1], layers_pattern=["layers", "h"])),
    "excluded": ("olmo2", dict(target_modules=".*[.](q_proj|o_proj|up_proj)", exclude_modules=".*layers[.]0[.]mlp.*")),
    "bias-all": ("llama-bias", dict(target_modules=["q_proj", "down_proj"], bias="all")),
    "bias-some": ("gpt2", dict(target_modules=["c_attn", "c_fc"], bias="lora_only")),
    # Layer norms have biases too; those of q, k, v lie by heads.
    "bias-neox": ("gpt-neox", dict(target_modules=["query_key_value"], bias="all")),
    "saved": ("smollm3", dict(target_modules=["v_proj"], modules_to_save=["lm_head", "embed_tokens", "input_layernorm"])),
    # Of a tied base: the table or the head goes its own way.
    "saved-tokens": ("llama-bias", dict(target_modules=["o_proj"], modules_to_save=["embed_tokens"])),
    "saved-head": ("qwen3", dict(target_modules=["q_proj", "o_proj"], modules_to_save=["lm_head", "mlp"])),
    # Gains stored as what they differ from one by; a norm at the end.
    "saved-norms": ("gemma2", dict(target_modules=["k_proj"], modules_to_save=["norm", "q_proj"])),
    # Transposed.
    "saved-gpt2": ("gpt2", dict(target_modules=["c_fc"], modules_to_save=["c_attn", "wpe"])),
    "tokens": ("llama", dict(target_modules=["q_proj"], trainable_token_indices=[5, 96, 0, 41])),
    "tokens-tied": ("qwen3", dict(target_modules=["q_proj"], trainable_token_indices={"embed_tokens": [7, 30, 2]})),
    "together": ("llama-bias", dict(target_modules=["q_proj", "v_proj", "up_proj"], use_dora=True, bias="lora_only",
                                    modules_to_save=["norm"], rank_pattern={"v_proj": 3}, use_rslora=True)),
}


def randomize(lora, g):
    """What is trained, as large as what it replaces or acts on."""
    for name, p in lora.named_parameters():
        if not p.requires_grad:
            continue
        noise = torch.randn(p.shape, generator=g)
        if "magnitude" in name:
            p.data = p.data * (1 + 0.3 * noise)
        elif "lora_" in name:
            p.data = noise * p.shape[-1] ** -0.5
        else:
            p.data = p.data + 0.3 * noise * (p.data.abs().mean() if p.dim() > 1 else 1)


def run(model, golden):
    lengths = golden["lengths"].tolist()
    ids, targets, weights = golden["ids"].long(), golden["targets"].long(), golden["weights"].double()
    logits = torch.cat([model(input_ids=x[None]).logits[0] for x in ids.split(lengths)])
    keep = targets >= 0
    nll = torch.nn.functional.cross_entropy(logits[keep], targets[keep], reduction="none")
    loss = (nll * weights[keep]).sum()
    loss.backward()
    return logits.detach(), loss.detach()


def stored(tensors):
    return {k: v.detach().float().clone().contiguous() for k, v in tensors.items()}


def sort_names(path):
    fields = json.load(open(path))
    for key in ("target_modules", "modules_to_save", "exclude_modules"):
        if isinstance(fields.get(key), list):
            fields[key].sort()  # peft keeps a set
    json.dump(fields, open(path, "w"), indent=2)


def make(name, seed):
    base, fields = CASES[name]
    g = torch.Generator().manual_seed(seed)
    golden = load_file(os.path.join(MODELS, base, "golden.safetensors"))
    model = AutoModelForCausalLM.from_pretrained(
        os.path.join(MODELS, base), attn_implementation="eager", dtype=torch.float32).eval()
    model.config._experts_implementation = "eager"
    lora = get_peft_model(model, LoraConfig(r=2, lora_alpha=5, task_type="CAUSAL_LM", fan_in_fan_out=base == "gpt2",
                                            **fields)).eval()
    randomize(lora, g)
    out = os.path.join(HERE, name)
    shutil.rmtree(out, ignore_errors=True)
    lora.peft_config["default"].base_model_name_or_path = base
    logits, loss = run(lora.double(), golden)
    lora.float()
    lora.save_pretrained(out, save_embedding_layers=False)
    os.remove(os.path.join(out, "README.md"))
    sort_names(os.path.join(out, "adapter_config.json"))
    save_file(stored({"logits": logits, "loss": loss}), os.path.join(out, "golden.safetensors"))

    # The gradients take the place of the values, and are saved as they were.
    less_one = model.config.model_type.startswith("gemma")  # reading adds one to gains
    for key, p in lora.named_parameters():
        if p.requires_grad:
            gain = less_one and p.dim() == 1 and key.endswith("weight") and "lora_" not in key
            p.data = (p.grad - 1 if gain else p.grad).float()
    gradients = os.path.join(out, "gradients")
    lora.save_pretrained(gradients, save_embedding_layers=False)
    os.remove(os.path.join(gradients, "README.md"))
    sort_names(os.path.join(gradients, "adapter_config.json"))
    assert set(load_file(os.path.join(gradients, "adapter_model.safetensors"))) == set(
        load_file(os.path.join(out, "adapter_model.safetensors")))


# Where the first has a gradient that f32 rounds badly.
OTHER_SEEDS = {"patterns": 600}

for i, case in enumerate(CASES):
    if not sys.argv[1:] or case in sys.argv[1:]:
        make(case, OTHER_SEEDS.get(case, 500 + i))
