/* data_source.h: the rows that a data command works on, by its options. */
#ifndef CMD_DATA_SOURCE_H
#define CMD_DATA_SOURCE_H

#include "base/err.h"
#include "base/opt.h"
#include "data/data.h"

extern const struct opt data_source_options[]; /* dataset_name, dataset_config, split */
/* As rows_load. */
int data_source_load(struct conf *c, struct rows *r, struct row_list *list, struct err *e);

#endif
