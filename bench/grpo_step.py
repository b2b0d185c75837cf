#!/usr/bin/env python3
"""GRPO steps of ours beside TRL's: grpo_step.py [--work smollm2|demo] [--rounds N] [--build DIR] [--problems FILE].
Markdown to standard output.

smollm2: SmolLM2-135M-Instruct, 8 prompts of GSM8K x 8 completions of up to 256 tokens. demo: the model of
recipes/tiny-chain (161 thousand random weights, characters as tokens), 64 prompts x 8 completions of up to 40 tokens.
Temperature 1, learning rate 1e-6 (so that lengths stay as they are), beta 0, float32. Both sides begin with the same
weights and prompts; the time is the median over the last steps (one of two, six of six), so that loading is in none,
and with the large model the first touch of its memory is not either. TRL: trl 1.16.0 with transformers' generate,
all completions sampled at once, trained in micro-batches (logits of all 64 would not fit), the reward a function of
the text's length so that groups have variance. Ours: reward repetition_penalty, for the same reason. --llama puts
llama.cpp's decoding rate (bench/compare, 32 at once) in place of transformers' generate.
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
WORKS = {
    "smollm2": {"prompts": 8, "length": 256, "micro": 8, "steps": 2, "first": 1},
    "demo": {"prompts": 64, "length": 40, "micro": 512, "steps": 6, "first": 0},
}
COMPLETIONS = 8


def prompts(work, path):
    """Rows of a dataset, as many as the steps take: conversations, or for the demo's model plain text."""
    with open(path, encoding="utf-8") as f:
        rows = [json.loads(next(f)) for _ in range(work["steps"] * work["prompts"])]
    return [{"prompt": [{"role": "user", "content": r["question"]}] if "question" in r else r["prompt"], "solution": ""}
            for r in rows]


def between(ends, first):
    """The median time from one step's end to the next one's, from step `first` on."""
    return statistics.median(b - a for a, b in zip(ends[first:], ends[first + 1:]))


