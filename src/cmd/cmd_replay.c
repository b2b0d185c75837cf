/* cmd_replay.c: `openr1 replay`: is a run what its records say?
 *
 *   replay RUN          checks the chain of records, the configuration and every input against the manifest,
 *                       runs the configuration again in a scratch folder, and holds each step's hashes of
 *                       data, rollouts, rewards and weights, and its numbers, against the record, and its
 *                       completions against the files
 *   replay RUN OTHER    runs nothing: finds where the records of two runs first part
 *
 * Exit status 0: identical; 3: something parts, and what is said is where and in which of these.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "base/hash_path.h"
#include "base/json.h"
#include "base/log.h"
#include "base/records.h"
#include "base/version.h"
#include "cmd/cmd_int.h"
#include "cmd/replay_completions.h"
#include "net/hub.h"
#include "train/train.h"

struct run {
    const char *dir;
    struct records records;
    json_t *manifest;
};

static int run_open(struct run *r, const char *dir, struct err *e)
{
    char *path = path_join(dir, "manifest.json");
    *r = (struct run){.dir = dir};
    int rc =
        file_is_dir(dir) ? 0 : err_set(e, "%s: no such run (a folder that openr1 sft or grpo made)", dir);
    if (!rc) rc = records_read(&r->records, dir, e);
    if (!rc && !(r->manifest = json_read_file(path, e)))
        rc = err_wrap(e, "the manifest, which says what the run was made from, cannot be read");
    if (!rc && r->records.n == 0) rc = err_set(e, "%s: metrics.jsonl holds no record", dir);
    free(path);
    return rc;
}

static void run_release(struct run *r)
{
    records_release(&r->records);
    json_decref(r->manifest);
}

/* ---- what the manifest says ---------------------------------------------------------------------------- */

static int check_head(const struct run *r, struct err *e)
{
    const char *head = json_str_or(r->manifest, "log_head", NULL);
    if (!head) {
        log_info("%s: the run was not finished; its %zu records are checked", r->dir, r->records.n);
        return 0;
    }
    if (!strcmp(head, r->records.head)) return 0;
    return err_kind_set(e, ERR_MISMATCH,
                        "%s: the last record (step %ld) has the hash %s, the manifest says %s: records were "
                        "changed or cut off at the end, or the manifest is another run's",
                        r->dir, r->records.list[r->records.n - 1].step, r->records.head, head);
}

static int check_config(const struct run *r, struct err *e)
{
    char *path = path_join(r->dir, "config.yaml"), hex[HASH_HEX];
    const char *want = json_str_or(r->manifest, "config_sha256", "");
    int rc = hash_file(path, hex, e);
    if (!rc && strcmp(hex, want) != 0)
        rc = err_kind_set(e, ERR_MISMATCH,
                          "%s has changed since the run: its hash is %s, the manifest says %s", path, hex,
                          want);
    free(path);
    return rc;
}

/* Say which files of a folder are not as they were. */
static void say_files(const char *path, const json_t *old, const json_t *now)
{
    const char *name;
    json_t *hash;
    json_object_foreach((json_t *)old, name, hash)
    {
        const json_t *have = json_object_get(now, name);
        if (!have)
            log_warn("%s/%s is gone", path, name);
        else if (!json_equal(have, hash))
            log_warn("%s/%s has changed: its hash is %s, it was %s", path, name, json_string_value(have),
                     json_string_value(hash));
    }
    json_object_foreach((json_t *)now, name, hash)
    {
        if (!json_object_get(old, name)) log_warn("%s/%s was not there", path, name);
    }
}

/* One input or output against its hash. */
static int check_path(const char *kind, const char *name, const json_t *entry, const char *path,
                      struct err *e)
{
    char hex[HASH_HEX];
    json_t *files = json_object();
    const char *want = json_str_or(entry, "sha256", "");
    int rc = 0;
    if (!file_exists(path))
        rc = err_kind_set(
            e, ERR_MISMATCH,
            "%s %s: %s is not there (a relative path counts from the folder in which the run was "
            "started)",
            kind, name, path);
    if (!rc) rc = hash_path(path, hex, files, e);
    if (!rc && strcmp(hex, want) != 0) {
        say_files(path, json_object_get(entry, "files"), files);
        rc = err_kind_set(e, ERR_MISMATCH,
                          "%s %s: %s is not what it was: its hash is %s, the manifest says %s", kind, name,
                          path, hex, want);
    }
    json_decref(files);
    return rc;
}

