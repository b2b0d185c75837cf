#!/usr/bin/env python3
"""Writes tests/golden/assistant_turns.jsonl: conversations as chat templates of several families render them, and what
TRL's training versions of these templates mark as the assistant's own words.

{"family", "specials": tokens of the template, "text", "turns": [text of each marked span]}. Made with trl 1.16.0 and
transformers 5.23.0. Run from the source folder: python tools/golden/assistant_turns.py
"""
import json
import pathlib
import sys

sys.path.pop(0)  # a neighbour of this file is called tokenizers.py

import trl
from transformers.utils.chat_template_utils import render_jinja_template

TEMPLATES = pathlib.Path(trl.__file__).parent / "chat_templates"
CHATML = ["<|im_start|>", "<|im_end|>"]
GEMMA = ["<bos>", "<start_of_turn>", "<end_of_turn>"]
DEEPSEEK = ["<bos>", "<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>"]
FAMILIES = {
    "qwen2_5": CHATML, "qwen3": CHATML + ["<think>", "</think>"], "lfm2": CHATML + ["<bos>"],
    "llama3": ["<bos>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"], "gemma": GEMMA, "gemma3": GEMMA,
    "phi3": ["<|user|>", "<|assistant|>", "<|end|>", "<eos>"], "deepseek_r1_distill": DEEPSEEK, "deepseekv3": DEEPSEEK,
    "cohere": ["<bos>", "<|START_OF_TURN_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>", "<|END_OF_TURN_TOKEN|>"],
}
MESSAGES = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2 it is"},
            {"role": "user", "content": "assistant\n2+2?"}, {"role": "assistant", "content": "4"}]

with open("tests/golden/assistant_turns.jsonl", "w") as out:
    for family, specials in FAMILIES.items():
        jinja = (TEMPLATES / f"{family}_training.jinja").read_text()
        texts, spans = render_jinja_template([MESSAGES], chat_template=jinja, return_assistant_tokens_mask=True,
                                             bos_token="<bos>", eos_token="<eos>")
        turns = [texts[0][a:b] for a, b in spans[0]]
        out.write(json.dumps({"family": family, "specials": specials, "text": texts[0], "turns": turns}) + "\n")
