/* train_int.h: what the files of this room share.
 *
 * One struct trainer carries a run. An algorithm (sft.c, grpo.c) is a struct learner: it works out the
 * gradient of one optimiser step, microbatch by microbatch, and knows how to put what it needs for resuming
 * into a checkpoint. Everything else (order of steps, clipping, the optimiser, records, checkpoints,
 * signals, the end) is loop.c's.
 */
#ifndef TRAIN_TRAIN_INT_H
#define TRAIN_TRAIN_INT_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/runlog.h"
#include "base/str.h"
#include "data/data.h"
#include "train/train.h"

/* ---- options.c ------------------------------------------------------------------------------------- */

/* Rows of keys that are accepted without effect: their value is of a known type, or it may be any. */
#define NOTED_AS(value_type, name, why)                                                                      \
    {                                                                                                        \
        .key = name, .type = value_type, .help = why, .flags = OPT_NOTED                                     \
    }
#define NOTED(name, why) NOTED_AS(OPT_STR, name, why)

struct refusal { /* a key that must stay at its neutral value */
    const char *key;
    enum opt_type type;
    double neutral;
    const char *why;
};
int train_refuse(struct conf *c, const struct refusal *list, struct err *e);
int train_check_init(struct conf *c, struct err *e);
/* optim_options.c. Strings are the configuration's. */
int optim_from_conf(struct optim_opts *o, struct conf *c, struct err *e);

/* ---- micro.c: a microbatch, laid out as the model reads it ----------------------------------------- */

struct micro {
    int max_rows, max_spans, max_heads;
    int n_rows, n_spans, n_heads;
    int *tokens;         /* [max_rows] */
    struct span *spans;  /* [max_spans] */
    int *rows, *targets; /* [max_heads]: predictions that are wanted */
    bool mean_logp;      /* the mean of all log-probs is wanted too */
    /* [max_heads] Tokens that each prediction is among; NULL: all, everywhere. */
    struct head_set *sets;
    /* [max_heads] The loss's derivatives by logp, entropy and mean_logp of each prediction, where they are
     * known before a pass that is recorded; dlogp NULL: they are not. */
    float *dlogp, *dentropy, *dmean;
    /* Noise on the embeddings: widths NULL: none. Dropout of adapters, in passes that are recorded. */
    struct noise noise;
    struct dropout dropout;
    bool drops;
    uint32_t *sequences; /* [max_spans] when there is either */
    float *widths;       /* [max_spans] */
    /* Where a forward pass over these rows may be already (op.h); n_aside of them are told. NULL: nowhere. */
    struct activations *store;
    int *aside, n_aside; /* [max_rows] */
    /* Of a mixture of experts, and of layers that predict further: set once, for every microbatch. */
    struct moe_record *moe;                     /* NULL: nobody asks */
    int n_further;                              /* modules that are trained too; 0: none */
    int *next, *further_rows, *further_targets; /* [n_further][max_rows], [n_further][max_heads] */
};
void micro_init(struct micro *b, int max_rows, int max_spans, int max_heads);
void micro_release(struct micro *b);
void micro_clear(struct micro *b);
/* Append a span of n tokens whose positions follow those of `parent` (-1: start at 0). Returns its index. */
int micro_span(struct micro *b, const int *ids, int n, int parent);
void micro_head(struct micro *b, int row, int target);
/* Predictions may be among few tokens; after micro_init. The newest one is among these. */
void micro_sets(struct micro *b);
void micro_head_set(struct micro *b, const int *ids, int n);
/* The loss's derivatives will be known before: the caller writes them to dlogp, to dentropy if `entropy`, to
 * dmean if mean_logp is set, once the microbatch is laid out. After micro_init. */
void micro_known(struct micro *b, bool entropy);
/* There will be noise on embeddings, keyed by seed (and noise.at.step, which the caller keeps up to date);
 * after micro_init. Each span is then given the noise's width. The same for dropout (dropout.at.step). */
void micro_noise(struct micro *b, uint64_t seed);
void micro_span_noise(struct micro *b, int span, float width);
void micro_dropout(struct micro *b, uint64_t seed);
/* The number of a span's sequence, for either; before, it is whatever it was. */
void micro_span_sequence(struct micro *b, int span, uint32_t sequence);
/* The forward pass may have been put aside: the caller tells the numbers of each span's rows (NULL: they are
 * not there). A pass that is recorded takes it where all rows are. After micro_init. */
