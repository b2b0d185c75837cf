/* Checks of programs by assertions: what a program may do to be judged right without being right fails, and
 * what honest programs and their checks do works.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/log.h"
#include "verify/verify.h"

static bool passes(const char *code, const char *check, char *why, size_t size)
{
    struct err e = {0};
    struct code_options o = {.limits = code_limits_default};
    o.limits.time_s = 5;
    json_t *record = json_pack("{s:s,s:[s]}", "code", code, "tests", check), *out;
    out = code_record_judge(record, &o, &e);
    if (!out) fail_msg("%s", e.msg);
    char *text = json_text(out);
    snprintf(why, size, "%s", text);
    bool good = json_integer_value(json_object_get(out, "passed")) == 1;
    free(text);
    json_decref(out);
    json_decref(record);
    return good;
}

/* ---- attacks ------------------------------------------------------------------------------------------- */

/* Each is a program whose add(2, 3) is not 5, and does what it can to be believed. */
static const char *const attacks[] = {
    "def add(a, b): __import__('os')._exit(0)",
    "def add(a, b): raise SystemExit(0)",
    "import atexit, os\natexit.register(os._exit, 0)\ndef add(a, b): return 4",
    "import sys, os\nsys.excepthook = lambda *a: os._exit(0)\ndef add(a, b): return 4",
    "class Yes:\n def __eq__(self, other): return True\n def __ne__(self, other): return False\n"
    " def __bool__(self): return True\ndef add(a, b): return Yes()",
    "class Yes(int):\n def __eq__(self, other): return True\n __hash__ = int.__hash__\n"
    "def add(a, b): return Yes(4)",
    "class Yes(type):\n def __eq__(self, other): return True\n __hash__ = type.__hash__\n"
    "class C(metaclass=Yes): pass\ndef add(a, b): return C",
    "import unittest.mock\ndef add(a, b): return unittest.mock.ANY",
    "import builtins\nbuiltins.AssertionError = SystemExit\nbuiltins.isinstance = lambda *a: True\n"
    "def add(a, b): return 4",
    "import json\njson.loads = lambda *a: ['name', 0]\njson.dumps = lambda *a: '[true]'\n"
    "def add(a, b): return 4",
    /* what the frames and all objects hold */
    "import sys, gc\ndef add(a, b):\n seen = []\n f = sys._getframe()\n while f:\n"
    "  seen += [str(f.f_locals), str(f.f_code.co_consts)]\n  f = f.f_back\n"
    " seen += [o for o in gc.get_objects() if isinstance(o, str)]\n"
    " return 5 if any('add(2, 3)' in s for s in seen) else 4",
    /* what only calls itself a value of Python's library */
    "class Fraction:\n __module__ = 'fractions'\n def __eq__(self, o): return True\n"
    " def __reduce__(self): return Fraction, ('5/1x',)\ndef add(a, b): return Fraction()",
    /* the check as text: standard input of every process, every file of the folder */
    "import os\ndef add(a, b):\n for path in ['/proc/%s/fd/0' % p for p in os.listdir('/proc')] + \\\n"
    "   ['/proc/%s/cmdline' % p for p in os.listdir('/proc')] + os.listdir('.'):\n  try:\n"
    "   fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)\n"
    "   if b'add(2, 3)' in os.read(fd, 1 << 20): return 5\n  except OSError: pass\n return 4",
    /* the word, in the memory of the judge */
    "import os, re\ndef add(a, b):\n for p in os.listdir('/proc'):\n  if p in ('self', str(os.getpid())) or "
    "not p.isdigit(): continue\n  try:\n"
    "   m = open('/proc/%s/mem' % p, 'rb')\n   for line in open('/proc/%s/maps' % p):\n"
    "    lo, hi = [int(x, 16) for x in line.split()[0].split('-')]\n    try:\n     m.seek(lo)\n"
    "     if bytes([97, 100, 100, 40, 50]) + b', 3)' in m.read(hi - lo): return 5\n    except (OSError, "
    "ValueError, "
    "OverflowError): pass\n"
    "  except OSError: pass\n return 4",
    /* its descriptors, and those of the first process */
    "import os\ndef add(a, b):\n for p in (1, os.getppid()):\n  for fd in range(10):\n   try:\n"
    "    f = os.open('/proc/%d/fd/%d' % (p, fd), os.O_WRONLY | os.O_NONBLOCK)\n"
    "    os.write(f, b'passed\\n[5]\\n' * 100)\n   except OSError: pass\n return 4",
    "import os, signal\ndef add(a, b):\n for s in range(1, 32):\n  try: os.kill(os.getppid(), s)\n"
    "  except OSError: pass\n return 4",
    "import ctypes, os\ndef add(a, b):\n libc = ctypes.CDLL(None)\n"
    " return 5 if libc.ptrace(16, os.getppid(), 0, 0) == 0 else 4",
    /* modules that the judge might import */
    "for name in ('math', 'json', 'ast', 'codecs', 'sitecustomize'):\n"
    " open(name + '.py', 'w').write('import os; os._exit(0)')\ndef add(a, b): return 4",
    "import threading, os\ndef more():\n while True: os.sched_yield()\n"
    "threading.Thread(target=more, daemon=True).start()\ndef add(a, b): return 4",
    "import os\ndef add(a, b):\n if os.fork() == 0: return 4\n os._exit(0)",
    "import os\ndef add(a, b):\n for fd in range(256):\n  try: os.close(fd)\n  except OSError: pass\n return "
    "4",
    "def __missing__(name): return 5\ndef check(*a): return True\ndef add(a, b): return 4",
};