/* All inputs are looked at, so that all that have changed are named; e is left with the last. */
static int check_inputs(const struct run *r, struct err *e)
{
    const char *name;
    json_t *entry;
    int rc = 0;
    json_object_foreach(json_object_get(r->manifest, "inputs"), name, entry)
    {
        if (rc) log_warn("%s", e->msg);
        const char *given = json_str_or(entry, "path", "");
        char *path = str_starts(name, "dataset") ? hub_resolve(HUB_DATASET, given, NULL)
                                                  : model_resolve(given, NULL);
        if (check_path("input", name, entry, path ? path : given, e)) rc = -1;
        free(path);
    }
    return rc ? err_wrap(e, "the run cannot be replayed on other inputs") : 0;
}

/* What the run made need not be there, but what is there must be what it made. */
static int check_outputs(const struct run *r, struct err *e)
{
    const char *name;
    json_t *entry;
    int rc = 0;
    json_object_foreach(json_object_get(r->manifest, "outputs"), name, entry)
    {
        char *path = path_join(r->dir, json_str_or(entry, "path", name));
        if (!file_exists(path))
            log_info("output %s: %s is not there", name, path);
        else if (!rc)
            rc = check_path("output", name, entry, path, e);
        free(path);
    }
    return rc;
}

/* Another program is the first suspect of a difference. */
static void say_program(const struct run *r)
{
    const char *version = json_str_or(r->manifest, "version", "?"),
               *commit = json_str_or(r->manifest, "commit", "?");
    if (!strcmp(version, openr1_version) && !strcmp(commit, openr1_commit)) return;
    log_warn("the run was made by openr1 %s (%s), this is %s (%s): other versions may compute other bits",
             version, commit, openr1_version, openr1_commit);
}

/* ---- what a difference usually means ------------------------------------------------------------------- */

static const struct {
    const char *name, *meaning;
} parts[] = {
    [PART_DATA] = {"data",
                   "other rows, another order, or other tokens: look at the dataset, seed and data_seed, "
                   "batch sizes, the tokenizer and its chat template"},
    [PART_ROLLOUTS] = {"rollouts",
                       "the same prompts were answered otherwise: look at the weights before this step "
                       "(hash_every), temperature and the other sampling keys, seed, or the program's "
                       "version"},
    [PART_REWARDS] = {"rewards",
                      "the same completions were scored otherwise: a reward that depends on more than "
                      "its input (a program of one's own, code near its time limit, another version)"},
    [PART_WEIGHTS] = {"weights",
                      "the same data and rewards moved the weights otherwise: look at learning_rate, "
                      "its schedule and length, loss and optimiser keys, or the program's version"},
    [PART_NUMBERS] = {"a logged number",
                      "data, rollouts, rewards and weights agree: only what is reported of "
                      "them does not, which points to another version of the program"},
};

/* x and y name the two sides. */
static int tell_parting(long step, long same, const struct parting *p, const char *x, const char *y,
                        struct err *e)
{
    printf("%ld steps identical; step %ld parts in %s\n", same, step, parts[p->part].name);
    return err_kind_set(e, ERR_MISMATCH,
                        "step %ld parts in %s: \"%s\" is %s in %s, %s in %s. This usually means: %s", step,
                        parts[p->part].name, p->key, p->a, x, p->b, y, parts[p->part].meaning);
}

/* ---- running again ------------------------------------------------------------------------------------- */

struct replay {
    const struct run *run;
    size_t at; /* record to come */
    long from, to, same;
    struct parting parting; /* part PART_NONE: none yet */
    long parted;            /* step of the parting, or of a record that is not there */
    bool missing;
};