void micro_aside(struct micro *b, struct activations *store);
void micro_span_aside(struct micro *b, int span, const int *rows);
bool micro_takes(const struct micro *b);
/* The first n modules behind the last layer are run too: module k predicts the same targets from k + 1 rows
 * earlier. After micro_init. */
void micro_further(struct micro *b, int n);

enum { FURTHER_MAX = 16 };
struct forward {
    struct batch batch;
    struct head_rows rows;
    struct head_known known;
    struct head_out out;
    struct aside aside;
    struct {
        struct further module;
        struct head_rows rows; /* n 0: no head */
        struct head_out out;
    } further[FURTHER_MAX];
};
/* Forward of the microbatch on the tape, from scratch; `f` must live until backward is done. */
void micro_forward(const struct micro *b, struct model *m, struct tape *t, bool checkpoint,
                   struct forward *f);

/* ---- grad_tree.c: the sum over microbatches along one fixed binary tree ---------------------------- */

enum { TREE_LEVELS = 24 };
struct grad_tree {
    struct model *model;
    struct tree_chunk *chunks;
    int n_chunks;
    size_t n_floats;
    float *levels[TREE_LEVELS];
    bool full[TREE_LEVELS];
    int n_levels;
    long next, count; /* microbatch to come; of how many */
    int at;           /* level that a chunk loop works on */
};
/* For up to max_count microbatches; with one, no memory is taken. */
void grad_tree_init(struct grad_tree *g, struct model *m, long max_count);
void grad_tree_release(struct grad_tree *g);
size_t grad_tree_bytes(const struct model *m, long max_count);
void grad_tree_begin(struct grad_tree *g, long count);
/* Take the gradients in the model as those of the next microbatch (present), or none (its gradient is 0).
 * After the last one the model holds the sum. Between microbatches the model's gradients must be zeroed by
 * the caller. */
void grad_tree_push(struct grad_tree *g, bool present);

/* ---- moe.c: the two losses and the rule that a mixture of experts brings ------------------------------- */

/* router_aux_loss_coef, moe_bias_update_speed. The balance loss is the mean over a micro-step's spans, then
 * over the micro-steps of a step. */
struct moe_train {
    struct model *model;
    struct moe_record record;
    double coef, speed;
    int64_t *step_load; /* like record.load, over the step */
    int layers;
    double loss; /* over the step, times coef */
};
struct trainer;
/* From the configuration; a mistake when it asks for what the model has not. */
int moe_open(struct moe_train *x, struct model *m, struct conf *c, struct err *e);
void moe_release(struct moe_train *x);
/* The record for microbatches, or NULL when nothing is asked for. */
struct moe_record *moe_record(struct moe_train *x);
void moe_begin_step(struct moe_train *x);
/* Before the forward pass of a micro-step with n_spans spans, of n_micro in the step; and after it. */
void moe_begin_micro(struct moe_train *x, int n_spans, long n_micro);
void moe_end_micro(struct moe_train *x);
/* After the optimiser's update. */
void moe_end_step(struct moe_train *x, json_t *metrics);

/* ---- peft.c: adapters -------------------------------------------------------------------------------- */

struct trainer;
/* How the base model is to be loaded: load_in_4bit, load_in_8bit. */
int peft_flags(struct conf *c, int *flags, struct err *e);
/* Give the model that was loaded its adapters, if the configuration asks for them. */
int peft_open(struct trainer *t, struct err *e);
/* Of the adapters, in training; 0 without. */
double peft_dropout(const struct trainer *t);

/* ---- plan.c: memory before the first step ---------------------------------------------------------- */

enum { PLAN_ROWS = 13, PLAN_OTHERS = 15 };
struct plan {
    const char *at; /* the lengths it is made at; NULL: those of the data */
    struct {
        const char *what;
        size_t bytes;
    } rows[PLAN_ROWS];
    int n;
    size_t disk;        /* of optimiser state that is kept there */
    int fewer_running;  /* completions sampled at once, where memory decides; 0: it does not */
    size_t mapped;      /* of weights that are read from their file, whose pages the system may drop */
    size_t kept;        /* activations kept from sampling, in memory that is left: a run can do without */
    struct plan_other { /* the total and the disk with other settings */
        char settings[128];
        size_t bytes, disk;
    } others[PLAN_OTHERS];
    int n_others;
};
void plan_add(struct plan *p, const char *what, size_t bytes);
void plan_change(struct plan *p, const char *what, size_t bytes); /* of the row with this very name */
size_t plan_row(const struct plan *p, const char *what);
size_t plan_total(const struct plan *p);
/* Of pages of files: they are in memory where there is room, and count as this process's, but a run that has
 * only the total needs no more. */
