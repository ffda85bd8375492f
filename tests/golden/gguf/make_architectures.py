#!/usr/bin/env python3
"""Small random bases of the architectures beyond Llama, Qwen2 and GPT-2 as GGUF files, and transformers' logits.

    python make_architectures.py    writes, beside this file, NAME.gguf for each base below and

    architectures.safetensors       ids, and NAME.logits at every position of them

Files are written as llama.cpp's converter does it: names by the gguf package's map, rows of q and k reordered where it
reorders them, GPT-NeoX's q, k and v one after the other, Gemma's gains with one added, factors of rotary schemes as
tensors."""
import math
import os

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as T
from gguf.quants import dequantize, quantize
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
N = 37
ARCHITECTURES = {"llama": "LLAMA", "mistral": "LLAMA", "qwen2": "QWEN2", "qwen3": "QWEN3", "smollm3": "SMOLLM3",
                 "granite": "GRANITE", "olmo2": "OLMO2", "gemma2": "GEMMA2", "gemma3_text": "GEMMA3", "phi3": "PHI3",
                 "starcoder2": "STARCODER2", "gpt_neox": "GPTNEOX"}
REORDERED = {"llama", "mistral", "smollm3", "granite"}


def interleaved(x, heads):
    """Rows as llama.cpp's converter puts those of q and k."""
    return x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


def one_after_the_other(x, heads):
    """A tensor of q, k and v by heads as three."""
    return x.reshape(heads, 3, x.shape[0] // heads // 3, *x.shape[1:]).swapaxes(0, 1).reshape(x.shape)


def add_keys(w, c):
    """The metadata of a config."""
    family, heads = c.model_type, c.num_attention_heads
    head = getattr(c, "head_dim", None) or c.hidden_size // heads
    rope = c.rope_parameters
    if family == "gemma3_text":
        w.add_float32("gemma3.rope.freq_base_swa", rope["sliding_attention"]["rope_theta"])
        rope = rope["full_attention"]
    part = rope.get("partial_rotary_factor", 1.0)
    w.add_block_count(c.num_hidden_layers)
    w.add_context_length(c.max_position_embeddings)
    w.add_embedding_length(c.hidden_size)
    w.add_feed_forward_length(c.intermediate_size)
    w.add_head_count(heads)
    w.add_rope_freq_base(rope["rope_theta"])
    if family != "gpt_neox":
        w.add_head_count_kv(c.num_key_value_heads)
    if family in ("qwen3", "gemma2", "gemma3_text", "llama", "mistral"):
        w.add_key_length(head)
        w.add_value_length(head)
    if family not in ("gemma2", "gemma3_text", "qwen3"):
        w.add_rope_dimension_count(int(head * part))
    if family in ("gpt_neox", "starcoder2"):
        w.add_layer_norm_eps(c.layer_norm_eps if family == "gpt_neox" else c.norm_epsilon)
    else:
        w.add_layer_norm_rms_eps(c.rms_norm_eps)
    if family == "gpt_neox":
        w.add_parallel_residual(c.use_parallel_residual)
    if family == "granite":
        w.add_attention_scale(c.attention_multiplier)
        w.add_embedding_scale(c.embedding_multiplier)
        w.add_residual_scale(c.residual_multiplier)
        w.add_logit_scale(c.logits_scaling)
    if family in ("gemma2", "gemma3_text", "phi3", "starcoder2") and c.sliding_window:
        w.add_sliding_window(c.sliding_window)
    if family == "gemma2" and c.attn_logit_softcapping:
        w.add_attn_logit_softcapping(c.attn_logit_softcapping)
    if family.startswith("gemma") and c.final_logit_softcapping:
        w.add_final_logit_softcapping(c.final_logit_softcapping)
    kind = rope["rope_type"]
    if kind in ("linear", "yarn"):
        w.add_rope_scaling_type(gguf.RopeScalingType(kind))
        w.add_rope_scaling_factor(rope["factor"])
    if kind == "yarn":
        w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    if kind == "longrope":
        stretched = c.max_position_embeddings / rope["original_max_position_embeddings"]
        w.add_rope_scaling_type(gguf.RopeScalingType.LONGROPE)
        w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        w.add_rope_scaling_attn_factors(
            math.sqrt(1 + math.log(stretched) / math.log(rope["original_max_position_embeddings"])))
        for name in "long", "short":
            w.add_tensor(f"rope_factors_{name}.weight", np.array(rope[f"{name}_factor"], dtype=np.float32))
    if kind == "llama3":  # what the frequencies are divided by
        width = int(head * part)
        plain = 1.0 / rope["rope_theta"] ** (np.arange(0, width, 2) / width)
        low, high = (rope["original_max_position_embeddings"] / rope[k] for k in ("low_freq_factor", "high_freq_factor"))
        factors = []
        for f in plain:
            length = 2 * math.pi / f
            share = (rope["original_max_position_embeddings"] / length - rope["low_freq_factor"]) / (
                rope["high_freq_factor"] - rope["low_freq_factor"])
            factors.append(1 if length < high else rope["factor"] if length > low else
                           1 / ((1 - share) / rope["factor"] + share))
        w.add_tensor("rope_freqs.weight", np.array(factors, dtype=np.float32))


def write(model, path, kind_of):
    """model as a GGUF file, its matrices in the type that kind_of(name, columns) gives; the model's numbers become those
    of the file."""
    c = model.config
    arch = gguf.MODEL_ARCH[ARCHITECTURES[c.model_type]]
    names = gguf.get_tensor_name_map(arch, c.num_hidden_layers)
    w = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch])
    w.add_name("base")
    add_keys(w, c)
    for name, p in model.named_parameters():
        stored_name = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert stored_name, name
        x, kind = p.detach().float().numpy(), T.F32
        if x.ndim == 2:
            kind = kind_of(stored_name, x.shape[1])
            x = dequantize(quantize(x, kind), kind) if kind not in (T.F32, T.F16) else x.astype(
                np.float16 if kind == T.F16 else np.float32).astype(np.float32)
            p.data = torch.from_numpy(np.ascontiguousarray(x))
        if c.model_type in REORDERED and (".q_proj." in name or ".k_proj." in name):
            x = interleaved(x, c.num_attention_heads if ".q_proj." in name else c.num_key_value_heads)
        if ".query_key_value." in name:
            x = one_after_the_other(x, c.num_attention_heads)
        if c.model_type.startswith("gemma") and name.endswith("norm.weight"):
            x = x + 1
        data = quantize(np.ascontiguousarray(x), kind) if x.ndim == 2 else np.ascontiguousarray(x)
        w.add_tensor(stored_name, data, raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def randomize(model, generator):
    gains = 0.0 if model.config.model_type.startswith("gemma") else 1.0
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator)
        p.data = noise * p.shape[-1] ** -0.5 if p.dim() > 1 else noise * 0.2 + gains * name.endswith("weight")


