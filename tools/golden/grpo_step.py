#!/usr/bin/env python3
"""Golden files for tests/train/test_grpo_step.c: one off-policy GRPO step on a transformers model.

Made with torch 2.13.0, transformers 5.23.0 and trl 1.16.0. Run from the source folder, after sft_curve.py (whose model it uses):
python tools/golden/grpo_step.py
Writes tests/golden/grpo/: step_prompts.jsonl (dataset), step_rollouts.jsonl (prompts and completions as a checkpoint
holds them, with old and reference log-probs that differ from the model's), step_sets.jsonl (the same, but that every
token was drawn from a few alone: a softmax over these), step_flat.jsonl (the same as the first, but that two of the three
groups got one reward throughout) and step.json (loss, gradient norm and metrics under several settings; the loss is
written out again here, in double precision on log-probs of the model in float32, padded rows and all; with groups of one
reward it is TRL's own function, whose metrics count them).
"""
import importlib.util
import json
import math
import pathlib
import random
import sys

HERE = sys.path.pop(0)  # a neighbour of this file is called tokenizers.py

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

spec = importlib.util.spec_from_file_location("trl_loss", pathlib.Path(HERE) / "trl_loss.py")
trl = importlib.util.module_from_spec(spec)
spec.loader.exec_module(trl)

OUT = pathlib.Path("tests/golden/grpo")
MODEL = "tests/golden/sft/model"
G, L = 4, 6
PROMPTS = ["1+2=", "30-4=", "5-1+1="]
REWARDS = [[1, 0, 0, 1], [0.25, 0.5, 0, 0], [1, 1, 1, 0]]

model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
tokenizer = AutoTokenizer.from_pretrained(MODEL)
rng = random.Random(4)


def forward(prompt, completion, temperature, sets=None):
    """Log-probs and entropies of the completion's tokens, one row at a time; each within its set, if there are any."""
    logits = model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1:-1].double() / temperature
    picked, entropies = [], []
    for t, (row, token) in enumerate(zip(logits, completion)):
        inside = sets[t] if sets and sets[t] else list(range(len(row)))
        logp = torch.log_softmax(row[inside], -1)
        picked.append(logp[inside.index(token)])
        entropies.append(-(logp.exp() * logp).sum())
    return torch.stack(picked), torch.stack(entropies)


def draw_sets(ids):
    """For each token a few others beside it, and for some all of them (an empty list)."""
    return [[] if rng.random() < 0.2 else sorted({i, *rng.sample(range(15), rng.randint(0, 6))}) for i in ids]


def make_rollouts(temperature, with_sets=False, all_rewards=REWARDS):
    groups = []
    for index, text in enumerate(PROMPTS):
        prompt = tokenizer(text)["input_ids"]
        rewards = all_rewards[index]
        mean = sum(rewards) / G
        std = (sum((r - mean) ** 2 for r in rewards) / (G - 1)) ** 0.5
        completions = []
        for i in range(G):
            n = rng.randint(1, L)
            ids = [rng.randint(1, 14) for _ in range(n - 1)] + [0]
            truncated = (index + i) % 4 == 3
            if truncated:
                ids = [rng.randint(1, 14) for _ in range(L)]
            sets = draw_sets(ids) if with_sets else None
            with torch.no_grad():
                logp, _ = forward(prompt, ids, temperature, sets)
            old = [float(torch.tensor(x + rng.gauss(0, 0.25), dtype=torch.float32)) for x in logp.tolist()]
            ref = [float(torch.tensor(x + rng.gauss(0, 0.3), dtype=torch.float32)) for x in logp.tolist()]
            completions.append({**({"sets": sets} if sets else {}), "ids": ids, "logps": old, "ref": ref,
                                "truncated": truncated, "text": "", "rewards": [rewards[i]], "reasons": [""],
                                "total": rewards[i], "advantage": (rewards[i] - mean) / (std + 1e-4)})
        groups.append({"window": 0, "prompt": index, "completions": completions})
    return groups


def quantile(values, q):
    values = sorted(values)
    rank = q * (len(values) - 1)
    low = math.floor(rank)
    return values[low] + (rank - low) * (values[min(low + 1, len(values) - 1)] - values[low])


