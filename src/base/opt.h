/* opt.h: one option table drives the YAML file, the command line, --help, the docs and the resolved config.
 *
 * Precedence: table default < YAML file (--config) < command line. An unknown key is an error that names the
 * nearest known one. A key marked OPT_NOTED means nothing here (a CUDA choice, a vLLM port): it is accepted
 * and listed once in a note; a flag or a number must be one all the same. Every value is read through conf_*;
 * a key that the user set and nobody read is reported by conf_unread: configuration cannot lie.
 */
#ifndef BASE_OPT_H
#define BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

enum opt_type {
    OPT_BOOL,
    OPT_INT,
    OPT_REAL,
    OPT_STR,
    OPT_LIST, /* of strings: YAML sequence, or on the line "a,b" or several words, or a JSON array */
    OPT_MAP   /* YAML mapping; on the line JSON or a.b.c value; read with conf_map */
};
enum opt_flag {
    OPT_NOTED = 1, /* accepted, without effect here; `help` says why */
    OPT_REQUIRED = 2,
    OPT_POSITIONAL = 4, /* may be given as a bare word, in table order */
    OPT_NULLABLE = 8,   /* null unsets it, although it has a default */
    OPT_OF_MAPS = 16    /* a list whose items are maps, each kept as its JSON text */
};

struct opt {
    const char *key;
    enum opt_type type;
    const char *fallback; /* as it would be written on the line; NULL: unset */
    const char *help;
    double lo, hi;       /* bounds of numbers; lo == hi: none */
    const char *choices; /* "a|b|c" or NULL */
    int flags;
    const char *alias; /* an older name of the key, or NULL */
};

struct conf;
/* Tables are joined; each ends with a row whose key is NULL. Of two rows with one key the first holds, so a
 * command's own table comes first. argv holds what follows the command's name. Handles --config F, --key
 * value,
 * --key=value, --flag, --no_flag, -h/--help (conf_help_wanted: then nothing else has been read). A null is
 * refused where a scalar has a default, unless its row is nullable. NULL and e on failure. */
struct conf *conf_new(const struct opt *const *tables, int n_tables, int argc, char **argv, struct err *e);
void conf_free(struct conf *c);
bool conf_help_wanted(const struct conf *c);

/* Asking for a key that no table has, or an unset number, aborts. */
bool conf_is_set(struct conf *c, const char *key); /* has any value, default included; counts as reading */
bool conf_given(struct conf *c, const char *key);  /* the user set it */
bool conf_knows(struct conf *c, const char *key);  /* a table has it, and not only to note it */
bool conf_bool(struct conf *c, const char *key);
long conf_int(struct conf *c, const char *key);
double conf_real(struct conf *c, const char *key);
const char *conf_str(struct conf *c, const char *key);                        /* NULL when unset; borrowed */
size_t conf_list(struct conf *c, const char *key, const char *const **items); /* borrowed */
/* The map as a new JSON object (json_decref it), NULL when unset. */
struct json_t *conf_map(struct conf *c, const char *key);
/* Change a value as if the user had set it; for defaults that depend on others. */
int conf_set(struct conf *c, const char *key, const char *value, struct err *e);

void conf_yaml(struct conf *c, struct str *out);   /* the resolved config, sorted; noted keys if given */
void conf_noted(struct conf *c, struct str *out);  /* "accepted without effect: ..." or empty */
void conf_unread(struct conf *c, struct str *out); /* keys set but never read, or empty */
/* A YAML file, one mapping, as a new JSON object, under the same rules as a recipe; NULL and e on failure. */
struct json_t *yaml_read_file(const char *path, struct err *e);

void opt_help(const struct opt *const *tables, int n_tables, struct str *out);

#endif
