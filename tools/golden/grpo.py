#!/usr/bin/env python3
"""Golden files for tests/train/test_policy.c and tests/e2e/loss_grpo.sh.

Made with torch 2.13.0 and trl 1.16.0. Run from the source folder: python tools/golden/grpo.py
Each record of tests/golden/grpo/*.jsonl is an input of `openr1 loss grpo` plus "expect". The loss and its gradient
come from the formulas below in double precision with automatic differentiation; TRL's own GRPOTrainer._compute_loss
is then run on the same numbers (padded to a rectangle) and must agree. Advantages and their metrics are computed
with numpy and checked against the same lines of TRL by hand.
"""
import itertools
import json
import math
import pathlib
import random
import types

import numpy as np
import torch
from trl import GRPOTrainer

OUT = pathlib.Path("tests/golden/grpo")
torch.set_default_dtype(torch.float64)
LOSSES = ["grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo"]
DEFAULTS = {"loss_type": "dapo", "epsilon": 0.2, "epsilon_high": None, "delta": None, "beta": 0.0,
            "importance_sampling_level": "token", "use_bias_correction_kl": False, "max_completion_length": 512,
            "sapo_temperature_pos": 1.0, "sapo_temperature_neg": 1.05, "vespo_k_pos": 2.0, "vespo_lambda_pos": 3.0,
            "vespo_k_neg": 3.0, "vespo_lambda_neg": 2.0}


def own_loss(c, lp, old, ref, mask, adv):
    """The loss of one micro-step from lists of 1-d tensors, one per sequence."""
    low, high = c["epsilon"], c["epsilon"] if c["epsilon_high"] is None else c["epsilon_high"]
    total_tokens = sum(float(m.sum()) for m in mask)
    pieces, kls = [], []
    for x, o, r, m, a in zip(lp, old, ref, mask, adv):
        n = float(m.sum())
        d = x - o
        log_ratio = d if c["importance_sampling_level"] == "token" else ((d * m).sum() / max(n, 1.0)).expand_as(d)
        rho = log_ratio.exp()
        if c["loss_type"] == "cispo":
            piece = -rho.clamp(max=high).detach() * a * x
        elif c["loss_type"] == "sapo":
            tau = c["sapo_temperature_pos"] if a > 0 else c["sapo_temperature_neg"]
            piece = -4 / tau * torch.sigmoid(tau * (rho - 1)) * a
        elif c["loss_type"] == "vespo":
            k, lam = (c["vespo_k_pos"], c["vespo_lambda_pos"]) if a >= 0 else (c["vespo_k_neg"], c["vespo_lambda_neg"])
            log_w = float((d.clamp(-20, 20) * m).sum().clamp(math.log(1e-8), 20))
            phi = math.exp(lam + k * log_w - lam * math.exp(log_w)) if math.exp(log_w) * lam < 700 else 0.0
            piece = -phi * a * x
        else:
            capped = rho if c["delta"] is None else rho.clamp(max=c["delta"])
            piece = -torch.minimum(capped * a, rho.clamp(1 - low, 1 + high) * a)
        kl = torch.exp(r - x) - (r - x) - 1
        if c["use_bias_correction_kl"]:
            kl = kl * rho
        if c["beta"]:
            piece = piece + c["beta"] * kl
        pieces.append((piece * m).sum())
        kls.append(float((kl * m).sum()))
    counts = [float(m.sum()) for m in mask]
    rows = len(lp)
    if c["loss_type"] in ("grpo", "sapo"):
        loss = sum(p / max(n, 1.0) for p, n in zip(pieces, counts)) / rows
    elif c["loss_type"] == "dr_grpo":
        loss = sum(pieces) / (rows * c["max_completion_length"])
    elif c["loss_type"] == "luspo":
        loss = sum(pieces) / rows
    else:
        loss = sum(pieces) / max(total_tokens, 1.0)
    return loss, sum(kls) / max(total_tokens, 1.0)


class OneProcess:
    num_processes = 1

    def reduce(self, x, reduction):
        return x

    def gather(self, x):
        return x


