"""TRL's own loss on numbers: GRPOTrainer._compute_loss without a model, for grpo.py and grpo_step.py beside this file."""
import collections
import types

import torch
from trl import GRPOTrainer

DEFAULTS = {"loss_type": "dapo", "epsilon": 0.2, "epsilon_high": None, "delta": None, "beta": 0.0,
            "importance_sampling_level": "token", "use_bias_correction_kl": False, "max_completion_length": 512,
            "sapo_temperature_pos": 1.0, "sapo_temperature_neg": 1.05, "vespo_k_pos": 2.0, "vespo_lambda_pos": 3.0,
            "vespo_k_neg": 3.0, "vespo_lambda_neg": 2.0, "top_entropy_quantile": 1.0, "off_policy_mask_threshold": None,
            "entropy_coef": 0.0, "use_adaptive_entropy": False, "entropy_coef_min": 0.0, "entropy_coef_max": 1.0,
            "entropy_coef_delta": 0.005, "entropy_target": 0.2}


class OneProcess:
    num_processes = 1
    sync_gradients = True

    def pad_across_processes(self, x, dim, pad_index):
        return x

    def reduce(self, x, reduction):
        return x

    def gather(self, x):
        return x


def trl_loss(c, lp, old, ref, mask, adv, entropy, last_entropy):
    """TRL's own function on rows padded to a rectangle. Returns loss and its metrics."""
    def rectangle(rows):
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    lp, old, ref, mask, entropy = (rectangle(rows) for rows in (lp, old, ref, mask, entropy))
    logged = {"train": collections.defaultdict(list)}
    args = types.SimpleNamespace(**{k: c[k] for k in DEFAULTS}, steps_per_generation=1)
    trainer = types.SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *a, **k: (lp, entropy, None), aux_loss_enabled=False,
        top_entropy_quantile=c["top_entropy_quantile"], beta=c["beta"], args=args, loss_type=c["loss_type"],
        off_policy_mask_threshold=c["off_policy_mask_threshold"], entropy_coef=c["entropy_coef"],
        use_adaptive_entropy=c["use_adaptive_entropy"], _last_world_entropy=last_entropy, _entropy_window_stats=None,
        importance_sampling_level=c["importance_sampling_level"], epsilon_low=c["epsilon"],
        epsilon_high=c["epsilon"] if c["epsilon_high"] is None else c["epsilon_high"],
        max_completion_length=c["max_completion_length"], use_vllm=False,
        _entropy_bonus_enabled=c["entropy_coef"] != 0.0 or c["use_adaptive_entropy"],
        model=types.SimpleNamespace(training=True), current_gradient_accumulation_steps=1, accelerator=OneProcess(),
        _metrics=logged, get_gamma_weights=GRPOTrainer.get_gamma_weights,
        get_off_policy_mask=GRPOTrainer.get_off_policy_mask)
    trainer.get_high_entropy_mask = types.MethodType(GRPOTrainer.get_high_entropy_mask, trainer)
    ids = torch.zeros(lp.shape, dtype=torch.long)
    inputs = {"prompt_ids": ids[:, :1], "prompt_mask": ids[:, :1], "completion_ids": ids, "completion_mask": mask,
              "advantages": torch.tensor(adv), "old_per_token_logps": old, "ref_per_token_logps": ref,
              "num_items_in_batch": mask.sum()}
    loss = GRPOTrainer._compute_loss(trainer, None, inputs)
    return loss, {k: v[0] for k, v in logged["train"].items()}
