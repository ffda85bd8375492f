#!/usr/bin/env python3
"""Live comparison of adapters with peft, mlx-lm and GGUF files, over the random bases of model.py.

    python tests/parity/adapters.py [--tailor build/tailor] [--seeds 3] [--first 0] [--families llama,phi3]

Each seed makes a base in each family and

    1. an adapter of peft with random fields - targets as a list, a pattern or all-linear, excluded modules, layers,
       patterns of ranks and alphas, rsLoRA, DoRA, biases, modules_to_save, trainable tokens - whose logits must be
       peft's, and so must those of `tailor merge` in transformers, of what `tailor convert --to peft` wrote in peft, and
       of what it wrote for MLX and GGUF when read back;
    2. an adapter that is made and trained by us (adapter_train.c), which peft must load with nothing left over and with
       the same logits;
    3. where mlx-lm is there, an adapter of its own, and ours in it;
    4. an adapter written by the gguf package as llama.cpp's converter lays it out, and ours read by that package.

Needs torch, transformers, peft and gguf, and the library this script compiles adapter_train.c against."""
import argparse
import copy
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import warnings

import gguf
import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM

import model as bases

try:
    import mlx.core as mx
    import mlx_lm.tuner.utils
    import mlx_lm.utils
    from mlx.utils import tree_flatten
except ImportError:
    mx = None

warnings.filterwarnings("ignore")

# GGUF's architecture, and its names for the modules; those in capitals are interleaved within heads.
SEPARATE = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output", "gate_proj": "ffn_gate",
            "up_proj": "ffn_up", "down_proj": "ffn_down", "c_fc": "ffn_up", "c_proj": "ffn_down"}
FUSED = {"c_attn": "attn_qkv", "attn.c_proj": "attn_output", "c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
         "qkv_proj": "attn_qkv", "o_proj": "attn_output", "gate_up_proj": "ffn_up", "down_proj": "ffn_down"}
GGUF = {"llama": ("llama", SEPARATE, True), "mistral": ("llama", SEPARATE, True), "mixtral": ("llama", SEPARATE, True),
        "qwen2": ("qwen2", SEPARATE, False), "qwen3": ("qwen3", SEPARATE, False),
        "qwen3_moe": ("qwen3moe", SEPARATE, False), "smollm3": ("smollm3", SEPARATE, True),
        "granite": ("granite", SEPARATE, True), "olmo2": ("olmo2", SEPARATE, False),
        "gemma2": ("gemma2", SEPARATE, False), "gemma3_text": ("gemma3", SEPARATE, False),
        "starcoder2": ("starcoder2", SEPARATE, False), "phi3": ("phi3", FUSED, False), "gpt2": ("gpt2", FUSED, False)}
TABLES = {"gpt2": "wte", "gpt_neox": "embed_in"}
NORMS = {"gpt2": ["ln_1", "ln_f"], "gpt_neox": ["input_layernorm", "final_layer_norm"], "olmo2": ["q_norm"],
         "gemma2": ["pre_feedforward_layernorm", "norm"]}


def maybe(r, p=0.3):
    return r.random() < p


def random_fields(r, family, targets, layers, vocabulary):
    """Fields of a LoraConfig."""
    rank = r.randint(1, 6)
    some = r.sample(targets, r.randint(1, len(targets)))
    experts = family in ("qwen3_moe", "mixtral")
    kind = r.choice(["list", "list", "pattern", "list" if experts else "all-linear"])
    f = dict(r=rank, lora_alpha=r.randint(1, 2 * rank), use_rslora=maybe(r), use_dora=maybe(r, 0.4), task_type="CAUSAL_LM",
             fan_in_fan_out=family == "gpt2")
    ends = "|".join(x.replace(".", r"\.") for x in some)
    f["target_modules"] = {"list": some, "pattern": rf".*\.({ends})", "all-linear": "all-linear"}[kind]
    if kind == "list" and layers > 1 and maybe(r):
        f["layers_to_transform"] = r.choice([r.randrange(layers), sorted(r.sample(range(layers), layers - 1))])
        if maybe(r):
            f["layers_pattern"] = r.choice(["layers", ["h", "layers"]]) if family != "gpt2" else "h"
    if maybe(r):
        f["rank_pattern"] = {r.choice([some[0], rf"{r.randrange(layers)}\..*"]): r.randint(1, 6)}
    if maybe(r):
        f["alpha_pattern"] = {some[-1]: r.randint(1, 12), r".*": r.randint(1, 5)}
    if len(some) > 1 and kind != "all-linear" and maybe(r):
        f["exclude_modules"] = r.choice([[some[0]], rf".*\.{some[0]}"])
    f["bias"] = r.choice(["none", "none", "all", "lora_only"])
    table = TABLES.get(family, "embed_tokens")
    saved = ["lm_head", table, *NORMS.get(family, ["input_layernorm", "norm"])]
    if maybe(r):
        f["modules_to_save"] = r.sample(saved, r.randint(1, 2))
    if table not in f.get("modules_to_save", []) and "lm_head" not in f.get("modules_to_save", []) and maybe(r):
        ids = r.sample(range(vocabulary), r.randint(1, 5))
        f["trainable_token_indices"] = {table: ids}
    return f


