"""ELMo's published files as a checkpoint folder: options.json and weights.hdf5 to config.json and model.safetensors.

    pip install h5py safetensors numpy
    python scripts/elmo.py OPTIONS_JSON WEIGHTS_HDF5 FOLDER

The files are those of https://allenai.org/allennlp/software/elmo (the original model:
elmo_2x4096_512_2048cnn_2xhighway_options.json and ..._weights.hdf5). Arrays are copied as they lie, `/` of their paths
written `.`. config.json says what options.json says, and beside it the sentence encoder of GLUE's baselines (Wang et al. 2018,
Section 5 and the released code): a two-layer BiLSTM of 1500 units in each direction, attention between two texts, a hidden
layer of 512 in the classifier, dropout 0.2, and 0.5 in ELMo's own module. Edit them there.
"""

import json
import sys
from pathlib import Path

import h5py
import numpy
from safetensors.numpy import save_file

TEXTS = {
    "text_hidden_size": 1500,
    "text_num_layers": 2,
    "text_attention": True,
    "classifier_hidden_size": 512,
    "dropout": 0.2,
    "elmo_dropout": 0.5,
}


def arrays(path):
    """Every array of the file by its path."""
    found = {}

    def take(name, item):
        if isinstance(item, h5py.Dataset):
            found[name.replace("/", ".")] = numpy.ascontiguousarray(item[...], dtype=numpy.float32)

    with h5py.File(path, "r") as file:
        file.visititems(take)
    return found


def main(options, weights, folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_type": "elmo", **json.loads(Path(options).read_text()), **TEXTS}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    found = arrays(weights)
    save_file(found, folder / "model.safetensors", metadata={"format": "pt"})
    print(f"{folder}: {len(found)} arrays, {sum(array.size for array in found.values()):,} values")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
