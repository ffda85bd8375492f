"""peer_torch.py KIND ROWS LENGTH THREADS STEPS - a training step of the 135M shape by PyTorch, transformers and peft.

KIND: full or lora (r = 8 on every linear layer of the blocks).  bf16 autocast, AdamW, clipping at 1; eager and
torch.compile, the better counts.  Prints one JSON object: tokens_per_second, seconds of each way, peak_gb, versions.
"""
import json
import resource
import statistics
import sys
import time

import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM

kind, rows, length, threads, steps = sys.argv[1], *map(int, sys.argv[2:6])
torch.set_num_threads(threads)
torch.manual_seed(1)


def make():
    config = LlamaConfig(num_hidden_layers=30, hidden_size=576, num_attention_heads=9, num_key_value_heads=3,
                         intermediate_size=1536, vocab_size=49152, max_position_embeddings=4096,
                         tie_word_embeddings=True, attn_implementation="sdpa")
    model = LlamaForCausalLM(config)
    if kind == "lora":
        import peft
        model = model.to(torch.bfloat16)
        model = peft.get_peft_model(model, peft.LoraConfig(r=8, lora_alpha=16, target_modules="all-linear"))
        for name, p in model.named_parameters():
            if "lora_" in name:
                p.data = p.data.float()
    model.train()
    return model


def seconds(model, run):
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=True)
    ids = torch.randint(0, 49152, (rows, length))
    times = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16):
            loss = run(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])  # the first one warms up, and compiles


ways = {}
model = make()
ways["eager"] = seconds(model, model)
try:
    ways["compile"] = seconds(model, torch.compile(model))
except Exception as e:  # no C++ compiler, or a model that it cannot take: eager counts
    print(f"torch.compile: {type(e).__name__}", file=sys.stderr)
print(json.dumps({"tokens_per_second": rows * length / min(ways.values()), "seconds": ways,
                  "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, "torch": torch.__version__,
                  "transformers": transformers.__version__}))
