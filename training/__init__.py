"""The training half of Labelgram: folders of photos go in, a fastai Learner and a report come out.

`command` is the way through: `data` (folders -> labelled photos, near-duplicate groups, split, outsiders), `recipe`
(how to train), `fitting` (photos -> a trained net), `evaluation` (a net's answers -> figures), `report` (figures -> one
page), `runs` (what it all leaves, read back). `across` trains without each collection in turn.
"""

import warnings

import bot  # noqa: F401  # says which Python it takes

# fastai 2.8 still uses torch.jit.script, and torch complains of it at every start.
warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated", category=FutureWarning)
