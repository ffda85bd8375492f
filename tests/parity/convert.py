#!/usr/bin/env python3
"""Bases carried between the Hugging Face layout and GGUF, live, on random bases.

    python tests/parity/convert.py [--tailor build/tailor] [--seeds 3] [--first 0] [--llama-server PATH]

Each seed makes a base of random shape in each family, in f32 and bf16, and

    tailor convert --to gguf --type T     the gguf package reads the file: its names, shapes and metadata are those of
                                          llama.cpp's layout, its numbers those of the base (dequantize: those that tailor
                                          reads from the blocks), its quantized ones err no more than the package's own
    tailor convert --to hf                back: every tensor has the bits it had, and transformers loads the directory
    from_pretrained(gguf_file=)           where transformers reads the architecture, the logits are those of the base

What the format cannot say must be refused by name.  The tokenizers of tests/golden/tokenizer go along: ids from the GGUF
file and from the directory made of it are those of the `tokenizers` package.  With --llama-server, a llama.cpp or one of
its forks, that program loads each quantized file and cuts texts alike.  Needs torch, transformers, tokenizers and gguf."""
import argparse
import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as T
from gguf.quants import dequantize, quantize
from safetensors.torch import load_file
from sentencepiece import SentencePieceProcessor
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, logging

logging.disable_progress_bar()
logging.set_verbosity_error()

