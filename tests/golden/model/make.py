#!/usr/bin/env python3
"""Golden numbers of the model: tiny random bases and what transformers and peft compute with them.

    python make.py [NAME...]  writes NAME/ for each base below, or for those named, beside this file

    NAME/                     the base: config.json, model.safetensors (f32)
    NAME/golden.safetensors   ids, lengths (two sequences, one after the other), targets (-1: masked), weights, and
                              logits and loss of the base and of the adapted base (lora.logits, lora.loss); greedy:
                              the 64 tokens that follow the second sequence, with a cache of keys and values
    NAME/gradients/           the loss's gradients, stored as a base is: config.json, model.safetensors
    NAME/adapter/             a LoRA adapter as peft saves it, lora_B not zero
    NAME/adapter-gradients/   its gradients, stored as an adapter is

The loss is the sum over unmasked rows of weight * -log p(target).
"""
import json
import os
import shutil
import sys

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import (
    Gemma2Config, Gemma2ForCausalLM, Gemma3ForCausalLM, Gemma3TextConfig, GPT2Config, GPT2LMHeadModel, GPTNeoXConfig,
    GPTNeoXForCausalLM, GraniteConfig, GraniteForCausalLM, LlamaConfig, LlamaForCausalLM, MistralConfig,
    MistralForCausalLM, Olmo2Config, Olmo2ForCausalLM, Phi3Config, Phi3ForCausalLM, Qwen2Config, Qwen2ForCausalLM,
    Qwen3Config, Qwen3ForCausalLM, SmolLM3Config, SmolLM3ForCausalLM, Starcoder2Config, Starcoder2ForCausalLM)

HERE = os.path.dirname(os.path.abspath(__file__))
LENGTHS = (37, 11)  # one longer than a page of keys
GREEDY = 64
POSITIONS = 80
SMALL = dict(vocab_size=31, hidden_size=16, intermediate_size=19, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=POSITIONS, bos_token_id=1, eos_token_id=2, pad_token_id=None)

BASES = {
    # Grouped heads of a width that is not D/H, odd F, an own head.
    "llama": (LlamaForCausalLM, lambda: LlamaConfig(
        vocab_size=97, hidden_size=32, intermediate_size=83, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=10, max_position_embeddings=POSITIONS, rope_theta=500.0, rms_norm_eps=1e-5,
        bos_token_id=1, eos_token_id=2), ["q_proj", "v_proj", "o_proj", "down_proj"], {}),
    # Biases everywhere, a tied head, one key/value head.
    "llama-bias": (LlamaForCausalLM, lambda: LlamaConfig(
        vocab_size=61, hidden_size=24, intermediate_size=40, num_hidden_layers=1, num_attention_heads=3,
        num_key_value_heads=1, max_position_embeddings=POSITIONS, attention_bias=True, mlp_bias=True,
        tie_word_embeddings=True, bos_token_id=1, eos_token_id=2), "all-linear", {"use_rslora": True}),
    "gpt2": (GPT2LMHeadModel, lambda: GPT2Config(
        vocab_size=97, n_embd=48, n_inner=101, n_layer=2, n_head=4, n_positions=POSITIONS, embd_pdrop=0.0, attn_pdrop=0.0,
        resid_pdrop=0.0, bos_token_id=1, eos_token_id=2), r".*\.(c_attn|c_fc|mlp\.c_proj)", {}),
    # Llama 3.1's stretching: of the pairs of a head one is left, two are between, three are slowed.
    "llama3": (LlamaForCausalLM, lambda: LlamaConfig(**SMALL, head_dim=12, rope_parameters={
        "rope_type": "llama3", "rope_theta": 100.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 40}), ["q_proj", "k_proj"], {}),
    "mistral": (MistralForCausalLM, lambda: MistralConfig(**SMALL, sliding_window=9), ["v_proj", "gate_proj"], {}),
    # Biases of q, k and v; a window in the upper layer alone.
    "qwen2": (Qwen2ForCausalLM, lambda: Qwen2Config(
        **SMALL, use_sliding_window=True, sliding_window=6, max_window_layers=1), ["q_proj", "up_proj"], {}),
    # Norms of heads, heads wider than D/H, a tied head, YaRN.
    "qwen3": (Qwen3ForCausalLM, lambda: Qwen3Config(
        **SMALL, head_dim=10, tie_word_embeddings=True, rope_parameters={
            "rope_type": "yarn", "rope_theta": 50.0, "factor": 4.0, "original_max_position_embeddings": 20,
            "beta_fast": 4.0}), "all-linear", {}),
    "smollm3": (SmolLM3ForCausalLM, lambda: SmolLM3Config(**SMALL, no_rope_layers=[1, 0]), ["k_proj", "o_proj"], {}),
    "granite": (GraniteForCausalLM, lambda: GraniteConfig(
        **SMALL, embedding_multiplier=1.75, attention_multiplier=0.3, residual_multiplier=0.45, logits_scaling=0.4),
        ["v_proj", "down_proj"], {}),
    "olmo2": (Olmo2ForCausalLM, lambda: Olmo2Config(**SMALL), ["q_proj", "o_proj", "down_proj"], {}),
    # Both caps low enough to bend, a window in the first layer.
    "gemma2": (Gemma2ForCausalLM, lambda: Gemma2Config(
        **SMALL, head_dim=8, query_pre_attn_scalar=5, sliding_window=7, attn_logit_softcapping=2.0,
        final_logit_softcapping=3.0), "all-linear", {}),
    # Layers with a window turn by a theta of their own, the others slowly.
    "gemma3": (Gemma3ForCausalLM, lambda: Gemma3TextConfig(
        **{**SMALL, "num_hidden_layers": 3}, head_dim=8, query_pre_attn_scalar=11, sliding_window=8,
        layer_types=["sliding_attention", "sliding_attention", "full_attention"], rope_parameters={
            "sliding_attention": {"rope_type": "default", "rope_theta": 20.0},
            "full_attention": {"rope_type": "linear", "rope_theta": 300.0, "factor": 4.0}}),
        ["q_proj", "down_proj"], {}),
    # Fused tensors, half of each head turned, LongRoPE, a window.
    "phi3": (Phi3ForCausalLM, lambda: Phi3Config(
        **{**SMALL, "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 4 * POSITIONS},
        sliding_window=20,
        partial_rotary_factor=0.5, original_max_position_embeddings=POSITIONS, rope_parameters={
            "rope_type": "longrope", "rope_theta": 100.0, "short_factor": [1.0, 1.5], "long_factor": [3.0, 9.0],
            "partial_rotary_factor": 0.5}), "all-linear", {}),
    # The blocks beside each other, q, k and v by heads, a quarter of each head turned.
    "gpt-neox": (GPTNeoXForCausalLM, lambda: GPTNeoXConfig(
        **{k: v for k, v in {**SMALL, "num_attention_heads": 2}.items() if k != "num_key_value_heads"},
        rotary_pct=0.25, attention_dropout=0.0, hidden_dropout=0.0), ["query_key_value", "dense", "dense_4h_to_h"], {}),
    "starcoder2": (Starcoder2ForCausalLM, lambda: Starcoder2Config(
        **SMALL, sliding_window=12, attention_dropout=0.0), ["k_proj", "c_fc", "c_proj"], {}),
}


def randomize(model, generator):
    """Weights large enough that every part of the model shows in the logits."""
    less_one = model.config.model_type.startswith("gemma")  # their gains are stored so
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator)
        if p.dim() == 1:
            p.data = noise * 0.2 + (1.0 if name.endswith("weight") and not less_one else 0.0)
        else:
            p.data = noise * (1.0 / p.shape[-1]) ** 0.5