size_t plan_files(const struct plan *p);
/* The total, they and what is kept: what is measured where there is room. */
size_t plan_resident(const struct plan *p);
void plan_text(const struct plan *p, size_t limit, struct str *out);
/* A line for each of the others that need less than the run, and no more than this; nothing if there is none.
 */
void plan_others_text(const struct plan *p, size_t most, struct str *out);
/* Of the others the one that needs the least, if that is less than the run needs; else NULL. */
const struct plan_other *plan_least(const struct plan *p);
json_t *plan_json(const struct plan *p, size_t limit);
/* Bytes of activations and gradients of a forward (and backward when `learn`) over this microbatch. */
size_t plan_micro(const struct micro *b, struct model *m, bool checkpoint, bool learn);
/* What the run may use: max_memory_gb, else physical memory, or less when a control group says so. */
size_t plan_limit(struct conf *c);

/* rows.c: dataset_name or dataset_mixture of a configuration into r->rows; into r->held_out what is to be
 * evaluated on, NULL unless evaluation_wanted. Neither is empty. Their paths are noted in the manifest. */
struct trainer;
int rows_open(struct rows *r, struct trainer *t, struct err *e);

/* ---- the trainer ----------------------------------------------------------------------------------- */

struct step_out { /* what a step tells; objects owned by the loop */
    json_t *metrics, *hashes, *timings;
    double loss;
    char note[96]; /* for the progress bar */
};
struct evaluation_out {    /* what an evaluation tells */
    json_t *metrics;       /* TRL's names, which all begin with eval_; owned by the caller */
    long samples, batches; /* for the rates */
};

struct learner {
    const char *name;          /* "sft" */
    bool eval_loss;            /* its evaluation gives an eval_loss */
    int numbers;               /* in a step's record, as most runs have it */
    const struct opt *options; /* its own table */
    /* Add its rows to the plan: what it has beside the trainer, then trainer_plan_micro, perhaps
     * trainer_plan_evaluation. Asked again for the same run with other settings. */
    void (*plan)(void *self, struct trainer *t);
    /* Before the first step of a run that begins, or NULL. 1: go no further, out is the result. */
    int (*begin)(void *self, struct trainer *t, struct str *out, struct err *e);
    /* Leave the gradient of optimiser step t->step in the model. ERR_STOPPED: a signal came; nothing was
     * changed. */
    int (*step)(void *self, struct trainer *t, struct step_out *out, struct err *e);
    /* After the update, t->step being the steps done: what follows from it, and its metrics; or NULL. */
    void (*updated)(void *self, struct trainer *t, json_t *metrics);
    /* After that, when the console line of this step is due; or NULL. */
    void (*show)(void *self, struct trainer *t);
    /* Evaluate the weights as they are after t->step steps, on rows.held_out. Only asked for when
     * evaluation_wanted; t->tape and t->arena are free for it (trainer_plan_evaluation), and it changes
     * nothing that a later step reads. evaluation_watch after each batch. NULL: this algorithm cannot. */
    int (*evaluate)(void *self, struct trainer *t, struct evaluation_out *out, struct err *e);
    /* Write what else a checkpoint needs into dir; read it again. May be NULL. */
    int (*save)(void *self, const char *dir, struct err *e);
    int (*load)(void *self, const char *dir, struct err *e);
};

/* run_state.c: what output_dir says about an earlier run. */
enum run_status { RUN_NONE, RUN_OTHER, RUN_UNFINISHED, RUN_STOPPED, RUN_FINISHED };
struct run_state {
    enum run_status status;
    long step;
    char weights[HASH_HEX], log_head[HASH_HEX]; /* of a finished run */
};

/* A run that something cut short goes on, also where overwrite_output_dir would begin anew: it ends in the
 * same bits. */
bool run_goes_on(enum run_status status);

struct average { /* of a metric, over the steps since the last console line */
    char key[64];
    double sum, last;
    long n;
};
enum { AVERAGES_MAX = 96 };

struct evaluation { /* when, and which checkpoint is the best: evaluation.c */
    long every;     /* steps between two; 0: none in between */
    bool by_epoch, on_start, at_end;
    double delay;    /* epochs (by_epoch) or steps before which there is none */
    char metric[64]; /* that evaluations are compared by; "": nobody asks */
    bool greater, keep_best, load_best;
    double best;    /* of best_step */
    long best_step; /* -1: none yet */
};