def step(groups, temperature, loss_type="dapo", level="token", beta=0.0, low=0.2, high=0.2, mask_truncated=False,
         micro=12, top=1.0, bonus=0.0, drift=math.inf):
    model.zero_grad()
    rows = [(tokenizer(PROMPTS[g["prompt"]])["input_ids"], c) for g in groups for c in g["completions"]]
    parts, kls, entropies, counts, clipped, kept, dropped = [], [], [], [], [], [], 0
    passes = [forward(prompt, c["ids"], temperature, c.get("sets")) for prompt, c in rows]
    masks = [torch.full_like(logp, 0.0 if mask_truncated and c["truncated"] else 1.0)
             for (_, c), (logp, _) in zip(rows, passes)]
    least = quantile([float(h) for (_, entropy), m in zip(passes, masks) for h, k in zip(entropy.detach(), m) if k],
                     1 - top)
    for (prompt, c), (logp, entropy), mask in zip(rows, passes, masks):
        n = float(mask.sum())
        d = logp - torch.tensor(c["logps"], dtype=torch.float64)
        log_ratio = d if level == "token" else ((d * mask).sum() / max(n, 1.0)).expand_as(d)
        rho, a = log_ratio.exp(), c["advantage"]
        piece = -torch.minimum(rho * a, rho.clamp(1 - low, 1 + high) * a)
        keep = mask * (entropy.detach() >= least) if top < 1 else mask
        off = a < 0 and float((-d * mask).sum().detach()) / max(n, 1.0) > drift
        dropped += off
        piece = piece * keep * (0.0 if off else 1.0)
        kept.append((float(keep.sum()), (entropy * keep).sum()))
        gap = torch.tensor(c["ref"], dtype=torch.float64) - logp
        kl = gap.exp() - gap - 1
        if beta:
            piece = piece + beta * kl
        parts.append((piece * mask).sum())
        kls.append(float((kl * mask).sum().detach()))
        entropies.append(float((entropy * mask).sum().detach()))
        counts.append(n)
        region = ((rho < 1 - low) & (a < 0)) | ((rho > 1 + high) & (a > 0))
        clipped.append(float((region * mask).sum()) if level == "token" else float(region[0]) if n else 0.0)
    steps, total = len(rows) // micro, sum(counts)
    loss = 0
    for at in range(0, len(rows), micro):
        p, n = parts[at:at + micro], counts[at:at + micro]
        if loss_type == "grpo":
            loss = loss + sum(x / max(k, 1) for x, k in zip(p, n)) / micro / steps
        elif loss_type == "bnpo":
            loss = loss + sum(p) / max(sum(n), 1) / steps
        elif loss_type == "dr_grpo":
            loss = loss + sum(p) / (micro * L) / steps
        else:
            loss = loss + sum(p) / total
    hidden = 0
    for at in range(0, len(rows), micro):
        some = kept[at:at + micro]
        hidden = hidden + sum(h for _, h in some) / max(sum(n for n, _ in some), 1) / steps
    policy_loss = float(loss.detach())
    loss = loss - bonus * hidden
    loss.backward()
    norm = torch.sqrt(sum((q.grad.double() ** 2).sum() for q in model.parameters()))
    metrics = {"loss": float(loss.detach()), "grad_norm": float(norm), "entropy": sum(entropies) / total,
               "clip_ratio/region_mean": sum(clipped) / (total if level == "token" else len(rows))}
    if bonus:
        metrics |= {"policy_loss": policy_loss, "entropy_coef": bonus}
    if top < 1:
        metrics["entropy_kept_ratio"] = sum(n for n, _ in kept) / total
    if drift < math.inf:
        metrics["off_policy_masked_ratio"] = dropped / len(rows)
    if beta:
        metrics["kl"] = sum(kls) / total
    return metrics


def trl_step(groups, temperature, **settings):
    """The same step by TRL's function: loss, gradient norm and what it logs."""
    model.zero_grad()
    rows = [(tokenizer(PROMPTS[g["prompt"]])["input_ids"], c) for g in groups for c in g["completions"]]
    passes = [forward(prompt, c["ids"], temperature) for prompt, c in rows]
    lp, entropy = [logp for logp, _ in passes], [h for _, h in passes]
    old = [torch.tensor(c["logps"], dtype=torch.float64) for _, c in rows]
    config = {**trl.DEFAULTS, "max_completion_length": L, **settings}
    loss, metrics = trl.trl_loss(config, lp, old, old, [torch.ones_like(x) for x in lp],
                                 [c["advantage"] for _, c in rows], entropy, math.inf)
    loss.backward()
    norm = torch.sqrt(sum((q.grad.double() ** 2).sum() for q in model.parameters()))
    return {"loss": float(loss.detach()), "grad_norm": float(norm), **metrics}


