"""The judge of a program by assertions, and the program, in two processes that share nothing but two pipes.

The judge runs the check. A name that the check does not define itself is the program's: it is called through
the pipe, and what comes back is plain data made anew here, or a number that stands for an object over there
(Remote). So no object of the program is ever compared, none of its code runs in the judge, and it sees neither
the check nor what is expected. The word that says "passed" comes through standard input with the rest of the
job and is read when the program's process has been split off already, but before it runs; a process that may
not be dumped keeps it from /proc. A check that reaches its end writes the word, and nobody else knows it.
"""
import ast
import builtins
import collections
import ctypes
import json
import marshal
import os
import signal
import sys
import traceback
import types

PR_SET_DUMPABLE = 4
PLAIN = (type(None), bool, int, float, str)
EXACT = {int: int.__int__, float: float.__float__, str: str.__str__}  # for what is derived from these
BRACKETS = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
# Views of a dict: a dict that has this view, and its view.
VIEWS = {"dict_keys": (dict.fromkeys, dict.keys), "dict_items": (dict, dict.items),
         "dict_values": (lambda values: dict(enumerate(values)), dict.values)}
# Values of Python's own library that are made anew from what __reduce__ says they are made of.
STANDARD = {"fractions": ("Fraction",), "decimal": ("Decimal",),
            "datetime": ("date", "time", "datetime", "timedelta", "timezone")}


# ---- values as text: plain ones as JSON, others as [kind, ...] ------------------------------------------------


def encode(value, handle):
    """handle(value) gives the text of what is no plain data."""
    kind = type(value)
    if kind in PLAIN:
        return value
    for base, plain in EXACT.items():
        if isinstance(value, base):
            return plain(value)
    for base in (bytes, bytearray):
        if isinstance(value, base):
            return [base.__name__, base.hex(value)]
    for name, base in BRACKETS.items():
        if isinstance(value, base):
            return [name] + [encode(item, handle) for item in base.__iter__(value)]
    if isinstance(value, dict):
        return ["dict"] + [[encode(k, handle), encode(v, handle)] for k, v in dict.items(value)]
    if kind is complex:
        return ["complex", value.real, value.imag]
    if kind is range:
        return ["range", value.start, value.stop, value.step]
    if kind.__name__ in VIEWS and kind.__module__ == "builtins":
        return [kind.__name__, encode(VIEWS[kind.__name__][0](value), handle)]
    if kind.__name__ in STANDARD.get(kind.__module__, ()):
        parts = value.__reduce__()[1]
        return ["standard", kind.__module__, kind.__name__] + [encode(item, handle) for item in parts]
    if kind.__name__ == "deque" and kind.__module__ == "collections":
        return ["deque", value.maxlen] + [encode(item, handle) for item in value]
    if isinstance(value, type) and value.__name__ in STANDARD.get(value.__module__, ()):
        return ["class", value.__module__, value.__name__]
    name = getattr(value, "__name__", None)
    if isinstance(name, str) and getattr(builtins, name, None) is value:
        return ["builtin", name]
    return handle(value)


def decode(text, handle):
    if type(text) is not list:
        return text
    kind, rest = text[0], text[1:]
    if kind in BRACKETS:
        return BRACKETS[kind](decode(item, handle) for item in rest)
    if kind == "dict":
        return {decode(k, handle): decode(v, handle) for k, v in rest}
    if kind == "complex":
        return complex(*rest)
    if kind == "range":
        return range(*rest)
    if kind in VIEWS:
        return VIEWS[kind][1](decode(rest[0], handle))
    if kind in ("standard", "class") and rest[1] in STANDARD.get(rest[0], ()):
        made = getattr(__import__(rest[0]), rest[1])
        return made if kind == "class" else made(*[decode(item, handle) for item in rest[2:]])
    if kind == "deque":
        return collections.deque([decode(item, handle) for item in rest[1:]], rest[0])
    if kind == "bytes" or kind == "bytearray":
        return getattr(builtins, kind).fromhex(rest[0])
    if kind == "builtin":
        return getattr(builtins, rest[0])
    return handle(kind, rest)


# ---- the program's side ---------------------------------------------------------------------------------------


class Program:
    def __init__(self):
        self.module = types.ModuleType("__main__")
        self.kept = []

    def keep(self, value):
        if isinstance(value, types.ModuleType):
            return ["module", value.__name__]
        self.kept.append(value)
        return ["remote", len(self.kept) - 1]

    def find(self, kind, rest):
        if kind == "function":
            code = marshal.loads(bytes.fromhex(rest[0]))
            return types.FunctionType(code, self.module.__dict__, rest[1], self.decode(rest[2]))
        return self.kept[rest[0]]

    def encode(self, value):
        return encode(value, self.keep)

    def decode(self, text):
        return decode(text, self.find)

    def load(self, code):
        sys.modules["__main__"] = self.module
        exec(compile(code, "main.py", "exec"), self.module.__dict__)
        return [list(self.module.__dict__)]

    def name(self, name):
        return [self.encode(self.module.__dict__[name])]

    def call(self, target, args, named):
        """The result, and the arguments as they are afterwards where the call has changed them."""
        args = [self.decode(a) for a in args]
        before = [self.encode(a) for a in args]
        result = self.kept[target](*args, **{k: self.decode(v) for k, v in named.items()})
        after = [self.encode(a) for a in args]
        return [self.encode(result), [[i, a] for i, a in enumerate(after) if a != before[i]]]

    def get(self, target, name):
        return [self.encode(getattr(self.kept[target], name))]

    def set(self, target, name, value):
        return [setattr(self.kept[target], name, self.decode(value))]

    def item(self, target, key):
        return [self.encode(self.kept[target][self.decode(key)])]

    def size(self, target):
        return [len(self.kept[target])]

    def iterator(self, target):
        return [self.keep(iter(self.kept[target]))]

    def step(self, target):
        return [self.encode(next(self.kept[target]))]

    def serve(self, questions, answers):
        for line in questions:
            verb, *rest = json.loads(line)
            try:
                answer = getattr(self, verb)(*rest)
            except BaseException as fault:  # all that a program can raise
                if not isinstance(fault, StopIteration):
                    traceback.print_exc()
                answer = [None, [c.__name__ for c in type(fault).__mro__], str(fault)[:1000]]
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


