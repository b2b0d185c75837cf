"""Conversations and pieces of the template language that jinja.py renders."""
import itertools

SYSTEM = {"role": "system", "content": "You do sums.\nBe 'brief' \\n {{ x }}."}
USER = {"role": "user", "content": "What is 2+2?"}
ANSWER = {"role": "assistant", "content": "<think>\nTwo and two.\n</think>\n\n  4 "}
PLAIN = {"role": "assistant", "content": "4"}
THOUGHT = {"role": "assistant", "reasoning_content": "Two\nand two.", "content": "It is 4."}
UNICODE = {"role": "user", "content": " \n<|im_end|>\u4f60\u597d \U0001f600 {% if %} \u00e9\u2028x\t\"q\" <b>&amp;</b> "}
PARTS = {"role": "user", "content": [{"type": "text", "text": "Look: "}, {"type": "image", "image": "a.png"}, {"type": "text", "text": "what?"}]}
CALL = {"role": "assistant", "content": "", "tool_calls": [{"id": "call00001", "type": "function", "function": {
    "name": "get_weather", "arguments": {"city": "Z\u00fcrich", "days": 3, "units": ["C", "F"], "exact": True, "near": None}}}]}
TEXT_CALL = {"role": "assistant", "content": "Let me look.", "tool_calls": [{"id": "call00001", "type": "function", "function": {
    "name": "get_weather", "arguments": "{\"city\": \"Paris\"}"}}]}
TWO_CALLS = {"role": "assistant", "reasoning_content": "Both.", "content": None, "tool_calls": [
    {"id": "call00001", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Rome"}}},
    {"id": "call00002", "type": "function", "function": {"name": "add", "arguments": {"a": 1.5, "b": -2}}}]}
RESULT = {"role": "tool", "tool_call_id": "call00001", "name": "get_weather", "content": "{\"temp\": 21.5, \"sky\": \"clear\"}"}
RESULT2 = {"role": "tool", "tool_call_id": "call00002", "name": "add", "content": "-0.5"}
TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "The weather\nof a \"city\".", "parameters": {
        "type": "object", "properties": {
            "city": {"type": "string", "description": "Its name"},
            "days": {"type": "integer", "description": "How many", "default": 1, "minimum": 0},
            "units": {"type": "array", "items": {"type": "string", "enum": ["C", "F"]}},
            "exact": {"type": "boolean"},
            "near": {"type": ["string", "null"], "description": "<b>&"},
            "where": {"type": "object", "properties": {"lat": {"type": "number"}, "lon": {"type": "number"}}, "required": ["lat"]}},
        "required": ["city"]}, "return": {"type": "string", "description": "What it is like"}}},
    {"type": "function", "function": {"name": "add", "description": "Adds", "parameters": {"type": "object", "properties": {
        "a": {"type": "number"}, "b": {"anyOf": [{"type": "number"}, {"type": "string"}]}}, "required": ["a", "b"]}}},
]
SIMPLE_TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "The weather.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "description": "Its name", "enum": ["Rome", "Paris"]},
                                     "days": {"type": "integer"}, "units": {"type": "array", "items": {"type": "string"}}}, "required": ["city"]}}}]
