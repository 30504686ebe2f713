"""The training half of Labelgram: folders of photos go in, a fastai Learner and a report come out.

`photos` (folders -> labelled photos, near-duplicate groups, split), `learner` (photos -> trained net),
`report` (trained net -> figures and pictures). `neutral` makes copies whose size tells nothing of their label;
`fetch` brings the mask photos of the original tutorial.
"""

import warnings

# fastai 2.8 still uses torch.jit.script, and torch complains of it at every start.
warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated", category=FutureWarning)