def trl_loss(c, lp, old, ref, mask, adv):
    """TRL's own function on rows padded to a rectangle. Returns loss and its metrics."""
    def rectangle(rows):
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    lp, old, ref, mask = rectangle(lp), rectangle(old), rectangle(ref), rectangle(mask)
    logged = {"train": __import__("collections").defaultdict(list)}
    args = types.SimpleNamespace(**{k: c[k] for k in DEFAULTS}, steps_per_generation=1)
    trainer = types.SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *a, **k: (lp, torch.zeros_like(lp), None), aux_loss_enabled=False,
        top_entropy_quantile=1.0, off_policy_mask_threshold=None, beta=c["beta"], args=args, loss_type=c["loss_type"],
        importance_sampling_level=c["importance_sampling_level"], epsilon_low=c["epsilon"],
        epsilon_high=c["epsilon"] if c["epsilon_high"] is None else c["epsilon_high"],
        max_completion_length=c["max_completion_length"], use_vllm=False, _entropy_bonus_enabled=False,
        model=types.SimpleNamespace(training=True), current_gradient_accumulation_steps=1, accelerator=OneProcess(),
        _metrics=logged, get_gamma_weights=GRPOTrainer.get_gamma_weights)
    ids = torch.zeros(lp.shape, dtype=torch.long)
    inputs = {"prompt_ids": ids[:, :1], "prompt_mask": ids[:, :1], "completion_ids": ids, "completion_mask": mask,
              "advantages": torch.tensor(adv), "old_per_token_logps": old, "ref_per_token_logps": ref,
              "num_items_in_batch": mask.sum()}
    loss = GRPOTrainer._compute_loss(trainer, None, inputs)
    return loss, {k: v[0] for k, v in logged["train"].items() if k != "entropy"}


def policy_case(rng, name, settings, lengths, spread, masked=0.0, dead_row=False, on_policy=False):
    c = {**DEFAULTS, **settings}
    def draw(n, scale):
        return [round(rng.gauss(0, scale), 6) for _ in range(n)]
    lp = [[round(-abs(rng.gauss(0, 1.5)), 6) for _ in range(n)] for n in lengths]
    old = [[round(x + d, 6) for x, d in zip(row, draw(len(row), spread))] for row in lp]
    ref = [[round(x + d, 6) for x, d in zip(row, draw(len(row), 0.3))] for row in lp]
    mask = [[0 if rng.random() < masked else 1 for _ in row] for row in lp]
    if dead_row:
        mask[1] = [0] * len(mask[1])
    adv = draw(len(lengths), 1.0)
    if on_policy:
        old = lp
    def tensors(rows, grad=False):
        return [torch.tensor(row, requires_grad=grad) for row in rows]
    x = tensors(lp, True)
    def part(rows):
        return tensors(rows)
    loss, kl = own_loss(c, x, part(old), part(ref), [m.to(torch.get_default_dtype()) for m in part(mask)], adv)
    loss.backward()
    y = tensors(lp, True)
    peer, metrics = trl_loss(c, y, part(old), part(ref), [m.to(torch.get_default_dtype()) for m in part(mask)], adv)
    peer.backward()
    assert abs(float(loss) - float(peer)) < 1e-12 * max(1, abs(float(loss))), (name, float(loss), float(peer))
    for a, b in zip(x, y):
        assert torch.allclose(a.grad, b.grad, rtol=1e-12, atol=1e-15), name
    if c["beta"]:
        assert abs(kl - metrics["kl"]) < 1e-12
    record = {"id": name, "config": settings, "logps": lp, "advantages": adv}
    if not on_policy:
        record["old_logps"] = old
    if c["beta"]:
        record["ref_logps"] = ref
    if masked or dead_row:
        record["mask"] = mask
    record["expect"] = {"loss": float(loss), "grad": [g.grad.tolist() for g in x],
                        "metrics": {k: v for k, v in metrics.items() if not math.isnan(v)}}
    return record


def policy_cases():
    rng = random.Random(7)
    records = []
    for loss, level, delta, beta in itertools.product(LOSSES, ("token", "sequence"), (None, 1.4), (0.0, 0.07)):
        if delta and loss in ("cispo", "sapo", "vespo"):
            continue
        settings = {"loss_type": loss, "importance_sampling_level": level, "max_completion_length": 16}
        if delta:
            settings |= {"delta": delta, "epsilon_high": 0.28}
        if loss == "cispo":
            settings |= {"epsilon_high": 1.3}
        if beta:
            settings |= {"beta": beta}
        name = f"{loss}-{level}-{delta or 'plain'}-{'kl' if beta else 'nokl'}"
        spread = 0.4 if level == "token" else 0.6
        if loss == "vespo":
            spread = 0.15
        records.append(policy_case(rng, name, settings, [5, 3, 7, 1], spread))
        records.append(policy_case(rng, name + "-masked", settings, [4, 6, 2], spread, 0.3, dead_row=True))
    for loss, level in itertools.product(("grpo", "dapo", "luspo"), ("token", "sequence")):
        settings = {"loss_type": loss, "importance_sampling_level": level, "beta": 0.1, "use_bias_correction_kl": True}
        records.append(policy_case(rng, f"{loss}-{level}-corrected", settings, [4, 5, 3], 0.4, 0.2))
    for loss in LOSSES:
        records.append(policy_case(rng, f"{loss}-on-policy", {"loss_type": loss}, [3, 4], 0.0, on_policy=True))
    return records