def randomize(lora, g):
    for name, p in lora.named_parameters():
        if not p.requires_grad:
            continue
        noise = torch.randn(p.shape, generator=g)
        if "magnitude" in name:
            p.data = p.data * (1 + 0.2 * noise)
        elif "lora_" in name:
            p.data = noise * p.shape[-1] ** -0.5
        else:
            p.data = p.data + 0.2 * noise * (p.data.abs().mean() if p.dim() > 1 else 1)


def peft_logits(model, adapter, tokens, what):
    """The adapter in peft, which must find a place for every tensor."""
    lora = PeftModel.from_pretrained(copy.deepcopy(model), adapter).eval()
    found = load_file(os.path.join(adapter, "adapter_model.safetensors"))
    there = {k.replace(".default", "").replace(".modules_to_save", "").replace("_vector.weight", "_vector")
             for k in lora.state_dict()}
    if set(found) - there:
        sys.exit(f"{what}: peft has no place for {set(found) - there}")
    return bases.theirs(lora, tokens)


def convert(o, base, adapter, kind, out, what):
    bases.run([o.tailor, "convert", "--model", base, "--adapter", adapter, "--to", kind, "--output", out], what)
    return out


def refused(o, base, adapter, kind, out, what):
    """Whether the conversion says that the format cannot hold the adapter."""
    done = subprocess.run([o.tailor, "convert", "--model", base, "--adapter", adapter, "--to", kind, "--output", out],
                          capture_output=True, text=True)
    if done.returncode and ("MLX" if kind == "mlx" else "GGUF") not in done.stderr:
        sys.exit(f"{what}: {done.stderr}")
    return done.returncode != 0


# ---- GGUF, as llama.cpp's converter lays it out ----


