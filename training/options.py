"""The options of `python -m training`."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence

from bot.inference.class_folders import CLASS_FOLDERS
from bot.inference.names import clean_label, parse_name, parse_path
from training.arguments import Parser
from training.recipe import (
    AUGMENTATIONS,
    AUTO,
    KEEPS,
    MAX_SIZE,
    SEEDS,
    SIZE_WITHOUT_GPU,
    Recipe,
    load_recipe,
    parse_number,
    parse_text,
    write_options,
)

PROG = "python -m training"
EPILOG = (
    "Other commands: fetch (bring the tutorial's photos), collect (gather pictures of something else), neutral (copy "
    "photos so that their size says nothing), report (make a report again), compare (runs side by side), across (train "
    "without each collection in turn); python -m training COMMAND --help. "
    "On several GPUs: accelerate launch --multi_gpu --num_processes N -m training ... "
    "Each process takes its share of every epoch, in batches of --batch-size photos."
)


def parse(arguments: Sequence[str], prog: str = PROG) -> argparse.Namespace:
    """The options in `arguments`; those that they do not give come from the file that `--recipe` names.

    `prog` is what a message names as the program.
    Raises RecipeError for a file that cannot be used, SystemExit for a value that its option does not take.
    """
    parser = make_parser(prog)
    options = parser.parse_args(arguments)
    if not options.recipe:
        return options
    parser.prog = f"{parser.prog} --recipe {options.recipe}"  # what is wrong now is so in that file
    return parser.parse_args([*write_options(load_recipe(options.recipe)), *arguments])


def read_recipe(options: argparse.Namespace) -> Recipe:
    """The recipe among the options that `parse` gives."""
    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(Recipe)}
    if options.size is None:
        import torch  # not above: options that are wrong are told of before PyTorch is there, which takes seconds

        given["size"] = Recipe.size if torch.cuda.is_available() else SIZE_WITHOUT_GPU
    return Recipe(**given)


def make_parser(prog: str = PROG) -> Parser:
    """All of a training: each option of a recipe has the name of its field."""
    default = Recipe()
    parser = Parser(prog=prog, description="Train a classifier on folders of photos.", epilog=EPILOG)
    parser.add_argument("--data", type=parse_path, required=True, metavar="DIR", help="a folder of photos per class")
    parser.add_argument(
        "--out", type=parse_name, required=True, metavar="artifacts/NAME", help="where NAME.pkl and NAME-report/ go"
    )
    parser.add_argument(
        "--recipe",
        type=parse_text,
        metavar="NAME or FILE.toml",
        help="options from a file: one of training/recipes, such as mask, or your own; those given here come first",
    )
    parser.add_argument(
        "--relabel",
        type=parse_path,
        metavar="FILE.csv",
        help="the right labels (path,label) of photos in the wrong folder",
    )
    parser.add_argument(
        "--class-folder",
        choices=CLASS_FOLDERS,
        default=CLASS_FOLDERS[0],
        help="the folder that names a class: the first below --data, the last, or as it fits (%(default)s)",
    )
    parser.add_argument(
        "--leave-out",
        type=parse_text,
        metavar="FOLDER",
        help="measure on this folder of the photos and train on the others; or on COLUMN=VALUE of groups.csv",
    )
    parser.add_argument(
        "--arch",
        type=parse_text,
        default=default.arch,
        help="a net of torchvision, or efficientnet_lite0 (%(default)s)",
    )
    parser.add_argument(
        "--weights",
        type=parse_text,
        default=default.weights,
        help="imagenet, none, or the file of a state dict in torchvision's form (%(default)s)",
    )
    parser.add_argument(
        "--epochs",
        type=parse_number(int, least=0),
        default=default.epochs,
        help="of as many photos as there are; 0: the last layer alone learns, in a minute (%(default)s)",
    )
    parser.add_argument(
        "--keep",
        choices=(AUTO, *KEEPS),
        default=default.keep,
        help="the last layer fitted to what the net knew, all layers trained, or the mean of both; auto: the best on "
        "photos that were left out (%(default)s)",
    )
    parser.add_argument(
        "--size",
        type=parse_number(int, least=32, below=MAX_SIZE + 1),
        metavar="PX",
        help=f"of the photos in training (that of the bot's, {default.size}; {SIZE_WITHOUT_GPU} without a GPU)",
    )
    parser.add_argument(
        "--batch-size", type=parse_number(int, least=1), default=default.batch_size, help="photos (%(default)s)"
    )
    parser.add_argument(
        "--lr", type=parse_number(float, least=1e-9), help="highest learning rate (default: by the batch size)"
    )
    parser.add_argument(
        "--weight-decay", type=parse_number(float, least=0), default=default.weight_decay, help="AdamW's (%(default)s)"
    )
    parser.add_argument(
        "--dropout",
        type=parse_number(float, least=0, below=1),
        default=default.dropout,
        help="in the head (%(default)s)",
    )
    parser.add_argument(
        "--augment",
        choices=AUGMENTATIONS,
        default=default.augment,
        help="light: fastai's usual; strong: distance, low light, blur, compression and occlusion too (%(default)s)",
    )
    parser.add_argument(
        "--focus",
        type=parse_number(float, least=0),
        default=default.focus,
        metavar="WEIGHT",
        help="of evidence spread over the photo in the loss: 'Why?' then points at fewer places (%(default)s)",
    )
    parser.add_argument(
        "--ema",
        type=parse_number(float, least=0, below=1),
        default=default.ema,
        metavar="DECAY",
        help="of the moving average of the weights that is kept; 0: the last weights (%(default)s)",
    )
    parser.add_argument(
        "--soup",
        type=parse_number(int, least=1),
        default=default.soup,
        metavar="NETS",
        help="train so many nets and keep the mean of their weights: right more often, in so many times the time "
        "(%(default)s)",
    )
    parser.add_argument(
        "--outsiders",
        type=parse_text,
        default=default.outsiders,
        metavar="DIR",
        help="pictures of none of the classes, so that the bot can say that it does not know: none, generated, or a "
        "folder of photos per kind beside the generated ones (%(default)s)",
    )
    parser.add_argument(
        "--outsider-share",
        type=parse_number(float, least=0, below=1),
        default=default.outsider_share,
        metavar="SHARE",
        help="of such pictures in an epoch (%(default)s)",
    )
    parser.add_argument(
        "--unseen",
        type=lambda text: tuple(clean_label(kind) for kind in text.split(",") if kind),
        default=default.unseen,
        metavar="KIND,...",
        help="kinds of outsiders to test on, not to train on (default: a third, at random)",
    )
    parser.add_argument(
        "--seed",
        type=parse_number(int, least=-SEEDS, below=SEEDS),
        default=default.seed,
        help="of the training (%(default)s)",
    )
    parser.add_argument(
        "--split-seed",
        type=parse_number(int, least=0, below=SEEDS),
        default=default.split_seed,
        help="of the split (%(default)s)",
    )
    parser.add_argument(
        "--check-labels",
        action="store_true",
        help="beyond 600 photos, train on each half too, to judge the other's labels: better than by last layers, and "
        "twice the time",
    )
    parser.add_argument("--resume", action="store_true", help="go on with a training that was stopped")
    add_breakdown(parser)
    return parser


def add_breakdown(parser: argparse.ArgumentParser) -> None:
    """The options of the breakdown, for a training and for `python -m training report`."""
    parser.add_argument(
        "--by",
        action="append",
        default=[],
        metavar="COLUMN",
        help="a column of groups.csv to break figures down by; may be given several times",
    )
    parser.add_argument(
        "--faces", action="store_true", help="break figures down by apparent skin tone and face scale, both estimated"
    )
