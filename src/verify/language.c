/* language.c: the languages, one row each.
 *
 * A language needs tools under /usr, the only part of the machine that the sandbox shows. Compilers run in
 * the sandbox too: a source file can make them read, loop and grow.
 */
#include "verify/language.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"

enum { MIB = 1 << 20, PROCESSES = 64, PROCESSES_MACHINE = 128 };

static const struct code_language rows[] = {
    {.name = "python",
     .names = " python py python3 cf_python3 pypy pypy3 ",
     .tools = "python3",
     .package = "python3",
     .file = "main.py",
     .ending = ".py",
     .run = {"python3", "%S"},
     .comment = "#",
     .hello = "a, b = map(int, input().split())\nprint(a + b)\n",
     .processes = PROCESSES},
    {.name = "c",
     .names = " c c11 c17 ",
     .tools = "gcc",
     .package = "gcc",
     .file = "main.c",
     .ending = ".c",
     .build = "gcc -std=gnu17 -O2 -w -fmax-errors=20 -o main %X -lm",
     .made = "main",
     .includes = true,
     .run = {"./main"},
     .comment = "//",
     .hello =
         "#include <stdio.h>\nint main(void) { long a, b; scanf(\"%ld%ld\", &a, &b); printf(\"%ld\\n\", a + "
         "b); }\n",
     .processes = PROCESSES},
    {.name = "cpp",
     .names = " cpp c++ cxx c++17 c++20 cms_ioi ",
     .tools = "g++",
     .package = "g++",
     .file = "main.cpp",
     .ending = ".cpp",
     .build = "g++ -std=gnu++17 -O2 -w -fmax-errors=20 -DEVAL -I. -Igraders -o main %X",
     .made = "main",
     .includes = true,
     .run = {"./main"},
     .comment = "//",
     .hello =
         "#include <iostream>\nint main() { long a, b; std::cin >> a >> b; std::cout << a + b << '\\n'; }\n",
     .processes = PROCESSES},
    {.name = "javascript",
     .names = " javascript js node nodejs ",
     .tools = "node",
     .package = "nodejs",
     .file = "main.js",
     .ending = ".js",
     .run = {"node", "--max-old-space-size=%M", "%S"},
     .comment = "//",
     .hello = "const [a, b] = require('fs').readFileSync(0, 'utf8').split(' ').map(Number);\nconsole.log(a + "
              "b);\n",
     .overhead = (size_t)192 * MIB,
     .reserves = true,
     .processes = PROCESSES_MACHINE},
    {.name = "java",
     .names = " java java17 java21 ",
     .tools = "java javac jar",
     .package = "default-jdk-headless",
     .file = "Main.java",
     .ending = ".java",
     .build =
         "O='-J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC'; mkdir .o && javac $O -nowarn -encoding UTF-8 -d "
         ".o %X && jar --create $O --no-manifest --no-compress --file main.jar -C .o .",
     .made = "main.jar",
     .run = {"java", "-Xmx%Mm", "-Xss64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",
             "-cp", "main.jar", "%C"},
     .comment = "//",
     .hello = "import java.util.*;\npublic class Sum {\n  public static void main(String[] x) {\n    Scanner "
              "s = new "
              "Scanner(System.in);\n    System.out.println(s.nextLong() + s.nextLong());\n  }\n}\n",
     .overhead = (size_t)256 * MIB,
     .reserves = true,
     .processes = PROCESSES_MACHINE},
    {.name = "bash",
     .names = " bash sh shell ",
     .tools = "bash",
     .package = "bash",
     .file = "main.sh",
     .ending = ".sh",
     .run = {"bash", "%S"},
     .comment = "#",
     .hello = "read -r a b\necho $((a + b))\n",
     .processes = PROCESSES},
    {.name = "r",
     .names = " r rscript ",
     .tools = "Rscript",
     .package = "r-base-core",
     .file = "main.R",
     .ending = ".R",
     .run = {"Rscript", "--vanilla", "%S"},
     .comment = "#",
     .hello = "x <- scan(file('stdin'), quiet = TRUE)\ncat(x[1] + x[2], '\\n')\n",
     .overhead = (size_t)128 * MIB,
     .processes = PROCESSES},
};

static bool tool_there(const char *tool)
{
    static const char *const folders[] = {"/usr/local/bin", "/usr/bin", "/bin"};
    char path[128];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folders[i], tool);
        if (access(path, X_OK) == 0) return true;
    }
    return false;
}

const struct code_language *code_language_row(int i)
{
    return i >= 0 && (size_t)i < sizeof rows / sizeof *rows ? &rows[i] : NULL;
}

const char *code_language_name(const struct code_language *l)
{
    return l->name;
}

bool code_language_is(const struct code_language *l, const char *word, size_t n)
{
    char padded[40];
    if (n == 0 || n + 3 > sizeof padded || memchr(word, ' ', n)) return false;
    padded[0] = ' ';
    for (size_t i = 0; i < n; i++) padded[i + 1] = (char)tolower((unsigned char)word[i]);
    memcpy(padded + n + 1, " ", 2);
    return strstr(l->names, padded) != NULL;
}

static bool tools_there(const struct code_language *l, struct err *e)
{
    char tool[32];
    for (const char *p = l->tools; *p; p += p[strcspn(p, " ")] != 0) {
        snprintf(tool, sizeof tool, "%.*s", (int)strcspn(p, " "), p);
        p += strlen(tool);
        if (tool_there(tool)) continue;
        err_set(e,
                "%s is not installed: no %s in /usr/local/bin, /usr/bin or /bin (Debian: apt-get install %s)",
                l->name, tool, l->package);
        return false;
    }
    return true;
}

/* What is `found` instead of a language, and which there are. */
static const struct code_language *none_of_these(const char *found, struct err *e)
{
    struct str list;
    str_init(&list, 0);
    for (int i = 0; code_language_row(i); i++) str_addf(&list, "%s%s", i ? ", " : "", rows[i].name);
    err_usage(e, "%s; languages: %s", found, list.p);
    str_release(&list);
    return NULL;
}

const struct code_language *code_language_find(const char *name, struct err *e)
{
    char found[100];
    for (int i = 0; code_language_row(i); i++)
        if (code_language_is(&rows[i], name, strlen(name))) return tools_there(&rows[i], e) ? &rows[i] : NULL;
    snprintf(found, sizeof found, "code in \"%.40s\" cannot be run", name);
    return none_of_these(found, e);
}

const struct code_language *code_language_of(const json_t *record, const char *fallback, struct err *e)
{
    char found[100];
    const json_t *v = json_object_get(record, "language");
    if (!v || json_is_null(v)) return code_language_find(fallback, e);
    if (json_is_string(v)) return code_language_find(json_string_value(v), e);
    snprintf(found, sizeof found, "\"language\" is %s; it must be the name of a language", json_kind(v));
    return none_of_these(found, e);
}