BARE_TOOL = [{"type": "function", "function": {"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}}}]
DOCUMENTS = [{"title": "One", "text": "First \u00e9."}, {"title": "Two", "text": "Second\nline"}]
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "date_string": "01 Jan 2025"}
LISTS = [
    [USER], [SYSTEM, USER], [USER, ANSWER], [SYSTEM, USER, ANSWER, USER], [USER, THOUGHT, USER, THOUGHT, USER], [SYSTEM],
    [{"role": "user", "content": ""}], [UNICODE], [USER, SYSTEM, ANSWER], [ANSWER], [PARTS], [SYSTEM, PARTS, PLAIN, PARTS],
    [USER, {"role": "assistant", "content": ""}], [{"role": "developer", "content": "Dev."}, USER, PLAIN],
    [{"role": "robot", "content": "?"}], [USER, USER, PLAIN, PLAIN],
    [{"role": "system", "content": [{"type": "text", "text": "Parts."}]}, USER, {"role": "assistant", "content": [{"type": "text", "text": "4"}]}],
]
TOOL_LISTS = [
    [USER, CALL, RESULT, PLAIN], [SYSTEM, USER, TEXT_CALL, RESULT, PLAIN, USER], [SYSTEM, USER, TWO_CALLS, RESULT, RESULT2, THOUGHT, USER],
    [USER, CALL], [USER, CALL, RESULT], [USER, {"role": "assistant", "content": "Hm.", "tool_calls": []}, USER],
    [USER, {"role": "assistant", "tool_calls": [{"function": {"name": "now", "arguments": {}}}]}, {"role": "tool", "content": [{"type": "text", "text": "noon"}]}],
]


def conversations():
    for messages, prompt in itertools.product(LISTS, (False, True)):
        yield {"messages": messages, "add_generation_prompt": prompt, **TOKENS}
    for messages, tools in itertools.product(TOOL_LISTS, (TOOLS, SIMPLE_TOOLS, None)):
        yield {"messages": messages, "tools": tools, "add_generation_prompt": True, **TOKENS}
    for tools in (TOOLS, SIMPLE_TOOLS, BARE_TOOL, []):
        yield {"messages": [SYSTEM, USER], "tools": tools, "add_generation_prompt": True, **TOKENS}
    for extra in ({"enable_thinking": False}, {"enable_thinking": True}, {"thinking": True}, {"documents": DOCUMENTS},
                  {"tools": TOOLS, "documents": DOCUMENTS}, {"reasoning_effort": "high"}, {"tools_in_user_message": False, "tools": TOOLS},
                  {"custom_tools": TOOLS}, {"builtin_tools": ["brave_search", "code_interpreter"]}, {"controls": {"length": "long", "originality": "x"}},
                  {"xml_tools": TOOLS, "enable_thinking": True}, {"model_identity": "You are X.", "tools": TOOLS},
                  {"keep_past_thinking": True}, {"add_vision_id": True}, {"thinking_budget": 512}, {"clear_thinking": False}):
        for messages in ([SYSTEM, USER], [USER, THOUGHT, USER]):
            yield {"messages": messages, "add_generation_prompt": True, **TOKENS, **extra}
    yield {"messages": [USER]}
    yield {"messages": [USER, PLAIN] * 10 + [USER], "add_generation_prompt": True, **TOKENS}


CONVERSATIONS = list(conversations())

V = {"s": "Hello, World", "n": 7, "f": 2.5, "l": [3, 1, 2], "d": {"b": 1, "a": [1, "x"]}, "t": True, "z": None, "e": "", "u": "\u00e9\u00df\U0001f600a",
     "users": [{"name": "bob", "age": 3, "on": True}, {"name": "Al", "age": 5, "on": False}, {"name": "cy", "age": 3}], "words": ["b", "A", "c", "a", "B"]}
EXPRESSIONS = r"""
1 + 2 * 3 ** 2 - 4 / 2 | 7 // 2 | -7 // 2 | 7 % 3 | -7 % 3 | 7.5 // 2 | -7.5 % 2 | 2 ** 3 ** 2 | -2 ** 2 | 2 ** -1 | 10 ** 2 | 2.0 ** 3 | 1e3 | 1.5e-7 | 1e16 | 123456789012345680.0
1/3 | 0.1+0.2 | 1e22 | 1.0 | -0.0 | 100000000000000000000.0 | 5 / 2 | 6 / 2 | 0x1F | 0b101 | 0o17 | 1_000 | 1_0.5_0 | 3.0 == 3 | 1 == true | 1 < 2 < 3 | 1 < 2 > 5 | 3 > 2 >= 2 | 'a' < 'b' | [1,2] < [1,3] | (1,) | () | (1,2)
'a' ~ 1 ~ none ~ true ~ 1.5 | 'a' 'b' | 'ab' * 3 | [1] * 2 + [2] | 3 * 'x' | 'a' in 'cat' | 'z' not in 'cat' | 1 in [1,2] | 'a' in d | not 1 in [2] | not t and n | n or e | e or 'x' | z and 1 | e and 1 | n if t else 0 | n if z | (n if z) is undefined
[1, 'a', none, true, 1.5, [2], {'k': (1,)}] | {'a': 1, 2: 'b', none: 3, 1.5: 4, true: 5} | {'a': 1, 'a': 2} | "it's" | ['it\'s', 'a"b', 'a\'"b'] | ['\n\t\\', '\u00e9\x01\x7f\u200b'] | "\x41\u0042\103" | '\q\é' | 'a\
b' | [1,2,3][0] | [1,2,3][-1] | [1,2,3][5] | [1,2,3][1:] | [1,2,3][::-1] | [1,2,3][-2:] | s[1:4] | s[::-1] | s[::2] | s[-3:-1] | s[5:2] | s[10:2:-3] | u[1] | u[::-1] | u[2:] | u|length | (1,2,3)[1:] | range(10)[2:5]|list
s.upper() | s.lower() | s.title() | s.capitalize() | s.swapcase() | s.split() | s.split(',') | s.split('o', 1) | s.rsplit('o', 1) | 'a b  c '.split(' ') | ' a  b '.split() | ' a b c '.split(none, 1) | ' a b c '.rsplit(None, 1) | 'a,b,c'.split(',', maxsplit=1) | '\r\na\nb\x0bc'.splitlines() | 'a\nb\n'.splitlines(true)
'  x '.strip() | 'xxaxx'.strip('x') | 'abcba'.lstrip('ab') | 'abcba'.rstrip('ab') | s.replace('l', 'L') | s.replace('l', 'L', 1) | 'abc'.replace('', '-') | s.startswith('He') | s.startswith(('x', 'Hell')) | s.endswith('ld', 3) | s.startswith('e', 1) | s.find('o') | s.find('o', 5) | s.rfind('o') | s.find('q') | s.index('W') | s.count('l') | s.count('') | 'aaa'.count('aa') | u.find('a') | u.upper() | u.title() | 'ΑΣ ΣΑΣ'.lower() | 'ǆx ﬁ'.title() | 'ŉ'.upper()
'12'.isdigit() | '²'.isdigit() | '²'.isdecimal() | '½'.isnumeric() | ''.isdigit() | 'ab'.isalpha() | 'a1'.isalnum() | ' \t'.isspace() | 'Ab'.istitle() | 'AB'.isupper() | 'a1'.islower() | 'é'.isascii() | ''.isascii() | 'a\n'.isprintable() | 'x'.center(6, '*') | 'ab'.center(5) | 'abc'.center(6) | 'x'.ljust(3) ~ '|' | 'x'.rjust(3) | '-5'.zfill(4) | 'a-b-c'.partition('-') | 'a-b-c'.rpartition('-') | 'abc'.partition('-') | 'prefix'.removeprefix('pre') | 'a.txt'.removesuffix('.txt') | 'a\tb'.expandtabs(4) | ', '.join(['a', 'b']) | '-'.join('abc')
d.a | d['a'] | d.get('a') | d.get('q') | d.get('q', 5) | d.items()|list | d.keys()|list | d.values()|list | d.items() | d.keys() | d.nope | d.nope is defined | d['items'] is callable | {'items': 1}.items is callable | {'items': 1}['items'] | l.index(2) | l.count(1) | l.copy() | l.0 | l[true] | d.a.1 | l.nope is undefined | z.nope is undefined | n.nope is undefined
nope | nope is defined | [nope] | nope|default('x') | e|default('x') | e|default('x', true) | nope|d | z|default('x') | nope == nope2 | nope == 1 | nope in [1] | 1 in nope | nope|length | nope|list | nope|string | nope ~ 'a' | not nope | nope or 1 | nope|items|list | '%s'|format(nope)
n is odd | n is even | n is divisibleby 7 | n is number | f is number | t is number | t is integer | n is integer | f is float | t is boolean | n is boolean | s is string | d is mapping | l is mapping | l is sequence | d is sequence | s is sequence | n is sequence | l is iterable | n is iterable | z is none | z is not none | t is true | t is false | n is true | n is sameas 7 | s is lower | 'abc' is lower | 'ABC' is upper | n is eq 7 | n is equalto 8 | n is ne 7 | n is gt 3 | n is lt 3 | n is ge 7 | n is le 7 | n is greaterthan 3 | n is in [7] | 'upper' is filter | 'nope' is filter | 'odd' is test | range is callable | s is callable | s|safe is escaped | s is escaped | nope is undefined | nope is string | nope is iterable | nope is sequence | nope is mapping | nope is none | n is not odd
s|upper | s|lower | s|title | "it's a-b (c) d_e"|title | s|capitalize | s|length | s|count | l|length | d|length | s|trim('Hd') | ' a '|trim | s|replace('l', 'L', 1) | 123|replace(2, 'x') | l|join(', ') | l|join | users|join(',', attribute='name') | s|join('-') | l|first | l|last | s|first | s|last | d|first | d|last | []|first | []|last | []|first is undefined | l|list | s|list | d|list | l|sort | l|sort(reverse=true) | words|sort | words|sort(case_sensitive=true) | users|sort(attribute='age')|map(attribute='name')|join | users|sort(attribute='age,name')|map(attribute='name')|join | users|sort(true, attribute='age')|map(attribute='name')|list | words|unique|list | words|unique(true)|list | users|unique(attribute='age')|list | l|min | l|max | words|min | words|max | users|max(attribute='age') | []|max | l|sum | users|sum(attribute='age') | l|sum(start=10) | [[1],[2]]|sum(start=[]) | d|dictsort | d|dictsort(reverse=true) | {'B': 1, 'a': 0}|dictsort | {'B': 1, 'a': 0}|dictsort(true) | {'B': 1, 'a': 0}|dictsort(false, 'value') | d|items|list
users|groupby('age') | users|groupby('on', default='no') | users|groupby('age')|map(attribute='grouper')|list | users|groupby('age')|map('last')|map('length')|list | users|map(attribute='nope', default='x')|list | users|map(attribute='name')|map('upper')|join(' ') | users|selectattr('on')|map(attribute='name')|list | users|rejectattr('on')|list|length | users|selectattr('age', 'eq', 3)|list|length | users|selectattr('on', 'defined')|list|length | users|rejectattr('name', 'equalto', 'bob')|map(attribute='name')|list | l|select('odd')|list | l|reject('odd')|list | l|select|list | [0, 1, '', 'a']|select|list | [0, 1]|reject|list | l|select('in', [1, 2])|list | l|map('string')|list | l|select('odd') is iterable | (l|select('gt', 9)) and 1 | l|batch(2)|list | l|batch(2, 'x')|list | l|slice(2)|list | range(7)|slice(3, 'x')|list | l|reverse|list | s|reverse | d|reverse|list | (1,2)|reverse|list
n|string ~ 1 | '42'|int | '42.9'|int | 'x'|int | 'x'|int(5) | 4.9|int | -4.9|int | '0x1A'|int(base=16) | '1A'|int(0, 16) | none|int | true|int | ' 42 '|int | '1_0'|int | '1e2'|int | 'inf'|int | '1.5'|float | 'x'|float | 'x'|float(2.0) | 3|float | ' 1e3 '|float | 'nan'|float | 'inf'|float | 2.5|round | 3.5|round | 2.567|round(2) | 2.567|round(1, 'ceil') | 2.567|round(1, 'floor') | 5|round | 1234|round(-2) | 1250|round(-2) | 1234.5|round(-2) | 2.675|round(2) | 5|round(1, 'floor') | 5.5|round(method='ceil') | -3|abs | -3.5|abs | true|abs
'%s-%s'|format('a', 1) | '%(a)s'|format(a=1) | '%5d|%-5d|%05d|%+d' % (1, 2, 3, 4) | '%.2f %e %g %G' % (1.5, 12345.678, 0.00001, 1e20) | '%x %X %o %#x' % (255, 255, 8, 255) | '%c%c' % (65, 'b') | '%r %s' % ('a', 'b') | '%%' % () | '%5s|%-5s|%.2s' % ('a', 'b', 'cdef') | '%s' % l | '%d' % 3.7 | '%*d' % (5, 3) | '%s' % none | '%(a)s %(b)r' % {'a': 1, 'b': 'x'} | 'no' % {} | '%i' % true
'{} {}'.format(1, 'a') | '{1} {0}'.format(1, 2) | '{a} {b}'.format(a=1, b=2) | '{0[1]} {0[0]}'.format(l) | '{d[b]}'.format(d=d) | '{:5}|{:<5}|{:>5}|{:^5}|{:*^5}'.format(1, 2, 'a', 'b', 'c') | '{:05.1f} {:+d} {:,} {:x} {:#x} {:b} {:%} {:e}'.format(3.14159, 5, 1234567, 255, 255, 5, 0.25, 1234.5) | '{{}}'.format() | '{!r} {!s}'.format('a', 'b') | '{:.3}'.format('abcdef') | '{:{w}}|'.format('a', w=4) | '{:,.2f}'.format(1234.5) | '{:08,}'.format(1234) | '{}'.format(none) | '{:d}'.format(true) | '{:.2}'.format(3.14159) | '{:g}'.format(1e10) | '{:<05}'.format(12)
d|tojson | d|tojson(indent=2) | l|tojson(indent=4) | []|tojson(indent=2) | {}|tojson(indent=2) | u|tojson | u|tojson(true) | {'b': 1, 'a': 2}|tojson(sort_keys=true) | d|tojson(separators=(',', ':')) | {1: 2, none: 3, true: 4, 1.5: 5}|tojson | '\n\t\x08\x0c\r\x1f\x7f"\\/<>&\''|tojson | 1e100|tojson | 1.0|tojson | (1, 2)|tojson | 'inf'|float|tojson | 'nan'|float|tojson | none|tojson | s|safe|tojson | d|tojson(indent='--') | d|tojson(indent=0) | [[], {}, [[]]]|tojson(indent=1) | d|tojson(separators=(', ', '='), indent=1)
'a\nb\n\nc'|indent | 'a\nb\n\nc'|indent(2, true) | 'a\nb\n\nc'|indent(2, blank=true) | 'a\nb'|indent('> ') | 'a\n'|indent | ''|indent | '\na'|indent(1, true) | 'a\r\nb'|indent(2) | s|center(20) | s|wordcount | 'a b-c d\'e é_1'|wordcount | 'aaa bbb ccc ddd'|truncate(10) | 'aaa bbb ccc ddd'|truncate(9, true) | 'aaa bbb ccc ddd'|truncate(9, false, '', 0) | 'aaa bbb'|truncate(5, leeway=0) | 'aaa bbb ccc'|wordwrap(5) | 'aaabbbccc dd'|wordwrap(4) | 'aaabbbccc dd'|wordwrap(4, false) | 'a b\n\nc d e'|wordwrap(3, wrapstring='|') | 'well-known fact'|wordwrap(7)
'<a href="x">&\'</a>'|e | '<a>'|escape|e | '<a>'|safe | '<a>'|safe ~ '<b>' | '<a>'|safe + '<b>' | '<b>' + ('<a>'|safe) | ('<a>'|safe)|forceescape | ('<a>'|safe).upper() + '<' | [('<'|safe)] | ('%s'|safe) % '<' | ('<'|safe) * 2 + '<' | ('a<b'|safe).split('<')|first + '<' | ('<'|safe)|string + '<' | ('-'|safe).join(['<', 'b']) | ('x'|safe)[0] + '<' | ('a'|safe).replace('a', '<') | ('a'|safe)|replace('a', '<') + '<' | ('a'|safe)|trim + '<' | ('a'|safe)|lower + '<' | ('a'|safe)|indent + '<' | ['<'|safe, '<']|join('&') | '{}'.format('<'|safe)
'a b/c?é&'|urlencode | {'a b': 'c/d', 'e': 1}|urlencode | [('a', 'é')]|urlencode | 5|urlencode | {'a': '<', 'b': none, 'c': 1}|xmlattr | '<b>a</b>  &amp; <!-- x --> c'|striptags | 1000|filesizeformat | 1|filesizeformat | 999|filesizeformat | 1234567|filesizeformat | 1234567|filesizeformat(true) | 10**15|filesizeformat
range(3)|list | range(1, 4)|list | range(5, 0, -2)|list | range(3) | range(0) is sequence | range(1, 10, 3)[1] | range(3)|length | dict(a=1) | dict([('a', 1)], b=2) | dict({'x': 1}) | dict() | namespace(a=1).a | namespace(a=1) | namespace({'a': 1}, b=2).b | namespace().q is undefined | cycler('a', 'b').next() | cycler('a').current | s|attr('upper') is callable | d|attr('b') is undefined | f.is_integer() | 2.0.is_integer() | s['upper']() | d['get']('b') | s.__class__ | s.__class__ is defined | l.append is defined | d.update is defined | 1 if 0 | [1 if 0] | (1 if 0) is defined
not not 1 | not (1 == 2) | 1 == 1 and 2 == 2 | 1 if 2 if 0 else 3 else 4 | -n|abs | (-n)|abs | -1.5|round | n is odd and n is number | n is not none | 'a' if n is odd else 'b' | [1,2,3]|length > 2 | 'x' ~ 1 + 2 | 1 ~ 2 * 3 | 2 * 3 ~ 4 | 1 + 2 ~ 3 | 'a' == 'a' ~ 'b' | n in [7] == true | {'a': {'b': [10, 20]}}.a.b.1 | {'a': {'b': [10, 20]}}['a']['b'][-1] | users[0].name | users[0]['name'] | users[-1].name|upper | (users|first).name | s.split(', ')[1].lower() | users|map(attribute='name')|sort|join(',') | "%s" % (1,) | [*l] if 0 else 1
"""
BLOCKS = [
    "{% for i in l %}{{ i }},{% endfor %}", "{% for i in [] %}x{% else %}none{% endfor %}", "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for i in l %}{{ loop.index }}/{{ loop.length }} {{ loop.index0 }} {{ loop.revindex }} {{ loop.revindex0 }} {{ loop.first }} {{ loop.last }} {{ loop.depth }} {{ loop.depth0 }}\n{% endfor %}",
    "{% for i in l %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }} {% endfor %}", "{% for i in l %}{{ loop.previtem is defined }}{{ loop.nextitem is undefined }}{% endfor %}",
    "{% for i in l %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for i in [1,1,2,2,1] %}{{ loop.changed(i) }}{% endfor %}", "{% for i in l %}{{ loop }}{% endfor %}",
    "{% for i in l if i > 1 %}{{ loop.index }}:{{ i }} {% endfor %}", "{% for i in l if i > 5 %}{{ i }}{% else %}no{% endfor %}", "{% for i in range(5) if i is odd %}{{ i }}{{ loop.last }}{{ loop.length }}{% endfor %}",
    "{% for i in l|select('odd') %}{{ i }}{{ loop.length }}{{ loop.last }}{% endfor %}", "{% for i in range(6) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% for i in [1] %}{% break %}{% else %}else{% endfor %}", "{% for i in [1, 2] %}{% continue %}{% else %}else{% endfor %}", "{% for i in [1] %}{{ i }}{% else %}else{% endfor %}",
    "{% for x in [[1, [2, 3]], [4]] recursive %}{% if x is iterable %}[{{ loop(x) }}]{% else %}{{ x }}@{{ loop.depth }}{% endif %}{% endfor %}",
    "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for i in l %}{% for j in l %}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}",
    "{% for i in l %}{% set x = i %}{{ x }}{% endfor %}{{ x }}", "{% set x = 0 %}{% for i in l %}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}", "{% set ns = namespace(x=0) %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}",
    "{% for i in l %}{{ y }}{% set y = i %}{% endfor %}{{ y }}", "{% if t %}{% set x = 1 %}{% endif %}{{ x }}", "{% if not t %}{% set s = 1 %}{% endif %}{{ s }}", "{% for i in l %}{% if i == 1 %}{% set s = i %}{% endif %}{{ s }},{% endfor %}{{ s }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a = 1, 2 %}{{ a }}", "{% set (a, b) = (1, 2) %}{{ b }}", "{% set a %}x{{ n }}y{% endset %}{{ a }}{{ a|length }}", "{% set a | upper | replace('X', 'z') %}x{{ n }}y{% endset %}{{ a }}",
    "{% set ns = namespace() %}{% set ns.a %}block{% endset %}{{ ns.a }}", "{% set ns = namespace(a=[]) %}{% set ns.a = ns.a + [1] %}{% set ns.b, ns.c = 1, 2 %}{{ ns.a }}{{ ns.b }}{{ ns.c }}{{ ns }}",
    "{% macro m(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(a=5, c=6) }} {{ m() }}", "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}", "{% macro m(a) %}{{ a is defined }}{% endmacro %}{{ m() }}",
    "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}", "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}body{{ n }}{% endcall %}", "{% macro m() %}{% for i in l %}{{ caller(i) }}{% endfor %}{% endmacro %}{% call(x) m() %}<{{ x }}>{% endcall %}",
    "{% macro m() %}{{ x }}{% endmacro %}{% set x = 5 %}{{ m() }}", "{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% set x = 5 %}", "{% macro m() %}{{ s }}{% endmacro %}{{ m() }}", "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}",
    "{% macro m() %}{% set s = 1 %}{{ s }}{% endmacro %}{{ m() }}{{ s }}", "{% for i in l %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}", "{% macro m(a) %}{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m.catch_kwargs }}{{ m.caller }}{{ m }}", "{% macro m() %}a{% endmacro %}{{ m()|upper ~ m() }}{{ m() == 'a' }}",
    "{% macro m(caller=none) %}{{ caller is none }}{% endmacro %}{{ m() }}{% call m() %}x{% endcall %}", "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}", "{% macro m(x) %}{% for i in x %}{{ loop.index }}{{ m2(i) }}{% endfor %}{% endmacro %}{% macro m2(y) %}({{ y }}){% endmacro %}{{ m(l) }}",
    "{% filter upper %}a{{ n }}b{% endfilter %}", "{% filter replace('a', 'b')|upper %}aaa{% endfilter %}", "{% filter indent(2) %}\na\nb\n{% endfilter %}", "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% with n = 1 %}{% with m = n %}{{ m }}{% endwith %}{% endwith %}{{ n }}", "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }}",
    "{% if n == 1 %}a{% elif n == 7 %}b{% elif t %}c{% else %}d{% endif %}", "{% if nope %}a{% else %}b{% endif %}", "{% if l %}x{% endif %}{% if [] %}y{% endif %}{% if 0.0 %}z{% endif %}{% if {} %}w{% endif %}{% if 'a' %}v{% endif %}", "{% print n, s %}", "{% if t: %}x{% endif %}",
    "{% set c = cycler('a', 'b', 'c') %}{% for i in range(5) %}{{ c.next() }}{% endfor %}{{ c.current }}{{ c.reset() }}{{ c.current }}", "{% set j = joiner('|') %}{% for i in l %}{{ j() }}{{ i }}{% endfor %}", "{% set g = l|map('string') %}{{ g|join }}{{ g|join }}!", "{% set r = l|reverse %}{{ r|list }}{{ r|list }}",
    "{% block b %}[{{ n }}{{ x }}]{% endblock %}", "{% set x = 1 %}{% block b %}[{{ x }}]{% endblock %}", "{% set x = 1 %}{% for i in l %}{% block b %}[{{ x }}{{ i }}]{% endblock %}{% endfor %}",
    "{% raw %}{{ n }}{% if %}{% endraw %}", "a {%- raw -%} \n x {% endraw %} b", "{% raw %}\nx\n{% endraw %}\ny", "a\n  {% raw %}  x{% endraw %}", "{# comment #}x{# multi\nline #}y", "{# {{ n }} {% if %} #}z", "a {#- x -#} b", "a\n  {# x #}\nb", "a\n  {#+ x +#}\nb",
    "  {% if t %}\n  x\n  {% endif %}\ny", "a\n  {%+ if t %}\n  x\n  {%+ endif %}\ny", "a\n  {%- if t -%}\n  x\n  {%- endif -%}\n  y", "a  {% if t %}  b  {% endif %}  c", "a\n{% if t +%}\nx\n{% endif +%}\ny", "x {{- n -}} y", "x\n  {{ n }}\n  y", "x\n\n{{- n -}}\n\ny", "\n\n{% if t %}\n\nx\n\n{% endif %}\n\n", "x\n", "x\n\n", "x\r\ny\rz\r\n", "{{ n }}\n", "{% if t %}x{% endif %}\n", "\t {% if t %}x{% endif %}", "{{ n }}  {% if t %}x{% endif %}", "{% if t %}{% endif %}  {% if t %}x{% endif %}", "{% if t %}\n  {% if t %}x{% endif %}{% endif %}", "{{ '{{' }}{{ '%}' }}", "{ { n } }", "{{n}}{{s}}", "{{ n}} }}", "{{ {'a': {'b': 1}} }}", "{{ {'a': {'b': 1}}['a']['b']}}", "}} %} #}", "{{ \"a\" \n ~ 'b' }}", "{{-n}}", "{{ - n }}", "{{+n}}", "é{% if t %}ü{% endif %}😀", "{%if t%}x{%endif%}", "{%- if t %} x {% endif -%} y", "\u00a0{%- if t %}x{% endif %}", "a\x0b{% if t %}x{% endif %}", "a\n \u3000{% if t %}x{% endif %}",
    "a{% generation %}b{{ n }}{% endgeneration %}c", "é{% generation %}ü{% endgeneration %}{% for i in l %}{% generation %}{{ i }}\n{% endgeneration %}\nx{% endfor %}", "{% set x %}q{% generation %}b{% endgeneration %}{% endset %}ab{{ x }}{% generation %}{% endgeneration %}", "ab{% macro m() %}x{% generation %}y{% endgeneration %}{% endmacro %}{{ m() }}{{ m() }}", "{% generation %}a{% generation %}b{% endgeneration %}{% endgeneration %}", "{% generation %}{% set n = 1 %}{{ n }}{% endgeneration %}{{ n }}", "{%- generation -%} a {%- endgeneration -%} b",
    "{{ messages[0].content }}{{ tools is none }}{{ documents }}{{ add_generation_prompt }}", "{% set x = {'a': 1} %}{{ x.a }}{% set x = dict(x, b=2) %}{{ x }}", "{% set m = {'f': s.upper} %}{{ m.f() }}", "{{ users|map(attribute='age')|select('gt', 3)|list }}", "{% for u in users|sort(attribute='name') %}{{ u.name }}{% endfor %}", "{% for a in 'aé😀' %}[{{ a }}]{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}", "{% for g in users|groupby('age') %}{{ g.grouper }}:{{ g.list|length }};{% endfor %}", "{% for age, us in users|groupby('age') %}{{ age }}{{ us|map(attribute='name')|join }}{% endfor %}",
    "{{ strftime_now('%%') }}", "{% set x = range %}{{ x(2)|list }}", "{% macro m(x, y) %}{{ x }}{{ y }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(**{'x': 3, 'y': 4}) }}{{ m(1, *[2]) }}", "{{ '%s %s' % ('a', 'b')|map('upper')|list|join }}", "{% for i in range(3) %}{{ i }}{% if not loop.last %}, {% endif %}{% endfor %}", "{% for i in l %}{% with x = loop.index %}{{ x }}{% endwith %}{% endfor %}", "{% for i in l %}{% macro q() %}{{ loop.index }}{% endmacro %}{{ q() }}{% endfor %}",
    "{% for loop_ in l %}{{ loop.index }}{% endfor %}{{ loop }}", "{% for i in [[1, 2], [3]] %}{% set outer = loop %}{% for j in i %}{{ outer.index }}.{{ loop.index }} {% endfor %}{% endfor %}", "{% for x in l %}{% set l = x %}{{ l }}{% endfor %}{{ l }}", "{% for l in l %}{{ l }}{% endfor %}{{ l }}", "{% set x = x|default(3) %}{{ x }}", "{% if x is not defined %}{% set x = 1 %}{% endif %}{{ x }}", "{% if n is not defined %}{% set n = 1 %}{% endif %}{{ n }}",
    "{% for i in l %}{% if loop.index == 2 %}{% set ns = namespace(v=i) %}{{ ns.v }}{% endif %}{% endfor %}",
    "{% set x = 1 %}{% if t %}{% set x = 2 %}{% endif %}{{ x }}", "{% set x %}{% set y = 3 %}{{ y }}{% endset %}{{ x }}{{ y }}",
    "{% set x = 1 %}{% set z %}{{ x }}{% set x = 2 %}{{ x }}{% endset %}{{ z }}{{ x }}",
    "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}",
    "{% if f %}{% macro q() %}Q{% endmacro %}{% endif %}{{ q() }}",
    "{% macro m(x) %}{% if x %}{{ x[0] }}{{ m(x[1:]) }}{% endif %}{% endmacro %}{{ m('abc') }}",
    "{% macro outer() %}{% macro inner() %}{{ n }}{% endmacro %}{{ inner() }}{% endmacro %}{{ outer() }}",
    "{% macro m(a, b) %}{{ a }}-{{ b }}{% endmacro %}{{ m(b=1, a=2) }}{{ m('x') }}",
    "{% macro m() %}{% for v in varargs %}{{ v }}{% endfor %}{{ kwargs.a }}{{ kwargs|length }}{% endmacro %}{{ m(1, 2, a=3) }}",
    "{% call(a, b=2) [1]|first() %}{% endcall %}",
    "{% macro m() %}{{ caller(1) }}{{ caller(1, 3) }}{% endmacro %}{% call(a, b=2) m() %}{{ a }}{{ b }};{% endcall %}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{% for i in l %}{% call m() %}{{ i }}{{ loop.index }}{% endcall %}{% endfor %}",
    "{% for i in l recursive %}{{ i }}{% if loop.depth < 3 %}({{ loop([i + 1]) }}){% endif %}{% else %}none{% endfor %}",
    "{% for a in [{'n': 1, 'c': [{'n': 2, 'c': []}]}] recursive %}{{ a.n }}{% if a.c %}<{{ loop(a.c) }}>{% endif %}{% endfor %}",
    "{% for x in [] recursive %}a{% else %}b{% endfor %}",
    "{% for i in range(3) recursive %}{% if i == 1 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% for i in l if loop is defined %}{{ i }}{% else %}x{% endfor %}",
    "{% for i in l if i != n %}{{ loop.previtem|default('-') }}{% endfor %}",
    "{% set ns = namespace(found=false) %}{% for i in l if not ns.found %}{{ i }}{% set ns.found = true %}{% endfor %}",
    "{% for i in 'ab' %}{% for j in 'cd' %}{{ loop.index }}{{ i }}{{ j }} {% endfor %}{{ loop.last }}{% endfor %}",
    "{% filter trim %}  {{ s }}  {% endfilter %}|", "{% set v | trim | upper %}  a  {% endset %}[{{ v }}]",
    "{% set v | length %}abc{% endset %}{{ v + 1 }}",
    "{{ [1, 2] is eq [1, 2] }}{{ (1, 2) == [1, 2] }}{{ {'a': 1} == {'a': 1.0} }}{{ 1 is sameas true }}",
    "{{ 'a' is in ['a'] }}{{ 1 is not in [2] }}{{ 5 is divisibleby(5) }}", "{{ d is not mapping or l is sequence }}", "{{ not n is odd }}",
    "{{ 1 is defined and 2 is odd }}", "{{ 3 is not divisibleby 2 }}", "{{ users|map(attribute='name')|map('length')|sum }}",
    "{{ users|selectattr('name', 'in', ['bob', 'cy'])|map(attribute='name')|join('+') }}",
    "{{ users|rejectattr('on', 'undefined')|map(attribute='name')|list }}", "{{ [[1, 2], [3, 4]]|map(attribute=1)|list }}",
    "{{ [[1, 2], [3, 4]]|map('first')|list }}", "{{ [{'a': {'b': 1}}]|map(attribute='a.b')|list }}",
    "{{ ['a,b', 'c']|map('replace', ',', ';')|list }}", "{{ l|map('float')|map('int')|join }}", "{{ ['1', 'x']|map('int', -1)|list }}",
    "{{ ['1', 'x']|map('int', default=7)|list }}", "{{ {'x': l}|tojson|length }}", "{{ 'abc'|list|tojson }}",
    "{{ (1, 'a')|string|replace('(', '[') }}", "{{ s.split(',')|map('trim')|list }}", "{{ ' '.join(s.split()[::-1]) }}",
    "{{ s[0:5] ~ s[-1] }}", "{{ s[:-1][:3] }}", "{{ l[0:2] + l[-1:] }}", "{{ l[-100:100] }}", "{{ s[100:] }}|{{ s[:-100] }}",
    "{{ 1.0 * 3 }}{{ 7 / 7 }}{{ 2 ** 0.5 }}{{ 4 ** 0.5 }}{{ 10 ** -2 }}{{ 3 // 2.0 }}{{ -3 % 5.0 }}",
    "{{ true + true }}{{ true * 3 }}{{ -true }}{{ true / 2 }}",
    "{{ 9007199254740993 }}{{ 9007199254740993 * 1.0 }}{{ 9007199254740993 == 9007199254740992.0 }}",
    "{{ 5e-324 }}{{ 1.7976931348623157e308 }}{{ 0.1 }}{{ 1e-5 }}{{ 0.0001 }}{{ 123456.789e3 }}", "{{ 'a'.nope is defined }}",
    "{{ 'x' if nope is defined else 'y' }}", "{{ (nope or {}).a is undefined }}", "{{ nope.x is defined if nope is defined else 'no' }}",
    "{{ d.get('a', [])|first }}", "{{ d['a'][1]|upper }}", "{{ (d.q or 'z')|upper }}", "{{ d.b == 1 and d['a'][0] == 1 }}",
    "{{ '\\n'|tojson }}{{ '\\\\n' }}{{ \"\\\"\" }}{{ '\\'' }}{{ '\\0' }}|{{ '\\x41\\101\\u00e9\\U0001F600' }}", "{{ 'a\\\nb' }}",
    "{{ 'é\\é' }}", "{{ 'tab\\there' }}", "{{ '{% if %}' }}{{ '#}' }}",
    "{{ 'İ'.lower()|length }}{{ 'ß'.upper() }}{{ 'ﬀ'.capitalize() }}{{ 'ΌΔΟΣ'.lower() }}{{ 'ñandú'.title() }}{{ \"they're bill's\".title() }}{{ \"they're bill's\"|title }}{{ 'ǅ'.swapcase() }}",
    "{{ '٣'.isdigit() }}{{ '٣'.isdecimal() }}{{ 'Ⅷ'.isnumeric() }}{{ '一'.isnumeric() }}{{ 'ªº'.islower() }}",
    "{{ '\u1680a\u3000'.strip() }}|{{ '\u200ba'.strip()|length }}|{{ 'a\u2028b\u001cc\x85d'.splitlines() }}",
    "{{ 'abc'.find('') }}{{ 'abc'.rfind('') }}{{ ''.find('a') }}{{ 'abc'.count('', 1) }}{{ 'aXbX'.rsplit('X', 1) }}{{ 'a  b'.split(' ') }}{{ ''.split() }}{{ ''.split(',') }}{{ 'abc'.split('abc') }}",
    "{{ 'abc'.replace('b', '', 0) }}{{ 'aaa'.replace('aa', 'b') }}{{ 'abc'.replace('c', none ~ '') }}",
    "{{ 'a'.join([]) }}|{{ ''.join(['a', 'b']) }}|{{ '-'.join({'x': 1, 'y': 2}) }}",
    "{{ '%5.1f|%-8s|%08.3f|%+.0e' % (3.14159, 'ab', -3.14159, 12345) }}", "{{ '%x' % -255 }}{{ '%#o' % 8 }}{{ '% d' % 5 }}{{ '%.3d' % 5 }}",
    "{{ '%s %s' | format('a', [1]) }}{{ '%s' % (l,) }}{{ '%s' % d }}",
    "{{ '{0}{0}{1}'.format(1, 'x') }}{{ '{:>{}}'.format('a', 4) }}{{ '{x.a}'.format(x=namespace(a=5)) }}{{ '{0!r:>6}'.format('a') }}",
    "{{ namespace(a=1) is mapping }}{{ namespace(a=1) is iterable }}{{ d.items() is sequence }}{{ d.items() is iterable }}{{ d.keys()|length }}{{ d.items()|first }}{{ 'b' in d.keys() }}{{ 1 in d.values() }}",
    "{{ d.items()|list|tojson }}{{ d|dictsort|tojson }}",
    "{% for k, v in d|dictsort %}{{ k }}{{ v }}{% endfor %}{% for k, v in d|items %}{{ k }}{% endfor %}{% for p in d.items() %}{{ p[0] }}{% endfor %}",
    "{{ range(5, 1, -1)|list }}{{ range(0)|list }}{{ 3 in range(5) }}{{ range(3) == range(0, 3) }}{{ range(10)[::3]|list }}{{ range(5)|last }}{{ range(5)|sum }}{{ range(1, 4)|map('string')|join }}",
    "{{ [3, 1]|sort|first }}{{ ['b', 'A']|sort|join }}{{ [true, 0, 2]|sort }}{{ [[2, 1], [1, 9]]|sort }}{{ 'hello'|sort|join }}{{ {'b': 1, 'a': 2}|sort }}",
    "{{ [1, 1.0, true, '1']|unique|list }}{{ ['a', 'B', 'b']|unique|list }}{{ [[1], [1]]|unique|list if 0 else '' }}",
    "a\n\n{%- if t %}\n b\n{%- endif %}\n\nc", "{% if t -%}\n\n  x  \n\n{%- endif %}y", "   {{- n }}  \n  {{ n -}}   \n z",
    "{# a #}\n{# b #}\nc", "{% set x = 1 %}\n\n{% set y = 2 %}\n{{ x }}", "  {# c #}  x", "a {% if t %}\nb\n{% endif %} c\n",
    "{%- for i in l %}\n  {{- i }}\n{%- endfor %}\n", "{% for i in l -%}\n  {{ i }}\n{%- endfor %}", "{% raw -%}  a  {%- endraw %}  b",
    "{%- raw %} a {% endraw -%} b", "{% raw %}{{ x }}{% raw %}{% endraw %}", "{{ '}}' }}{{ {'a': '}}'} }}",
    "{{ {} }}{{ {}|length }}{{ { } }}", "{% if {'a': 1}['a'] %}x{% endif %}", "x{% if t %}\n\ny{% endif %}\n\nz", "\ufeffx{{ n }}",
    "{{ d|pprint }}", "{{ users|pprint }}", "{{ [users, users]|pprint }}", "{{ {'list': users, 'd': d, 'a': {'x': users}}|pprint }}", "{{ (s * 12)|pprint }}", "{{ [s * 12, 1]|pprint }}",
    "{{ {'k': ('word ' * 30) ~ '\n' ~ ('x' * 90)}|pprint }}", "{{ (l * 40)|pprint }}", "{{ ((l * 9)|list, (1,) * 40)|pprint }}", "{{ 5|pprint }}{{ 'a'|pprint }}{{ ''|pprint }}", "{{ {2: 'b' * 50, 1: 'a' * 50}|pprint }}", "{{ ('a' * 100,)|pprint }}",
]
ERRORS = [
    "{{ raise_exception('Roles must alternate: ' ~ n) }}", "{{ raise_exception(none) }}", "{{ nope.x }}", "{{ nope['x'] }}", "{{ d.nope.x }}", "{{ z.a.b }}", "{{ l.a.b }}", "{{ l[10].x }}", "{{ d['q']['r'] }}", "{{ nope + 1 }}", "{{ 1 + nope }}", "{{ 'a' + nope }}", "{{ nope() }}", "{{ -nope }}", "{{ nope < 1 }}", "{{ s.nope() }}", "{{ d.nope() }}", "{{ d() }}", "{{ n() }}", "{{ s() }}",
    "{{ 'a' + 1 }}", "{{ 1 + 'a' }}", "{{ [1] + 'a' }}", "{{ [1] + (1,) }}", "{{ 'a' - 'b' }}", "{{ 'a' * 'b' }}", "{{ none + 1 }}", "{{ d + d }}", "{{ 1 < 'a' }}", "{{ 'a' >= 1 }}", "{{ none > 1 }}", "{{ [1] < ['a'] }}", "{{ 1 / 0 }}", "{{ 1 // 0 }}", "{{ 1 % 0 }}", "{{ 1.0 / 0 }}", "{{ 1.0 // 0 }}", "{{ 1.0 % 0 }}", "{{ 0 ** -1 }}", "{{ 1 in 'a' }}", "{{ 1 in 5 }}", "{{ nope in 'a' }}",
    "{{ 5|length }}", "{{ none|length }}", "{% for i in 5 %}{% endfor %}", "{% for i in none %}{% endfor %}", "{% for a, b in [1] %}{% endfor %}", "{% for a, b in [[1]] %}{% endfor %}", "{% for a, b in [[1, 2, 3]] %}{% endfor %}", "{% set a, b = 1 %}", "{{ l|join(1)|nope }}", "{{ l is nope }}", "{% if 0 %}{{ l|nope }}{% endif %}ok", "{% if 1 %}{{ l|nope }}{% endif %}", "{{ l is nope if 0 else 1 }}", "{{ l|map('nope')|list }}", "{{ l|select('nope')|list }}", "{{ l|map|list }}", "{{ users|selectattr|list }}", "{{ []|map('nope')|list }}",
    "{{ l.append(1) }}", "{{ d.update({}) }}", "{{ d.pop('a') }}", "{{ s.__class__.mro() }}", "{{ l.index(9) }}", "{{ s.index('q') }}", "{{ s.split('') }}", "{{ ','.join([1]) }}", "{{ ','.join(5) }}", "{{ {[1]: 2} }}", "{{ d[l:] }}", "{{ z[1:] }}", "{{ n[0:1] }}", "{{ l[::0] }}", "{{ l['a':] }}", "{{ nope[1:] }}", "{{ range(100001) }}", "{{ range(10**9) }}", "{{ range(1, 5, 0) }}", "{{ range('a') }}", "{{ range() }}",
    "{{ nope|tojson }}", "{{ [nope]|tojson }}", "{{ {(1, 2): 3}|tojson }}", "{{ range(3)|tojson }}", "{{ d.items()|tojson }}", "{{ {1: 2, 'a': 3}|tojson(sort_keys=true) }}", "{{ [1, 'a']|sort }}", "{{ l|sum(start='a') }}", "{{ words|sum }}", "{{ [1, none]|max }}", "{{ 'x'|abs }}", "{{ 'x'|round }}", "{{ nope|int }}", "{{ 1.5|round(1, 'up') }}", "{{ d|dictsort(by='x') }}", "{{ 5|first }}", "{{ 5|list }}", "{{ (l|map('string'))|length }}", "{{ (l|map('string'))|last }}", "{{ 5|items|list }}", "{{ 'a'|truncate(1) }}",
    "{{ '%s %s' % 'a' }}", "{{ '%s' % (1, 2) }}", "{{ '%d' % 'a' }}", "{{ 'a' % 1 }}", "{{ '%(a)s' % 1 }}", "{{ '%(q)s' % d }}", "{{ '%y' % 1 }}", "{{ '{}'.format() }}", "{{ '{a}'.format() }}", "{{ '{'.format() }}", "{{ '}'.format() }}", "{{ '{:d}'.format('a') }}",
    "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{% endmacro %}{{ m(b=1) }}", "{% macro m(a) %}{{ a.x }}{% endmacro %}{{ m() }}", "{% macro m(a) %}{% endmacro %}{% call m() %}{% endcall %}", "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{% set n.x = 1 %}", "{% set q.x = 1 %}", "{% set ns = namespace() %}{% set ns._x = 1 %}", "{{ namespace(_x=1) }}", "{% for i in l %}{{ loop(l) }}{% endfor %}", "{% for i in l %}{{ loop.cycle() }}{% endfor %}", "{{ cycler() }}", "{{ (1 if 0).x }}", "{% for i in l %}{% if loop.first %}{{ loop.previtem.x }}{% endif %}{% endfor %}", "{{ ([]|first).x }}", "{% filter length %}a{% endfilter %}",
    "{% if %}", "{% if t %}", "{% endif %}", "{% for %}", "{% for i in %}", "{% for i l %}{% endfor %}", "{% for i in l %}", "{% for i in l %}{% endif %}", "{% if t %}{% endfor %}", "{% nope %}", "{{ }}", "{{ 1 + }}", "{{ 1 2 }}", "{{ (1 }}", "{{ [1 }}", "{{ {1: }}", "{{ 1) }}", "{{ (1] }}", "{{ a b }}", "{{ a..b }}", "{{ a. }}", "{{ a| }}", "{{ a|1 }}", "{{ a is }}", "{{ 'abc }}", "{{ \"abc }}", "{{ a ! b }}", "{{ a $ b }}", "{{ a", "{% if a", "{# a", "{% raw %}a", "{% set %}", "{% set 1 = 2 %}", "{% set a b %}", "{% set a = %}", "{% set true = 1 %}", "{% set [a] = 1 %}", "{% macro %}{% endmacro %}", "{% macro m %}{% endmacro %}", "{% macro m(1) %}{% endmacro %}", "{% macro m(a=1, b) %}{% endmacro %}", "{% macro m(a) %}", "{% call 1 %}{% endcall %}", "{{ f(a=1, 2) }}", "{{ f(**a, 1) }}", "{{ f(a=1, a=2) }}", "{% break %}", "{% continue %}", "{% for i in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}", "{% for loop in l %}{{ loop }}{% endfor %}", "{% for i in l %}{% set loop = 1 %}{% endfor %}", "{{ 1 is odd is even }}", "{% generation %}", "{% endgeneration %}", "{% filter %}{% endfilter %}", "{% filter nope %}{% endfilter %}", "{% with 1 = 2 %}{% endwith %}", "{% include 'a' %}", "{% import 'a' as b %}", "{% extends 'a' %}", "{% from 'a' import b %}", "{{ '\\ud800' }}", "{{ '\\x' }}", "{{ '\\u12' }}", "\n\n{{ nope.x }}", "{{ a if }}", "{{ not }}", "{{ l[1 }}", "{{ l[] }}", "{{ 1 if 2 else }}", "{% if t %}{% else %}{% else %}{% endif %}", "{% block a %}{% endblock %}{% block a %}{% endblock %}", "{{ x = 1 }}", "{{ a, }}", "{{ , }}", "{{ {} | }}", "{%", "{{", "{#", "{% %}", "{{ %}", "{% }}",
    "{{ loop.index }}", "{{ nope.items() }}", "{% for k, v in d %}{% endfor %}", "{% for k, v in nope.items() %}{% endfor %}",
    "{{ ''|first|upper }}{{ (''|first).x }}", "{{ 'a'|int + 'b' }}", "{{ l['a'].b }}", "{{ (l|first).x.y }}", "{{ messages[5].content }}",
    "{{ messages[5]['content'] + 'x' }}", "{{ 'x' + messages[0].nope }}", "{{ messages.0.role.x.y }}", "{% set x = d.q.r %}",
    "{% if d.q.r %}{% endif %}", "{{ raise_exception('é \"q\" \\n z') }}", "{% if s != 'x' %}{{ raise_exception(s ~ ' bad') }}{% endif %}",
    "{{ 'a' is divisibleby 2 }}", "{{ 'a' is odd }}", "{{ nope is odd }}", "{{ none is lower }}{{ none.x.y }}", "{{ caller() }}",
    "{{ m(1) }}", "{{ super() }}", "{{ varargs }}{{ kwargs.x }}", "{{ n.x.y }}", "{{ f.x.y }}", "{{ t.x.y }}", "{{ (1, 2).x.y }}",
    "{{ range(3).x.y }}", "{{ (l|map('string')).x.y }}", "{{ d.items().x.y }}", "{{ namespace(a=1).b.c }}", "{{ d[1].x }}",
    "{{ l[1.5].x }}", "{{ l[none].x }}", "{{ d['x']['y'] }}", "{{ 'abc'[10].x }}",
]
# Python says these in other words (or about Python itself), or allows what we do not.
OTHER_WORDS = {
    "{% include 'a' %}", "{% import 'a' as b %}", "{% extends 'a' %}", "{% from 'a' import b %}", "{{ f(a=1, a=2) }}", "{% break %}", "{% continue %}",
    "{% for i in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
}


def language():
    for line in EXPRESSIONS.replace("\\\nb", "\\\x00b").strip().split("\n"):
        for e in line.replace("\x00", "\n").split(" | "):
            yield "{{ " + e + " }}", V
    for template in BLOCKS + ERRORS:
        yield template, V


LANGUAGE = list(language())
