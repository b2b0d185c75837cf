#!/usr/bin/env python3
"""tests/golden/infer/smollm2_greedy.jsonl: what transformers generates greedily.

SmolLM2-135M-Instruct from its Q4_1 GGUF, dequantised to float32 by transformers itself, 64 new tokens (fewer when
it ends) for 20 prompts: ten texts as they are, ten questions through the chat template. Also the least
distance in logits between the best and the second best: where it is small, a difference is rounding, not a fault.

usage: smollm2_greedy.py MODEL.gguf
Pinned: torch 2.13.0 (CPU), transformers 5.23.0, gguf 0.19.0.
"""
import json
import os
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

NEW = 64
TEXTS = [
    "The capital of France is",
    "Once upon a time, in a small village by the sea,",
    "def fibonacci(n):\n    ",
    "Water boils at a temperature of",
    "1, 1, 2, 3, 5, 8, 13,",
    "The three laws of thermodynamics are",
    "Dear Sir or Madam,\n\nI am writing to",
    "Q: What is 17 + 25?\nA:",
    "Für die Zubereitung von Brot braucht man",
    "#include <stdio.h>\n\nint main(void)\n{\n",
]
QUESTIONS = [
    "What is the largest planet of the solar system?",
    "Write a short poem about autumn.",
    "Natalia sold 48 clips in April and half as many in May. How many did she sell altogether?",
    "Explain in two sentences why the sky is blue.",
    "Give me a recipe for pancakes.",
    "Translate 'good morning' into French, Spanish and German.",
    "List five animals that can fly.",
    "What does a compiler do?",
    "Is 91 a prime number? Think step by step.",
    "Who wrote Don Quixote?",
]


def main():
    path = sys.argv[1]
    where = {"pretrained_model_name_or_path": os.path.dirname(path), "gguf_file": os.path.basename(path)}
    tokenizer = AutoTokenizer.from_pretrained(**where)
    model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32).eval()
    eos = tokenizer.eos_token_id
    records = [{"prompt": t} for t in TEXTS]
    records += [{"messages": [{"role": "user", "content": q}]} for q in QUESTIONS]
    out = os.path.join(os.path.dirname(__file__), "../../tests/golden/infer/smollm2_greedy.jsonl")
    with open(out, "w", encoding="utf-8") as f:
        for i, record in enumerate(records):
            if "prompt" in record:
                ids = tokenizer(record["prompt"], return_tensors="pt").input_ids
            else:
                text = tokenizer.apply_chat_template(record["messages"], tokenize=False, add_generation_prompt=True)
                ids = tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids
            with torch.no_grad():
                made = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=NEW,
                                      eos_token_id=eos, pad_token_id=eos, output_scores=True,
                                      return_dict_in_generate=True, repetition_penalty=1.0)
            new = made.sequences[0, ids.shape[1]:].tolist()
            top = [torch.topk(s[0], 2).values for s in made.scores]
            least_gap = round(min(float(t[0] - t[1]) for t in top), 5)
            row = {"id": i, **record, "prompt_ids": ids[0].tolist(), "ids": new, "least_gap": least_gap}
            f.write(json.dumps(row, ensure_ascii=False) + "\n")
            print(i, least_gap, repr(tokenizer.decode(new))[:90])


main()
