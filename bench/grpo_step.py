#!/usr/bin/env python3
"""One GRPO step of ours beside TRL's: grpo_step.py [--rounds N] [--build DIR] [--problems FILE]. Markdown to standard output.

SmolLM2-135M-Instruct, 8 prompts of GSM8K x 8 completions of up to 256 tokens at temperature 1, learning rate 1e-6,
beta 0, float32. Both begin with the same weights and prompts and run two optimiser steps; the time is that of the
second, between the ends of the two, so that start-up is in neither. TRL: trl 1.16.0 with transformers' generate, 64
completions sampled at once, trained in micro-batches of 8 (logits of 64 would not fit), the reward a function of the
text's length so that every group has variance. Ours: reward repetition_penalty, for the same reason. The third
figure puts llama.cpp's decoding rate (bench/compare, 32 at once) in place of transformers' generate.
The interpreter must have the peers (tools/peers); GSM8K is shared data and not part of the project.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PROMPTS, COMPLETIONS, LENGTH = 8, 8, 256


def questions(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(next(f))["question"] for _ in range(2 * PROMPTS)]


def trl_steps(model_dir, path):
    """In a process of its own: times and tokens of the steps, as JSON."""
    import torch
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer
    torch.set_num_threads(os.cpu_count() or 1)
    rows = Dataset.from_list([{"prompt": [{"role": "user", "content": q}]} for q in questions(path)])

    def by_length(completions, **_):
        return [len(c[0]["content"]) % 97 / 97 for c in completions]

    class Clock(TrainerCallback):
        ends, sampled = [], 0.0

        def on_step_end(self, *_, **__):
            self.ends.append(time.perf_counter())

    class Timed(GRPOTrainer):
        def _generate_and_score_completions(self, inputs):
            start = time.perf_counter()
            out = super()._generate_and_score_completions(inputs)
            Clock.sampled = time.perf_counter() - start
            Clock.tokens = int(out["completion_mask"].sum())
            return out

    with tempfile.TemporaryDirectory() as out:
        config = GRPOConfig(output_dir=out, per_device_train_batch_size=PROMPTS, gradient_accumulation_steps=COMPLETIONS,
                            steps_per_generation=COMPLETIONS, num_generations=COMPLETIONS,
                            max_completion_length=LENGTH, temperature=1.0, learning_rate=1e-6, beta=0.0, max_steps=2,
                            bf16=False, use_cpu=True, report_to=[], save_strategy="no", gradient_checkpointing=False,
                            shuffle_dataset=False, logging_steps=1)
        trainer = Timed(model=model_dir, reward_funcs=by_length, args=config, train_dataset=rows, callbacks=[Clock()])
        trainer.train()
    import resource
    print(json.dumps({"seconds": Clock.ends[1] - Clock.ends[0], "sampling": Clock.sampled, "tokens": Clock.tokens,
                      "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000}))


def our_steps(build, model, path):
    with tempfile.TemporaryDirectory() as out:
        data = os.path.join(out, "prompts.jsonl")
        with open(data, "w", encoding="utf-8") as f:
            for q in questions(path):
                f.write(json.dumps({"prompt": [{"role": "user", "content": q}], "solution": ""}) + "\n")
        command = [f"{build}/openr1", "grpo", "--model_name_or_path", model, "--dataset_name", data, "--output_dir",
                   f"{out}/run", "--reward_funcs", "repetition_penalty", "--num_generations", str(COMPLETIONS),
                   "--per_device_train_batch_size", str(PROMPTS * COMPLETIONS), "--gradient_accumulation_steps", "1",
                   "--max_completion_length", str(LENGTH), "--learning_rate", "1e-6", "--beta", "0", "--max_steps", "2",
                   "--preflight", "false", "--save_strategy", "no", "--logging_steps", "1", "--shuffle_dataset", "false"]
        done = subprocess.run(["/usr/bin/time", "-f", "%M", *command], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"grpo_step: {done.stderr[-800:]}")
        last = {}
        for name in ("metrics", "timings"):
            with open(f"{out}/run/{name}.jsonl", encoding="utf-8") as f:
                last.update([json.loads(line) for line in f][-1])
    return {"seconds": last["step_time"], "sampling": last["generate_time"],
            "tokens": last["completions/mean_length"] * PROMPTS * COMPLETIONS,
            "peak_mb": int(done.stderr.split()[-1]) / 1000}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("--build", default=os.path.join(HERE, "..", "build"))
    p.add_argument("--problems", default=os.path.join(HERE, "..", "..", "shared", "data", "gsm8k", "train.jsonl"))
    p.add_argument("--llama", type=float, default=0, help="llama.cpp's tokens/s at 32 sequences, from bench/compare")
    p.add_argument("--trl", help="a model folder: run TRL's steps (what the rounds do)")
    a = p.parse_args()
    if a.trl:
        return trl_steps(a.trl, a.problems)
    python = os.environ.get("PEERS_PYTHON") or subprocess.run(
        ["sh", f"{HERE}/../tools/peers", a.build], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    gguf, folder = f"{a.build}/models/SmolLM2-135M-Instruct.Q4_1.gguf", f"{a.build}/models/smollm2-hf"
    if not os.path.exists(folder):
        subprocess.run([f"{a.build}/openr1", "convert", "--model", gguf, "--out", folder], check=True)
    mine, theirs = [], []
    for _ in range(a.rounds):
        mine.append(our_steps(a.build, folder, a.problems))
        out = subprocess.run([python, __file__, "--trl", folder, "--problems", a.problems], capture_output=True, text=True,
                             check=False)
        if out.returncode:
            sys.exit(f"grpo_step: TRL: {out.stderr[-800:]}")
        theirs.append(json.loads(out.stdout.splitlines()[-1]))
    ours, trl = (statistics.median(r["seconds"] for r in runs) for runs in (mine, theirs))
    print("| GRPO step | seconds | sampling, s | tokens | peak MB | ours : this |\n|---|---|---|---|---|---|")
    for name, runs in (("ours", mine), ("TRL, transformers generate", theirs)):
        r = runs[-1]
        print(f"| {name} | {statistics.median(x['seconds'] for x in runs):.1f} | {r['sampling']:.1f} | {r['tokens']:.0f} "
              f"| {r['peak_mb']:.0f} | {(trl if r is theirs[-1] else ours) / ours:.2f} |")
    if a.llama:
        r = theirs[-1]
        together = r["seconds"] - r["sampling"] + r["tokens"] / a.llama
        print(f"| TRL, llama.cpp decoding | {together:.1f} | {r['tokens'] / a.llama:.1f} | {r['tokens']:.0f} | | "
              f"{together / ours:.2f} |")
    return None


if __name__ == "__main__":
    main()
