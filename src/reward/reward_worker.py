"""Runs a TRL reward function for openr1: one JSON request a line in, one answer a line out.

Started as: python3 -c THIS FILE.py|MODULE FUNCTION. The request null asks whether it is there, and is answered so. The function is called as TRL calls it: every key of the
request by keyword, or only those that it names when it takes no **kwargs.
"""
import asyncio
import importlib
import importlib.util
import inspect
import json
import math
import os
import sys
import types


def load(where, name):
    if where.endswith(".py"):
        sys.path.insert(0, os.path.dirname(os.path.abspath(where)))
        spec = importlib.util.spec_from_file_location("openr1_reward_module", where)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    else:
        sys.path.insert(0, os.getcwd())
        module = importlib.import_module(where)
    if not callable(getattr(module, name, None)):
        there = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        sys.exit(f"{where} has no function {name}; it has {', '.join(there) or 'none'}")
    return getattr(module, name)


def number(value):
    if value is None:
        return None
    value = float(value)
    if math.isinf(value):
        raise ValueError("a reward is infinite")
    return value


def answer_of(values):
    """A NaN counts as None, as in TRL, but is told apart from it."""
    values = [number(value) for value in values]
    nans = [i for i, value in enumerate(values) if value is not None and math.isnan(value)]
    rewards = [None if i in nans else value for i, value in enumerate(values)]
    return {"rewards": rewards, "nan": nans} if nans else {"rewards": rewards}


def log_extra(column, values):
    """TRL shows the values beside the completions; here they are let go."""


def log_metric(name, value):
    print("%s: %s" % (name, value), file=sys.stderr)


def call(function, request):
    request.update(log_extra=log_extra, log_metric=log_metric)
    if isinstance(request.get("trainer_state"), dict):
        request["trainer_state"] = types.SimpleNamespace(**request["trainer_state"])
    named = inspect.signature(function).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in named.values()):
        request = {key: value for key, value in request.items() if key in named}
    result = function(**request)
    if inspect.isawaitable(result):
        result = asyncio.run(wait(result))
    return answer_of(result)


async def wait(result):
    return await result


def main():
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the function prints is no answer
    sys.stdin.reconfigure(encoding="utf-8")
    function = load(sys.argv[1], sys.argv[2])
    for line in sys.stdin:
        try:
            request = json.loads(line)
            answer = {"rewards": []} if request is None else call(function, request)
        except Exception as error:
            import traceback

            traceback.print_exc()
            answer = {"error": "%s: %s" % (type(error).__name__, error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


main()
