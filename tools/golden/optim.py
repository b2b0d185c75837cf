#!/usr/bin/env python3
"""Golden files for tests/train/test_schedule.c and test_optimiser.c.

Made with torch 2.13.0, transformers 5.23.0 and bitsandbytes 0.50.2 (CPU). Run from the source folder:
python -P tools/golden/optim.py
  tests/golden/optim/schedules.json   learning-rate multipliers of transformers at every interesting step
  tests/golden/optim/plateau.json     where torch's ReduceLROnPlateau lets the rate fall, and to what
  tests/golden/optim/optim.json       14 steps of an optimiser with clip_grad_norm_ over a tiny Qwen2's weights, whose
                                      gradients come from a formula that the test repeats: torch.optim.AdamW,
                                      transformers' Adafactor, bitsandbytes' AdamW8bit, and Muon in double precision
                                      (torch.optim.Muon itself multiplies in bfloat16)
"""
import json
import math
import pathlib
import random

import bitsandbytes
import torch
from transformers import get_scheduler
from transformers.optimization import Adafactor

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


def plateaus():
    """Metrics that fall, stay, rise and wander, each under settings of every kind."""
    draw = random.Random(11)
    wander, x = [], 1.0
    for _ in range(40):
        x += draw.gauss(-0.01, 0.05)
        wander.append(round(x, 4))
    courses = [[2 / (1 + i) for i in range(8)] + [0.25] * 32, [1 + i // 3 / 128 for i in range(40)], wander,
               [-v for v in wander], [1.0] * 3 + [1.0 - i / 20000 for i in range(37)]]
    settings = [{}, {"patience": 2}, {"patience": 0, "factor": 0.5}, {"patience": 1, "factor": 0.3, "cooldown": 4},
                {"patience": 1, "factor": 0.5, "min_lr": 2e-5}, {"patience": 0, "factor": 0.7, "eps": 1e-5},
                {"patience": 1, "mode": "max"}, {"patience": 1, "mode": "max", "threshold": 0.05, "cooldown": 1},
                {"patience": 2, "threshold": 0.02, "threshold_mode": "abs"},
                {"patience": 2, "threshold": 0.02, "threshold_mode": "abs", "mode": "max"},
                {"patience": 3, "threshold": 1.0, "factor": 0}]
    cases = []
    for kwargs in settings:
        for course, metrics in enumerate(courses):
            optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-4)
            scheduler, rates = get_scheduler("reduce_lr_on_plateau", optimiser, scheduler_specific_kwargs=kwargs), [1e-4]
            for value in metrics:
                scheduler.step(value)
                rates.append(optimiser.param_groups[0]["lr"])
            falls = [[i, rates[i + 1]] for i in range(len(metrics)) if rates[i + 1] != rates[i]]
            cases.append({"lr": 1e-4, "kwargs": kwargs, "course": course, "falls": falls})
    return {"courses": courses, "cases": cases}


def shapes(width):
    """The weights of a Qwen2 with vocabulary 3 times its width, one layer, two heads, one key-value head, tied."""
    half, twice, layer = width // 2, 2 * width, "model.layers.0."
    return [
        ("model.embed_tokens.weight", (3 * width, width)),
        (layer + "input_layernorm.weight", (width,)),
        (layer + "self_attn.q_proj.weight", (width, width)), (layer + "self_attn.q_proj.bias", (width,)),
        (layer + "self_attn.k_proj.weight", (half, width)), (layer + "self_attn.k_proj.bias", (half,)),
        (layer + "self_attn.v_proj.weight", (half, width)), (layer + "self_attn.v_proj.bias", (half,)),
        (layer + "self_attn.o_proj.weight", (width, width)),
        (layer + "post_attention_layernorm.weight", (width,)),
        (layer + "mlp.gate_proj.weight", (twice, width)), (layer + "mlp.up_proj.weight", (twice, width)),
        (layer + "mlp.down_proj.weight", (width, twice)),
        ("model.norm.weight", (width,)),
    ]


def formula(count, salt):
    """Pseudo-random multiples of 1/512 in [-1, 1): exact in float, easy to repeat in C."""
    return [((i * 2654435761 + salt * 40503 + 12345) % 4294967296 // 4194304 - 512) / 512.0 for i in range(count)]


class Muon(torch.optim.Optimizer):
    """torch.optim.Muon's arithmetic, in the precision of the parameters."""

    def __init__(self, groups, lr, momentum=0.95, nesterov=True, adjust_lr_fn="match_rms_adamw"):
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0})
        self.momentum, self.nesterov, self.adjust = momentum, nesterov, adjust_lr_fn

    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                m = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p.grad))
                m.lerp_(p.grad, 1 - self.momentum)
                u = p.grad.lerp(m, self.momentum) if self.nesterov else m
                x = u.T if u.shape[0] > u.shape[1] else u
                x = x / x.norm().clamp(min=1e-7)
                for _ in range(5):
                    gram = x @ x.T
                    x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
                x = x.T if u.shape[0] > u.shape[1] else x
                rows, cols = p.shape
                by = (0.2 * math.sqrt(max(rows, cols)) if self.adjust == "match_rms_adamw"
                      else math.sqrt(max(1, rows / cols)))
                p.data.mul_(1 - group["lr"] * group["weight_decay"]).sub_(x * (group["lr"] * by))


