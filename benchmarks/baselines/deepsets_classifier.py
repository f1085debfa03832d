"""Deep sets that give probabilities of models."""

from __future__ import annotations

from functools import cache
from typing import Any

from benchmarks.baselines.classifier import NetworkClassifier, define_head
from benchmarks.baselines.deepsets import define_encoder
from benchmarks.baselines.set_estimator import N_BESIDE, default_training, define_set_network
from benchmarks.baselines.star_features import N_FEATURES, pack
from benchmarks.baselines.training import Training
from mwlmc_data.array_types import Float32Array
from mwlmc_data.scoring.star_sets import StarSets

#: Numbers that the encoder gives for a set, and training sets by which they are standardised.
_WIDTH, _N_STANDARD = 64, 1024


class DeepSetsClassifier(NetworkClassifier):
    """A network of each star, the mean over the stars as in `deepsets`, and probabilities given that mean."""

    name = "deepsets-classifier"
    title = "Deep sets with a classifier"
    source = "Zaheer et al. 2017, arXiv:1703.06114; Radev et al. 2021, arXiv:2004.10629"

    def build(self, n_classes: int) -> Any:
        """Build the network."""
        head = define_head()(_WIDTH + N_BESIDE, self.hidden, n_classes)
        return define_network()(define_encoder()(N_FEATURES["sets"], _WIDTH), head, _WIDTH + N_BESIDE)

    def pack(self, x: StarSets) -> Float32Array:
        """Put stars, masks and LMCs into one array."""
        return pack(x)

    def choose_training(self, n: int) -> Training:
        """Choose the settings of the networks of sets."""
        return default_training(n)


@cache
def define_network() -> type[Any]:
    """Define the network as a module of torch, which is imported only here."""

    class SetClassifierNetwork(define_set_network()):  # type: ignore[misc]
        def standardise(self, x: Any) -> None:
            super().standardise(x[:_N_STANDARD])

        def logits(self, x: Any) -> Any:
            """Compute logits (n, m) of packed sets."""
            return self.head.logits(self.embed(x))

    return SetClassifierNetwork
