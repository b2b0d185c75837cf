#!/usr/bin/env python3
"""Golden files for tests/train/test_policy.c and tests/e2e/loss_grpo.sh.

Made with torch 2.13.0 and trl 1.16.0. Run from the source folder: python tools/golden/grpo.py
Each record of tests/golden/grpo/*.jsonl is an input of `openr1 loss grpo` plus "expect". The loss and its gradient
come from the formulas below in double precision with automatic differentiation; TRL's own GRPOTrainer._compute_loss
is then run on the same numbers (padded to a rectangle) and must agree, in every metric too. Entropies are multiples
of 1/1024, since TRL takes their quantile in float32. Advantages and their metrics are computed
with numpy and checked against the same lines of TRL by hand.
"""
import importlib.util
import itertools
import json
import math
import pathlib
import random
import sys

HERE = sys.path.pop(0)  # a neighbour of this file is called tokenizers.py

import numpy as np
import torch

spec = importlib.util.spec_from_file_location("trl_loss", pathlib.Path(HERE) / "trl_loss.py")
trl = importlib.util.module_from_spec(spec)
spec.loader.exec_module(trl)

OUT = pathlib.Path("tests/golden/grpo")
torch.set_default_dtype(torch.float64)
LOSSES = ["grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo"]
DEFAULTS = trl.DEFAULTS


def own_quantile(values, q):
    values = sorted(values)
    rank = q * (len(values) - 1)
    rank = round(rank) if abs(rank - round(rank)) < 1e-6 else rank
    low = math.floor(rank)
    return values[low] + (rank - low) * (values[min(low + 1, len(values) - 1)] - values[low])


def own_loss(c, lp, old, ref, mask, adv, entropy, last_entropy):
    """The loss of one micro-step from lists of 1-d tensors, one per sequence, and some of its metrics."""
    valid = [float(h.detach()) for row, m in zip(entropy, mask) for h, k in zip(row, m) if k]
    keep = mask
    if c["top_entropy_quantile"] < 1:
        least = own_quantile(valid, 1 - c["top_entropy_quantile"]) if valid else math.inf
        keep = [m * (h.detach() >= least) for h, m in zip(entropy, mask)]
    low, high = c["epsilon"], c["epsilon"] if c["epsilon_high"] is None else c["epsilon_high"]
    total_tokens = sum(float(m.sum()) for m in mask)
    pieces, kls = [], []
    for x, o, r, m, k, a in zip(lp, old, ref, mask, keep, adv):
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
            side = "pos" if a >= 0 else "neg"
            power, lam = c["vespo_k_" + side], c["vespo_lambda_" + side]
            log_w = float((d.clamp(-20, 20) * m).sum().clamp(math.log(1e-8), 20))
            phi = math.exp(lam + power * log_w - lam * math.exp(log_w)) if math.exp(log_w) * lam < 700 else 0.0
            piece = -phi * a * x
        else:
            capped = rho if c["delta"] is None else rho.clamp(max=c["delta"])
            piece = -torch.minimum(capped * a, rho.clamp(1 - low, 1 + high) * a)
        drift = float((-d * m).sum().detach()) / max(n, 1.0)
        if c["off_policy_mask_threshold"] is not None and a < 0 and drift > c["off_policy_mask_threshold"]:
            piece = piece * 0
        piece = piece * k
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
    own = {"policy_loss": float(loss.detach()), "kl": sum(kls) / max(total_tokens, 1.0)}
    kept = sum(float(k.sum()) for k in keep)
    coef = c["entropy_coef"]
    if coef or c["use_adaptive_entropy"]:
        mean = sum((h * k).sum() for h, k in zip(entropy, keep)) / max(kept, 1.0)
        applied = coef if not c["use_adaptive_entropy"] or last_entropy <= c["entropy_target"] else 0.0
        loss = loss - applied * mean
        if c["use_adaptive_entropy"]:
            up = float(mean.detach()) <= c["entropy_target"]
            coef = min(coef + c["entropy_coef_delta"], c["entropy_coef_max"]) if up else \
                max(coef - c["entropy_coef_delta"], c["entropy_coef_min"])
        own["entropy_coef"] = coef
    own["entropy"] = sum(valid) / max(total_tokens, 1.0)
    return loss, own