HERE = os.path.dirname(os.path.abspath(__file__))
TOKENIZERS = os.path.join(HERE, "../golden/tokenizer")


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, os.path.join(HERE, path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


parity = load("model_parity", "model.py")
architectures = load("make_architectures", "../golden/gguf/make_architectures.py")
FAMILIES = ["llama", "mistral", "qwen2", "qwen3", "smollm3", "granite", "olmo2", "gemma2", "gemma3_text", "phi3", "gpt2",
            "gpt_neox", "starcoder2", "qwen3_moe", "mixtral"]
# Of these transformers takes what our random bases vary from the file; of the others it has widths, windows or caps of its own.
READ_BY_TRANSFORMERS = ["llama", "qwen2", "starcoder2"]
TYPES = {"f32": T.F32, "f16": T.F16, "bf16": T.BF16, "q8_0": T.Q8_0, "q4_0": T.Q4_0, "q4_k": T.Q4_K}


def sayable(family, r):
    """Random settings; most of what a GGUF file cannot say is left out, the rest must be refused."""
    c = parity.FAMILIES[family][0](r)
    for key in ("layer_types", "no_rope_layers", "no_rope_layer_interval", "use_sliding_window", "max_window_layers"):
        c.pop(key, None)
    if family in ("mistral", "qwen2", "qwen3", "smollm3", "qwen3_moe", "mixtral"):
        c["sliding_window"] = None
    if family.startswith("gemma"):
        c.update(query_pre_attn_scalar=c["head_dim"], attention_bias=False)
    if family == "gemma2":
        c = {k: v for k, v in c.items() if v is not None or not k.endswith("softcapping")}
    if family == "qwen3_moe":
        c.update(norm_topk_prob=True)
    if family == "gpt_neox":
        c["hidden_act"] = "gelu"
    if family == "starcoder2":
        c["hidden_act"] = "gelu_pytorch_tanh"
    return c


def widen(family, c, r):
    """Rows of whole blocks in half of the bases."""
    if r.random() < 0.5 and "head_dim" in c and 32 % c["num_attention_heads"] == 0:
        c["hidden_size"] = r.choice([32, 64, 256])
        c["intermediate_size"] = r.choice([32, 256, 512])
    return c


def open_dir(folder):
    """transformers' model of a directory, in f32."""
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    model.config._experts_implementation = "eager"
    return model


def make(family, r, dtype, folder):
    g = torch.Generator().manual_seed(r.randrange(1 << 30))
    config = AutoConfig.for_model(family, **widen(family, sayable(family, r), r))
    config._experts_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    parity.randomize(model.named_parameters(), g, 0.0 if family.startswith("gemma") else 1.0)
    model.to(dtype).save_pretrained(folder)
    return open_dir(folder)


class Failed(Exception):
    pass


def check(claim, words):
    if not claim:
        raise Failed(words)


def tailor(a, *args):
    done = subprocess.run([a.tailor, *args], capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"tailor {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout


def logits_of(a, model, ids):
    return torch.tensor(json.loads(tailor(a, "logits", "--model", model, "--tokens", ",".join(map(str, ids)), "--json"))
                        ["logits"])


def numbers(t):
    """A tensor of a GGUF file as the package reads it."""
    shape = [int(n) for n in reversed(t.shape)]
    if t.tensor_type == T.F32 or t.tensor_type == T.F16:
        return np.asarray(t.data, dtype=np.float32).reshape(shape)
    return dequantize(t.data, t.tensor_type).reshape(shape)


def expected(model):
    """What llama.cpp's converter would store: name to numbers."""
    c = model.config
    family = c.model_type
    arch = gguf.MODEL_ARCH[architectures.ARCHITECTURES[family]] if family != "gpt2" else gguf.MODEL_ARCH.GPT2
    names, out = gguf.get_tensor_name_map(arch, c.num_hidden_layers), {}
    for name, p in model.named_parameters():
        x = p.detach().float().numpy()
        if ".experts." in name:
            layer, F = name.split(".")[2], x.shape[1] // 2
            pieces = {"gate": x[:, :F], "up": x[:, F:]} if name.endswith("gate_up_proj") else {"down": x}
            out.update({f"blk.{layer}.ffn_{k}_exps.weight": v for k, v in pieces.items()})
            continue
        stored = names.get_name(name, try_suffixes=(".weight", ".bias"))
        check(stored, f"the gguf package has no name for {name}")
        if family in architectures.REORDERED and (".q_proj." in name or ".k_proj." in name):
            x = architectures.interleaved(x, c.num_attention_heads if ".q_proj." in name else c.num_key_value_heads)
        if ".query_key_value." in name:
            x = architectures.one_after_the_other(x, c.num_attention_heads)
        if family.startswith("gemma") and name.endswith("norm.weight"):
            x = x + 1
        if family == "gpt2" and any(k in name for k in ("c_attn.w", "c_proj.w", "c_fc.w")):
            x = x.T
        out[stored] = x
    return out


def error(found, wanted):
    return float(np.sqrt(((found - wanted) ** 2).sum() / max((wanted ** 2).sum(), 1e-30)))


def check_file(path, model, kind):
    reader = gguf.GGUFReader(path)
    wanted = expected(model)
    found = {t.name: t for t in reader.tensors if not t.name.startswith("rope_f")}
    check(set(found) == set(wanted), f"other tensors: {set(found) ^ set(wanted)}")
    for name, t in found.items():
        x, w = numbers(t), wanted[name]
        check(x.shape == w.shape, f"{name}: {x.shape}, wanted {w.shape}")
        if w.ndim == 1 or t.tensor_type == T.F32:
            check(np.array_equal(x, w), f"{name}: other numbers")
        elif t.tensor_type in (T.Q8_0, T.Q5_0, T.Q4_0, T.F16, T.BF16):  # the package's own bytes
            same = quantize(np.ascontiguousarray(w), t.tensor_type)
            check(np.array_equal(x, dequantize(same, t.tensor_type) if t.tensor_type != T.F16
                                 else same.astype(np.float32)), f"{name}: not what the package makes of it")
        else:  # the package has no Q4_K: at its bits a number, no worse than Q4_0
            check(error(x, w) <= error(dequantize(quantize(np.ascontiguousarray(w), T.Q4_0), T.Q4_0), w) * 1.02,
                  f"{name}: errs more than Q4_0")
    arch = reader.fields["general.architecture"].contents()
    check(reader.fields[f"{arch}.block_count"].contents() == model.config.num_hidden_layers, "block_count")
    check(reader.fields[f"{arch}.vocab_size"].contents() == model.config.vocab_size, "vocab_size")
    return len(found)


def check_base(a, family, seed, dtype, folder):
    r = random.Random(f"convert{family}{seed}{dtype}")
    home, back = os.path.join(folder, "home"), os.path.join(folder, "back")
    model = make(family, r, dtype, home)
    exact = "f32" if dtype == torch.float32 else "bf16"
    ids = [r.randrange(min(20, model.config.vocab_size)) for _ in range(r.randint(1, 15))]
    with torch.no_grad():
        wanted = model(input_ids=torch.tensor([ids])).logits[0]
    path, tensors = os.path.join(folder, "base.gguf"), 0
    for word in (exact, r.choice(["f16", "q8_0"]), r.choice(["q4_0", "q4_k"])):
        tailor(a, "convert", "--model", home, "--to", "gguf", "--type", word, "--tables", word, "--output", path)
        tensors += check_file(path, model, TYPES[word])
        if word == exact:
            check_close(logits_of(a, path, ids), wanted, "logits from GGUF")
            if family in READ_BY_TRANSFORMERS and dtype == torch.float32:
                check_transformers(family, folder, model, ids, wanted)
            tailor(a, "convert", "--model", path, "--to", "hf", "--type", exact, "--output", back)
    check_directory(home, back, ids, wanted, family)
    return tensors


def check_close(found, wanted, what):
    off = ((found - wanted).abs() / wanted.abs().clamp(min=1)).max().item()
    check(off <= 1e-4, f"{what} differ by {off:.2g}")


def check_transformers(family, folder, model, ids, wanted):
    c = model.config
    plain = getattr(c, "rope_parameters", None) or {}
    if "rope_type" in plain and plain["rope_type"] != "default":
        return  # transformers reads no schemes from GGUF
    if family == "llama" and (c.attention_bias or c.mlp_bias or c.head_dim * c.num_attention_heads != c.hidden_size):
        return  # nor these
    if family == "starcoder2" and not c.use_bias:
        return
    if getattr(c, "sliding_window", None):
        return
    theirs = AutoModelForCausalLM.from_pretrained(folder, gguf_file="base.gguf", attn_implementation="eager",
                                                  dtype=torch.float32).eval()
    with torch.no_grad():
        check_close(theirs(input_ids=torch.tensor([ids])).logits[0], wanted, "logits by transformers from GGUF")
    check_transformers.count += 1


check_transformers.count = 0


def check_directory(home, back, ids, wanted, family):
    first, second = load_file(os.path.join(home, "model.safetensors")), load_file(os.path.join(back, "model.safetensors"))
    tied = {k for k in first if k not in second}
    check(set(second) <= set(first) and tied <= {"lm_head.weight"}, f"other tensors: {set(first) ^ set(second)}")
    for name, x in second.items():
        same = torch.equal(x, first[name])
        if family.startswith("gemma") and name.endswith("norm.weight"):  # through 1 + g in f32
            same = ((x.float() - first[name].float()).abs() <= 2 ** -23 * (1 + first[name].float().abs()) +
                    (first[name].float().abs() * 2 ** -8 if x.dtype == torch.bfloat16 else 0)).all()
        check(x.dtype == first[name].dtype and same, f"{name} came back with other bits")
    with torch.no_grad():
        check_close(open_dir(back)(input_ids=torch.tensor([ids])).logits[0], wanted, "logits from the directory that came back")


# ---- tokenizers ----

def texts(r, n):
    ranges = [(0x20, 0x7e), (0x20, 0x7e), (0x20, 0x7e), (0xa0, 0x24f), (0x400, 0x4ff), (0x3040, 0x30ff), (0x4e00, 0x4fff),
              (0x1f300, 0x1f5ff)]
    bits = [" ", "  ", "\n", "\r\n", "'s", "12", " the", "\t", "Message"]
    for _ in range(n):
        yield "".join(r.choice(bits) if r.random() < 0.4 else chr(r.randint(*r.choice(ranges)))
                      for _ in range(r.randint(0, 40)))


def ids_of(a, model, text):
    return [int(i) for i in subprocess.run([a.tailor, "tokenize", "--model", model], input=text.encode(), check=True,
                                           capture_output=True).stdout.split()]


def add_tokenizer(source, home):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        if os.path.exists(os.path.join(source, name)):
            shutil.copy(os.path.join(source, name), os.path.join(home, name))
    with open(os.path.join(home, "chat_template.jinja"), "w") as f:
        f.write("{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}")


def package_of(folder):
    """Text to ids by the package that a directory's files are of."""
    if os.path.exists(os.path.join(folder, "tokenizer.json")):
        t = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        return lambda text: t.encode(text).ids
    pieces = SentencePieceProcessor(model_file=os.path.join(folder, "tokenizer.model"))
    with open(os.path.join(folder, "tokenizer_config.json")) as f:
        bos = json.load(f)["add_bos_token"]
    return lambda text: pieces.encode(text, add_bos=bos)


def check_tokenizer(a, name, folder, count):
    """A base with that tokenizer: there and back, ids as the package has them."""
    source = os.path.join(TOKENIZERS, name)
    theirs = Tokenizer.from_file(os.path.join(source, "tokenizer.json"))
    home, path, back = (os.path.join(folder, x) for x in ("home", "base.gguf", "back"))
    V = max(theirs.get_vocab().values()) + 3  # two rows more than tokens
    AutoModelForCausalLM.from_config(AutoConfig.for_model(
        "llama", vocab_size=V, hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2)).save_pretrained(home)
    add_tokenizer(source, home)
    tailor(a, "convert", "--model", home, "--to", "gguf", "--type", "q8_0", "--output", path)
    tailor(a, "convert", "--model", path, "--to", "hf", "--output", back)
    again = package_of(back)
    with open(os.path.join(back, "tokenizer_config.json")) as f:
        check(json.load(f)["chat_template"].startswith("{% for m"), "the chat template was lost")
    for text in texts(random.Random(name), count):
        wanted = theirs.encode(text).ids
        check(again(text) == wanted, f"{name}: {text!r} has other ids in the directory that came back")
        check(ids_of(a, path, text) == wanted, f"{name}: {text!r} has other ids in the GGUF file")
    return path, theirs


class Server:
    """llama.cpp's server over a file."""
    def __init__(self, program, path):
        self.url = "http://127.0.0.1:18765"
        self.process = subprocess.Popen([program, "-m", path, "--port", "18765", "-c", "64", "-t", "1", "-ngl", "0"],
                                        cwd=os.path.dirname(path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(self, route, body):
        request = urllib.request.Request(self.url + route, json.dumps(body).encode(), {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=20))

    def __enter__(self):
        for _ in range(100):
            time.sleep(0.1)
            check(self.process.poll() is None, "llama.cpp refuses the file")
            try:
                if json.load(urllib.request.urlopen(self.url + "/health", timeout=5)).get("status") == "ok":
                    return self
            except OSError:
                pass
        raise Failed("llama.cpp's server does not answer")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def check_llama_cpp(program, path, theirs, name):
    with Server(program, path) as server:
        for text in texts(random.Random(name + "llama.cpp"), 200):
            if "\x00" in text or not text:
                continue
            found = server.ask("/tokenize", {"content": text, "add_special": False})["tokens"]
            check(found == theirs.encode(text, add_special_tokens=False).ids, f"{name}: llama.cpp cuts {text!r} otherwise")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--tailor", default="build/tailor")
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--first", type=int, default=0)
    p.add_argument("--families", default=",".join(FAMILIES))
    p.add_argument("--llama-server")
    a = p.parse_args()
    failed = bases = tensors = unsaid = 0
    for seed in range(a.first, a.first + a.seeds):
        for family in a.families.split(","):
            for dtype in (torch.float32, torch.bfloat16):
                with tempfile.TemporaryDirectory() as folder:
                    try:
                        bases += 1
                        tensors += check_base(a, family, seed, dtype, folder)
                    except (Failed, RuntimeError) as e:
                        if "a GGUF file" in str(e) and "cannot say" in str(e):
                            unsaid += 1
                            continue
                        failed += 1
                        print(f"{family} seed {seed} {dtype}: {e}")
    for name in ("tiny", "models/llama"):
        with tempfile.TemporaryDirectory() as folder:
            try:
                path, theirs = check_tokenizer(a, name, folder, 300)
                if a.llama_server:
                    check_llama_cpp(a.llama_server, path, theirs, name)
            except Failed as e:
                failed += 1
                print(e)
    print(f"convert: {bases} bases, {tensors} tensors, {check_transformers.count} files read by transformers, "
          f"{unsaid} bases refused by name, {failed} different")
    sys.exit(1 if failed else 0)


main()
