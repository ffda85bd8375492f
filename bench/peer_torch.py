"""peer_torch.py MODEL full|lora ROWS LENGTH THREADS speed|memory - a training step by PyTorch, transformers, peft.

MODEL is a folder with config.json; the weights are random.  AdamW, clipping at 1; lora: r = 8 on every linear layer of
the blocks, over a frozen base.  Every way is tried - bf16 autocast and f32, eager and torch.compile - and the best one is
measured; for memory it is the plain one, bf16 autocast, eager.

Prints {"peak_gb", "way", "seconds": {way: of a step}} when that is decided, then {"value": tokens a second} for each
line on standard input.
"""
import gc
import json
import resource
import sys
import time

import torch
import transformers

folder, kind, purpose = sys.argv[1], sys.argv[2], sys.argv[6]
rows, length, threads = map(int, sys.argv[3:6])
torch.set_num_threads(threads)
torch.manual_seed(1)


class Way:
    """A model and a step of it."""

    def __init__(self, dtype, compiled):
        config = transformers.AutoConfig.from_pretrained(folder)
        self.model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa", dtype=torch.float32)
        if kind == "lora":
            import peft

            self.model = self.model.to(dtype)
            self.model = peft.get_peft_model(
                self.model, peft.LoraConfig(r=8, lora_alpha=16, target_modules="all-linear"), autocast_adapter_dtype=True)
        self.model.train()
        self.dtype = dtype
        self.run = torch.compile(self.model) if compiled else self.model
        self.trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=1e-4, fused=True)
        self.ids = torch.randint(0, config.vocab_size, (rows, length))

    def seconds(self):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            loss = self.run(input_ids=self.ids, labels=self.ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return time.perf_counter() - start


def best_way():
    best, seconds = None, {}
    for name, dtype, compiled in (("bf16 eager", torch.bfloat16, False), ("bf16 compile", torch.bfloat16, True),
                                  ("f32 eager", torch.float32, False), ("f32 compile", torch.float32, True)):
        if name == "f32 compile" and seconds["f32 eager"] > 1.5 * min(seconds.values()):
            continue  # compiling has never gained so much
        try:
            way = Way(dtype, compiled)
            way.seconds()
            seconds[name] = min(way.seconds() for _ in range(2))
        except Exception as e:  # no C++ compiler, or a model it cannot take: the other ways count
            print(f"peer_torch.py: {name}: {type(e).__name__}: {e}"[:300], file=sys.stderr)
            continue
        if seconds[name] == min(seconds.values()):
            best, best_name = way, name
        del way
        gc.collect()
        if purpose == "memory":
            break
    return best, best_name, seconds


way, name, seconds = best_way()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
print(json.dumps({"peak_gb": peak, "way": name, "seconds": seconds, "torch": torch.__version__,
                  "transformers": transformers.__version__}), flush=True)
for _ in sys.stdin:
    print(json.dumps({"value": rows * length / way.seconds()}), flush=True)