def policy_case(rng, name, settings, lengths, spread, masked=0.0, dead_row=False, on_policy=False, entropies=False,
                last_entropy=math.inf):
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
    # some of them equal, for the ties of a quantile
    def surprise():
        return rng.randrange(8) / 8 if rng.random() < 0.4 else rng.randrange(3072) / 1024
    entropy = [[surprise() if entropies else 0.0 for _ in row] for row in lp]
    def run(function):
        def tensors(rows, grad=False):
            return [torch.tensor(row, requires_grad=grad, dtype=torch.float64) for row in rows]
        x, h = tensors(lp, True), tensors(entropy, True)
        loss, metrics = function(c, x, tensors(old), tensors(ref), tensors(mask), adv, h, last_entropy)
        loss.backward()
        zero = torch.zeros
        return float(loss.detach()), x, [zero(len(t)) if t.grad is None else t.grad for t in h], metrics
    loss, x, h, own = run(own_loss)
    peer, y, peer_h, metrics = run(trl.trl_loss)
    assert abs(loss - peer) < 1e-12 * max(1, abs(loss)), (name, loss, peer)
    for a, b in zip([t.grad for t in x] + h, [t.grad for t in y] + peer_h):
        assert torch.allclose(a, b, rtol=1e-12, atol=1e-15), name
    for key in own:
        assert key not in metrics or abs(own[key] - metrics[key]) < 1e-12, (name, key, own[key], metrics[key])
    record = {"id": name, "config": settings, "logps": lp, "advantages": adv}
    if not on_policy:
        record["old_logps"] = old
    if c["beta"]:
        record["ref_logps"] = ref
    if masked or dead_row:
        record["mask"] = mask
    record["expect"] = {"loss": loss, "grad": [g.grad.tolist() for g in x]}
    if entropies:
        record["entropies"] = entropy
        record["expect"]["grad_entropies"] = [g.tolist() for g in h]
        if last_entropy < math.inf:
            record["last_entropy"] = last_entropy
    else:
        del metrics["entropy"]
    record["expect"]["metrics"] = {k: v for k, v in metrics.items() if not math.isnan(v)}
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
    return records + option_cases()


def option_cases():
    """Everything that entropy and off-policy masks do, for each loss and level, in random company."""
    rng = random.Random(19)
    records = []
    options = {
        "quantile": lambda: {"top_entropy_quantile": rng.choice([0.0, 0.2, 0.3, 0.5, 0.8])},
        "bonus": lambda: {"entropy_coef": rng.choice([0.001, 0.05, -0.02])},
        "adaptive": lambda: {"use_adaptive_entropy": True, "entropy_coef": rng.choice([0.0, 0.01]),
                             "entropy_target": rng.choice([0.2, 2.5])},
        "off-policy": lambda: {"off_policy_mask_threshold": rng.choice([-0.1, 0.0, 0.1])},
        "all": lambda: {"top_entropy_quantile": 0.4, "entropy_coef": 0.03, "off_policy_mask_threshold": 0.05},
    }
    for loss, level, option in itertools.product(LOSSES, ("token", "sequence"), options):
        settings = {"loss_type": loss, "importance_sampling_level": level, "max_completion_length": 16}
        settings |= options[option]()
        if rng.random() < 0.5:
            settings |= {"beta": 0.05, "use_bias_correction_kl": rng.random() < 0.5}
        if rng.random() < 0.3 and loss not in ("cispo", "sapo", "vespo"):
            settings |= {"delta": 1.4, "epsilon_high": 0.28}
        if loss == "cispo":
            settings |= {"epsilon_high": 1.3}
        last = rng.choice([math.inf, 0.1, 1.5]) if option == "adaptive" else math.inf
        lengths = [rng.randint(1, 7) for _ in range(rng.randint(2, 4))]
        records.append(policy_case(rng, f"{loss}-{level}-{option}", settings, lengths, 0.15 if loss == "vespo" else 0.4,
                                   rng.choice([0.0, 0.3]), dead_row=rng.random() < 0.2, entropies=True,
                                   last_entropy=last))
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