def trl_steps(work, model_dir, path):
    """In a process of its own: times and tokens of the steps, as JSON."""
    import torch
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer
    torch.set_num_threads(os.cpu_count() or 1)
    rows = Dataset.from_list(prompts(work, path))

    def by_length(completions, **_):
        texts = [c if isinstance(c, str) else c[0]["content"] for c in completions]
        return [len(t) % 97 / 97 for t in texts]

    class Clock(TrainerCallback):
        ends, sampled = [], 0.0

        def on_train_begin(self, *_, **__):
            self.ends.append(time.perf_counter())

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
        micro_steps = work["prompts"] * COMPLETIONS // work["micro"]
        config = GRPOConfig(output_dir=out, per_device_train_batch_size=work["micro"], steps_per_generation=micro_steps,
                            gradient_accumulation_steps=micro_steps, num_generations=COMPLETIONS,
                            max_completion_length=work["length"], temperature=1.0, learning_rate=1e-6, beta=0.0,
                            max_steps=work["steps"], bf16=False, use_cpu=True, report_to=[], save_strategy="no",
                            gradient_checkpointing=False, shuffle_dataset=False, logging_steps=1)
        trainer = Timed(model=model_dir, reward_funcs=by_length, args=config, train_dataset=rows, callbacks=[Clock()])
        trainer.train()
    import resource
    print(json.dumps({"seconds": between(Clock.ends, work["first"]), "sampling": Clock.sampled, "tokens": Clock.tokens,
                      "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000}))


def our_steps(work, build, model, path):
    with tempfile.TemporaryDirectory() as out:
        data = os.path.join(out, "prompts.jsonl")
        with open(data, "w", encoding="utf-8") as f:
            f.writelines(json.dumps(row) + "\n" for row in prompts(work, path))
        command = [f"{build}/openr1", "grpo", "--model_name_or_path", model, "--dataset_name", data, "--output_dir",
                   f"{out}/run", "--reward_funcs", "repetition_penalty", "--num_generations", str(COMPLETIONS),
                   "--per_device_train_batch_size", str(work["prompts"] * COMPLETIONS),
                   "--gradient_accumulation_steps", "1", "--max_completion_length", str(work["length"]),
                   "--learning_rate", "1e-6", "--beta", "0", "--max_steps", str(work["steps"]),
                   "--preflight", "false", "--save_strategy", "no", "--logging_steps", "1", "--shuffle_dataset",
                   "false"]
        done = subprocess.run(["/usr/bin/time", "-f", "%M", *command], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"grpo_step: {done.stderr[-800:]}")
        with open(f"{out}/run/metrics.jsonl", encoding="utf-8") as f:
            last = [json.loads(line) for line in f][-1]
        with open(f"{out}/run/timings.jsonl", encoding="utf-8") as f:
            timings = [json.loads(line) for line in f]
    return {"seconds": statistics.median(t["step_time"] for t in timings[work["first"]:]),
            "sampling": timings[-1]["generate_time"],
            "tokens": last["completions/mean_length"] * work["prompts"] * COMPLETIONS,
            "peak_mb": int(done.stderr.split()[-1]) / 1000}


def inputs(name, build, problems):
    """The model's folder and the file of problems of a work, made where they are not there yet."""
    if name == "smollm2":
        folder = f"{build}/models/smollm2-hf"
        make = [["convert", "--model", f"{build}/models/SmolLM2-135M-Instruct.Q4_1.gguf", "--out", folder]]
    else:
        folder, problems = f"{build}/models/demo-hf", f"{build}/models/chain.jsonl"
        make = [["init", "--config", f"{HERE}/../recipes/tiny-chain/init.yaml", "--out", folder, "--random_weights",
                 "float32"],
                ["data", "make", "chain", "--count", "512", "--params", '{"worked": 0}', "--out", problems]]
    if not os.path.exists(folder):
        for command in make:
            subprocess.run([f"{build}/openr1", *command], check=True)
    return folder, problems


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--work", choices=WORKS, default="smollm2")
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("--build", default=os.path.join(HERE, "..", "build"))
    p.add_argument("--problems", default=os.path.join(HERE, "..", "..", "shared", "data", "gsm8k", "train.jsonl"))
    p.add_argument("--llama", type=float, default=0, help="llama.cpp's tokens/s at 32 sequences, from bench/compare")
    p.add_argument("--trl", help="a model folder: run TRL's steps (what the rounds do)")
    a = p.parse_args()
    work = WORKS[a.work]
    if a.trl:
        return trl_steps(work, a.trl, a.problems)
    python = os.environ.get("PEERS_PYTHON") or subprocess.run(
        ["sh", f"{HERE}/../tools/peers", a.build], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    folder, problems = inputs(a.work, a.build, a.problems)
    mine, theirs = [], []
    for _ in range(a.rounds):
        mine.append(our_steps(work, a.build, folder, problems))
        out = subprocess.run([python, __file__, "--work", a.work, "--trl", folder, "--problems", problems],
                             capture_output=True, text=True, check=False)
        if out.returncode:
            sys.exit(f"grpo_step: TRL: {out.stderr[-800:]}")
        theirs.append(json.loads(out.stdout.splitlines()[-1]))
    ours, trl = (statistics.median(r["seconds"] for r in runs) for runs in (mine, theirs))
    print("| GRPO step | seconds | sampling, s | tokens | peak MB | ours : this |\n|---|---|---|---|---|---|")
    for name, runs in (("ours", mine), ("TRL, transformers generate", theirs)):
        r = runs[-1]
        print(f"| {name} | {statistics.median(x['seconds'] for x in runs):.2f} | {r['sampling']:.2f} "
              f"| {r['tokens']:.0f} | {r['peak_mb']:.0f} | {(trl if r is theirs[-1] else ours) / ours:.2f} |")
    if a.llama:
        r = theirs[-1]
        together = r["seconds"] - r["sampling"] + r["tokens"] / a.llama
        print(f"| TRL, llama.cpp decoding | {together:.1f} | {r['tokens'] / a.llama:.1f} | {r['tokens']:.0f} | | "
              f"{together / ours:.2f} |")
    return None


if __name__ == "__main__":
    main()
