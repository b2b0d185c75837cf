#!/bin/sh
# Nothing is lost: GRPO runs (one that evaluates and keeps its best, one with weights in bfloat16 and a
# reference that moves), an SFT run and one with adapters are killed with SIGKILL at random moments, twenty
# times and more (KILLS=50 for more), and started again each time on another number of threads; final weights,
# log, state and completions equal those of a run that nobody touched, byte for byte. SIGTERM leaves a
# checkpoint and status 75, SIGINT status 130, and the same command goes on. A finished run says so again; one
# whose model was taken away makes it again.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
exec 2>"$tmp/stderr"
fail() {
  echo "FAILED: $*"
  tail -5 "$tmp/stderr"
  exit 1
}

"$OPENR1" init --out base --alphabet '0123456789+-= ' --special '<|end|>' \
  --model_config '{"model_type": "llama",
  "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
  "intermediate_size": 64, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
  "tie_word_embeddings": true, "initializer_range": 0.1}' >/dev/null
awk 'BEGIN { for (i = 0; i < 60; i++) {
  a = i % 8; b = int(i / 8)
  printf "{\"prompt\":\"%d+%d=\",\"completion\":\"%d\",\"solution\":\"%d\"}\n", a, b, a + b, a + b
} }' >sums.jsonl
head -8 sums.jsonl >held.jsonl