static bool on_record(void *ctx, long step, const json_t *metrics, const json_t *hashes)
{
    struct replay *p = ctx;
    const struct records *r = &p->run->records;
    while (p->at < r->n && r->list[p->at].step < step) p->at++;
    p->missing = p->at == r->n || r->list[p->at].step != step;
    p->parted = step;
    if (p->missing) return false;
    json_t *record = record_json(&r->list[p->at]), *numbers = record_metrics(&r->list[p->at]);
    p->parting = records_part(numbers, json_object_get(record, "hashes"), metrics, hashes);
    json_decref(record);
    json_decref(numbers);
    if (p->parting.part != PART_NONE) return false;
    p->same += step > 0 && step >= p->from; /* record 0: an evaluation before the first step */
    return step < p->to;
}

enum { WORDS_MAX = 32 };
struct line {
    char *v[WORDS_MAX];
    int n;
};

static void line_add(struct line *l, const char *key, const char *value)
{
    CHECK(l->n + 2 <= WORDS_MAX, "%d words", l->n);
    struct str s;
    str_init(&s, 0);
    str_addf(&s, "--%s", key);
    l->v[l->n++] = str_take(&s);
    l->v[l->n++] = alloc_str(value);
}

/* The records up to the checkpoint are the beginning of the scratch run's own log. */
static int seed_log(const struct run *r, const char *scratch, long step, struct err *e)
{
    size_t n = 0;
    for (size_t i = 0; i < r->records.n && r->records.list[i].step <= step; i++)
        n = (size_t)(r->records.list[i].line - r->records.bytes) + r->records.list[i].n + 1;
    char *path = path_join(scratch, "metrics.jsonl");
    int rc = file_write(path, r->records.bytes, n, e);
    free(path);
    return rc;
}

/* The run's own configuration, but into the scratch folder, with no checkpoints and no tables shown; the
 * completions of every step are written, since the run may have been given other logging_steps on the way. */
static struct conf *configure(const struct run *r, const struct cmd *cmd, const char *scratch,
                              const char *checkpoint, struct err *e)
{
    struct line l = {.n = 0};
    char *config = path_join(r->dir, "config.yaml");
    line_add(&l, "config", config);
    line_add(&l, "output_dir", scratch);
    line_add(&l, "overwrite_output_dir", "false");
    line_add(&l, "resume_from_checkpoint", checkpoint ? checkpoint : "false");
    line_add(&l, "save_strategy", "no");
    line_add(&l, "load_best_model_at_end", "false");
    bool samples = strcmp(cmd->name, "grpo") == 0;
    line_add(&l, "logging_strategy", samples ? "steps" : "no");
    line_add(&l, "logging_steps", "1");
    if (samples) {
        line_add(&l, "num_completions_to_print", "0");
        line_add(&l, "preflight", "false"); /* it leaves no trace in the steps */
    }
    line_add(&l, "dry_run", "false");
    if (json_str_or(r->manifest, "start_time", NULL))
        line_add(&l, "start_time", json_str_or(r->manifest, "start_time", NULL));
    struct conf *c = cmd_configure(cmd, l.n, l.v, e);
    for (int i = 0; i < l.n; i++) free(l.v[i]);
    free(config);
    return c;
}

static int execute(struct replay *p, const char *scratch, struct err *e)
{
    const char *name = json_str_or(p->run->manifest, "algorithm", "");
    const struct cmd *cmd = cmd_find(name);
    struct train_hooks hooks = {.recorded = on_record, .ctx = p};
    struct str out;
    long at = 0;
    if (strcmp(name, "sft") != 0 && strcmp(name, "grpo") != 0)
        return err_set(e, "%s: manifest.json says algorithm \"%s\"; sft and grpo can be replayed",
                       p->run->dir, name);
    char *checkpoint = p->from > 1 ? checkpoint_before(p->run->dir, p->from - 1, &at) : NULL;
    if (p->from > 1)
        log_info("replaying from %s", checkpoint ? checkpoint : "the start: no checkpoint is early enough");
    str_init(&out, 0);
    int rc = checkpoint ? seed_log(p->run, scratch, at, e) : 0;
    struct conf *c = rc ? NULL : configure(p->run, cmd, scratch, checkpoint, e);
    rc = c ? algo_find(name)->run(c, &hooks, &out, e) : -1;
    conf_free(c);
    str_release(&out);
    free(checkpoint);
    return rc;
}

