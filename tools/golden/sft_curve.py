#!/usr/bin/env python3
"""Golden curve for tests/train/test_sft_curve.c: TRL's own SFTTrainer on a tiny Qwen2.

Made with torch 2.13.0, transformers 5.23.0 and trl 1.16.0. Run from the source folder: python tools/golden/sft_curve.py
Writes tests/golden/sft/: a model of some thousand weights with a tokenizer of characters, the data, and what the
trainer logged at each of 14 steps (loss, grad_norm, learning_rate, mean_token_accuracy, entropy, num_tokens), for
prompt-completion rows with accumulation and an incomplete last batch, and for plain text; the same for loss_type dft and
for label smoothing, and two evaluations on other rows (one batch: TRL takes means of batches' means).
"""
import json
import pathlib
import shutil
import sys

sys.path.pop(0)  # a neighbour of this file is called tokenizers.py

import torch
from datasets import Dataset
from tokenizers import Tokenizer, decoders, models
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
from trl import SFTConfig, SFTTrainer

OUT = pathlib.Path("tests/golden/sft")


def make_model():
    if OUT.exists():
        shutil.rmtree(OUT)
    OUT.mkdir(parents=True)
    vocabulary = {"<eos>": 0} | {c: i + 1 for i, c in enumerate("0123456789+-= ")}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.add_special_tokens(["<eos>"])
    tokenizer.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<eos>",
                                   clean_up_tokenization_spaces=False, model_max_length=64)
    torch.manual_seed(1)
    model = Qwen2ForCausalLM(Qwen2Config(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        intermediate_size=40, max_position_embeddings=64, rms_norm_eps=1e-6, tie_word_embeddings=True,
        initializer_range=0.15, bos_token_id=None, eos_token_id=0, pad_token_id=0))
    for parameter in model.parameters():  # biases are born as zeros; let them matter
        if parameter.dim() == 1:
            torch.nn.init.normal_(parameter, parameter.mean().item(), 0.1)
    model.save_pretrained(OUT / "model")
    fast.save_pretrained(OUT / "model")


def rows():
    pairs, texts = [], []
    for i in range(43):
        a, b = i * 37 % 100, i * 11 % 17
        pairs.append({"prompt": f"{a}+{b}=", "completion": str(a + b) + " " * (i % 4)})
        texts.append({"text": f"{a}+{b}={a + b}"[: 3 + i % 8]})
    return pairs, texts


def write(name, data):
    (OUT / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in data))


def train(data, held_out=None, **settings):
    config = SFTConfig(output_dir="/tmp/sft-curve", use_cpu=True, bf16=False, logging_steps=1, save_strategy="no",
                       report_to="none", train_sampling_strategy="sequential", seed=1, max_length=12, max_steps=14,
                       gradient_checkpointing=False, disable_tqdm=True, **settings)
    trainer = SFTTrainer(model=AutoModelForCausalLM.from_pretrained(OUT / "model", dtype=torch.float32), args=config,
                         train_dataset=Dataset.from_list(data),
                         eval_dataset=Dataset.from_list(held_out) if held_out else None,
                         processing_class=PreTrainedTokenizerFast.from_pretrained(OUT / "model"))
    trainer.train()
    keys = ("loss", "grad_norm", "learning_rate", "mean_token_accuracy", "entropy", "num_tokens", "epoch")
    steps = [{k: float(entry[k]) for k in keys} for entry in trainer.state.log_history if "loss" in entry]
    assert len(steps) == 14
    keys = ("step", "eval_loss", "eval_mean_token_accuracy", "eval_entropy", "eval_num_tokens", "epoch")
    evaluations = [{k: float(entry[k]) for k in keys} for entry in trainer.state.log_history if "eval_loss" in entry]
    return {"settings": settings, "steps": steps, "evaluations": evaluations}


make_model()
pairs, texts = rows()
held_out = [{"text": f"{i}-{i % 7}={i - i % 7}"[: 4 + i % 5]} for i in range(11, 20)]
write("pairs", pairs)
write("texts", texts)
write("held_out", held_out)
accumulated = dict(per_device_train_batch_size=4, gradient_accumulation_steps=3, learning_rate=5e-3, max_grad_norm=0.5)
curves = {
    "pairs": train(pairs, **accumulated, lr_scheduler_type="cosine_with_min_lr",
                   lr_scheduler_kwargs={"min_lr_rate": 0.1}, warmup_steps=3, weight_decay=0.1),
    "texts": train(texts, per_device_train_batch_size=8, gradient_accumulation_steps=1, learning_rate=2e-3,
                   lr_scheduler_type="linear", adam_beta2=0.95),
    "dft": train(pairs, **accumulated, loss_type="dft"),
    "smoothed": train(pairs, **accumulated, label_smoothing_factor=0.2),
    "evaluated": train(texts, held_out, per_device_train_batch_size=8, learning_rate=2e-3, eval_strategy="steps",
                       eval_steps=5, eval_on_start=True, per_device_eval_batch_size=16),
}
(OUT / "curves.json").write_text(json.dumps(curves, indent=0) + "\n")
