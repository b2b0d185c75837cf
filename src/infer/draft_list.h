/* draft_list.h: the drafters of speculative decoding. A new one is one file and one row. */
DRAFT(lookup)
DRAFT(mtp)
DRAFT(model)
