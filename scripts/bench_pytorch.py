"""PyTorch with Hugging Face transformers as the peer of `repro bench --compare`: one round of work for each line it reads.

    PYTHON scripts/bench_pytorch.py < lines

Needs `torch` and `transformers` from PyPI. The first line is a job, one JSON object; `repro bench --compare` writes it:

    {"config": {... config.json ...}, "head": "classification", "num_labels": 2, "configuration": "sdpa", "dtype": "f32",
     "threads": 2, "device": "cpu", "batches": [{"lengths": [11, 7, 9], "width": 128}, ...]}

Each batch says how many real tokens its rows have and how wide the rectangle is that they are padded to; weights and
token ids are random, what a step costs does not depend on them. Every line after it is answered by one JSON line:

    (the job)   {"ready": "PyTorch 2.9.0, transformers 5.0.0", "configuration": "sdpa"}
    train       {"seconds": 1.9, "tokens": 81, "peak_memory": 1234567}     every batch: forward, backward, clip, AdamW
    eval        {"seconds": 0.6, "tokens": 81, "peak_memory": 1234567}     every batch: forward, no dropout
    matmul      {"flops_per_second": 2.4e11}                                the best square product of this library

`tokens` are real ones, never padding. The end of the input ends it; while it waits for a line it sleeps.

Configurations, all with fused AdamW: `sdpa` and `eager` name transformers' attention; `-compile` adds `torch.compile`;
`-spin`, `-heap` and `-huge` change nothing here but name what the environment held before the process started, which is
up to whoever starts it: threads that spin for a while before they sleep, a C allocator that keeps large arrays
(`MALLOC_MMAP_MAX_=0`, `MALLOC_TRIM_THRESHOLD_`), large pages (`THP_MEM_ALLOC_ENABLE=1`). With dtype `bf16`, and on CUDA always,
arithmetic is bf16 autocast over f32 weights, as transformers' Trainer does with `--bf16`; else f32.
"""

import contextlib
import json
import os
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers


class Peer:
    """A model, its optimizer and its batches."""

    def __init__(self, job):
        self.device = torch.device(job["device"])
        self.bf16 = self.device.type == "cuda" or job["dtype"] == "bf16"
        if self.device.type == "cpu":
            torch.set_num_threads(job["threads"])
        torch.manual_seed(1)
        attention, *extras = job["configuration"].split("-")
        config = transformers.BertConfig(**shape(job), num_labels=job["num_labels"], problem_type=problem(job))
        config._attn_implementation = attention
        model = transformers.BertForSequenceClassification(config).to(self.device)
        self.parameters = list(model.parameters())
        self.optimizer = torch.optim.AdamW(groups(model), lr=2e-5, eps=1e-6, fused=True)
        self.module = model
        self.model = torch.compile(model) if "compile" in extras else model
        self.batches = [self.batch(job, **batch) for batch in job["batches"]]
        self.tokens = sum(sum(batch["lengths"]) for batch in job["batches"])

    def batch(self, job, lengths, width):
        """Random ids in a rectangle, and the mask that says which of them are real."""
        rows = len(lengths)
        mask = (torch.arange(width)[None, :] < torch.tensor(lengths)[:, None]).long()
        ids = torch.randint(1, job["config"]["vocab_size"], (rows, width)) * mask
        regression = job["head"] == "regression"
        labels = torch.rand(rows) if regression else torch.arange(rows) % job["num_labels"]
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids), "labels": labels}
        return {name: tensor.to(self.device) for name, tensor in inputs.items()}

    def autocast(self):
        """bf16 where it was asked for."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else contextlib.nullcontext()

    def train(self):
        """One step for each batch."""
        self.module.train()
        for batch in self.batches:
            with self.autocast():
                loss = self.model(**batch).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)

    def eval(self):
        """One prediction for each batch."""
        self.module.eval()
        with torch.inference_mode(), self.autocast():
            for batch in self.batches:
                self.model(**batch)

    def round(self, work):
        """Seconds and tokens of one round, and the most memory so far."""
        self.synchronize()
        began = time.perf_counter()
        work()
        self.synchronize()
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "tokens": self.tokens, "peak_memory": self.peak_memory()}

    def synchronize(self):
        """Waits for the GPU."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def peak_memory(self):
        """Bytes: of the GPU where there is one, else the highest resident memory of the process."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated()
        with open("/proc/self/status", encoding="ascii") as status:
            line = next(line for line in status if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024

    def matmul(self):
        """The best of five products of square matrices of each of four sizes."""
        dtype = torch.bfloat16 if self.bf16 else torch.float32
        best = 0.0
        for size in (512, 1024, 2048, 4096):
            matrix = torch.ones(size, size, dtype=dtype, device=self.device)
            for _ in range(5):
                self.synchronize()
                began = time.perf_counter()
                torch.mm(matrix, matrix)
                self.synchronize()
                best = max(best, 2.0 * size**3 / (time.perf_counter() - began))
        return {"flops_per_second": best}


def shape(job):
    """The config without what it says of a head."""
    of_head = ("model_type", "architectures", "id2label", "label2id", "problem_type")
    return {name: value for name, value in job["config"].items() if name not in of_head}


def problem(job):
    """transformers' word for the loss."""
    return "regression" if job["head"] == "regression" else "single_label_classification"


def groups(model):
    """Decay on everything but biases and LayerNorm, as our side has it."""
    still = lambda name: name.endswith("bias") or "LayerNorm" in name
    named = list(model.named_parameters())
    return [
        {"params": [value for name, value in named if not still(name)], "weight_decay": 0.01},
        {"params": [value for name, value in named if still(name)], "weight_decay": 0.0},
    ]


def say(answer):
    """One JSON line, at once."""
    print(json.dumps(answer), flush=True)


def main():
    """Reads lines until they end."""
    job = json.loads(sys.stdin.readline())
    peer = Peer(job)
    versions = f"PyTorch {torch.__version__}, transformers {transformers.__version__}"
    say({"ready": versions, "configuration": job["configuration"]})
    rounds = {
        "train": lambda: peer.round(peer.train),
        "eval": lambda: peer.round(peer.eval),
        "matmul": peer.matmul,
    }
    for line in iter(sys.stdin.readline, ""):
        command = line.strip()
        if command not in rounds:
            sys.exit(f"unknown command `{command}`, expected one of {', '.join(rounds)}")
        say(rounds[command]())


if __name__ == "__main__":
    main()
