/* opt_int.h: what the files of the option machine share.
 *
 *   opt.c       the table joined and sorted, access by key        opt_value.c  text to typed values
 *   opt_line.c  the command line                                  opt_yaml.c   the YAML file
 *   opt_text.c  help, resolved config, notes
 *
 * Every value is kept as JSON (a string, integer, real, boolean, array of strings or object); NULL is unset.
 */
#ifndef BASE_OPT_INT_H
#define BASE_OPT_INT_H

#include <jansson.h>

#include "base/opt.h"

#define OPT_DEPTH_MAX 32

enum opt_origin { FROM_TABLE, FROM_FILE, FROM_LINE };

struct opt_entry {
    const struct opt *opt;
    int order; /* place in the joined tables, for positional words */
    json_t *value;
    enum opt_origin origin;
    int file_line; /* of the key in the YAML file, 0 if it is not there */
    bool by_alias; /* there */
    bool read;
    const char **items; /* borrowed strings of a list, made when asked for */
};

struct conf {
    struct opt_entry *entries; /* sorted by key */
    size_t n;
    char **words; /* bare ones, owned */
    size_t n_words;
    bool help_wanted;
};

/* By key or alias, '-' equal to '_'; NULL if unknown. len: of a key that a dot may follow. */
struct opt_entry *opt_find(struct conf *c, const char *key, size_t len);
/* Fill e: `where` unknown, with the nearest name. `dashes`: "--" on the line, "" in a file. */
int opt_unknown(struct conf *c, const char *where, const char *dashes, const char *key, struct err *e);
/* Replace the value (stolen, NULL: unset). */
void opt_put(struct opt_entry *entry, json_t *value_stolen, enum opt_origin origin);
/* Of a key without effect here only numbers and truths are checked; any other value is kept as it came. */
bool opt_takes_any(const struct opt *o);
bool opt_is_bool_word(const char *text, bool *value);

/* A bound as people write it: 1000000, not 1e+06. */
enum { OPT_NUMBER = 32 };
const char *opt_number(char text[OPT_NUMBER], double x);

/* One word as it stands on the line to the type of the option; on failure -1, with `where` in front. */
int opt_from_word(const struct opt *o, const char *text, const char *where, json_t **out, struct err *e);
/* A plain scalar of YAML's core schema: null, true, 12, 1.5e-3, text. NULL: not UTF-8, or not finite. */
json_t *opt_scalar(const char *text);
/* `path` is what follows the first dot of a.b.c; value stolen, also on failure. */
int opt_put_path(struct opt_entry *entry, const char *path, json_t *value_stolen, enum opt_origin origin,
                 const char *where, struct err *e);
/* Bounds, choices, emptiness: what holds for a value wherever it came from. */
int opt_check(const struct opt *o, const json_t *value, const char *where, struct err *e);

int opt_read_line(struct conf *c, int argc, char **argv, struct err *e);
int opt_read_yaml(struct conf *c, const char *path, struct err *e);

#endif
