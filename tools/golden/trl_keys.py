#!/usr/bin/env python3
"""Golden file for tests/train/test_options.c: every key of TRL's configurations with its default.

Made with transformers 5.23.0 and trl 1.16.0. Run from the source folder: python tools/golden/trl_keys.py
Writes tests/golden/trl_keys.json: {"sft": {key: default}, "grpo": {key: default}}.
"""
import dataclasses
import json
import pathlib
import sys

sys.path.pop(0)  # a neighbour of this file is called tokenizers.py

from trl import GRPOConfig, ModelConfig, ScriptArguments, SFTConfig


def keys(*classes):
    table = {}
    for cls in classes:
        for field in dataclasses.fields(cls):
            default = field.default
            if default is dataclasses.MISSING:
                default = field.default_factory() if field.default_factory is not dataclasses.MISSING else None
            table[field.name] = default if isinstance(default, (bool, int, float, type(None))) else str(default)
    return dict(sorted(table.items()))


out = {"sft": keys(SFTConfig, ModelConfig, ScriptArguments), "grpo": keys(GRPOConfig, ModelConfig, ScriptArguments)}
pathlib.Path("tests/golden/trl_keys.json").write_text(json.dumps(out, indent=0) + "\n")