def nan_std(x):
    x = x[~np.isnan(x)]
    return float(np.sqrt(((x - x.mean()) ** 2).sum() / (len(x) - 1))) if len(x) > 1 else math.nan


def nan_mean(x):
    x = x[~np.isnan(x)]
    return float(x.mean()) if len(x) else math.nan


def own_advantages(matrix, group, weights, scale, gdpo):
    n = len(matrix)
    judged = ~np.isnan(matrix).all(axis=1)
    totals = np.where(judged, np.nansum(matrix * weights, axis=1), np.nan)
    if gdpo:
        z = np.full_like(matrix, np.nan)
        for at in range(0, n, group):
            for k in range(matrix.shape[1]):
                column = matrix[at:at + group, k]
                z[at:at + group, k] = (column - nan_mean(column)) / (nan_std(column) + 1e-4)
        q = np.where(judged, np.nansum(z * weights, axis=1), np.nan)
        # a group whose deviation is undefined counts for nothing, as nansum has it
        std = nan_std(q)
        adv, used = (q - nan_mean(q)) / (std + 1e-4), np.full(n, std)
    else:
        adv, used = np.empty(n), np.empty(n)
        for at in range(0, n, group):
            g = totals[at:at + group]
            used[at:at + group] = nan_std(totals) if scale == "batch" else nan_std(g)
            adv[at:at + group] = g - nan_mean(g)
        if scale != "none":
            adv = adv / (used + 1e-4)
    zero = float(np.mean(np.abs(used) <= 1e-8))
    return np.nan_to_num(adv, nan=0.0), {"reward": nan_mean(totals), "reward_std": nan_std(totals),
                                         "frac_reward_zero_std": zero}


def advantage_cases():
    rng = random.Random(11)
    records = []
    def add(name, rewards, group, weights=None, scale="group", gdpo=False):
        rows = [r if isinstance(r, list) else [r] for r in rewards]
        matrix = np.array([[math.nan if x is None else float(x) for x in row] for row in rows])
        w = np.ones(matrix.shape[1]) if weights is None else np.array(weights)
        adv, metrics = own_advantages(matrix, group, w, scale, gdpo)
        config = {"num_generations": group, "loss_type": "grpo"}
        if weights:
            config["reward_weights"] = weights
        if scale != "group":
            config["scale_rewards"] = scale
        if gdpo:
            config["multi_objective_aggregation"] = "normalize_then_sum"
        lp = [[-0.5, -1.0] for _ in rewards]
        grad = [[-a / (2 * len(rewards))] * 2 for a in adv.tolist()]
        records.append({"id": name, "config": config, "logps": lp, "rewards": rewards, "expect": {
            "advantages": adv.tolist(), "grad": grad, "metrics": {k: v for k, v in metrics.items() if not math.isnan(v)}}})
    add("half", [1, 0, 0, 1], 4)
    add("two-groups", [1, 0, 0, 1, 0.2, 0.4, 0.6, 0.8], 4)
    add("constant", [0.7] * 3 + [0.1, 0.2, 0.3], 3)
    add("one-none", [1, None, 0, 1], 4)
    add("all-none", [None, None, 1, 0], 2)
    add("single-valid", [None, 0.4, 1, 0], 2)
    add("unscaled", [1, 0, 0, 1, 3, 5, 7, 9], 4, scale="none")
    add("batch", [1, 0, 0, 1, 3, 5, 7, 9], 4, scale="batch")
    add("batch-none", [1, None, 0, 1, 3, 5, 7, 9], 4, scale="batch")
    add("weights", [[1, 0], [0, 1], [1, 1], [0, 0]], 4, [0.7, 0.3])
    add("partial-none", [[1, None], [None, 1], [0.5, 1], [None, None]], 4, [1.0, 0.5])
    for i in range(6):
        rewards = [[None if rng.random() < 0.1 else round(rng.random(), 3) for _ in range(3)] for _ in range(12)]
        add(f"random-{i}", rewards, 4 if i % 2 else 6, [1.0, 0.5, 2.0], ["group", "batch", "none"][i % 3])
    add("gdpo", [[round(rng.random(), 3), round(10 * rng.random(), 3)] for _ in range(8)], 4, gdpo=True)
    return records


OUT.mkdir(parents=True, exist_ok=True)
for name, records in (("policy", policy_cases()), ("advantages", advantage_cases())):
    (OUT / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    print(name, len(records))
