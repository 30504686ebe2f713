"""A model file -> an onnxruntime session. The file may have been made to do harm: time and memory are bounded."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Timer

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from bot.errors import describe_error
from bot.inference.contract import INPUT, ModelError
from bot.inference.onnx_file import inspect

MAX_MODEL_BYTES = 500_000_000
"""A resnet152 has 241 MB. Larger files are not read into memory only to find out that they are something else."""
LOAD_SECONDS = 60.0
"""Time to load a model. The shipped one takes 0.1 s."""
RUN_SECONDS = 10.0
"""Time for one photo in the net. The shipped one takes 0.01 s, a resnet152 on a Raspberry Pi 2 s."""
ROOM_BYTES, ROOM_FACTOR = 512_000_000, 4
"""Memory that a model may take while it is loaded and tried: so much, and as many times the file's size."""


class Session:
    """A loaded model file. `run` may be called from many threads at once."""

    def __init__(self, model: Path, threads: int) -> None:
        """Load `model`, to run one photo on `threads` threads.

        Raises ModelError if the file cannot be read, is not ONNX, names other files, or takes too much time or memory.
        """
        data = _read(model)
        try:
            self._loops = inspect(data).loops
        except ModelError as error:
            raise ModelError(f"{model}: {error}") from error
        options = session_options(threads)
        try:
            with (
                deadline(LOAD_SECONDS, lambda: options.set_load_cancellation_flag(True)),
                limit_memory(room_for(len(data))),
            ):
                # Without a fallback: it prints on standard output, and loads a damaged file a second time.
                self._session = ort.InferenceSession(
                    data, options, providers=["CPUExecutionProvider"], enable_fallback=False
                )
            self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
            self.inputs, self.outputs = self._session.get_inputs(), self._session.get_outputs()
            for tensor in (*self.inputs, *self.outputs):
                _ = tensor.name, tensor.shape  # these, too, may be no UTF-8, which shows as they are read
        except Exception as error:  # onnxruntime's exceptions share no base class of their own
            raise ModelError(
                f"{model} is not an ONNX file that onnxruntime can run: {describe_error(error)}"
            ) from error
        # onnxruntime keeps the bytes for a change of providers: as large as the model.
        self._session._model_bytes = None  # noqa: SLF001
        self.bytes = len(data)

    def run(
        self, outputs: Sequence[str], pixels: NDArray[np.uint8], *, on_trial: bool = False
    ) -> list[NDArray[np.float32]]:
        """The named outputs for uint8 `[batch, 224, 224, 3]`. Raises ModelError where the net takes too long or fails.

        A net without loops takes the same time for every photo, so it is timed `on_trial` alone.
        """
        options = ort.RunOptions()
        timed = deadline(RUN_SECONDS * len(pixels), lambda: setattr(options, "terminate", True))
        try:
            with timed if on_trial or self._loops else nullcontext():
                rows: list[NDArray[np.float32]] = self._session.run(outputs, {INPUT: pixels}, options)
        except Exception as error:
            why = f"takes more than {RUN_SECONDS:.0f} s" if options.terminate else f"fails: {describe_error(error)}"
            raise ModelError(f"the model {why} for a photo. Make the file with `python -m export`.") from error
        return rows


def room_for(file_bytes: int) -> int:
    """Bytes of memory that a model file of this size may take while it is loaded and tried."""
    return ROOM_BYTES + ROOM_FACTOR * file_bytes


@contextmanager
def limit_memory(room: int) -> Iterator[None]:
    """Allocations fail when the process takes more than `room` bytes beside what it has. On Linux alone.

    Otherwise a small file that asks for 40 GB would have the kernel kill this process or another one.
    """
    try:
        import resource

        before = resource.getrlimit(resource.RLIMIT_DATA)
        allowed = _data_bytes() + room
        hard = before[1]
        limits = [limit for limit in (allowed, *before) if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))
    except (ImportError, OSError, ValueError):  # another system, or a kernel without such a limit
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _data_bytes() -> int:
    """Writable memory of this process (man 5 proc)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmData:")) * 1024


def _read(model: Path) -> bytes:
    try:
        status = model.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ModelError(f"{model} is not a file. MODEL_PATH or --model names the ONNX file.")
        if status.st_size > MAX_MODEL_BYTES:
            raise ModelError(f"{model} is larger than {MAX_MODEL_BYTES // 1_000_000} MB: this is no photo classifier.")
        return model.read_bytes()
    except OSError as error:
        why = f"cannot read the model {model}: {error.strerror}. MODEL_PATH or --model names the file."
        raise ModelError(why) from error


@contextmanager
def deadline(seconds: float, give_up: Callable[[], None]) -> Iterator[None]:
    """Call `give_up` if the block takes longer than `seconds`."""
    timer = Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def session_options(threads: int) -> ort.SessionOptions:
    """How the bot runs a net. Benchmarks run others in the same way."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors come as exceptions; the library's own lines on stderr say them twice
    # Spinning saves 1 ms a photo and burns as much CPU again waiting for the next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
