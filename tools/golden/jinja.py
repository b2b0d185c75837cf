#!/usr/bin/env python3
"""Writes tests/golden/jinja: what transformers' apply_chat_template and jinja2 make of templates.

  language.jsonl       {"template", "variables", "text", "spans" or "error"}: the language, case by case (jinja_cases.py)
  conversations.jsonl  records as `openr1 template` takes them
  tests/fuzz/seeds/jinja  pieces of both
  rendered.jsonl       {"template": file under ../shared/data/chat_templates, "results": one a conversation}: the first 16
                       digits of the text's SHA-256, or {"error": message}
"error" is Python's message; where ours says the same in other words it is null (jinja_cases.py says which).
`jinja.py compare OPENR1` renders with the program and prints what differs. Pinned: transformers==5.23.0 jinja2==3.1.6.
OPENR1_SHARED names another ../shared.
"""
import glob
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = sys.path.pop(0)
sys.path.append(os.path.abspath(HERE))
import jinja2
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

import jinja_cases

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OUT = os.path.join(ROOT, "tests/golden/jinja")
TEMPLATES = os.path.join(os.environ.get("OPENR1_SHARED", os.path.join(ROOT, "../shared")), "data/chat_templates")
TOKENIZER = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()))

RECURSION = "maximum recursion depth exceeded"  # Python goes on to say where


class PinnedClock(chat_template_utils.datetime):
    """Templates that ask for the date get one that does not pass."""

    @classmethod
    def now(cls, tz=None):
        return cls(2026, 11, 28, tzinfo=tz)


chat_template_utils.datetime = PinnedClock


def message_of(e):
    text = str(e.message) if isinstance(e, jinja2.TemplateSyntaxError) else str(e)
    return RECURSION if text.startswith(RECURSION) else text


def render(template, record):
    variables = {k: v for k, v in record.items() if k not in ("id", "messages")}
    try:
        return TOKENIZER.apply_chat_template(record["messages"], chat_template=template, tokenize=False, **variables)
    except Exception as e:
        return {"error": message_of(e)}


def language_case(template, variables):
    case = {"template": template, "variables": variables}
    try:
        text, spans = chat_template_utils.render_jinja_template([[{"role": "user", "content": "hi"}]], chat_template=template,
                                                                return_assistant_tokens_mask=True, **variables)
        case["text"] = text[0]
        text[0].encode()  # half a surrogate pair is no text
        if spans[0]:
            case["spans"] = [[len(text[0][:x].encode()) for x in span] for span in spans[0]]
    except Exception as e:
        case.pop("text", None)
        case["error"] = None if template in jinja_cases.OTHER_WORDS or isinstance(e, UnicodeError) else message_of(e)
    return case


def templates():
    return sorted(os.path.relpath(p, TEMPLATES) for p in glob.glob(os.path.join(TEMPLATES, "*/*.jinja")))


def read(name):
    with open(os.path.join(TEMPLATES, name)) as f:
        return f.read()


def ours(program, template, records):
    """What the program answers to the records."""
    with tempfile.NamedTemporaryFile("w", suffix=".jinja") as t, tempfile.NamedTemporaryFile("w", suffix=".jsonl") as j:
        t.write(template)
        t.flush()
        for r in records:
            j.write(json.dumps(r) + "\n")
        j.flush()
        run = subprocess.run([program, "template", "--template", t.name, "--jsonl", j.name], capture_output=True, text=True)
    if run.returncode:
        return [{"error": run.stderr.strip()}] * len(records)
    return [json.loads(line) for line in run.stdout.split("\n") if line]


def same(wanted, got):
    if isinstance(wanted, dict):
        return "error" in got and (wanted["error"] is None or got["error"].endswith(wanted["error"]))
    return got.get("text") == wanted


def compare(program):
    n = bad = 0
    for name in templates():
        for record, got in zip(jinja_cases.CONVERSATIONS, ours(program, read(name), jinja_cases.CONVERSATIONS)):
            wanted = render(read(name), record)
            n += 1
            if not same(wanted, got):
                bad += 1
                print(name, json.dumps(record)[:300], "\n  wanted", repr(wanted)[:1500], "\n  got   ", repr(got)[:1500])
    for template, variables in jinja_cases.LANGUAGE:
        case = language_case(template, variables)
        record = {**variables, "messages": [{"role": "user", "content": "hi"}]}
        got = ours(program, template, [record])[0]
        n += 1
        if not same(case["text"] if "text" in case else {"error": case["error"]}, got):
            bad += 1
            print(repr(template), variables, "\n  wanted", case.get("text", case.get("error")).__repr__(), "\n  got   ", got)
    print(n, "cases,", bad, "differ")


def write(name, rows):
    with open(os.path.join(OUT, name), "w") as f:
        for row in rows:
            f.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_seeds():
    """Seeds of tests/fuzz/fuzz_jinja.c: template, NUL, variables."""
    folder = os.path.join(ROOT, "tests/fuzz/seeds/jinja")
    os.makedirs(folder, exist_ok=True)
    cases = [t for t, _ in jinja_cases.LANGUAGE[:-len(jinja_cases.ERRORS)] if not re.search(r"[ \t]\n|[ \t]$|\r", t)]
    variables = json.dumps({**jinja_cases.V, "messages": [jinja_cases.USER, jinja_cases.THOUGHT]})
    for i in range(0, len(cases), 12):
        with open(os.path.join(folder, f"language{i:04}"), "w") as f:
            f.write("\n".join(cases[i:i + 12]) + "\0" + variables)
    for name in ("trl/qwen3.jinja", "llama.cpp/deepseek-ai-DeepSeek-V3.1.jinja", "llama.cpp/openai-gpt-oss-120b.jinja"):
        with open(os.path.join(folder, os.path.basename(name)), "w") as f:
            f.write(read(name) + "\0" + json.dumps(jinja_cases.CONVERSATIONS[40]))


def digest(result):
    return result if isinstance(result, dict) else hashlib.sha256(result.encode()).hexdigest()[:16]


def main():
    if sys.argv[1:2] == ["compare"]:
        return compare(sys.argv[2])
    os.makedirs(OUT, exist_ok=True)
    write("language.jsonl", [language_case(*case) for case in jinja_cases.LANGUAGE])
    write("conversations.jsonl", jinja_cases.CONVERSATIONS)
    write("rendered.jsonl", [{"template": name, "results": [digest(render(read(name), r)) for r in jinja_cases.CONVERSATIONS]}
                             for name in templates()])
    write_seeds()


main()
