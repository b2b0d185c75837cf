#!/usr/bin/env python3
"""Writes tests/golden/chatml: templates, and conversations as transformers' apply_chat_template renders them.

  NAME.jinja        SmolLM2-Instruct's template (from the GGUF file that OPENR1_SMOLLM2 names), Qwen2.5-Instruct's
                    (../shared/data/vocab/qwen2.5), Open-R1's (../shared/recipes), plain ChatML
  cases.jsonl       {"template", "messages", "add_generation_prompt", "text"}
Pinned: transformers==5.23.0 tokenizers==0.23.3 gguf==0.10+ PyYAML. OPENR1_SHARED names another ../shared.
"""
import json
import os
import sys

sys.path.pop(0)
import gguf
import yaml
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OUT = os.path.join(ROOT, "tests/golden/chatml")
SHARED = os.environ.get("OPENR1_SHARED", os.path.join(ROOT, "../shared"))

CHATML = ("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
          "'\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
USER = {"role": "user", "content": "What is 2+2?"}
SYSTEM = {"role": "system", "content": "You do sums.\nBe 'brief' \\n {{ x }}."}
ANSWER = {"role": "assistant", "content": "<think>\nTwo and two.\n</think>\n\n  4 "}
CONVERSATIONS = [
    [USER], [SYSTEM, USER], [USER, ANSWER], [SYSTEM, USER, ANSWER, USER], [USER, ANSWER, USER, ANSWER, USER],
    [SYSTEM], [{"role": "user", "content": ""}], [{"role": "user", "content": " \n<|im_end|>\u4f60\u597d \U0001f600 {% if %}"}],
    [USER, SYSTEM, ANSWER], [ANSWER],
]


def templates():
    reader = gguf.GGUFReader(os.environ["OPENR1_SMOLLM2"])
    with open(os.path.join(SHARED, "data/vocab/qwen2.5/tokenizer_config.json")) as f:
        qwen = json.load(f)["chat_template"]
    with open(os.path.join(SHARED, "recipes/OpenR1-Distill-7B/sft/config_distill.yaml")) as f:
        recipe = yaml.safe_load(f)["chat_template"]
    return {"smollm2": reader.fields["tokenizer.chat_template"].contents(), "qwen2.5": qwen, "open-r1": recipe, "chatml": CHATML}


def main():
    os.makedirs(OUT, exist_ok=True)
    tok = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), bos_token="<|im_start|>", eos_token="<|im_end|>")
    with open(os.path.join(OUT, "cases.jsonl"), "w") as cases:
        for name, jinja in templates().items():
            with open(os.path.join(OUT, name + ".jinja"), "w") as f:
                f.write(jinja)
            for messages in CONVERSATIONS:
                for prompt in (False, True):
                    text = tok.apply_chat_template(messages, chat_template=jinja, add_generation_prompt=prompt, tokenize=False)
                    row = {"template": name, "messages": messages, "add_generation_prompt": prompt, "text": text}
                    cases.write(json.dumps(row) + "\n")


main()