static int verdict(const struct replay *p, const char *scratch, struct err *e)
{
    if (p->missing)
        return err_kind_set(e, ERR_MISMATCH,
                            "step %ld is not in metrics.jsonl, %ld steps before it are identical", p->parted,
                            p->same);
    if (p->parting.part != PART_NONE)
        return tell_parting(p->parted, p->same, &p->parting, "the record", "this replay", e);
    long files;
    if (replay_completions(p->run->dir, scratch, p->from, p->to, &files, e)) return -1;
    printf("identical, %ld steps\n", p->same);
    log_info(
        "held against the run: data, rollouts, rewards, weights and metrics of each step, and %ld files of "
        "completions; not checkpoints, which can have been edited",
        files);
    return 0;
}

static int replay_in(struct replay *p, const char *scratch, struct err *e)
{
    if (check_outputs(p->run, e) || execute(p, scratch, e)) return -1;
    return verdict(p, scratch, e);
}

static char *scratch_make(struct err *e)
{
    const char *tmp = getenv("TMPDIR");
    char *path = path_join(tmp && *tmp ? tmp : "/tmp", "openr1-replay-XXXXXX");
    if (mkdtemp(path)) return path;
    err_errno(e, "cannot make the folder %s", path);
    free(path);
    return NULL;
}

static int replay_range(struct replay *p, struct conf *c, struct err *e)
{
    const struct records *r = &p->run->records;
    long last = r->list[r->n - 1].step;
    p->from = conf_is_set(c, "from") ? conf_int(c, "from") : r->list[0].step;
    p->to = conf_is_set(c, "to") ? conf_int(c, "to") : last;
    if (p->from > p->to || p->to > last)
        return err_usage(e, "steps %ld to %ld: the records of %s go from 1 to %ld", p->from, p->to,
                         p->run->dir, last);
    return 0;
}

static int replay_run(struct run *r, struct conf *c, struct err *e)
{
    struct replay p = {.run = r};
    const char *given = conf_str(c, "scratch");
    if (replay_range(&p, c, e) || check_head(r, e) || check_config(r, e) || check_inputs(r, e)) return -1;
    say_program(r);
    log_info("%s: the chain of %zu records is whole; configuration and inputs are as recorded", r->dir,
             r->records.n);
    if (given && file_exists(given)) return err_usage(e, "scratch: %s is there already", given);
    char *scratch = given ? alloc_str(given) : scratch_make(e);
    int rc = scratch ? replay_in(&p, scratch, e) : -1;
    if (scratch && !given) file_remove_tree(scratch, NULL);
    free(scratch);
    return rc;
}

/* ---- two runs ------------------------------------------------------------------------------------------ */

/* The keys of the two configurations that differ. */
static void say_config(const struct run *a, const struct run *b)
{
    char *paths[2] = {path_join(a->dir, "config.yaml"), path_join(b->dir, "config.yaml")};
    json_t *x = yaml_read_file(paths[0], NULL), *y = yaml_read_file(paths[1], NULL), *v;
    const char *key;
    json_object_foreach(x, key, v)
    {
        const json_t *other = json_object_get(y, key);
        if (json_equal(v, other) || !strcmp(key, "output_dir")) continue;
        char *one = json_text(v), *two = other ? json_text(other) : alloc_str("not there");
        log_info("configurations differ: %s is %s, and %s", key, one, two);
        free(one);
        free(two);
    }
    json_decref(x);
    json_decref(y);
    free(paths[0]);
    free(paths[1]);
}

/* What was different before the first step. */
static void say_origins(const struct run *a, const struct run *b)
{
    static const char *const keys[] = {"version", "commit", "algorithm", "start_weights"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *x = json_str_or(a->manifest, keys[i], "?"), *y = json_str_or(b->manifest, keys[i], "?");
        if (strcmp(x, y) != 0) log_info("manifests differ: %s is %s, and %s", keys[i], x, y);
    }
    say_config(a, b);
    const char *name;
    json_t *entry;
    json_object_foreach(json_object_get(a->manifest, "inputs"), name, entry)
    {
        const json_t *other = json_object_get(json_object_get(b->manifest, "inputs"), name);
        if (strcmp(json_str_or(entry, "sha256", ""), json_str_or(other, "sha256", "")) != 0)
            log_info("inputs differ: %s is %s, and %s", name, json_str_or(entry, "path", "?"),
                     json_str_or(other, "path", "none"));
    }
}