static void an_attack_on_the_judge_fails(void **state)
{
    (void)state;
    char why[2000];
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++)
        if (passes(attacks[i], "assert add(2, 3) == 5", why, sizeof why))
            fail_msg("passes:\n%s\n%s", attacks[i], why);
}

/* A program may not replace what a check believes. */
static void what_a_check_believes_is_pythons_own(void **state)
{
    (void)state;
    char why[2000];
    static const char *const pairs[][2] = {
        {"def isinstance(*a): return True\ndef f(x): return 1", "assert isinstance(f(2), list)"},
        {"def all(*a): return True\ndef f(x): return [0]", "assert all(f(2))"},
        {"def set(x): return 7\ndef f(x): return [9]", "assert set(f(1)) == set((4, 5))"},
        {"def abs(x): return 0\ndef f(x): return 0.0", "assert abs(f(2) - 1.4142) < 1e-3"},
        {"def tuple(*a): return 1\ndef f(x): return None", "assert tuple(f(2)) == tuple([1, 2])"},
        {"class math:\n @staticmethod\n def isclose(*a, **k): return True\ndef f(x): return 1",
         "assert math.isclose(f(2), 1.4142, rel_tol=1e-3)"},
        {"import math\nmath.isclose = lambda *a, **k: True\ndef f(x): return 1",
         "assert math.isclose(f(2), 1.4142, rel_tol=1e-3)"},
        {"class L(list):\n def __eq__(self, o): return True\n def __len__(self): return 3\n"
         "def f(x): return L()",
         "assert f(2) == [1, 2, 3] and len(f(2)) == 3"},
        {"class D(dict):\n def __getitem__(self, k): return 2\ndef f(x): return D()",
         "assert f(2)['a'] == 2"},
        {"def f(x): return float('nan')", "assert f(2) == f(2)"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (passes(pairs[i][0], pairs[i][1], why, sizeof why)) fail_msg("passes:\n%s\n%s", pairs[i][0], why);
}

/* HumanEval's checks call helpers of the prompt; a completion that defines them anew changes nothing. */
static void helpers_of_the_prompt_are_not_the_completions(void **state)
{
    (void)state;
    struct err e = {0};
    struct code_options o = {.limits = code_limits_default};
    const char *prompt = "def helper(x):\n    return x * x\n\ndef root(x):\n    \"\"\"The root.\"\"\"\n",
               *test = "def check(f):\n    assert helper(f(9)) == 9\n";
    static const struct {
        const char *completion;
        int passed;
    } cases[] = {
        {"    return 3\n", 1},
        {"    return 4\n", 0},
        {"    return 4\n\ndef helper(x):\n    return 9\n", 0},
        {"    global helper\n    helper = lambda x: 9\n    return 4\n", 0},
        {"def root(x):\n    return 3\n", 1}, /* the whole function once more */
        {"Here it is:\n```python\ndef root(x):\n    return 3\n```", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *record = json_pack("{s:s,s:s,s:s,s:s}", "prompt", prompt, "test", test, "entry_point", "root",
                                   "completion", cases[i].completion);
        json_t *out = code_record_judge(record, &o, &e);
        if (!out || json_integer_value(json_object_get(out, "passed")) != cases[i].passed)
            fail_msg("%s: %s", cases[i].completion, out ? json_dumps(out, 0) : e.msg);
        json_decref(out);
        json_decref(record);
    }
}

/* ---- honest programs ----------------------------------------------------------------------------------- */

static void a_completion_goes_on_where_the_prompt_ends(void **state)
{
    (void)state;
    struct err e = {0};
    struct code_options o = {.limits = code_limits_default};
    static const char *const pairs[][2] = {
        {"def f(x):\n    return ", "x + 1"},
        {"def f(x):\n    return x +", " 1\n"},
        {"def f(x):\n    \"\"\"One more.\"\"\"\n", "    return x + 1"},
        {"def f(x):\n    if x:\n", "        return x + 1\n    return 1\n"},
        {"def f", "(x): return x + 1"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        json_t *record = json_pack("{s:s,s:s,s:s,s:s}", "prompt", pairs[i][0], "completion", pairs[i][1],
                                   "entry_point", "f", "test", "def check(f):\n    assert f(1) == 2\n");
        json_t *out = code_record_judge(record, &o, &e);
        if (!out || json_integer_value(json_object_get(out, "passed")) != 1)
            fail_msg("%s%s: %s", pairs[i][0], pairs[i][1], out ? json_dumps(out, 0) : e.msg);
        json_decref(out);
        json_decref(record);
    }
}

static void honest_programs_pass(void **state)
{
    (void)state;
    char why[2000];
    static const char *const pairs[][2] = {
        {"def f(): return [None, True, 2**5000, 1.5, float('inf'), 'a\\u00e9\\U0001f600', b'\\x00', 1j]",
         "assert f() == [None, True, 2**5000, 1.5, float('inf'), 'a\\u00e9\\U0001f600', b'\\x00', 1j]"},
        {"def f(): return ({1, 2}, frozenset([3]), {(1, 2): [3]}, range(3), int)",
         "assert f() == ({1, 2}, frozenset([3]), {(1, 2): [3]}, range(3), int)"},
        {"def f(): return True", "assert f() is True and type(f()) is bool"},
        {"def f(): return (1,)", "assert f() != [1]"},
        {"from collections import Counter, namedtuple\nP = namedtuple('P', 'x y')\n"
         "def f(s): return Counter(s), P(1, 2)",
         "assert f('aab') == ({'a': 2, 'b': 1}, (1, 2))"},
        {"def f(x): x.append(1); x.sort()", "a = [3, 2]\nassert f(a) is None\nassert a == [1, 2, 3]"},
        {"def f(d, s): d['a'] = s.pop()", "d, s = {}, {7}\nf(d, s)\nassert d == {'a': 7} and s == set()"},
        {"class Node:\n def __init__(self, v): self.v = v; self.next = None\ndef total(n):\n s = 0\n"
         " while n: s += n.v; n = n.next\n return s",
         "a = Node(1)\na.next = Node(2)\nassert total(a) == 3 and a.next.v == 2"},
        {"def f(n):\n for i in range(n): yield i * i",
         "assert list(f(3)) == [0, 1, 4]\nassert next(f(1)) == 0"},
        {"def f(x): return map(str, x)", "assert sorted(f([2, 1])) == ['1', '2']"},
        {"def f(g, x): return [g(i) for i in x]", "assert f(lambda i, k=2: i * k, [1, 2]) == [2, 4]"},
        {"def f(g, x): return sorted(x, key=g)", "assert f(len, ['aa', 'b']) == ['b', 'aa']"},
        {"def f(a, *, b=1): return a + b", "assert f(1, b=3) == 4"},
        {"def f(n): return lambda x: x + n", "assert f(2)(3) == 5"},
        {"def f(x):\n if x < 0: raise ValueError('negative')\n return x",
         "try:\n    f(-1)\nexcept ValueError as e:\n    assert str(e) == 'negative'\nelse:\n    assert "
         "False"},
        {"class Odd(KeyError): pass\ndef f(): raise Odd('k')",
         "try:\n    f()\nexcept KeyError:\n    pass\nelse:\n    assert False"},
        {"import math\ndef f(x): return math.sqrt(x)", "assert math.isclose(f(2), 1.41421, rel_tol=1e-4)"},
        {"def sum(a, b): return a + b", "assert sum(1, 2) == 3"},
        {"import sys\nsys.setrecursionlimit(5000)\ndef f(n): return n and 1 + f(n - 1)",
         "assert f(3000) == 3000"},
        {"print('hello', flush=True)\ndef f(): print('again'); return 1", "assert f() == 1"},
        {"if __name__ == '__main__':\n f = lambda: 1", "assert f() == 1"},
        {"from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\ndef f(): return P(3)",
         "assert f().x == 3 and f() == P(3)" /* equality of the program's own objects is not believed */},
        {"from fractions import Fraction\nfrom decimal import Decimal\n"
         "def f(x): return [Fraction(x, 6), Decimal(x) / 2]",
         "assert f(3) == [Fraction(1, 2), Decimal('1.5')] and isinstance(f(3)[0], Fraction)"},
        {"from datetime import date, datetime, timedelta, timezone\n"
         "def f(d): return d + timedelta(days=1), datetime(2024, 2, 29, tzinfo=timezone.utc)",
         "import datetime\n"
         "assert f(datetime.date(2024, 2, 28))[0] == datetime.date(2024, 2, 29)\n"
         "assert f(date(2024, 2, 28))[1].tzinfo == datetime.timezone.utc"},
        {"def f(d): return d.keys(), d.items(), d.values()",
         "k, i, v = f({1: 2, 3: 2})\nassert k == {3: 0, 1: 0}.keys() and i == {1: 2, 3: 2}.items() and "
         "list(v) == [2, 2]"},
        {"from collections import deque\ndef f(): return deque([1, 2], 2)", "assert f() == deque([1, 2])"},
        {"def f(): return input()", "try:\n    f()\nexcept EOFError:\n    pass"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (passes(pairs[i][0], pairs[i][1], why, sizeof why) == (strstr(pairs[i][0], "dataclass") != NULL))
            fail_msg("%s\n%s\n%s", pairs[i][0], pairs[i][1], why);
}

static void a_call_of_a_function_takes_arguments_from_json(void **state)
{
    (void)state;
    struct err e = {0};
    struct code_options o = {.limits = code_limits_default};
    static const struct {
        const char *code;
        int passed;
    } cases[] = {
        {"def f(a, b): return a + b", 2},
        {"class Solution:\n    def f(self, a, b): return (a + b)", 2},
        {"def f(a, b): return 3", 1},
        {"class Yes:\n    def __eq__(self, o): return True\ndef f(a, b): return Yes()", 0},
        {"class Solution:\n    pass", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *record = json_pack("{s:s,s:{s:s,s:[[i,i],[i,i]],s:[i,[i]]}}", "code", cases[i].code, "tests",
                                   "fn_name", "f", "inputs", 1, 2, 3, 4, "outputs", 3, 7);
        json_t *out = code_record_judge(record, &o, &e);
        if (!out || json_integer_value(json_object_get(out, "passed")) != cases[i].passed)
            fail_msg("%s: %s", cases[i].code, out ? json_dumps(out, 0) : e.msg);
        json_decref(out);
        json_decref(record);
    }
}

int main(void)
{
    struct err e = {0};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_attack_on_the_judge_fails),
        cmocka_unit_test(what_a_check_believes_is_pythons_own),
        cmocka_unit_test(helpers_of_the_prompt_are_not_the_completions),
        cmocka_unit_test(a_completion_goes_on_where_the_prompt_ends),
        cmocka_unit_test(honest_programs_pass),
        cmocka_unit_test(a_call_of_a_function_takes_arguments_from_json),
    };
    if (sandbox_check(SANDBOX_BWRAP, &e)) {
        print_message("skipped: %s\n", e.msg);
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