sft() { # OUTPUT_DIR; in a subshell
  exec "$OPENR1" sft --model_name_or_path base --from_scratch true --dataset_name sums.jsonl \
    --output_dir "$1" --learning_rate 1e-2 --per_device_train_batch_size 8 \
    --gradient_accumulation_steps 3 --max_steps 60 --save_steps 4 --save_total_limit 2 \
    --lr_scheduler_type cosine --logging_steps 5 --threads "$threads"
}
grpo() { # OUTPUT_DIR ARGUMENTS...
  dir=$1
  shift
  exec "$OPENR1" grpo --model_name_or_path whole-sft/model --dataset_name sums.jsonl \
    --output_dir "$dir" --reward_funcs exact --learning_rate 1e-3 --prompts_per_step 3 --num_generations 4 \
    --reuse_activations true \
    --num_iterations 2 --steps_per_generation 2 --max_completion_length 4 --max_steps 60 \
    --save_steps 3 --save_total_limit 2 --beta 0.02 --log_completions true \
    --num_completions_to_print 0 --logging_steps 4 --threads "$threads" "$@"
}
best() { # evaluated, the best checkpoint kept beside the newest, and its model saved at the end; by the same
         # metric the learning rate falls
  grpo "$1" --max_steps 40 --eval_strategy steps --eval_steps 5 --eval_on_start true \
    --eval_dataset_name held.jsonl --num_generations_eval 3 --metric_for_best_model reward \
    --load_best_model_at_end true --dynamic_sampling true --curriculum pass_rate \
    --lr_scheduler_type reduce_lr_on_plateau \
    --lr_scheduler_kwargs '{"patience": 0, "factor": 0.7, "cooldown": 1}'
}
half() {
  grpo "$1" --max_steps 30 --weights_dtype bfloat16 --sync_ref_model true --ref_model_sync_steps 4
}
looked() { # a long evaluation where a window of rollouts ends
  grpo "$1" --max_steps 8 --eval_strategy steps --eval_steps 4 --eval_dataset_name held.jsonl \
    --num_generations_eval 20000
}
threads=2
lora() { # the sft run's model, with adapters; what is cut short goes on where a finished run would be anew
  exec "$OPENR1" sft --model_name_or_path whole-sft/model --use_peft true --lora_target_modules all-linear \
    --lora_modules_to_save norm --dataset_name sums.jsonl --output_dir "$1" --learning_rate 1e-2 \
    --per_device_train_batch_size 8 --gradient_accumulation_steps 3 --max_steps 60 --save_steps 4 \
    --save_total_limit 2 --overwrite_output_dir true
}
same() { # KIND DIR
  [ -z "$(find "$2" -name '*.tmp*' -o -name '*.new' -o -name '*.old' -o -name '*.partial')" ] ||
    fail "$1: left behind: $(find "$2" -name '*.tmp*' -o -name '*.new' -o -name '*.old' -o -name '*.partial')"
  cmp "whole-$1/metrics.jsonl" "$2/metrics.jsonl" || fail "$1: the logs differ"
  weights=model/model.safetensors
  [ "$1" != lora ] || weights=model/adapter_model.safetensors
  cmp "whole-$1/$weights" "$2/$weights" || fail "$1: the weights differ"
  sed "s|\"$2/|\"whole-$1/|" "$2/trainer_state.json" | cmp "whole-$1/trainer_state.json" - ||
    fail "$1: the states differ"
  [ "$(ls -d whole-"$1"/checkpoint-*)" = "$(ls -d "$2"/checkpoint-* | sed "s|^$2|whole-$1|")" ] ||
    fail "$1: other checkpoints"
  for f in whole-"$1"/completions/*; do
    [ -f "$f" ] || continue
    cmp "$f" "$2/completions/${f##*/}" || fail "$1: the completions differ"
  done
}
kills=0
saved= # the last kind of run that was killed behind a checkpoint
seed=7
torture() { # KIND: kill after a random while, twelve times at most, and let the last one reach the end
  for i in 1 2 3 4 5 6 7 8 9 10 11 12 13; do
    threads=$((seed / 65536 % 3 + 1))
    "$1" "killed-$1" >/dev/null &
    pid=$!
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    [ "$i" = 13 ] || sleep "0.$(printf %03d $((seed / 65536 % 300 * (i + 5) / 9 + 20)))"
    if [ "$i" != 13 ] && kill -9 "$pid" 2>/dev/null; then
      wait "$pid" 2>/dev/null || true
      kills=$((kills + 1))
      ! ls -d "killed-$1"/checkpoint-* >/dev/null 2>&1 ||
        grep -q finished "killed-$1/run_state.json" || saved=$1
    else
      wait "$pid" || fail "$1: a resumed run failed"
      break
    fi
  done
  same "$1" "killed-$1"
}
stopped() { # KIND SIGNAL STATUS
  rm -rf "stopped-$1"
  "$1" "stopped-$1" >/dev/null &
  pid=$!
  while [ ! -s "stopped-$1/metrics.jsonl" ] && kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
  kill -"$2" "$pid" 2>/dev/null || true
  status=0
  wait "$pid" || status=$?
  [ "$status" = "$3" ] || [ "$status" = 0 ] || fail "$1: status $status after SIG$2, expected $3"
  [ "$status" = 0 ] || ls -d "stopped-$1"/checkpoint-* >/dev/null || fail "$1: no checkpoint after SIG$2"
  ("$1" "stopped-$1" >/dev/null) || fail "$1: could not go on after SIG$2"
  same "$1" "stopped-$1"
}

(sft whole-sft >/dev/null) || fail "sft"
(grpo whole-grpo >/dev/null) || fail "grpo"
(lora whole-lora >/dev/null) || fail "lora"
(best whole-best >/dev/null) || fail "best"
(half whole-half >/dev/null) || fail "half"
best_step=$(sed -n 's/.*"best_global_step": *\([0-9]*\).*/\1/p' whole-best/trainer_state.json)
[ -d "whole-best/checkpoint-$best_step" ] || fail "best: no checkpoint of step $best_step"
cmp "whole-best/checkpoint-$best_step/model.safetensors" whole-best/model/model.safetensors ||
  fail "best: the model is not that of step $best_step"
[ "$(grep -o '"learning_rate":[^,]*' whole-best/metrics.jsonl | sort -u | wc -l)" -gt 2 ] ||
  fail "best: the learning rate has not fallen twice"
