"""Draws from a masked autoregressive flow of nflows, each hidden unit computed once.

The library inverts a transform of d parameters by d passes through its whole network, with the data's share computed
again for every draw. But a hidden unit of degree i sees the first i parameters only: as soon as these are known it is
known for good. Going through the units in the order of their degrees gives the same numbers for a d-th of the
arithmetic, and the data's share is computed once for each observation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

#: Draws worked on at once on a processor: the hidden layers stay in its cache.
_COLUMNS = 8192


class MafSampler:
    """Inverse of a trained masked autoregressive flow.

    Parameters
    ----------
    flow : nflows.flows.Flow
        Affine autoregressive transforms with feed-forward blocks, permutations and standardising transforms, as
        ``sbi.neural_nets.posterior_nn("maf")`` builds them.

    Raises
    ------
    TypeError
        If the flow holds another kind of transform or of block.
    """

    def __init__(self, flow: Any) -> None:
        from nflows import transforms

        steps = {
            transforms.PointwiseAffineTransform: _Standardised,
            transforms.Permutation: _Permuted,
            transforms.MaskedAffineAutoregressiveTransform: _Autoregressive,
        }
        self._flow = flow
        self._steps: list[Any] = []
        for transform in reversed(flow._transform._transforms):
            kind = next((step for of, step in steps.items() if isinstance(transform, of)), None)
            if kind is None:
                allowed = ", ".join(of.__name__ for of in steps)
                raise TypeError(f"transform = {type(transform).__name__}: allowed is {allowed}")
            self._steps.append(kind(transform))

    def sample(self, n: int, x: torch.Tensor) -> torch.Tensor:
        """Draw from the flow: the draws of its own method with the same state of the random numbers, but for rounding.

        Parameters
        ----------
        n : int
            Draws for each observation.
        x : tensor, shape (k, f)
            Observations.

        Returns
        -------
        tensor, shape (k, n, d)
        """
        import torch

        with torch.no_grad():
            context = self._flow._embedding_net(x)
            noise = self._flow._distribution.sample(n, context=context)
            rows = len(x) if x.is_cuda else max(1, _COLUMNS // n)
            parts = [self._inverse(*part) for part in zip(noise.split(rows), context.split(rows), strict=True)]
            return torch.cat(parts)

    def _inverse(self, noise: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Parameters (k, n, d) of noise (k, n, d)."""
        k, n, d = noise.shape
        values = noise.permute(2, 0, 1).reshape(d, k * n)
        for step in self._steps:
            values = step(values, context)
        return values.reshape(d, k, n).permute(1, 2, 0)


class _Standardised:
    def __init__(self, transform: Any) -> None:
        self._shift, self._scale = transform._shift.reshape(-1, 1), transform._scale.reshape(-1, 1)

    def __call__(self, values: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        return (values - self._shift) / self._scale


class _Permuted:
    def __init__(self, transform: Any) -> None:
        self._order = transform._inverse_permutation

    def __call__(self, values: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        return values[self._order]


class _Autoregressive:
    """One affine transform; hidden units stand sorted by degree, so that those known so far are the first."""

    def __init__(self, transform: Any) -> None:
        import torch

        made = transform.autoregressive_net
        if made.activation is not torch.tanh:
            raise TypeError(f"activation = {made.activation}: allowed is torch.tanh")
        if made.use_residual_blocks or any(block.batch_norm is not None for block in made.blocks):
            raise TypeError("blocks = residual or batch-normalised: allowed is feed-forward ones without either")
        self._epsilon = transform._epsilon
        layers = [made.initial_layer, *(block.linear for block in made.blocks)]
        orders = [torch.argsort(layer.degrees, stable=True) for layer in layers]
        self._weights, self._biases = [], []
        columns = torch.arange(transform.features, device=orders[0].device)
        for layer, rows in zip(layers, orders, strict=True):
            self._weights.append((layer.weight * layer.mask).detach()[rows][:, columns].contiguous())
            self._biases.append(layer.bias.detach()[rows, None])
            columns = rows
        self._context = made.context_layer.weight.detach()[orders[0]], made.context_layer.bias.detach()[orders[0], None]
        final = made.final_layer
        self._outputs = (final.weight * final.mask).detach()[:, columns], final.bias.detach()[:, None]
        degrees = [layer.degrees.sort().values for layer in layers]
        # units of each layer whose degree is at most 0, 1, ..., d - 1
        self._ends = [[int((of <= i).sum()) for i in range(transform.features)] for of in degrees]

    def __call__(self, values: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        import torch

        n = values.shape[1] // len(context)
        weight, bias = self._context
        share = self._biases[0] + torch.tanh(weight @ context.T + bias)
        hidden = [values.new_empty(len(of), values.shape[1]) for of in self._weights]
        found = torch.empty_like(values)
        for i in range(len(values)):
            if i > 0:
                self._extend(hidden, found[:i], share, n, i)
            known = self._ends[-1][i]
            weight, bias = (of[2 * i : 2 * i + 2] for of in self._outputs)
            raw, shift = torch.addmm(bias, weight[:, :known], hidden[-1][:known])
            scale = torch.nn.functional.softplus(raw) + self._epsilon
            torch.div(values[i] - shift, scale, out=found[i])
        return found

    def _extend(self, hidden: list[Any], found: torch.Tensor, share: torch.Tensor, n: int, degree: int) -> None:
        """Compute the hidden units of one degree in all layers from the parameters found so far."""
        import torch

        before = found
        for layer, (weight, bias, ends) in enumerate(zip(self._weights, self._biases, self._ends, strict=True)):
            start, end = ends[degree - 1 : degree + 1]
            out = hidden[layer][start:end]
            if layer == 0:
                torch.mm(weight[start:end, :degree], before, out=out)
                out.view(len(out), -1, n).add_(share[start:end, :, None])
            else:
                torch.addmm(bias[start:end], weight[start:end, : len(before)], before, out=out)
            out.tanh_()
            before = hidden[layer][:end]
