"""The name and formula of every metric that a training step logs; docs/metrics.md shows them.

Notation: B sequences, t response tokens (masked positions never count), log pi under the policy that is
being trained, log pi_old under the policy that acted, log pi_ref under the frozen reference.
"""

from __future__ import annotations

POLICY_GRADIENT: dict[str, str] = {
    "kl": "mean over sequences of sum_t k1, k1 = log pi_old - log pi_ref; nats per sequence",
    "kl_k3": "mean over sequences of sum_t k3, k3 = u - 1 - log u with u = pi_ref / pi_old; never negative",
    "kl_coefficient": "the coefficient of the KL leash with which the rewards of this step were shaped",
    "entropy": "mean over tokens of the policy's entropy while it is updated; nats per token",
    "reference_nll": "mean over sequences of -mean_t log pi_ref: how odd the reference finds it; nats per token",
    "reference_nll_std": "population standard deviation over sequences of the same",
    "repetition": "mean over completions of the share of word trigrams that stood in the completion before",
    "score": "mean over sequences of the reward model's (proxy) score",
    "score_std": "population standard deviation over sequences of the same",
    "gold": "mean over sequences of the true score, in worlds that have one; never trained on",
    "reward": "mean over sequences of sum_t r_t, the score after shaping (KL, penalties)",
    "non_score_reward": "mean over sequences of -kl_coefficient * sum_t k1: what the KL leash adds to the reward",
    "approx_kl": "mean over tokens of (log pi - log pi_old)^2 / 2 during the update; nats per token",
    "clip_fraction": "share of the terms (tokens; sequences for RLOO, GSPO) whose clipped loss is the larger one",
    "ratio_mean": "mean over tokens (sequences for RLOO, GSPO) of pi / pi_old during the update",
    "ratio_variance": "mean over the same of (pi / pi_old - 1)^2: the variance of the ratio about 1",
    "ratio_max": "largest pi / pi_old of a token (sequence for RLOO, GSPO) seen during the update",
    "value_loss": "mean over tokens of max((V - R)^2, (V_clipped - R)^2) / 2",
    "explained_variance": "1 - var(R - V_old) / var(R) over tokens, before the update; left out where var(R) = 0",
    "policy_loss": "mean of the policy's part of the loss, normalised as the algorithm does",
    "gradient_norm": "mean over optimiser steps of the gradient's 2-norm, before clipping",
    "length": "mean over sequences of the number of tokens",
    "finished_fraction": "share of the sequences that ended by themselves, not at the length limit",
    "sampler_gap": "mean over tokens of |log pi_old - log pi_sampler|; 0 when sampler and trainer agree",
    "return_mean": "mean over tokens of the returns R given to the update, which a critic is fitted to",
    "advantage_mean": "mean over tokens of the advantages given to the update",
    "advantage_std": "population standard deviation over tokens of the same",
    "learning_rate": "of the first parameter group, schedule applied",
    "early_stop": "share of the planned optimiser steps left out because approx_kl passed its limit",
}
"""What `improve` logs of every step with a critic and a reference."""

CHECKS: dict[str, str] = {
    "check_score": "mean score of completions of prompts that are not trained on, by the same scorer",
    "check_score_se": "standard error over completions of check_score; held_out_score_se likewise",
    "held_out_score": "the same by a scorer of other judgements, which the policy is not trained against",
    "held_out_score_se": "standard error over completions of held_out_score",
    "check_gold": "the same by the true score, in worlds that have one",
}
"""What is logged now and then, of prompts that are not trained on."""

TERMS: dict[str, str] = {
    "kl_loss": "mean of the KL term inside the loss, before its coefficient",
    "kl_loss_coefficient": "the coefficient of that term at this step, where it is adapted to a target",
    "entropy_loss": "mean of the entropy term added to the loss, before its coefficient: the entropy, negative",
    "pretraining_loss": "mean over the tokens of the pretraining text mixed in (PPO-ptx) of -log pi; nats per token",
}
"""Of terms beside the algorithm's own loss."""

OF_SOME: dict[str, str] = {
    "informative_fraction": "share of the completions whose prompt has differing rewards (DAPO); only these are used",
    "step_kl": "mean over tokens of KL(pi_old || pi) of TRPO's step; 0 where none was taken; nats per token",
    "step_accepted": "1 where TRPO's line search found a step within the bound that improves, else 0",
    "step_trials": "how many steps TRPO's line search tried",
    "surrogate_gain": "mean over tokens of A * (pi / pi_old - 1) after TRPO's step, less the growth of terms beside it",
    "tied_fraction": "online dpo: share of the prompts left out because all their completions were worth the same",
    "given_fraction": "MIXER: share of the tokens that somebody else wrote; kl does not count them, score does",
    "discriminator_accuracy": "RLGAF: mean of the shares of demonstrations and of fresh samples told right, before the "
    "step's refit",
    "deceived": "RLGAF: share of the fresh samples that are taken for demonstrations, before the step's refit",
}
"""Of single algorithms and rewards."""

FITTING: dict[str, str] = {
    "loss": "what `fit` descends: sum of the losses of a step over their count",
    "imitation_loss": "mean over tokens of -log pi of what was logged or shown; nats per token",
    "q_loss": "ILQL: mean over tokens of sum_i (Q_i - (r + gamma V'))^2, V' without gradient and 0 at the end",
    "v_loss": "ILQL: mean over tokens of |tau - 1(x < 0)| x^2, x = min Q_lagged - V",
    "q_value": "ILQL: mean over tokens of min_i Q_i of the logged token",
    "v_value": "ILQL: mean over tokens of V of the state before it",
    "td_loss": "IRL: the second term before lambda, over the number of human tokens; of r^2 in the mode offline",
    "human_reward": "IRL: mean over demonstrations of sum_t r_t, r_t = log pi + v - gamma v'",
    "importance_mean": "learning from a log: mean over responses of min(rho, clip), rho = pi / pi_logged, reweighed",
    "importance_max": "learning from a log: the largest of those weights",
    "importance_clipped": "learning from a log: share of the responses whose weight was clipped",
    "log_value": "learning from a log: what the policy would have earned, sum of w r / sum of w; ips: mean of w r",
    "effective_samples": "learning from a log: (sum w)^2 / sum w^2 before weights are cut, scaled up to the whole log "
    "where a part of it was looked at",
    "doubly_robust_value": "learning from a log: mean over rows of sum_k pi_k r^_k + rho (r - r^)",
    "accuracy": "share of the decided pairs whose preferred side has the larger reward, equal ones one half; kto: "
    "share of the decided completions on the right side of the reference point; picks: share of the choices whose "
    "most picked completion has the highest score",
    "reward_margin": "mean over decided pairs of (implied) reward of the preferred side - of the other",
    "reward_preferred": "mean (implied) reward of preferred sides; kto: of completions that most call good",
    "reward_other": "mean (implied) reward of the other sides; kto: of completions that most call bad",
    "reference_point": "kto: z = max(0, mean over mismatched pairs of log pi - log pi_ref); nats",
    "preferred_nats": "orpo: mean over votes of -log pi per token of the side they prefer",
}
"""Of learning from examples, preferences and logs."""

METRICS: dict[str, str] = POLICY_GRADIENT | CHECKS | TERMS | OF_SOME | FITTING
"""Name -> formula, for everything that this room logs."""
