/* optim_list.h: one row a rule: RULE(x) is optim_x. */
RULE(adamw)
RULE(adamw_bf16)
RULE(adamw_8bit)
RULE(adafactor)
RULE(muon)
