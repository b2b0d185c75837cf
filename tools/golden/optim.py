#!/usr/bin/env python3
"""Golden files for tests/train/test_schedule.c and test_optimiser.c.

Made with torch 2.13.0 and transformers 5.23.0. Run from the source folder: python tools/golden/optim.py
  tests/golden/optim/schedules.json   learning-rate multipliers of transformers at every interesting step
  tests/golden/optim/adamw.json       14 steps of torch.optim.AdamW with clip_grad_norm_ over a tiny Qwen2's
                                      weights; inputs come from a formula that the test repeats
"""
import json
import pathlib

import torch
from transformers import get_scheduler

OUT = pathlib.Path("tests/golden/optim")


def multipliers(name, lr, warmup, total, kwargs):
    parameter = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimiser = torch.optim.SGD([parameter], lr=lr)
    extra = dict(kwargs)
    scheduler = get_scheduler(name, optimiser, num_warmup_steps=warmup, num_training_steps=total,
                              scheduler_specific_kwargs=extra)
    return scheduler.lr_lambdas[0]


def schedules():
    cases = []
    kinds = [
        ("constant", {}), ("constant_with_warmup", {}), ("linear", {}), ("cosine", {}), ("cosine", {"num_cycles": 1.25}),
        ("cosine_with_restarts", {}), ("cosine_with_restarts", {"num_cycles": 3}),
        ("polynomial", {}), ("polynomial", {"power": 2.0, "lr_end": 1e-6}), ("polynomial", {"power": 0.5}),
        ("inverse_sqrt", {}), ("inverse_sqrt", {"timescale": 50}),
        ("cosine_with_min_lr", {"min_lr_rate": 0.1}), ("cosine_with_min_lr", {"min_lr": 2e-5}),
        ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.1}),
        ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.2, "warmup_lr_rate": 0.05}),
        ("warmup_stable_decay", {"num_decay_steps": 20}),
        ("warmup_stable_decay", {"num_decay_steps": 30, "decay_type": "linear", "warmup_type": "cosine"}),
        ("warmup_stable_decay", {"num_decay_steps": 30, "decay_type": "1-sqrt", "warmup_type": "1-sqrt",
                                 "min_lr_ratio": 0.1}),
        ("warmup_stable_decay", {"num_decay_steps": 10, "num_stable_steps": 40}),
    ]
    for name, kwargs in kinds:
        for lr, warmup, total in ((1e-4, 0, 100), (1e-4, 10, 100), (5e-5, 1, 7), (1e-3, 25, 120)):
            if name == "warmup_stable_decay" and total < 60:
                continue
            at = multipliers(name, lr, warmup, total, kwargs)
            steps = sorted({0, 1, 2, 3, warmup - 1, warmup, warmup + 1, total // 3, total // 2, total - 2, total - 1,
                            total, total + 1, total + 5} - {-1})
            cases.append({"type": name, "kwargs": kwargs, "lr": lr, "warmup": warmup, "total": total,
                          "steps": steps, "multipliers": [float(at(s)) for s in steps]})
    return cases


# The weights of a Qwen2 with vocabulary 24, width 8, one layer, two heads, one key-value head, tied head.
SHAPES = [
    ("model.embed_tokens.weight", (24, 8)),
    ("model.layers.0.input_layernorm.weight", (8,)),
    ("model.layers.0.self_attn.q_proj.weight", (8, 8)), ("model.layers.0.self_attn.q_proj.bias", (8,)),
    ("model.layers.0.self_attn.k_proj.weight", (4, 8)), ("model.layers.0.self_attn.k_proj.bias", (4,)),
    ("model.layers.0.self_attn.v_proj.weight", (4, 8)), ("model.layers.0.self_attn.v_proj.bias", (4,)),
    ("model.layers.0.self_attn.o_proj.weight", (8, 8)),
    ("model.layers.0.post_attention_layernorm.weight", (8,)),
    ("model.layers.0.mlp.gate_proj.weight", (16, 8)), ("model.layers.0.mlp.up_proj.weight", (16, 8)),
    ("model.layers.0.mlp.down_proj.weight", (8, 16)),
    ("model.norm.weight", (8,)),
]


def formula(count, salt):
    """Pseudo-random multiples of 1/512 in [-1, 1): exact in float, easy to repeat in C."""
    return [((i * 2654435761 + salt * 40503 + 12345) % 4294967296 // 4194304 - 512) / 512.0 for i in range(count)]


def adamw():
    runs = []
    for settings in ({"lr": 1e-2, "wd": 0.1, "clip": 1.0, "betas": (0.9, 0.999), "eps": 1e-8},
                     {"lr": 3e-4, "wd": 0.0, "clip": 0.0, "betas": (0.9, 0.95), "eps": 1e-6},
                     {"lr": 5e-3, "wd": 0.01, "clip": 1000.0, "betas": (0.8, 0.99), "eps": 1e-8}):
        parameters = {}
        for k, (name, shape) in enumerate(SHAPES):
            count = torch.Size(shape).numel()
            parameters[name] = torch.nn.Parameter(torch.tensor(formula(count, k)).reshape(shape))
        decay = [p for n, p in parameters.items() if "norm" not in n and not n.endswith(".bias")]
        spared = [p for n, p in parameters.items() if "norm" in n or n.endswith(".bias")]
        optimiser = torch.optim.AdamW([{"params": decay, "weight_decay": settings["wd"]},
                                       {"params": spared, "weight_decay": 0.0}],
                                      lr=settings["lr"], betas=settings["betas"], eps=settings["eps"], foreach=False)
        steps = []
        for step in range(14):
            lr = settings["lr"] * (1.0 - step / 20.0)
            for group in optimiser.param_groups:
                group["lr"] = lr
            for k, (name, shape) in enumerate(SHAPES):
                count = torch.Size(shape).numel()
                parameters[name].grad = torch.tensor(formula(count, 1000 * (step + 1) + k)).reshape(shape)
            limit = settings["clip"] if settings["clip"] > 0 else float("inf")
            norm = torch.nn.utils.clip_grad_norm_(list(parameters.values()), limit).item()
            optimiser.step()
            steps.append({"lr": lr, "norm": norm,
                          "ends": {n: p.detach().flatten()[[0, 1, -2, -1]].tolist() for n, p in parameters.items()}})
        runs.append({**settings, "steps": steps})
    return runs


OUT.mkdir(parents=True, exist_ok=True)
(OUT / "schedules.json").write_text(json.dumps(schedules(), indent=0) + "\n")
(OUT / "adamw.json").write_text(json.dumps(adamw()) + "\n")