def run(model, ids, targets, weights):
    logits = torch.cat([model(input_ids=x[None]).logits[0] for x in ids.split(LENGTHS)])
    keep = targets >= 0
    nll = torch.nn.functional.cross_entropy(logits[keep], targets[keep], reduction="none")
    loss = (nll * weights[keep]).sum()
    loss.backward()
    return logits.detach(), loss.detach()


@torch.no_grad()
def greedy(model, prompt):
    """The most likely tokens one after the other, and by how much the closest of them was ahead."""
    ids, cache, found, margin = prompt[None], None, [], float("inf")
    for _ in range(GREEDY):
        out = model(input_ids=ids, past_key_values=cache, use_cache=True)
        cache, best = out.past_key_values, out.logits[0, -1].topk(2)
        margin = min(margin, (best.values[0] - best.values[1]).item())
        found.append(best.indices[0])
        ids = best.indices[:1][None]
    return torch.stack(found), margin


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
    golden["greedy"], margin = greedy(model, ids.split(LENGTHS)[1])
    golden["greedy"] = golden["greedy"].int()
    assert margin > 1e-3, f"{name}: two tokens are within {margin:.1e}, another seed is wanted"
    os.makedirs(os.path.join(out, "gradients"))
    shutil.copy(os.path.join(out, "config.json"), os.path.join(out, "gradients"))
    gradients = stored({k: p.grad for k, p in model.named_parameters()})
    if config.model_type.startswith("gemma"):  # reading adds one to gains, so it has to be taken off first
        gradients = {k: g - 1 if g.dim() == 1 else g for k, g in gradients.items()}
    if name == "gpt-neox":  # the one whose head is called otherwise on disk
        gradients["embed_out.weight"] = gradients.pop("lm_head.weight")
    assert set(gradients) == set(load_file(os.path.join(out, "model.safetensors")))
    save_file(gradients, os.path.join(out, "gradients", "model.safetensors"), {"format": "pt"})

    lora = get_peft_model(model, LoraConfig(
        r=2 if config.vocab_size < 40 else 4, lora_alpha=6, target_modules=targets_of_lora, task_type="CAUSAL_LM",
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


# Where the first brought two tokens too close, or a gradient that f32 rounds badly.
OTHER_SEEDS = {"mistral": 304, "gemma3": 208, "gpt-neox": 213}

for i, base in enumerate(BASES):
    if not sys.argv[1:] or base in sys.argv[1:]:
        make(base, OTHER_SEEDS.get(base, 100 + i))
