/* table_body.h: the slots that the bodies fill, for the table of one instruction set. */
#define BODY_SLOTS                                                                                           \
    .pack_rows = body_pack_rows, .pack_cols = body_pack_cols, .gemm = body_gemm, .add = body_add,            \
    .axpy = body_axpy, .scale = body_scale, .dot = body_dot, .sumsq = body_sumsq, .exp = body_exp,           \
    .log = body_log, .rmsnorm = body_rmsnorm, .rmsnorm_back = body_rmsnorm_back, .swiglu = body_swiglu,      \
    .swiglu_back = body_swiglu_back, .geglu = body_geglu, .geglu_back = body_geglu_back,                     \
    .softcap = body_softcap, .softcap_back = body_softcap_back, .rope = body_rope,                           \
    .key_rows = body_key_rows, .attn = body_attn, .attn_back = body_attn_back, .logits = body_logits,        \
    .logits_back = body_logits_back, .adamw = body_adamw, .f16_to_f32 = body_f16_to_f32,                     \
    .bf16_to_f32 = body_bf16_to_f32, .f32_to_f16 = body_f32_to_f16, .f32_to_bf16 = body_f32_to_bf16