torture sft
torture grpo
torture lora
[ "$saved" != lora ] || grep -q 'resumed from killed-lora' "$tmp/stderr" ||
  fail "lora: overwrite_output_dir begins anew what was killed"
torture best
torture half
while [ "$kills" -lt "${KILLS:-20}" ]; do # a fast machine is through before the twelfth
  rm -rf killed-grpo killed-sft
  torture grpo
  [ "$kills" -ge "${KILLS:-20}" ] || torture sft
done
threads=2
stopped sft TERM 75
stopped grpo USR1 75
stopped grpo INT 130
# In an evaluation: the step's record is still to be written, and its completions.
(looked whole-looked >/dev/null) || fail "looked"
for i in 1 2 3 4 5 6 7 8 9; do
  rm -rf stopped-looked
  looked stopped-looked >/dev/null &
  pid=$!
  while ! grep -q '"step":3' stopped-looked/metrics.jsonl && kill -0 "$pid"; do sleep 0.02; done
  sleep "0.$((i % 3 * 2))"
  kill -TERM "$pid" || true
  wait "$pid" || true
  grep -q '"pending"' stopped-looked/checkpoint-4/resume.json && break
done
grep -q '"pending"' stopped-looked/checkpoint-4/resume.json || fail "no signal came in an evaluation"
(looked stopped-looked >/dev/null) || fail "looked: could not go on"
same looked stopped-looked
# A finished run given again prints its object again; without its model it makes that again; without anything
# to make it from it says so.
(grpo whole-grpo >again 2>log) || fail "a finished run: $(tail -3 log)"
hash='"[0-9a-f]\{64\}"'
grep -q "\"global_step\":60,\"weights\":$hash,\"log_head\":$hash}" again || fail "again: $(cat again)"
mv whole-grpo/model model
(grpo whole-grpo >again 2>log) || fail "a run without its model: $(tail -3 log)"
grep -q 'its model/ is gone: it is made again from whole-grpo/checkpoint-60' log || fail "$(tail -3 log)"
diff -r model whole-grpo/model || fail "the model made again differs"
cp -r whole-grpo taken
rm -r taken/model taken/checkpoint-*
if (grpo taken >again 2>log); then fail "a finished run that has nothing left"; fi
grep -q 'no checkpoint is left to make it from; overwrite_output_dir' log || fail "$(tail -3 log)"
head -c 40 whole-grpo/run_state.json >taken/run_state.json
if (grpo taken >again 2>log); then fail "half a run_state.json"; fi
grep -q 'cannot be read (remove the file; .*taken/run_state.json: .*cut short' log || fail "$(tail -3 log)"
# A dataset that has changed since makes another run, finished or not, though no key says so.
cp sums.jsonl before.jsonl
echo '{"prompt":"7+7=","completion":"14","solution":"14"}' >>sums.jsonl
if (sft whole-sft >again 2>log); then fail "a finished run, and another dataset"; fi
grep -q 'other inputs (changed: the content of sums.jsonl)' log || fail "$(tail -3 log)"
sed -i 's/finished/running/' whole-sft/run_state.json
if (sft whole-sft >again 2>log); then fail "going on with another dataset"; fi
grep -q 'other inputs (changed: the content of sums.jsonl)' log || fail "$(tail -3 log)"
mv before.jsonl sums.jsonl
# Going on from an early checkpoint takes the later ones away with the log behind it.
cp -r whole-grpo early
early() {
  "$OPENR1" grpo --config early/config.yaml --output_dir early --resume_from_checkpoint early/checkpoint-57 \
    --learning_rate 2e-3 --save_steps 2 >/dev/null 2>log
}
early || fail "from an early checkpoint: $(tail -3 log)"
[ -d early/checkpoint-58 ] && [ "$(ls -d early/checkpoint-* | wc -l)" = 2 ] || fail "$(ls early)"
cmp -s early/metrics.jsonl whole-grpo/metrics.jsonl && fail "another learning rate, the same log"
echo "$kills kills survived"