/* What a run may change to need less memory. */
struct settings {
    struct optim_opts optim;
    int model;                                        /* model_load's flags */
    enum { WHERE_NEEDED, ALWAYS, NEVER } checkpoints; /* of layers */
};

struct trainer {
    struct conf *conf;
    const struct learner *learner;
    void *self;
    struct model *model;
    struct arena arena; /* step memory */
    struct tape *tape;
    struct grad_tree tree;
    struct moe_train moe;
    struct settings settings;
    struct optimiser *opt;
    struct schedule schedule;
    struct runlog *log;
    struct plan plan;
    size_t expected; /* what of it will be resident, as lengths and rewards are; 0: nobody knows */
    const char *dir; /* output_dir */
    int lock;        /* descriptor of dir/.lock; 0: none */
    uint64_t seed, data_seed;
    char start_time[32]; /* what chat templates take for the present, */
    int64_t now;         /* and in seconds */
    long step, total_steps, steps_per_epoch;
    long micro_per_epoch; /* micro-steps of an epoch; the last step of one may have fewer than the others */
    long max_micro;       /* microbatches of a step, at most */
    double num_tokens;    /* seen so far, for the metric; kept in checkpoints */
    int accumulation;     /* gradient_accumulation_steps */
    bool checkpointing;   /* gradient checkpointing */
    bool dry;             /* only the plan is wanted; the model has no weights */
    long log_every, save_every, hash_every;
    int save_limit;      /* 0: all */
    size_t step_bytes;   /* of the largest microbatch, planned */
    int suppose_running; /* as many completions are sampled at once, for a plan; 0: as many as have room */
    size_t beside;       /* what the process holds beside what is counted, when the plan was made first */
    char config_hash[HASH_HEX];
    char last_hash[HASH_HEX];    /* of the weights, when known */
    char start_hash[HASH_HEX];   /* of the weights before the first step */
    char resumed_head[HASH_HEX]; /* of the log, as the checkpoint has it */
    json_t *last_metrics;        /* of the newest step, for the model card */
    struct run_state before;     /* what output_dir said at the start */
    bool reward_failed;          /* a program of the user's: what the step's error is about */
    bool ended;                  /* a hook has seen enough: no more steps, no final model */
    const struct train_hooks *hooks;
    struct average averages[AVERAGES_MAX];
    int n_averages;
    struct evaluation evaluation;
    struct step_out pending; /* step t->step's record, if it is still to be written (metrics not NULL) */
    struct progress bar;
    double started_s, loss_sum;
    long steps_here; /* in this process */
};

/* trainer.c. trainer_open: conf -> model, seeds, intervals; the caller has set learner and self. Then the
 * algorithm reads its data, sets steps_per_epoch and max_micro, calls trainer_count_steps and trainer_plan.
 * Then trainer_go does the rest: dry run, start or resume, all steps, the final model. */
int trainer_open(struct trainer *t, struct conf *c, const struct train_hooks *hooks, struct err *e);
/* output_dir is this process's until it ends, or an error. */
int trainer_lock(struct trainer *t, struct err *e);
void trainer_release(struct trainer *t);
/* total_steps, and how often is logged, saved and evaluated. */
int trainer_count_steps(struct trainer *t, struct err *e);
/* t->plan by t->settings. */
void trainer_plan(struct trainer *t);
/* Into t->plan what the run would need with other settings of what costs most. */
void trainer_plan_others(struct trainer *t);
/* Decide on gradient checkpointing for the largest microbatch and put its memory into the plan. */
void trainer_plan_micro(struct trainer *t, const struct micro *largest);
/* Put this microbatch, the largest that is expected (NULL: none), into p, a copy of the plan, in the place of
 * the largest there can be; or what steps have taken so far, if that is more. Returns its own bytes. */
size_t trainer_expect_micro(const struct trainer *t, const struct micro *largest, struct plan *p);
/* An evaluation takes this much step memory at most; after trainer_plan_micro. */
void trainer_plan_evaluation(struct trainer *t, size_t bytes);
/* Steps from a number of steps, or a share of all when below 1. */
long trainer_steps(double value, long total);
/* out: what goes to standard output (the dry run's text, or one JSON object about the run). */
int trainer_go(struct trainer *t, const struct rows *data, struct str *out, struct err *e);

