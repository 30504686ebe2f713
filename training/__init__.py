"""The training half of Labelgram: folders of photos go in, a fastai Learner and a report come out.

`photos` (folders -> labelled photos, near-duplicate groups, split), `recipe` (how to train), `batches` (photos and
`outsiders` -> batches, worn by `augment`), `learner` (batches -> trained net, one of `nets`, with `callbacks` and a
`checkpoint`), `report` (trained net -> figures by `traits`, `calibration` and `rejection`, `pictures`, one `page`),
`run` (what it all leaves, read back). Commands of their own: `neutral` makes copies whose size tells nothing of their
label, `collect` gathers outsiders, `compare` puts runs side by side, `fetch` brings the original photos.
"""

import warnings

import bot  # noqa: F401  # says which Python it takes

# fastai 2.8 still uses torch.jit.script, and torch complains of it at every start.
warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated", category=FutureWarning)
