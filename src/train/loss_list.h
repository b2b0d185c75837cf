/* loss_list.h: the losses of GRPO, one row each: LOSS(x) is loss_x in loss_x.c. */
LOSS(grpo)
LOSS(bnpo)
LOSS(dr_grpo)
LOSS(dapo)
LOSS(cispo)
LOSS(sapo)
LOSS(luspo)
LOSS(vespo)