static struct parting part_records(const struct record *a, const struct record *b)
{
    json_t *x = record_json(a), *y = record_json(b), *m = record_metrics(a), *n = record_metrics(b);
    struct parting p = records_part(m, json_object_get(x, "hashes"), n, json_object_get(y, "hashes"));
    json_decref(x);
    json_decref(y);
    json_decref(m);
    json_decref(n);
    return p;
}

static int compare_runs(const struct run *a, const struct run *b, struct err *e)
{
    const struct records *x = &a->records, *y = &b->records;
    size_t n = x->n < y->n ? x->n : y->n;
    for (size_t i = 0; i < n; i++) {
        struct parting p = part_records(&x->list[i], &y->list[i]);
        if (x->list[i].step == y->list[i].step && p.part == PART_NONE) continue;
        say_origins(a, b);
        if (x->list[i].step == y->list[i].step)
            return tell_parting(x->list[i].step, (long)i, &p, a->dir, b->dir, e);
        return err_kind_set(e, ERR_MISMATCH, "record %zu is step %ld in %s and step %ld in %s", i + 1,
                            x->list[i].step, a->dir, y->list[i].step, b->dir);
    }
    printf("identical, %zu steps\n", n);
    if (x->n == y->n) return 0;
    return err_kind_set(e, ERR_MISMATCH, "%s ends after %zu steps, %s has %zu", x->n < y->n ? a->dir : b->dir,
                        n, x->n < y->n ? b->dir : a->dir, x->n < y->n ? y->n : x->n);
}

static int replay_command(struct conf *c, struct err *e)
{
    struct run a = {0}, b = {0};
    const char *other = conf_str(c, "other");
    int rc = run_open(&a, conf_str(c, "run"), e);
    if (!rc && other) {
        rc = run_open(&b, other, e);
        if (!rc) rc = check_head(&a, e) || check_head(&b, e) ? -1 : compare_runs(&a, &b, e);
    } else if (!rc) {
        rc = replay_run(&a, c, e);
    }
    run_release(&a);
    run_release(&b);
    return rc;
}

static const struct opt replay_options[] = {
    {.key = "run", .type = OPT_STR, .flags = OPT_REQUIRED | OPT_POSITIONAL, .help = "folder of the run"},
    {.key = "other",
     .type = OPT_STR,
     .flags = OPT_POSITIONAL,
     .help = "folder of a second run: the records are compared, nothing is run"},
    {.key = "from",
     .type = OPT_INT,
     .lo = 0,
     .hi = 1e9,
     .help = "first step to compare; begins at the nearest checkpoint before it (default: 1)"},
    {.key = "to",
     .type = OPT_INT,
     .lo = 1,
     .hi = 1e9,
     .help = "last step to run (default: the last record's)"},
    {.key = "scratch",
     .type = OPT_STR,
     .help = "folder to work in, which is kept (default: one in TMPDIR, removed afterwards)"},
    {0}};
static const struct opt *const replay_tables[] = {replay_options, NULL};

const struct cmd cmd_replay = {
    .name = "replay",
    .summary = "run again what a run's manifest says and compare, or compare two runs",
    .details =
        "Every step's record holds the hash of the record before it and of the step's data, rollouts, "
        "rewards\n"
        "and weights. Replay checks that chain, the configuration and every input against the manifest, "
        "runs\n"
        "the same configuration again in a scratch folder, and says `identical, N steps`, or at which step "
        "and\n"
        "in which of the four the two first part (status 3). Threads and processor make no difference.\n"
        "Files in completions/ are held against what the same steps write again.\n\n"
        "  openr1 replay runs/grpo\n"
        "  openr1 replay runs/grpo --from 90 --to 100      from the checkpoint before step 90\n"
        "  openr1 replay runs/a runs/b                     where two runs first part",
    .tables = replay_tables,
    .run = replay_command,
};
