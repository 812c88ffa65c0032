"""Loads an exported model folder with Hugging Face transformers and compares its logits with ours.

    python scripts/check_export.py FOLDER CASES.json

CASES.json: {"inputs": {"input_ids": [[...]], "attention_mask": [[...]], "token_type_ids": [[...]]}, "logits": [[...]]}, and
for question answering "start_logits" and "end_logits" instead of "logits", for a choice "mc_logits" with ids and
"mc_token_ids" a row a choice, for a head with beams "beams", of each row
{"starts": [[[token, log probability], [[token, log probability], ...]], ...], "impossible": logit}. Positions with attention_mask 0 are padding
and are not compared. Also loads the tokenizer, if the folder has one, and the model card's `model-index`. Where the cases
have "texts", [[first, second or null], ...], and "ids", the tokenizer must make these ids of those texts.

Fails (exit 1) when a parameter is missing or unexpected (the pooler apart, which no span model has), or when a logit
differs by more than 1e-5 of the largest absolute value: two implementations in 32-bit floats differ by about 1e-6.
"""

import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import huggingface_hub
import torch
import transformers

LIMIT = 1e-5


def load(folder):
    """The model in the class its config names, and what loading had to say."""
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        architecture = json.load(file)["architectures"][0]
    model, report = getattr(transformers, architecture).from_pretrained(folder, output_loading_info=True)
    unexpected = [name for name in report["unexpected_keys"] if ".pooler." not in name]
    if report["missing_keys"] or unexpected or report["mismatched_keys"]:
        sys.exit(f"{architecture}: missing {report['missing_keys']}, unexpected {unexpected}, {report['mismatched_keys']}")
    if model.dtype != torch.float32:
        sys.exit(f"{architecture}: loaded as {model.dtype}, expected float32")
    return architecture, model.eval()


def compare(name, found, expected, mask):
    """Largest difference over the largest value; `mask` chooses the positions of span logits."""
    expected = torch.tensor(expected)
    difference, scale = (found - expected).abs(), expected.abs()
    if mask is not None:
        difference, scale = difference[mask], scale[mask]
    share = (difference.max() / scale.max()).item()
    print(f"{name}: largest difference {difference.max().item():.2e}, {share:.2e} of the largest value")
    return share <= LIMIT


def compare_beams(output, config, rows):
    """Log probabilities of starts and of their ends, and the logits of no answer; of windows with fewer tokens than beams none.

    transformers lists the ends of all starts as [end_n_top, start_n_top] and calls probabilities `log_probs`.
    """
    starts, ends = config.start_n_top, config.end_n_top
    whole = [at for at, row in enumerate(rows) if [len(own) for _, own in row["starts"]] == [ends] * starts]
    found_ends = output.end_top_log_probs.reshape(-1, ends, starts).transpose(1, 2)[whole].log()
    start = [[own[0][1] for own in rows[at]["starts"]] for at in whole]
    end = [[[one[1] for one in own[1]] for own in rows[at]["starts"]] for at in whole]
    return [
        compare(f"starts of {len(whole)} windows", output.start_top_log_probs[whole].log(), start, None),
        compare("ends", found_ends, end, None),
        compare("no answer", output.cls_logits, [row["impossible"] for row in rows], None),
    ]


def main(folder, cases):
    architecture, model = load(folder)
    with open(cases, encoding="utf-8") as file:
        cases = json.load(file)
    inputs = {name: torch.tensor(value) for name, value in cases["inputs"].items()}
    with torch.no_grad():
        output = model(**inputs)
    names = [name for name in ("logits", "mc_logits", "start_logits", "end_logits") if name in cases]
    masks = {name: inputs["attention_mask"].bool() if name.startswith(("start", "end")) else None for name in names}
    equal = [compare(f"{architecture} {name}", output[name], cases[name], masks[name]) for name in names]
    if "beams" in cases:
        equal += compare_beams(output, model.config, cases["beams"])
    if any(os.path.exists(os.path.join(folder, name)) for name in ("tokenizer.json", "vocab.txt", "vocab.json")):
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        print("tokenizer:", type(tokenizer).__name__, tokenizer("A small test.")["input_ids"])
        for (first, second), ids in zip(cases.get("texts", []), cases.get("ids", [])):
            found = tokenizer(first, second)["input_ids"]
            if found != ids:
                sys.exit(f"{first!r} {second!r}: {found}, expected {ids}")
    card = huggingface_hub.ModelCard.load(os.path.join(folder, "README.md"))
    for result in card.data.eval_results:
        print("model-index:", result.dataset_name, result.dataset_split, result.metric_type, result.metric_value)
    print("labels:", model.config.id2label, model.config.problem_type)
    sys.exit(0 if equal and all(equal) else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
