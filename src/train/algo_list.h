/* algo_list.h: one row an algorithm: ALGO(x) is algo_x in x.c. */
ALGO(sft)
ALGO(grpo)
ALGO(pass_rate)