def spared(name):
    return "norm" in name or name.endswith(".bias")


def optimisers(run, parameters):
    """One or two torch optimisers that together do what `optim` does."""
    name, lr = run["optim"], run["lr"]
    adam = {"lr": lr, "betas": run.get("betas", (0.9, 0.999)), "eps": run.get("eps", 1e-8)}

    def groups(items):
        return [g for g in ({"params": [p for n, p in items if not spared(n)], "weight_decay": run["wd"]},
                            {"params": [p for n, p in items if spared(n)], "weight_decay": 0.0}) if g["params"]]

    items = list(parameters.items())
    if name == "adamw":
        return [torch.optim.AdamW(groups(items), foreach=False, **adam)]
    if name == "adamw_8bit":
        return [bitsandbytes.optim.AdamW8bit(groups(items), **adam)]
    if name == "adafactor":
        return [Adafactor(groups(items), lr=lr, scale_parameter=False, relative_step=False, warmup_init=False)]
    of_layers = [(n, p) for n, p in items if ".layers." in n and p.ndim == 2]
    rest = [(n, p) for n, p in items if not (".layers." in n and p.ndim == 2)]
    return [Muon(groups(of_layers), lr, **run.get("muon", {})), torch.optim.AdamW(groups(rest), foreach=False, **adam)]


def spread(tensor):
    flat = tensor.detach().flatten()
    return [flat[i * (len(flat) - 1) // 15].item() for i in range(16)]


def steps(run):
    dtype = torch.float64 if run["optim"] == "muon" else torch.float32
    parameters = {}
    for k, (name, shape) in enumerate(shapes(run["width"])):
        count = torch.Size(shape).numel()
        parameters[name] = torch.nn.Parameter(torch.tensor(formula(count, k), dtype=dtype).reshape(shape))
    made, result = optimisers(run, parameters), []
    for step in range(14):
        lr = run["lr"] * (1.0 - step / 20.0)
        for k, (name, shape) in enumerate(shapes(run["width"])):
            count = torch.Size(shape).numel()
            parameters[name].grad = torch.tensor(formula(count, 1000 * (step + 1) + k), dtype=dtype).reshape(shape)
        limit = run["clip"] if run["clip"] > 0 else float("inf")
        norm = torch.nn.utils.clip_grad_norm_(list(parameters.values()), limit).item()
        for optimiser in made:
            for group in optimiser.param_groups:
                group["lr"] = lr
            optimiser.step()
        result.append({"lr": lr, "norm": norm})
    result[-1]["weights"] = {n: spread(p) for n, p in parameters.items()}
    return result


RUNS = [
    {"optim": "adamw", "width": 8, "lr": 1e-2, "wd": 0.1, "clip": 1.0},
    {"optim": "adamw", "width": 8, "lr": 3e-4, "wd": 0.0, "clip": 0.0, "betas": (0.9, 0.95), "eps": 1e-6},
    {"optim": "adamw", "width": 8, "lr": 5e-3, "wd": 0.01, "clip": 1000.0, "betas": (0.8, 0.99), "eps": 1e-8},
    {"optim": "adamw_8bit", "width": 64, "lr": 1e-2, "wd": 0.1, "clip": 1.0},
    {"optim": "adamw_8bit", "width": 64, "lr": 3e-3, "wd": 0.0, "clip": 0.0, "betas": (0.9, 0.95), "eps": 1e-6},
    {"optim": "adafactor", "width": 8, "lr": 1e-2, "wd": 0.1, "clip": 1.0},
    {"optim": "adafactor", "width": 64, "lr": 1e-3, "wd": 0.0, "clip": 0.0},
    {"optim": "muon", "width": 8, "lr": 1e-2, "wd": 0.1, "clip": 1.0},
    {"optim": "muon", "width": 64, "lr": 1e-3, "wd": 0.01, "clip": 0.0,
     "muon": {"momentum": 0.9, "nesterov": False, "adjust_lr_fn": "original"}},
]

OUT.mkdir(parents=True, exist_ok=True)
(OUT / "schedules.json").write_text(json.dumps(schedules(), indent=0) + "\n")
(OUT / "plateau.json").write_text(json.dumps(plateaus()) + "\n")
(OUT / "optim.json").write_text(json.dumps([{**run, "steps": steps(run)} for run in RUNS]) + "\n")