/* chat_template.c. chat_template or chat_template_path, if set, into the model's tokenizer. */
int chat_set_template(struct trainer *t, struct err *e);
/* Where chat_template_path leads (free() it); NULL: it is not set. */
int chat_template_place(struct conf *c, char **path, struct err *e);
/* t->start_time and now from the key; when that is not set, from the manifest of the run that is going on in
 * output_dir; else the present. */
int chat_pin_time(struct trainer *t, struct err *e);

/* evaluation.c: while training. */
bool evaluation_wanted(struct conf *c);
/* From the configuration; t's numbers of steps are known. */
int evaluation_read(struct trainer *t, struct err *e);
/* After t->step steps? */
bool evaluation_due(const struct trainer *t);
/* Put the eval_ metrics of the weights as they are into metrics, times and rates into timings, and note
 * whether they are the best. */
int evaluation_run(struct trainer *t, json_t *metrics, json_t *timings, struct err *e);
/* For learners: shows how far an evaluation is. -1 with ERR_STOPPED when a signal came. */
int evaluation_watch(struct trainer *t, long done, long total, struct err *e);

/* loop.c */
int trainer_run(struct trainer *t, struct err *e);
void step_out_init(struct step_out *o);
void step_out_release(struct step_out *o);
double trainer_epoch(const struct trainer *t); /* epochs done, as logged */

/* run_state.c */
void run_config_hash(struct conf *c, char hex[HASH_HEX]);
/* -1 and e: there is a run_state.json, but it cannot be read. */
int run_state_read(const char *dir, const char *config_hash, struct run_state *s, struct err *e);
int run_state_write(const char *dir, const struct run_state *s, const char *config_hash, struct err *e);
/* Say which keys differ between the stored config.yaml and this one. */
void run_config_diff(const char *dir, struct conf *c, struct str *out);

/* run_folder.c. Is a name among what a run makes, replaces or removes in its folder? */
bool run_owns(const char *name, size_t n);
/* Remove what a kill left half written or half removed; the folder's lock is held. */
int run_sweep(const char *dir, struct err *e);

/* inputs.c. Note in the manifest what the run is made from. */
int inputs_note(struct trainer *t, const struct rows *data, struct err *e);
/* Fails when the run would write over one of its inputs. data NULL, before the model is there: only those
 * that the configuration names. */
int inputs_apart(struct trainer *t, const struct rows *data, struct err *e);
/* Append to names what is not as DIR/manifest.json has it. */
int inputs_changed(struct trainer *t, const struct rows *data, struct str *names, struct err *e);

/* trainer_state.c: DIR/trainer_state.json as transformers' TrainerState writes and reads it. */
int trainer_state_write(const struct trainer *t, const char *dir, struct err *e);

/* checkpoint.c: DIR/checkpoint-N, whole or absent. */
int checkpoint_save(struct trainer *t, struct err *e);
int checkpoint_load(struct trainer *t, const char *path, struct err *e);
/* The weights of a saved model of the same shape. */
int checkpoint_read_weights(struct model *m, const char *path, struct err *e);
/* Is there a checkpoint, by its resume.json? What it holds is looked at when it is loaded. */
bool checkpoint_is(const char *path);
/* "checkpoint-2, checkpoint-4": those in dir, nothing if there are none. */
void checkpoint_names(const char *dir, struct str *out);
/* Path of the newest whole checkpoint (free() it), or NULL. */
char *checkpoint_newest(const char *dir);
/* Remove all checkpoints (a fresh start), or all but the newest `keep`; the one of step `best` (-1: none)
 * stays and counts among them, unless keep is 1. */
int checkpoint_prune(const char *dir, int keep, long best, struct err *e);
/* The weights of DIR/checkpoint-STEP, checked, into the model. */
int checkpoint_weights(struct trainer *t, long step, struct err *e);
/* Remove those of later steps: the run goes on from `step`. */
int checkpoint_cut(const char *dir, long step, struct err *e);

/* console.c: the line every logging_steps and what it averages. */
void console_collect(struct trainer *t, const json_t *metrics);
void console_line(struct trainer *t);
bool console_due(const struct trainer *t, long step); /* is there one after this step? */
bool console_is_newest(const char *key);              /* shown as it is, not averaged */
void console_evaluation(const json_t *metrics, const json_t *timings);

/* A number for a record: NaN and infinities become null. */
json_t *number_json(double x);

#endif