SMALL = dict(vocab_size=31, hidden_size=16, intermediate_size=19, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=48, bos_token_id=1, eos_token_id=2, pad_token_id=None)
BASES = {
    "llama3": ("llama", dict(head_dim=12, rope_parameters={
        "rope_type": "llama3", "rope_theta": 100.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 40})),
    "qwen3": ("qwen3", dict(head_dim=10, tie_word_embeddings=True, rope_parameters={
        "rope_type": "yarn", "rope_theta": 50.0, "factor": 2.0, "original_max_position_embeddings": 24})),
    "smollm3": ("smollm3", dict(num_hidden_layers=4)),
    "granite": ("granite", dict(embedding_multiplier=1.75, attention_multiplier=0.3, residual_multiplier=0.45,
                                logits_scaling=0.4)),
    "olmo2": ("olmo2", {}),
    "gemma2": ("gemma2", dict(head_dim=8, query_pre_attn_scalar=8, sliding_window=7, attn_logit_softcapping=2.0,
                              final_logit_softcapping=3.0)),
    "gemma3": ("gemma3_text", dict(num_hidden_layers=6, head_dim=8, query_pre_attn_scalar=8, sliding_window=8,
                                   rope_parameters={
                                       "sliding_attention": {"rope_type": "default", "rope_theta": 20.0},
                                       "full_attention": {"rope_type": "linear", "rope_theta": 300.0, "factor": 4.0}})),
    "phi3": ("phi3", dict(num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=192, sliding_window=20,
                          original_max_position_embeddings=48, rope_parameters={
                              "rope_type": "longrope", "rope_theta": 100.0, "short_factor": [1.0, 1.5],
                              "long_factor": [3.0, 9.0], "partial_rotary_factor": 0.5})),
    "starcoder2": ("starcoder2", dict(sliding_window=12)),
    "gpt-neox": ("gpt_neox", dict(num_attention_heads=2, rotary_pct=0.25)),
}


def main():
    g = torch.Generator().manual_seed(5)
    golden = {"ids": torch.randint(0, 31, (N,), generator=g).int()}
    for name, (family, more) in BASES.items():
        settings = {**SMALL, **more}
        if family == "gpt_neox":
            settings.pop("num_key_value_heads")
        config = AutoConfig.for_model(family, **settings)
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
        randomize(model, g)
        write(model, os.path.join(HERE, name + ".gguf"), lambda _, columns: T.F16)
        with torch.no_grad():
            golden[name + ".logits"] = model(input_ids=golden["ids"].long()[None]).logits[0].contiguous()
    save_file(golden, os.path.join(HERE, "architectures.safetensors"))


if __name__ == "__main__":
    main()
