#!/usr/bin/env python3
"""Golden numbers of the model: tiny random bases and what transformers and peft compute with them.

    python make.py            writes NAME/ for each base below, beside this file

    NAME/                     the base: config.json, model.safetensors (f32)
    NAME/golden.safetensors   ids, lengths (two sequences, one after the other), targets (-1: masked), weights, and
                              logits and loss of the base and of the adapted base (lora.logits, lora.loss)
    NAME/gradients/           the loss's gradients, stored as a base is: config.json, model.safetensors
    NAME/adapter/             a LoRA adapter as peft saves it, lora_B not zero
    NAME/adapter-gradients/   its gradients, stored as an adapter is

The loss is the sum over unmasked rows of weight * -log p(target).
"""
import json
import os
import shutil

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
LENGTHS = (37, 11)  # one longer than a page of keys

BASES = {
    # Grouped heads of a width that is not D/H, odd F, an own head.
    "llama": (LlamaForCausalLM, lambda: LlamaConfig(
        vocab_size=97, hidden_size=32, intermediate_size=83, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=10, max_position_embeddings=64, rope_theta=500.0, rms_norm_eps=1e-5,
        bos_token_id=1, eos_token_id=2), ["q_proj", "v_proj", "o_proj", "down_proj"], {}),
    # Biases everywhere, a tied head, one key/value head.
    "llama-bias": (LlamaForCausalLM, lambda: LlamaConfig(
        vocab_size=61, hidden_size=24, intermediate_size=40, num_hidden_layers=1, num_attention_heads=3,
        num_key_value_heads=1, max_position_embeddings=40, attention_bias=True, mlp_bias=True,
        tie_word_embeddings=True, bos_token_id=1, eos_token_id=2), "all-linear", {"use_rslora": True}),
    "gpt2": (GPT2LMHeadModel, lambda: GPT2Config(
        vocab_size=97, n_embd=48, n_inner=101, n_layer=2, n_head=4, n_positions=40, embd_pdrop=0.0, attn_pdrop=0.0,
        resid_pdrop=0.0, bos_token_id=1, eos_token_id=2), r".*\.(c_attn|c_fc|mlp\.c_proj)", {}),
}


def randomize(model, generator):
    """Weights large enough that every part of the model shows in the logits."""
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator)
        if p.dim() == 1:
            p.data = noise * 0.2 + (1.0 if name.endswith("weight") else 0.0)
        else:
            p.data = noise * (1.0 / p.shape[-1]) ** 0.5


def run(model, ids, targets, weights):
    logits = torch.cat([model(input_ids=x[None]).logits[0] for x in ids.split(LENGTHS)])
    keep = targets >= 0
    nll = torch.nn.functional.cross_entropy(logits[keep], targets[keep], reduction="none")
    loss = (nll * weights[keep]).sum()
    loss.backward()
    return logits.detach(), loss.detach()


def stored(tensors):
    return {k: v.detach().clone().contiguous() for k, v in tensors.items()}


def make(name, seed):
    kind, config, targets_of_lora, more = BASES[name]
    g = torch.Generator().manual_seed(seed)
    config = config()
    config._attn_implementation = "eager"
    model = kind(config).eval().float()
    randomize(model, g)
    out = os.path.join(HERE, name)
    shutil.rmtree(out, ignore_errors=True)
    model.save_pretrained(out)
    for extra in ("generation_config.json",):
        if os.path.exists(os.path.join(out, extra)):
            os.remove(os.path.join(out, extra))

    N = sum(LENGTHS)
    ids = torch.randint(0, config.vocab_size, (N,), generator=g)
    targets = torch.randint(0, config.vocab_size, (N,), generator=g)
    targets[torch.rand(N, generator=g) < 0.4] = -1
    weights = torch.rand(N, generator=g) / N
    golden = {"ids": ids.int(), "lengths": torch.tensor(LENGTHS).int(), "targets": targets.int(), "weights": weights}

    golden["logits"], golden["loss"] = run(model, ids, targets, weights)
    os.makedirs(os.path.join(out, "gradients"))
    shutil.copy(os.path.join(out, "config.json"), os.path.join(out, "gradients"))
    gradients = stored({k: p.grad for k, p in model.named_parameters()})
    assert set(gradients) == set(load_file(os.path.join(out, "model.safetensors")))
    save_file(gradients, os.path.join(out, "gradients", "model.safetensors"), {"format": "pt"})

    lora = get_peft_model(model, LoraConfig(r=4, lora_alpha=6, target_modules=targets_of_lora, task_type="CAUSAL_LM",
                                            fan_in_fan_out=kind is GPT2LMHeadModel, **more)).eval()
    for k, p in lora.named_parameters():
        if "lora_" in k:
            p.data = torch.randn(p.shape, generator=g) * (1.0 / p.shape[-1]) ** 0.5
    golden["lora.logits"], golden["lora.loss"] = run(lora, ids, targets, weights)
    adapter = os.path.join(out, "adapter")
    lora.save_pretrained(adapter)
    os.remove(os.path.join(adapter, "README.md"))
    path = os.path.join(adapter, "adapter_config.json")
    fields = json.load(open(path))
    fields["base_model_name_or_path"] = name
    if isinstance(fields["target_modules"], list):
        fields["target_modules"].sort()  # peft keeps a set
    json.dump(fields, open(path, "w"), indent=2)

    os.makedirs(os.path.join(out, "adapter-gradients"))
    shutil.copy(path, os.path.join(out, "adapter-gradients"))
    gradients = stored({k.replace(".default", ""): p.grad for k, p in lora.named_parameters() if "lora_" in k})
    assert set(gradients) == set(load_file(os.path.join(adapter, "adapter_model.safetensors")))
    save_file(gradients, os.path.join(out, "adapter-gradients", "adapter_model.safetensors"), {"format": "pt"})
    save_file(stored(golden), os.path.join(out, "golden.safetensors"))


for i, base in enumerate(BASES):
    make(base, 100 + i)
