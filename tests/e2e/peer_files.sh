#!/bin/sh
# The files that a run leaves for others are read by those others: trainer_state.json by transformers,
# completions as Parquet by pandas, event files by TensorBoard; each holds what metrics.jsonl holds. A model
# trained in bfloat16 is one to transformers too, and gives the logits that it gives here. Needs
# OPENR1_PYTHON with transformers and pandas, and for its part tensorboard.
set -eu
[ -n "${OPENR1_PYTHON:-}" ] && "$OPENR1_PYTHON" -c 'import transformers, pandas, pyarrow' 2>/dev/null ||
  { echo "skipped: OPENR1_PYTHON has no transformers, pandas, pyarrow"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$OPENR1_PYTHON" "$OPENR1_SOURCE/tools/golden/parquet.py" "$OPENR1_SOURCE/tests/golden/table.parquet"
cd "$tmp"
"$OPENR1" init --out base --alphabet '0123456789+-= ' --special '<|end|>' \
  --model_config '{"model_type": "llama", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
  "intermediate_size": 32, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
  "tie_word_embeddings": true}' >/dev/null 2>&1
for i in 1 2 3 4 5 6 7 8; do
  echo "{\"prompt\":\"$i+1=\",\"completion\":\"$((i + 1))\",\"solution\":\"$((i + 1))\"}"
done >sums.jsonl
"$OPENR1" sft --model_name_or_path base --from_scratch true --dataset_name sums.jsonl --output_dir sft \
  --max_steps 6 --per_device_train_batch_size 4 --logging_steps 2 --save_steps 2 --eval_strategy steps \
  --eval_steps 3 --eval_dataset_name sums.jsonl --metric_for_best_model loss --load_best_model_at_end true \
  >out 2>log || { cat log; exit 1; }
"$OPENR1" sft --model_name_or_path sft/model --weights_dtype bfloat16 --dataset_name sums.jsonl \
  --output_dir half --max_steps 6 --per_device_train_batch_size 4 --learning_rate 1e-2 >out 2>log ||
  { cat log; exit 1; }
echo '[3, 1, 4, 1, 5]' >ids.json
"$OPENR1" logits --model half/model --ids ids.json --out logits.safetensors 2>log || { cat log; exit 1; }
"$OPENR1" grpo --model_name_or_path sft/model --dataset_name sums.jsonl --output_dir grpo --max_steps 6 \
  --reward_funcs exact,format --prompts_per_step 2 --num_generations 4 --max_completion_length 5 \
  --logging_steps 2 --save_steps 4 --log_completions true --num_completions_to_print 0 >out 2>log ||
  { cat log; exit 1; }
"$OPENR1_PYTHON" - <<'PYTHON'
import json, math, os
import pandas as pd
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, TrainerState

def records(run):
    return [json.loads(line) for line in open(run + "/metrics.jsonl")]

for run, files in (("sft", ["sft", "sft/checkpoint-4"]), ("grpo", ["grpo", "grpo/checkpoint-4"])):
    log = records(run)
    for where in files:
        s = TrainerState.load_from_json(where + "/trainer_state.json")
        last = 4 if "checkpoint" in where else 6
        assert s.global_step == last and s.max_steps == 6, s
        train = [x for x in s.log_history if "loss" in x]
        assert [x["step"] for x in train] == list(range(2, last + 1, 2)), s.log_history
        for x in train:
            two = [r for r in log if x["step"] - 1 <= r["step"] <= x["step"]]
            assert math.isclose(x["loss"], sum(r["loss"] for r in two) / 2, abs_tol=1e-12)
            assert x["learning_rate"] == two[-1]["learning_rate"] and x["epoch"] == two[-1]["epoch"]
            assert "hashes" not in x and "prev" not in x
s = TrainerState.load_from_json("sft/trainer_state.json")
evals = {x["step"]: x["eval_loss"] for x in s.log_history if "eval_loss" in x}
assert sorted(evals) == [3, 6] and s.best_metric == min(evals.values()), s
assert s.best_model_checkpoint == "sft/checkpoint-%d" % s.best_global_step, s

for folder in ("half/model", "half/checkpoint-6"):
    half = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    assert half.dtype == torch.bfloat16, half.dtype
    saved = load_file("half/model/model.safetensors")
    assert saved and all(torch.equal(half.state_dict()[name], x) for name, x in saved.items())
    with torch.no_grad():
        theirs = half.float()(torch.tensor([[3, 1, 4, 1, 5]])).logits[0]
    ours = load_file("logits.safetensors")["logits"]
    assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5), (ours - theirs).abs().max()

for step in (2, 4, 6):
    name = "grpo/completions/completions_%05d" % step
    df, lines = pd.read_parquet(name + ".parquet"), [json.loads(x) for x in open(name + ".jsonl")]
    columns = ["step", "prompt", "completion", "exact_reward", "format_reward", "advantage"]
    assert list(df.columns) == columns, df
    assert len(df) == len(lines) == 8 and (df.step == step).all()
    for row, line in zip(df.to_dict("records"), lines):
        assert row["prompt"] == line["prompt"] and row["completion"] == line["completion"]
        assert row["exact_reward"] == line["rewards"]["exact_reward"]
        assert row["advantage"] == line["advantage"]

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError:
    print("no tensorboard here: its part is skipped")
    raise SystemExit
for run in ("sft", "grpo"):
    events = EventAccumulator(run + "/tensorboard")
    events.Reload()
    log = records(run)
    for tag, key in (("train/loss", "loss"), ("train/grad_norm", "grad_norm"), ("train/epoch", "epoch")):
        seen = [(x.step, x.value) for x in events.Scalars(tag)]
        wanted = [(r["step"], r[key]) for r in log]
        assert len(seen) == len(wanted) and all(a == c and math.isclose(b, d, rel_tol=1e-6, abs_tol=1e-9)
                                                 for (a, b), (c, d) in zip(seen, wanted)), (tag, seen, wanted)
    assert [x.step for x in events.Scalars("train/step_time")] == [r["step"] for r in log]
    if run == "sft":
        assert [x.step for x in events.Scalars("eval/runtime")] == [3, 6]
        assert [x.step for x in events.Scalars("eval/loss")] == [3, 6]
    else:
        assert len(events.Scalars("train/rewards/exact_reward/mean")) == 6
print("all read")
PYTHON
