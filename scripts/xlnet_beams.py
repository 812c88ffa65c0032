"""Figures of a tiny XLNet with transformers' span head with beams, for tests/golden/xlnet_beams.rs.

    python scripts/xlnet_beams.py > tests/golden/xlnet_beams/expected.json

Every parameter is a formula of its place in the sorted list of names, so that no weights need be stored. A window is predicted
and trained by itself, without padding and without dropout, in double precision. transformers names probabilities
`…_log_probs`; here stand their logarithms.

The loss of there being no answer is made of transformers' own modules, but of `Σ p h` as XLNet's released code has it
(function_builder.py) and as transformers itself predicts; in training transformers takes the answer's own start instead.
`loss_without_class` is transformers' own loss without that term.
"""

import json

import torch
import transformers

CONFIG = {
    "model_type": "xlnet", "vocab_size": 11, "d_model": 4, "n_layer": 2, "n_head": 2, "d_inner": 6, "ff_activation": "gelu",
    "dropout": 0.0, "layer_norm_eps": 1e-12, "summary_last_dropout": 0.0, "untie_r": True, "start_n_top": 3, "end_n_top": 2,
}
# Ids, segments, the context's first token and end, and the answer's tokens: the last one twice for none.
WINDOWS = [
    {"ids": [5, 9, 3, 7, 8, 6, 10, 3, 4], "segments": [0, 0, 0, 1, 1, 1, 1, 1, 2], "context": [3, 7], "span": [4, 5]},
    {"ids": [6, 3, 1, 5, 2, 3, 4], "segments": [0, 0, 1, 1, 1, 1, 2], "context": [2, 5], "span": [6, 6]},
]


def fill(model):
    """Weights about as large as 1, so that every part matters."""
    with torch.no_grad():
        for at, (name, parameter) in enumerate(sorted(model.named_parameters())):
            places = torch.arange(parameter.numel(), dtype=torch.float64)
            values = ((31 * (at + 1) + 17 * places) % 41 - 20) / 25
            if name.endswith(("layer_norm.weight", "LayerNorm.weight")):
                values = 1 + values / 4
            parameter.copy_(values.reshape(parameter.shape))


def inputs(window):
    length = len(window["ids"])
    allowed = lambda at: window["context"][0] <= at < window["context"][1] or at == length - 1
    return {
        "input_ids": torch.tensor([window["ids"]]),
        "token_type_ids": torch.tensor([window["segments"]]),
        "p_mask": torch.tensor([[0.0 if allowed(at) else 1.0 for at in range(length)]], dtype=torch.float64),
    }


def predicted(model, window):
    with torch.no_grad():
        output = model(**inputs(window), cls_index=torch.tensor([len(window["ids"]) - 1]))
    starts, ends = model.config.start_n_top, model.config.end_n_top
    # Of an end n of start k transformers' flattened list has place n * starts + k: it is [end_n_top, start_n_top].
    at = lambda start, end: end * starts + start
    end = lambda start: [
        [output.end_top_index[0, at(start, k)].item(), output.end_top_log_probs[0, at(start, k)].log().item()]
        for k in range(ends)
    ]
    start = lambda k: [output.start_top_index[0, k].item(), output.start_top_log_probs[0, k].log().item()]
    return {"starts": [[start(k), end(k)] for k in range(starts)], "impossible": output.cls_logits[0].item()}


def trained(model, window):
    start, end = (torch.tensor([at]) for at in window["span"])
    given = inputs(window)
    without = model(**given, start_positions=start, end_positions=end).loss
    hidden = model.transformer(given["input_ids"], token_type_ids=given["token_type_ids"])[0]
    shares = model.start_logits(hidden, p_mask=given["p_mask"]).softmax(-1)
    states = torch.einsum("blh,bl->bh", hidden, shares)
    last = torch.tensor([len(window["ids"]) - 1])
    score = model.answer_class(hidden, start_states=states, cls_index=last)
    impossible = (start == last).to(torch.float64)
    return without, without + 0.5 * torch.nn.functional.binary_cross_entropy_with_logits(score, impossible)


def main():
    model = transformers.XLNetForQuestionAnswering(transformers.XLNetConfig(**CONFIG)).double()
    fill(model)
    model.eval()
    losses = [trained(model, window) for window in WINDOWS]
    (sum(loss for _, loss in losses) / len(losses)).backward()
    short = lambda value: float(f"{value:.7g}")
    # The words' gradients have come through all layers.
    heads = ("start_logits.", "end_logits.", "answer_class.", "transformer.word_embedding.")
    gradients = {
        name: [short(value) for value in parameter.grad.flatten().tolist()]
        for name, parameter in sorted(model.named_parameters())
        if name.startswith(heads)
    }
    print(json.dumps({
        "made_by": "scripts/xlnet_beams.py", "transformers": transformers.__version__, "config": CONFIG,
        "windows": WINDOWS, "names": sorted(name for name, _ in model.named_parameters()),
        "predicted": [predicted(model, window) for window in WINDOWS],
        "loss_without_class": [without.item() for without, _ in losses], "losses": [loss.item() for _, loss in losses],
        "gradients": gradients,
    }, indent=None, separators=(",", ":")))


if __name__ == "__main__":
    main()
