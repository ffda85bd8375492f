#!/usr/bin/env python3
"""Golden losses of training: five steps of torch.optim.AdamW on the tiny llama of tests/golden/model.

    python make.py            writes golden.json beside this file

    samples         token ids; the first third of each is a prompt, the rest is learnt (trained: 0 or 1)
    lr, weight_decay, max_grad_norm
    full            per step the mean loss over trained tokens before the update and the gradient's norm before
                    clipping; then the loss after the last step

Matrices decay, norms do not; gradients are clipped by torch.nn.utils.clip_grad_norm_."""
import json
import os

import torch
from transformers import LlamaForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
BASE = os.path.join(HERE, "..", "model", "llama")
STEPS = 5
LR, DECAY, CLIP = 1e-2, 0.1, 1.0


def loss_of(model, samples):
    total, count = 0.0, 0
    for s in samples:
        ids = torch.tensor(s["ids"])
        keep = torch.tensor(s["trained"][1:], dtype=torch.bool)
        logits = model(input_ids=ids[None, :-1]).logits[0]
        total = total + torch.nn.functional.cross_entropy(logits[keep], ids[1:][keep], reduction="sum")
        count += int(keep.sum())
    return total / count


def main():
    g = torch.Generator().manual_seed(2)
    model = LlamaForCausalLM.from_pretrained(BASE, dtype=torch.float32, attn_implementation="eager").eval()
    samples = []
    for n in (31, 8, 17, 44):
        ids = torch.randint(0, model.config.vocab_size, (n,), generator=g).tolist()
        samples.append({"ids": ids, "trained": [int(i >= n // 3) for i in range(n)]})
    parameters = list(model.parameters())
    groups = [{"params": [p for p in parameters if p.dim() > 1], "weight_decay": DECAY},
              {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LR, betas=(0.9, 0.999), eps=1e-8)
    steps = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of(model, samples)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, CLIP)
        optimizer.step()
        steps.append({"loss": loss.item(), "grad_norm": norm.item()})
    with torch.no_grad():
        after = loss_of(model, samples).item()
    with open(os.path.join(HERE, "golden.json"), "w", encoding="ascii") as f:
        json.dump({"lr": LR, "weight_decay": DECAY, "max_grad_norm": CLIP, "samples": samples,
                   "full": {"steps": steps, "after": after}}, f)
        f.write("\n")


main()
