/* optim_list.h: one row a rule, with the names that it is known by: RULE(x, names) is optim_x. The names after
 * the first are those of transformers' `optim`. */
RULE(adamw, "adamw_torch adamw_torch_fused adamw_torch_xla adamw_torch_npu_fused adamw_apex_fused adamw_hf "
            "paged_adamw paged_adamw_32bit")
RULE(adamw_bf16, "adamw_anyprecision paged_adamw_bf16")
RULE(adamw_8bit, "adamw_bnb_8bit adamw_torch_8bit paged_adamw_8bit")
RULE(adafactor, "")
RULE(muon, "")