def interleave(b, heads):
    """Rows of each head from 0, 1, ..., h/2, h/2 + 1, ... to 0, h/2, 1, h/2 + 1, ..."""
    return b.reshape(heads, 2, b.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(b.shape)


def gguf_name(names, key):
    """blk.N.NAME.weight of a module's path."""
    layer = next(x for x in key.split(".") if x.isdigit())
    name = max((n for n in names if key.endswith("." + n)), key=len)
    if "self_attn" in key and name == "c_proj":
        return None
    return f"blk.{layer}.{names[name]}.weight"


def gguf_tensors(family, adapter, config):
    """name -> numbers, from peft's files of a plain adapter."""
    _, names, turned = GGUF[family]
    out = {}
    for key, t in load_file(os.path.join(adapter, "adapter_model.safetensors")).items():
        path, piece = key.removesuffix(".weight").rsplit(".", 1)
        t = t.numpy()
        if turned and piece == "lora_B" and path.endswith(("q_proj", "k_proj")):
            heads = config.num_attention_heads if path.endswith("q_proj") else config.num_key_value_heads
            t = interleave(t, heads)
        out[f"{gguf_name(names, path)}.{piece.lower()}"] = t
    return out


def write_gguf(path, family, tensors, alpha):
    w = gguf.GGUFWriter(path, GGUF[family][0])
    w.add_type(gguf.GGUFType.ADAPTER)
    w.add_string(gguf.Keys.Adapter.TYPE, "lora")
    w.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    for name, t in tensors.items():
        w.add_tensor(name, t)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def check_gguf(o, family, model, base, home, r, g, tokens, what, found):
    """Ours read by the package and the package's by us."""
    rank, alpha = r.randint(1, 5), r.randint(1, 9)
    targets = [t for t in bases.FAMILIES[family][1] if not (family == "starcoder2" and t == "c_proj")]
    lora = get_peft_model(copy.deepcopy(model), LoraConfig(
        r=rank, lora_alpha=alpha, target_modules=r.sample(targets, r.randint(1, len(targets))), task_type="CAUSAL_LM",
        fan_in_fan_out=family == "gpt2")).eval()
    randomize(lora, g)
    wanted, most = bases.theirs(lora, tokens), bases.allowed(lora, tokens, bases.theirs(lora, tokens))
    adapter, theirs, ours = (os.path.join(home, x) for x in ("plain", "theirs.gguf", "ours.gguf"))
    lora.save_pretrained(adapter)
    tensors = gguf_tensors(family, adapter, model.config)
    write_gguf(theirs, family, tensors, alpha)
    found.check(f"{what}, gguf", bases.ours(o.tailor, base, tokens, what, theirs), wanted, most)
    reader = gguf.GGUFReader(convert(o, base, adapter, "gguf", ours, what))
    read = {t.name: t.data for t in reader.tensors}
    if set(read) != set(tensors):
        sys.exit(f"{what}, gguf: tensors differ: {set(read) ^ set(tensors)}")
    for name, t in tensors.items():
        if not np.array_equal(read[name].reshape(t.shape), t):
            sys.exit(f"{what}, gguf: {name} differs")
    fields = {k: reader.fields[k].contents() for k in ("general.architecture", "general.type", "adapter.type",
                                                       "adapter.lora.alpha")}
    if fields != {"general.architecture": GGUF[family][0], "general.type": "adapter", "adapter.type": "lora",
                  "adapter.lora.alpha": alpha}:
        sys.exit(f"{what}, gguf: the metadata is {fields}")


# ---- MLX ----


def mlx_logits(model, tokens):
    return torch.tensor(np.array(model(mx.array([tokens]))[0].astype(mx.float32)))


def check_mlx(o, copier, family, model, base, home, r, tokens, what, found):
    """An adapter of mlx-lm here, and what was converted from it there."""
    copied = pathlib.Path(home, "copied")  # with the rotary keys where mlx-lm looks for them
    copied.mkdir()
    bases.run([copier, base, str(copied)], what)
    try:
        theirs = mlx_lm.utils.load_model(copied)[0]
        wanted = mlx_logits(theirs, tokens)
    except Exception:  # not a model that mlx-lm computes at all, or not at this width
        return False
    exact = bases.theirs(model, tokens)
    if ((wanted - exact).abs() / exact.abs().clamp(min=1)).max() > 1e-4:
        return False  # computed otherwise by the two themselves
    layers = theirs.layers
    keys = sorted({k for k, m in layers[0].named_modules() if type(m).__name__ == "Linear" and "gate" != k.split(".")[-1]})
    config = {"fine_tune_type": r.choice(["lora", "dora"]), "num_layers": r.randint(1, len(layers)), "seed": 0, "lora_parameters": {
        "rank": r.randint(1, 5), "scale": r.choice([20.0, 0.7, 2.5]), "dropout": 0.0, "keys": r.sample(keys, r.randint(1, len(keys)))}}
    if maybe(r) and family not in ("qwen3_moe", "mixtral"):
        del config["lora_parameters"]["keys"]
    mlx_lm.tuner.utils.linear_to_lora_layers(theirs, config["num_layers"], config["lora_parameters"],
                                             config["fine_tune_type"] == "dora")
    tensors = {}
    for name, t in tree_flatten(theirs.parameters()):
        end = name.rsplit(".", 1)[-1]
        noise = mx.random.normal(t.shape)
        if end in ("lora_a", "lora_b"):
            tensors[name] = noise * t.shape[0] ** -0.5
        elif end == "m":
            tensors[name] = t * (1 + 0.2 * noise)
    theirs.load_weights(list(tensors.items()), strict=False)
    wanted = mlx_logits(theirs, tokens)
    adapter, back = os.path.join(home, "mlx"), os.path.join(home, "mlx-back")
    os.mkdir(adapter)
    mx.save_safetensors(os.path.join(adapter, "adapters.safetensors"), tensors)
    json.dump(config, open(os.path.join(adapter, "adapter_config.json"), "w"))
    found.check(f"{what}, mlx", bases.ours(o.tailor, base, tokens, what, adapter), wanted, 2e-4)
    convert(o, base, adapter, "mlx", back, what)
    again = mlx_lm.tuner.utils.load_adapters(mlx_lm.utils.load_model(copied)[0], back)
    found.check(f"{what}, mlx again", mlx_logits(again, tokens), wanted, 2e-4)
    peft = convert(o, base, adapter, "peft", os.path.join(home, "mlx-peft"), what)
    found.check(f"{what}, mlx in peft", peft_logits(model, peft, tokens, what), wanted, 2e-4)
    return True


# ---- peft ----


def check_peft(o, family, model, base, home, r, g, tokens, what, found):
    targets = bases.FAMILIES[family][1]
    fields = random_fields(r, family, targets, model.config.num_hidden_layers, model.config.vocab_size)
    what = f"{what} {fields}"
    try:
        lora = get_peft_model(copy.deepcopy(model), LoraConfig(**fields)).eval()
    except ValueError as e:  # nothing left to adapt
        if "No modules were targeted" in str(e) or "were excluded" in str(e) or "not found in the base" in str(e):
            return
        raise
    randomize(lora, g)
    adapter = os.path.join(home, "adapter")
    lora.save_pretrained(adapter, save_embedding_layers=False)
    lora = PeftModel.from_pretrained(copy.deepcopy(model), adapter).eval()  # saving sorts the keys of patterns
    wanted = bases.theirs(lora, tokens)
    most = bases.allowed(lora, tokens, wanted)
    found.check(f"{what}, adapter", bases.ours(o.tailor, base, tokens, what, adapter), wanted, most)
    merged, again = os.path.join(home, "merged"), os.path.join(home, "again")
    bases.run([o.tailor, "merge", "--model", base, "--adapter", adapter, "--output", merged, "--dtype", "f32"], what)
    m = AutoModelForCausalLM.from_pretrained(merged, attn_implementation="eager", dtype=torch.float32).eval()
    m.config._experts_implementation = "eager"
    found.check(f"{what}, merged", bases.theirs(m, tokens), wanted, most)
    convert(o, base, adapter, "peft", again, what)
    found.check(f"{what}, written", peft_logits(model, again, tokens, what), wanted, most)
    for kind in ("mlx", "gguf"):
        other = os.path.join(home, "a." + kind)
        if not refused(o, base, adapter, kind, other, what):
            found.check(f"{what}, {kind}", bases.ours(o.tailor, base, tokens, what, other), wanted, most)


def check_ours(o, trainer, family, model, base, home, r, tokens, what, found):
    targets = bases.FAMILIES[family][1]
    table = TABLES.get(family, "embed_tokens")
    out = os.path.join(home, "trained")
    os.mkdir(out)
    own = r.choice(["-", "-", "lm_head", table, f"lm_head,{table}"])
    args = [",".join(r.sample(targets, r.randint(1, len(targets)))), str(r.randint(1, 6)), str(r.randint(1, 12)),
            r.choice(["-", "r", "d", "rd"]), own, r.choice(["none", "lora_only", "all"]), str(r.randrange(1 << 20))]
    what = f"{what} trained {args}"
    ids = ",".join(map(str, tokens))
    wanted = torch.tensor(json.loads(bases.run([trainer, base, out, *args, ids], what))["logits"])
    theirs = peft_logits(model, out, tokens, what)
    scale = max(1e-4, 1e-5 * wanted.abs().max().item())
    found.check(what, theirs, wanted, scale)
    found.check(f"{what}, loaded", bases.ours(o.tailor, base, tokens, what, out), wanted, scale)


def compare(o, trainer, copier, family, seed, home, found):
    r = random.Random(f"adapters {family} {seed}")
    g = torch.Generator().manual_seed(r.randrange(1 << 30))
    config = AutoConfig.for_model(family, **bases.FAMILIES[family][0](r))
    config._experts_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    bases.randomize(model.named_parameters(), g, 0.0 if family.startswith("gemma") else 1.0)
    base = os.path.join(home, "base")
    model.save_pretrained(base)
    scheme = getattr(config, "rope_parameters", None) or {}
    context = scheme.get("original_max_position_embeddings", 40) if scheme.get("rope_type") == "longrope" else 40
    tokens = [r.randrange(config.vocab_size) for _ in range(r.randint(2, min(30, context)))]
    what = f"{family} seed {seed}"
    check_peft(o, family, model, base, home, r, g, tokens, what, found)
    check_ours(o, trainer, family, model, base, home, r, tokens, what, found)
    if family in GGUF:
        check_gguf(o, family, model, base, home, r, g, tokens, what, found)
    return mx is not None and check_mlx(o, copier, family, model, base, home, r, tokens, what, found)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--tailor", default="build/tailor")
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--first", type=int, default=0)
    p.add_argument("--families", default=",".join(bases.FAMILIES))
    o = p.parse_args()
    with tempfile.TemporaryDirectory() as tools:
        trainer, copier = (bases.compile_tool(tools, x) for x in ("adapter_train", "model_copy"))
        for family in o.families.split(","):
            found, in_mlx = bases.Found(), 0
            for seed in range(o.first, o.first + o.seeds):
                with tempfile.TemporaryDirectory() as home:
                    in_mlx += compare(o, trainer, copier, family, seed, home, found)
            print(f"{family}: {found.count} comparisons, logits within {found.worst:.1e}"
                  + (f", {found.tipping} beyond what f32 can tell" if found.tipping else "")
                  + (f", {in_mlx} bases in MLX too" if mx else ", no mlx-lm here"), flush=True)


if __name__ == "__main__":
    main()
