"""What a frozen language model makes of texts: features on which small preference models are fitted in a moment.

They stand in for reward models where many of them are wanted: the voters of an audit, the points of a learning curve.
A text's features are the last layer's states summed over the tokens of the completion, so that a linear score is a sum
of what each token is worth.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from heedful.feedback.selection.curves import fit_pairs
from heedful.language import encoder_decoder
from heedful.language.imitation import Example, by_length
from heedful.language.llama_rows import states_of
from heedful.language.preferring import Pair, unique
from heedful.language.pretrained import LanguageModel
from heedful.language.tokens import Padded, pad

Floats = NDArray[np.float64]

MOST_FEATURES = 256
"""More of them are brought down to so many principal components: a fit's time grows with their number's cube."""

RIDGE = 30.0
"""Penalty on a head's weights; features have mean square 1. From 10 to 100 it hardly matters."""


def fit_head(x_ND: Floats, target_N: Floats, count_N: Floats) -> Floats:
    """weights_D of a linear score, by Bradley-Terry; each pair counts so many times."""
    used_N = count_N > 0
    return fit_pairs(x_ND[used_N], target_N[used_N], RIDGE, count_N[used_N])


def pair_features(model: LanguageModel, pairs: Sequence[Pair], *, chunk: int = 128) -> Floats:
    """features_ND: of each pair, the features of side a less those of side b, scaled to mean square 1.

    Equal texts are forwarded once.
    """
    rows, places = unique([side for pair in pairs for side in pair.sides])
    features_N2D = text_features(model, rows, chunk=chunk)[np.array(places, dtype=np.int64)].reshape(len(pairs), 2, -1)
    return _reduced(_scaled(features_N2D[:, 0] - features_N2D[:, 1]))


@torch.inference_mode()
def text_features(model: LanguageModel, examples: Sequence[Example], *, chunk: int = 128) -> Floats:
    """features_RD of prompts with their completions."""
    found = np.zeros((len(examples), int(model.module.get_input_embeddings().weight.shape[1])))
    body = model.body
    for index in by_length(examples, chunk):
        padded = pad([examples[i].prompt for i in index], [examples[i].completion for i in index], model.device)
        states_BSD, written_mask_BS = _states(model, body, padded)
        summed_BD = torch.where(written_mask_BS[..., None], states_BSD.float(), 0.0).sum(1)
        found[index] = summed_BD.double().cpu().numpy()
    return found


def _states(model: LanguageModel, body: object, padded: Padded) -> tuple[Tensor, Tensor]:
    """(states_BSD, where the completion's tokens are), rows moved to the left where the model is causal."""
    ids_BS, attend_BS, steps = padded.ids_BS, padded.attend_mask_BS, padded.steps
    written_BS = attend_BS.clone()
    written_BS[:, :-steps] = False
    if model.encoder_decoder:
        with model.computing():
            decoded_BSD = encoder_decoder.hidden_states(body, ids_BS, attend_BS, steps)  # type: ignore[arg-type]
        return decoded_BSD, written_BS
    columns_S = torch.arange(ids_BS.shape[1], device=ids_BS.device)
    from_BS = (columns_S + attend_BS.int().argmax(1, keepdim=True)) % len(columns_S)
    length_B = attend_BS.sum(1)
    longest = int(length_B.max())
    with model.computing():
        states_BSD = states_of(body, ids_BS.gather(1, from_BS)[:, :longest], length_B)
    return states_BSD, written_BS.gather(1, from_BS)[:, :longest]


def _scaled(x_ND: Floats) -> Floats:
    scale_D = np.sqrt(np.mean(x_ND**2, axis=0))
    return np.asarray(x_ND / np.where(scale_D > 0, scale_D, 1.0), dtype=np.float64)


def _reduced(x_ND: Floats) -> Floats:
    if x_ND.shape[1] <= MOST_FEATURES:
        return x_ND
    _, _, axes_KD = np.linalg.svd(x_ND, full_matrices=False)
    return np.asarray(x_ND @ axes_KD[:MOST_FEATURES].T, dtype=np.float64)
