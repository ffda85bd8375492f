#!/usr/bin/env python3
"""Small random bases as GGUF files, and the logits that transformers computes with the numbers in them.

    python make_models.py    writes, beside this file, NAME.gguf for each base below and

    golden.safetensors       ids, and NAME.logits at every position of them

Blocks are made first (quantized from random numbers, or random bytes where the package cannot quantize) and transformers
gets what the package reads from them.  The rows of llama's q and k are reordered as llama.cpp's converter does it.
"""
import os

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as T
from gguf.quants import dequantize, quantize
from safetensors.torch import save_file
from transformers import (GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM)

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = HERE  # tests/parity/gguf_models.py puts its own in place of these two
rng = np.random.default_rng(3)
N = 37
RANDOM_SCALES = {T.Q2_K: (80, 82, 1.5), T.Q3_K: (108, None, 0), T.Q4_K: (0, 2, 7.5), T.Q5_K: (0, 2, 15.5),
                 T.Q6_K: (208, None, 0)}


def stored(shape, kind):
    """Random numbers in that type: what goes into the file, and the numbers as f32."""
    x = (rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)
    if kind in RANDOM_SCALES:
        block, size = gguf.GGML_QUANT_SIZES[kind]
        d_at, m_at, ratio = RANDOM_SCALES[kind]
        data = rng.integers(0, 256, (shape[0], shape[1] // block, size), dtype=np.uint8)

        def put(at, value):
            data[..., at:at + 2] = np.float16(value).reshape(1).view(np.uint8)
        put(d_at, 1)
        if m_at is not None:
            put(m_at, ratio)
        scale = 1 / np.sqrt(shape[-1]) / dequantize(data.reshape(shape[0], -1), kind).std()
        put(d_at, scale)
        if m_at is not None:
            put(m_at, scale * ratio)
        data = data.reshape(shape[0], -1)
    elif kind == T.BF16:
        data = quantize(x, kind)
    else:
        data = quantize(x, kind)
    values = dequantize(data, kind) if kind not in (T.F32, T.F16) else data.astype(np.float32)
    return data, values.reshape(shape)


def interleaved(rows, heads):
    """Where llama.cpp's converter puts the rows of q and k: row i of the result is row order[i]."""
    return np.arange(rows).reshape(heads, 2, rows // heads // 2).swapaxes(1, 2).reshape(-1)


def begin(name, arch, c, keys):
    w = gguf.GGUFWriter(os.path.join(OUT, name + ".gguf"), arch)
    w.add_name(name)
    w.add_block_count(c.num_hidden_layers)
    w.add_context_length(c.max_position_embeddings)
    w.add_embedding_length(c.hidden_size)
    w.add_head_count(c.num_attention_heads)
    for key, value in keys.items():
        getattr(w, "add_" + key)(value)
    return w


def end(w, name, model, state, golden):
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    missing, extra = model.load_state_dict({k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in state.items()},
                                           strict=False)
    assert not extra and set(missing) <= {"lm_head.weight"}, (missing, extra)
    with torch.no_grad():
        golden[name + ".logits"] = model.eval().float()(input_ids=golden["ids"].long()[None]).logits[0].contiguous()


def vector(n, about):
    return (rng.standard_normal(n) * 0.2 + about).astype(np.float32)


def llama_like(name, arch, kind, c, types, golden, tied=False, bias=False):
    """types: of tensors by their GGUF name, "" for the others."""
    heads, shared = c.num_attention_heads, c.num_key_value_heads
    head = c.head_dim if arch == "llama" else c.hidden_size // heads
    keys = {"feed_forward_length": c.intermediate_size, "head_count_kv": shared, "layer_norm_rms_eps": c.rms_norm_eps,
            "rope_freq_base": c.rope_parameters["rope_theta"], "rope_dimension_count": head}
    if arch == "llama":
        keys.update(key_length=head, value_length=head, vocab_size=c.vocab_size)
    w, state = begin(name, arch, c, keys), {}

    def put(theirs, ours, shape, order=None):
        kind = types.get(theirs.split(".")[-1], types[""])
        data, values = stored(shape, kind)
        state[ours + ".weight"] = values
        w.add_tensor(theirs + ".weight", data if order is None else np.ascontiguousarray(data[order]), raw_dtype=kind)

    def put_vector(theirs, ours, n, about, order=None):
        v = vector(n, about)
        state[ours] = v
        w.add_tensor(theirs, v if order is None else np.ascontiguousarray(v[order]))

    D, F, Q, K = c.hidden_size, c.intermediate_size, heads * head, shared * head
    order = {"q": interleaved(Q, heads), "k": interleaved(K, shared), "v": None} if arch == "llama" else {}
    put("token_embd", "model.embed_tokens", (c.vocab_size, D))
    if not tied:
        put("output", "lm_head", (c.vocab_size, D))
    put_vector("output_norm.weight", "model.norm.weight", D, 1)
    for i in range(c.num_hidden_layers):
        b, m = f"blk.{i}.", f"model.layers.{i}."
        put_vector(b + "attn_norm.weight", m + "input_layernorm.weight", D, 1)
        put_vector(b + "ffn_norm.weight", m + "post_attention_layernorm.weight", D, 1)
        for x, rows in ("q", Q), ("k", K), ("v", K):
            put(b + "attn_" + x, m + f"self_attn.{x}_proj", (rows, D), order.get(x))
            if bias:
                put_vector(b + f"attn_{x}.bias", m + f"self_attn.{x}_proj.bias", rows, 0, order.get(x))
        put(b + "attn_output", m + "self_attn.o_proj", (D, Q))
        if bias and arch == "llama":
            put_vector(b + "attn_output.bias", m + "self_attn.o_proj.bias", D, 0)
        put(b + "ffn_gate", m + "mlp.gate_proj", (F, D))
        put(b + "ffn_up", m + "mlp.up_proj", (F, D))
        put(b + "ffn_down", m + "mlp.down_proj", (D, F))
    end(w, name, kind(c), state, golden)


def gpt2(name, c, golden):
    w, state = begin(name, "gpt2", c, {"feed_forward_length": c.n_inner,
                                       "layer_norm_eps": c.layer_norm_epsilon}), {}

    def put(theirs, ours, shape, transposed=True):
        data, values = stored(shape, T.F32)
        state[ours] = values.T if transposed else values
        w.add_tensor(theirs, data)
        return data

    def put_vector(theirs, ours, n, about):
        state[ours] = vector(n, about)
        w.add_tensor(theirs, state[ours])

    D, F = c.n_embd, c.n_inner
    table = put("token_embd.weight", "transformer.wte.weight", (c.vocab_size, D), False)
    put("position_embd.weight", "transformer.wpe.weight", (c.n_positions, D), False)
    put_vector("output_norm.weight", "transformer.ln_f.weight", D, 1)
    put_vector("output_norm.bias", "transformer.ln_f.bias", D, 0)
    for i in range(c.n_layer):
        b, m = f"blk.{i}.", f"transformer.h.{i}."
        for theirs, ours in ("attn_norm", "ln_1"), ("ffn_norm", "ln_2"):
            put_vector(b + theirs + ".weight", m + ours + ".weight", D, 1)
            put_vector(b + theirs + ".bias", m + ours + ".bias", D, 0)
        for theirs, ours, O, I in (("attn_qkv", "attn.c_attn", 3 * D, D), ("attn_output", "attn.c_proj", D, D),
                                   ("ffn_up", "mlp.c_fc", F, D), ("ffn_down", "mlp.c_proj", D, F)):
            put(b + theirs + ".weight", m + ours + ".weight", (O, I))
            put_vector(b + theirs + ".bias", m + ours + ".bias", O, 0)
    w.add_tensor("output.weight", table)  # the converter writes the tied head once more
    end(w, name, GPT2LMHeadModel(c), state, golden)


def main():
    golden = {"ids": torch.from_numpy(rng.integers(0, 48, N).astype(np.int32))}
    small = dict(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
                 num_key_value_heads=1, head_dim=16, max_position_embeddings=40, rope_theta=500.0, rms_norm_eps=1e-5,
                 bos_token_id=1, eos_token_id=2, attn_implementation="eager")
    for kind in T.F32, T.Q8_0, T.Q4_0:
        c = LlamaConfig(**small)
        llama_like("llama-" + kind.name.lower(), "llama", LlamaForCausalLM, c, {"": kind}, golden)
    c = LlamaConfig(**{**small, "attention_bias": True})
    llama_like("llama-bias", "llama", LlamaForCausalLM, c,
               {"": T.BF16, "attn_q": T.F16, "attn_v": T.F32, "output": T.F16}, golden, bias=True)
    # Every other block format once; rows of 256 numbers where it wants them.
    c = LlamaConfig(**{**small, "vocab_size": 48, "hidden_size": 256, "intermediate_size": 32, "num_hidden_layers": 1,
                       "head_dim": 32})
    llama_like("llama-mixed", "llama", LlamaForCausalLM, c, {
        "": T.F32, "token_embd": T.Q4_1, "output": T.Q6_K, "attn_q": T.Q4_K, "attn_k": T.Q5_K, "attn_v": T.Q6_K,
        "attn_output": T.Q5_0, "ffn_gate": T.Q2_K, "ffn_up": T.Q3_K, "ffn_down": T.Q5_1}, golden)
    c = Qwen2Config(**{k: v for k, v in small.items() if k != "head_dim"}, tie_word_embeddings=True)
    llama_like("qwen2", "qwen2", Qwen2ForCausalLM, c, {"": T.BF16, "attn_k": T.F16}, golden, tied=True, bias=True)
    gpt2("gpt2", GPT2Config(vocab_size=53, n_embd=24, n_inner=40, n_layer=2, n_head=3, n_positions=40, bos_token_id=1,
                            eos_token_id=2), golden)
    save_file(golden, os.path.join(OUT, "golden.safetensors"))


if __name__ == "__main__":
    main()