groups = make_rollouts(0.8)
OUT.joinpath("step_prompts.jsonl").write_text(
    "".join(json.dumps({"prompt": p, "solution": "1"}) + "\n" for p in PROMPTS))
OUT.joinpath("step_rollouts.jsonl").write_text("".join(json.dumps(g) + "\n" for g in groups))
cases = [
    ("beta 0.05", dict(beta=0.05)),
    ("loss_type grpo beta 0.1 per_device_train_batch_size 4 gradient_accumulation_steps 3",
     dict(loss_type="grpo", beta=0.1, micro=4)),
    ("loss_type grpo importance_sampling_level sequence epsilon 0.05 epsilon_high 0.1 beta 0.02",
     dict(loss_type="grpo", level="sequence", low=0.05, high=0.1, beta=0.02)),
    ("loss_type bnpo per_device_train_batch_size 6 gradient_accumulation_steps 2 beta 0.03",
     dict(loss_type="bnpo", micro=6, beta=0.03)),
    ("loss_type dr_grpo epsilon_high 0.28 mask_truncated_completions true beta 0.04",
     dict(loss_type="dr_grpo", high=0.28, mask_truncated=True, beta=0.04)),
    ("loss_type dapo mask_truncated_completions true beta 0.01", dict(mask_truncated=True, beta=0.01)),
    ("loss_type dapo entropy_coef 0.1 beta 0", dict(bonus=0.1)),
    ("loss_type grpo entropy_coef 0.05 per_device_train_batch_size 4 gradient_accumulation_steps 3",
     dict(loss_type="grpo", bonus=0.05, micro=4)),
    ("loss_type dapo top_entropy_quantile 0.35 beta 0.02", dict(top=0.35, beta=0.02)),
    ("loss_type dapo off_policy_mask_threshold 0.05 beta 0.02", dict(drift=0.05, beta=0.02)),
    ("loss_type dapo top_entropy_quantile 0.5 entropy_coef 0.03 mask_truncated_completions true "
     "per_device_train_batch_size 6 gradient_accumulation_steps 2",
     dict(top=0.5, bonus=0.03, mask_truncated=True, micro=6)),
]
few = make_rollouts(0.8, True)
OUT.joinpath("step_sets.jsonl").write_text("".join(json.dumps(g) + "\n" for g in few))
few_cases = [
    ("top_k 9 beta 0.05 entropy_coef 0.02", dict(beta=0.05, bonus=0.02)),
    ("top_p 0.9 loss_type grpo importance_sampling_level sequence epsilon 0.05 beta 0.02",
     dict(loss_type="grpo", level="sequence", low=0.05, high=0.05, beta=0.02)),
]
flat = make_rollouts(0.8, all_rewards=[[0, 0, 0, 0], [0.25, 0.5, 0, 0], [1, 1, 1, 1]])
OUT.joinpath("step_flat.jsonl").write_text("".join(json.dumps(g) + "\n" for g in flat))
flat_cases = [
    ("loss_type dapo beta 0", {}),
    ("loss_type vespo beta 0", dict(loss_type="vespo")),
    ("loss_type grpo importance_sampling_level sequence epsilon 0.05 epsilon_high 0.1",
     dict(loss_type="grpo", importance_sampling_level="sequence", epsilon=0.05, epsilon_high=0.1)),
    ("loss_type dapo top_entropy_quantile 0.4", dict(top_entropy_quantile=0.4)),
    ("loss_type cispo epsilon_high 1.1", dict(loss_type="cispo", epsilon_high=1.1)),
]
records = [{"words": words, "rollouts": name, "expect": step(rollouts, 0.8, **settings)}
           for name, rollouts, list_ in (("step_rollouts.jsonl", groups, cases), ("step_sets.jsonl", few, few_cases))
           for words, settings in list_]
records += [{"words": words, "rollouts": "step_flat.jsonl", "expect": trl_step(flat, 0.8, **settings)}
            for words, settings in flat_cases]
OUT.joinpath("step.json").write_text(json.dumps(records, indent=0) + "\n")