# ---- the judge's side -----------------------------------------------------------------------------------------

judge = None


class Remote:
    """An object of the program. It equals itself alone, and is never false."""

    __slots__ = ("_key",)

    def __init__(self, key):
        object.__setattr__(self, "_key", key)

    def __call__(self, *args, **named):
        return judge.call(self._key, args, named)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return judge.ask("get", self._key, name)

    def __setattr__(self, name, value):
        judge.ask("set", self._key, name, judge.encode(value))

    def __getitem__(self, key):
        return judge.ask("item", self._key, judge.encode(key))

    def __len__(self):
        return judge.ask("size", self._key)

    def __iter__(self):
        return judge.ask("iterator", self._key)

    def __next__(self):
        return judge.ask("step", self._key)

    def __bool__(self):
        return True

    def __eq__(self, other):
        return type(other) is Remote and other._key == self._key

    def __hash__(self):
        return self._key


class Judge:
    def __init__(self, questions, answers):
        self.questions, self.answers = questions, answers

    def exchange(self, *question):
        self.questions.write(json.dumps(question) + "\n")
        self.questions.flush()
        line = self.answers.readline()
        answer = json.loads(line) if line.endswith("\n") else [None, ["SystemExit"], ""]
        if len(answer) == 3 and answer[1][0] == "SystemExit":
            sys.exit("the program ended before its check did")
        if len(answer) == 3:
            raise self.fault(answer[1], answer[2])
        return answer

    def fault(self, names, message):
        """The nearest exception that is Python's own."""
        for name in names:
            kind = getattr(builtins, str(name), None)
            if isinstance(kind, type) and issubclass(kind, Exception):
                try:
                    return kind(message)
                except TypeError:  # UnicodeDecodeError takes five
                    continue
        return RuntimeError(message)

    def ask(self, *question):
        return self.decode(self.exchange(*question)[0])

    def call(self, key, args, named):
        result, changed = self.exchange("call", key, [self.encode(a) for a in args],
                                        {k: self.encode(v) for k, v in named.items()})
        for i, text in changed:
            value = self.decode(text)
            if isinstance(args[i], (list, bytearray)):
                args[i][:] = value
            elif isinstance(args[i], (dict, set)):
                args[i].clear()
                args[i].update(value)
        return self.decode(result)

    def handle(self, value):
        if type(value) is Remote:
            return ["remote", value._key]
        if isinstance(value, types.FunctionType) and not value.__closure__:
            defaults = encode(value.__defaults__, self.handle)
            return ["function", marshal.dumps(value.__code__).hex(), value.__name__, defaults]
        raise TypeError("a check gives the program an argument that is no plain data: %.100r" % (value,))

    def encode(self, value):
        return encode(value, self.handle)

    def decode(self, text):
        def find(kind, rest):
            if kind == "module" and rest[0] in sys.stdlib_module_names:
                return __import__(rest[0])
            return Remote(int(rest[0]))

        return decode(text, find)


class Names(dict):
    """The names of the check: its own, then Python's, whose word it believes, then the program's. Modules are
    Python's own. Only a check of nothing but a name that Python has too means the program's."""

    def expect(self, check, entry):
        tree = list(ast.walk(ast.parse(check)))
        owners = {n.value.id for n in tree if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)}
        self.modules = owners & sys.stdlib_module_names
        self.theirs = set(judge.names)
        meant = {n.id for n in tree if isinstance(n, ast.Name)} & self.theirs
        pythons = set(dir(builtins)) - {entry}
        if entry or meant - pythons:
            self.theirs -= pythons

    def __missing__(self, name):
        if name not in self.theirs:
            raise KeyError(name)
        return __import__(name) if name in self.modules else judge.ask("name", name)


def prelude_run(text, names):
    """The definitions in front of a program that goes on in the middle of one."""
    for end in ("", "pass", "\n    pass"):
        try:
            return exec(compile(text + end, "prompt", "exec"), names)
        except SyntaxError:
            continue


def main():
    global judge
    if ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0):
        sys.exit("the judge cannot be hidden from the program")
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)
    ask_in, ask_out = os.pipe()
    say_in, say_out = os.pipe()
    program = os.fork()
    if program == 0:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        os.close(ask_out)
        os.close(say_in)
        Program().serve(os.fdopen(ask_in), os.fdopen(say_out, "w"))
        os._exit(0)
    os.close(ask_in)
    os.close(say_out)
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
        signal.signal(number, signal.SIG_IGN)
    sys.path[:] = [p for p in sys.path if p.startswith("/usr")]  # not the folder in which the program writes
    job = json.load(sys.stdin)
    judge = Judge(os.fdopen(ask_out, "w"), os.fdopen(say_in))
    names = {"__name__": "check"}
    prelude_run(job["prelude"], names)
    names.pop(job["entry"], None)
    judge.names = judge.exchange("load", job["code"])[0]
    names = Names(names)
    names.expect(job["check"], job["entry"])
    exec(compile(job["check"], "check", "exec"), names)
    os.write(1, job["word"].encode())
    os.kill(program, signal.SIGKILL)
    os._exit(0)


main()
