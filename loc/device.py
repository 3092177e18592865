"""Devices: which one models run on, one model on it at a time, and what is done where its memory ends.

A device is believed when it has computed something right, whatever versions say. A backend names its model
with `Devices.resident` and works inside a `with` block; entering it unloads the model that was there before,
takes the device's lease, sees that there is room, and loads. So one process holds one model, and four
`loc run` side by side do not load four at once.

The lease is a ticket with a number: a lock file in the data folder, which all work directories share. Who has
waited for all lower numbers has the device; so they come in the order in which they drew. The kernel releases
the ticket of a process that dies. One lock for all would not do: the kernel wakes those who wait for it, but
lets a newcomer snatch it.

Neither device nor batch shapes a result in a way a key could tell, so neither is in one.
"""

from __future__ import annotations

import contextlib
import gc
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Generic, TypeVar

from loc.errors import LocError, MissingError
from loc.store import locks
from loc.store.locks import Lock
from loc.store.workdir import require_locks, storage_error

Model = TypeVar("Model")
Result = TypeVar("Result")

Say = Callable[[str, str], None]
"""(code, message): how a fallback is told, as `Runner.notice`."""

_NAME = re.compile(r"[a-z0-9]+(:[0-9a-f-]+)?")
"""`cpu`, `cuda:0`, as torch names devices, or `cuda:` and the card's own id."""

_OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
"""What runtimes say in a plain RuntimeError where memory ended."""

_MIB = 1 << 20

_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class _Limit:
    """Where a container's memory stands, below `_CGROUPS`.

    Args:
        most: file of what it may have.
        taken: file of what it has taken, with what the kernel keeps of files for it.
        stat: file that tells the kinds of what is taken.
        given_back: kinds that the kernel gives back when somebody needs memory, as `MemAvailable` counts too.
    """

    most: str
    taken: str
    stat: str
    given_back: frozenset[str]


_LIMITS = (
    _Limit(
        "memory.max",
        "memory.current",
        "memory.stat",
        frozenset({"inactive_file", "active_file", "slab_reclaimable"}),
    ),
    _Limit(
        "memory/memory.limit_in_bytes",
        "memory/memory.usage_in_bytes",
        "memory/memory.stat",
        frozenset({"total_inactive_file", "total_active_file"}),
    ),
)
"""Of cgroups of version 2 and 1."""


@dataclass(frozen=True)
class Device:
    """A device that has computed something right."""

    name: str
    """As torch names it: `cpu`, `cuda:0`, `mps`."""
    title: str
    """What it is, for people."""
    lease: str
    """What its lease is called: the same in every process, whatever number the device has there."""

    def free_mb(self) -> int | None:
        """Memory that a model could take now, MiB; None where the system does not tell."""
        if self.name.startswith("cuda"):
            import torch

            free: int = torch.cuda.mem_get_info(self.name)[0]
            return free // _MIB
        # Apple's graphics share the memory of the host.
        return free_host_mb()


def free_host_mb() -> int | None:
    """Memory the host has to give, MiB, within its container's limits; None where /proc does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    try:
        free = int(fields["MemAvailable"].split()[0]) // 1024
    except (KeyError, ValueError, IndexError):
        return None
    for limit in _LIMITS:
        with contextlib.suppress(OSError, ValueError):
            left = int((_CGROUPS / limit.most).read_text()) - int((_CGROUPS / limit.taken).read_text())
            free = min(free, max(0, (left + _given_back(limit)) // _MIB))
    return free


def _given_back(limit: _Limit) -> int:
    """Bytes a container has taken that are given back at need: of videos and weights that were read, above
    all, which fill it within minutes. 0 where the kernel does not tell."""
    try:
        lines = (_CGROUPS / limit.stat).read_text().splitlines()
    except OSError:
        return 0
    kinds = (line.split() for line in lines)
    return sum(int(size) for name, size in kinds if name in limit.given_back)


ACCELERATORS = ("mps",) if sys.platform == "darwin" else ("cuda",)
"""What `auto` tries before the CPU."""


def choose(wanted: str, say: Say) -> Device:
    """The device models run on.

    Args:
        wanted: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        say: told when `auto` ends at the CPU, and why.

    Raises:
        MissingError: the device that was named does not compute.
    """
    if wanted != "auto":
        try:
            return prove(wanted)
        except DeviceFault as fault:
            raise MissingError(
                f"The device {wanted} cannot be used.",
                why=f"It was asked to compute something small: {fault}.",
                fix="Mend its driver, or name another: --device cpu works everywhere.",
            ) from fault
    faults = []
    for name in ACCELERATORS:
        try:
            return prove(name)
        except DeviceFault as fault:
            faults.append(f"{name}: {fault}")
    say("device-cpu", f"Models run on the CPU. No other device computes ({'; '.join(faults)}).")
    return prove("cpu")


class DeviceFault(Exception):  # noqa: N818 - as Python's own names for what went wrong in a try
    """A device that does not compute. Its text says why."""


def prove(name: str) -> Device:
    """Let a device multiply and convolve, and compare with what must come out.

    Raises:
        DeviceFault: it cannot, or comes to another result.
    """
    if find_spec("torch") is None:
        # Nothing of this environment computes on a device then; engines in environments of their own do.
        if name == "cpu":
            return Device("cpu", "CPU", "cpu")
        raise DeviceFault("torch is not installed")
    import torch

    try:
        ones = torch.ones(8, 8, device=name)
        product = (ones @ ones).sum()
        folded = torch.nn.functional.conv2d(ones[None, None], ones[None, None, :3, :3]).sum()
        found = (float(product), float(folded))
        place = torch.device(name)
        if place.type == "cuda" and place.index is None:
            place = torch.device("cuda", torch.cuda.current_device())
    # Each runtime has its own errors for what it lacks.
    except Exception as error:
        lines = str(error).splitlines()
        raise DeviceFault(lines[0].rstrip(".") if lines else type(error).__name__) from error
    if found != (512.0, 324.0):
        raise DeviceFault(f"it computed {found[0]:g} and {found[1]:g}, not 512 and 324")
    if place.type != "cuda":
        return Device(str(place), "CPU" if place.type == "cpu" else place.type.upper(), place.type)
    facts = torch.cuda.get_device_properties(place)
    return Device(str(place), facts.name, f"cuda:{getattr(facts, 'uuid', place.index)}".lower())


@contextlib.contextmanager
def lease(data_dir: Path, device: str, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold a device. Nobody gets it twice in a row while another waits.

    Args:
        data_dir: the data folder.
        device: its name, `cuda:0`.
        waiting: called once if another process holds it now.

    Raises:
        StorageError: the data folder cannot be written, or its file system has no working locks.
    """
    if not _NAME.fullmatch(device):
        raise ValueError(f"not a device name: {device!r}")
    told: list[bool] = []

    def tell() -> None:
        if waiting is not None and not told:
            told.append(True)
            waiting()

    folder = data_dir / "leases"
    name = device.replace(":", "-")
    with ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            require_locks(folder, "Put the data folder on a local disk with --data-dir.")
            with locks.acquire(folder / f"{name}.line"):
                before = sorted(folder.glob(f"{name}.[0-9]*"))
                number = int(before[-1].suffix[1:]) + 1 if before else 0
                ticket = locks.acquire(folder / f"{name}.{number:08}")
            held.callback(_drop, ticket)
            for path in before:
                _outwait(path, tell)
        except OSError as error:
            raise storage_error(f"Could not take the lease of {device} in {folder}.", error) from error
        yield


def _drop(ticket: Lock) -> None:
    """Let go of a ticket. One whose file cannot be removed is taken away by the next in line."""
    with contextlib.suppress(OSError):
        ticket.release(remove=True)


def _outwait(path: Path, waiting: Callable[[], None]) -> None:
    """Wait until the holder of a ticket has let go, or died, and take its file away."""
    (locks.try_acquire(path) or locks.acquire(path, waiting=waiting)).release(remove=True)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory has ended, the device's or the host's."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY)


def halving(size: int, attempt: Callable[[int], Result], say: Say, what: str) -> Result:
    """Do something whose need of memory grows with a size: where memory ends, at half the size, down to 1.

    Args:
        size: at first: items of a batch, frames or samples of a chunk.
        attempt: does all of the work, `size` at a time; called again from the start after it ran out.
        say: told of each halving.
        what: that is done, for messages.

    Raises:
        MissingError: memory ends with a single one too.
        Whatever `attempt` raises besides.
    """
    while True:
        try:
            return attempt(size)
        except Exception as error:
            if not out_of_memory(error):
                raise
            if size <= 1:
                raise MissingError(
                    f"Memory ended with {what}, one at a time.",
                    why=str(error).splitlines()[0] if str(error) else type(error).__name__,
                    fix="Close other programs, name another device (--device cpu uses the host's memory), or "
                    "a smaller model with --backend.",
                ) from error
        # Here the error is gone, and with it the frames that held the tensors.
        size //= 2
        tidy()
        say("memory-halved", f"Memory ended with {what}; going on with {size} at a time.")


def if_memory_lasts(attempt: Callable[[], Result]) -> Result | None:
    """What comes of an attempt; None where memory ended, and what it had taken is given back."""
    try:
        return attempt()
    except Exception as error:
        if not out_of_memory(error):
            raise
    # Here the error is gone, and with it the frames that held the tensors.
    tidy()
    return None


def tidy() -> None:
    """Give freed memory back to the device, so that others see it."""
    import sys

    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


class Devices:
    """The device of a run and the model on it.

    Args:
        data_dir: the data folder, where leases lie.
        wanted: as `choose`.
        say: told of fallbacks and of waiting.
    """

    def __init__(self, data_dir: Path, wanted: str = "auto", say: Say = lambda _code, _message: None) -> None:
        self._data_dir = data_dir
        self._wanted = wanted
        self.say = say
        self._device: Device | None = None
        self._changed = threading.Condition(threading.RLock())
        self._seated: Resident[Any] | None = None
        self._loading: tuple[Resident[Any], int] | None = None
        """What is to be seated next, and the thread that waits for the device and loads it."""
        self._users: list[int] = []
        """Threads inside the block of the model that is seated."""
        self._away = 0
        """Threads that wait for the work of other processes."""
        self._sizes: dict[str, int] = {}

    @property
    def device(self) -> Device:
        """The device, chosen and proved at the first call.

        Raises:
            MissingError: the one that was named does not compute.
        """
        with self._changed:
            if self._device is None:
                self._device = choose(self._wanted, self.say)
            return self._device

    def free_mb(self, *, wait: bool = False) -> int | None:
        """Memory of the device that a model of this run could take, MiB: none is held by one that is not at
        work. None where the system does not tell.

        Args:
            wait: for other processes to be done with the device first, as the model itself would.

        Raises:
            MissingError: the device that was named does not compute.
            StorageError: the data folder cannot be written.
        """
        device = self.device
        with self._changed:
            self._unload_idle()
            ours = self._seated is not None or self._loading is not None
        if ours or not wait:
            return device.free_mb()
        with lease(self._data_dir, device.lease, lambda: self.say_waiting(device)):
            return device.free_mb()

    def say_waiting(self, device: Device) -> None:
        """Tell that another process has the device."""
        self.say("device-waiting", f"{device.title} is used by another loc; waiting for it.")

    def resident(
        self,
        title: str,
        memory_mb: int,
        load: Callable[[str], Model],
        unload: Callable[[Model], None] = lambda _model: None,
    ) -> Resident[Model]:
        """A model that is loaded when it is used and is alone on its device then.

        Args:
            title: of its weights, for messages.
            memory_mb: what it takes at work, MiB.
            load: given the name torch has for the device, e.g. `cuda:0`, gives the model on it. May start a
                worker that does.
            unload: what is to be done besides forgetting the model, e.g. ending that worker.
        """
        return Resident(self, title, memory_mb, load, unload)

    def halving(self, what: str, size: int, attempt: Callable[[int], Result]) -> Result:
        """`halving`, from the size at which this went in this run after memory had ended with more."""
        first = min(size, self._sizes.get(what, size))

        def remembered(at: int) -> Result:
            # A smaller size because there was less to do says nothing of memory.
            if at < first:
                self._sizes[what] = at
            return attempt(at)

        return halving(first, remembered, self.say, what)

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """While this thread waits for work of another process, nothing of this one keeps the device from it.

        A process that kept its model here while it waits for an action of one that waits for the device would
        wait forever.
        """
        with self._changed:
            self._away += 1
            self._unload_idle()
        try:
            yield
        finally:
            with self._changed:
                self._away -= 1

    def close(self) -> None:
        """Unload whatever is loaded and not at work. What a thread is about to load goes when it is left: no
        waiting for it, it may be another process's turn for hours."""
        with self._changed:
            if self._loading is not None:
                self._loading[0].closed = True
            self._unload_idle()

    def enter(self, resident: Resident[Model]) -> Model:
        """See `Resident.__enter__`."""
        me = threading.get_ident()
        with self._changed:
            inside = me in self._users and self._seated is not resident
            if inside or (self._loading is not None and self._loading[1] == me):
                raise RuntimeError(
                    f"{resident.title} inside the block of another model: each needs the device"
                )
            self._changed.wait_for(
                lambda: self._loading is None and (self._seated is resident or not self._users)
            )
            if self._seated is resident:
                self._users.append(me)
                return resident.model
            self._unload_idle()
            resident.closed = False
            self._loading = resident, me
        # Not within the condition, which whoever ends the run needs.
        try:
            resident.load(self.device, self._data_dir)
        except BaseException:
            with self._changed:
                self._loading = None
                self._changed.notify_all()
            raise
        with self._changed:
            self._loading = None
            self._seated = resident
            self._users.append(me)
            self._changed.notify_all()
            return resident.model

    def leave(self, resident: Resident[Any]) -> None:
        """See `Resident.__exit__`."""
        with self._changed:
            self._users.remove(threading.get_ident())
            if self._away or resident.closed:
                self._unload_idle()
            self._changed.notify_all()

    def shut(self, resident: Resident[Any]) -> None:
        """See `Resident.close`."""
        with self._changed:
            if self._seated is resident:
                self._unload_idle()

    def _unload_idle(self) -> None:
        if self._seated is not None and not self._users:
            seated, self._seated = self._seated, None
            seated.unload()


@cache
def devices_of(data_dir: Path, wanted: str) -> Devices:
    """The devices of what runs outside a run, one for the whole process: two would wait for each other."""
    return Devices(data_dir, wanted)


class Resident(Generic[Model]):
    """A model and its place on the device; made by `Devices.resident`.

    `with resident as model:` gives the model, loaded. Several threads may be inside; another model waits
    until all have left. Inside, neither another model may be entered nor an action be made (`Runner.do`): it
    might wait for a process that waits for this device.
    """

    def __init__(
        self,
        devices: Devices,
        title: str,
        memory_mb: int,
        load: Callable[[str], Model],
        unload: Callable[[Model], None],
    ) -> None:
        self.title = title
        self.closed = False
        self._devices = devices
        self._memory_mb = memory_mb
        self._load = load
        self._unload = unload
        self._model: list[Model] = []
        self._held: AbstractContextManager[object] = ExitStack()

    @property
    def model(self) -> Model:
        """What was loaded."""
        return self._model[0]

    @property
    def loaded(self) -> bool:
        """Whether it takes memory now."""
        return bool(self._model)

    def __enter__(self) -> Model:
        """The model, on its device.

        Raises:
            MissingError: the device does not compute, there is no room, or the weights cannot be used.
            StorageError: the data folder cannot be written.
        """
        return self._devices.enter(self)

    def __exit__(self, *_: object) -> None:
        self._devices.leave(self)

    def close(self) -> None:
        """Unload it, now or when it is left. It may be entered again."""
        self.closed = True
        self._devices.shut(self)

    def load(self, device: Device, data_dir: Path) -> None:
        """Take the lease, see that there is room, and load. Called by `Devices` alone."""
        with ExitStack() as held:
            held.enter_context(lease(data_dir, device.lease, lambda: self._devices.say_waiting(device)))
            self._require_room(device)
            try:
                self._model.append(self._load(device.name))
            except LocError:
                raise
            except Exception as error:
                if not out_of_memory(error):
                    raise
                raise no_room(self.title, device, "Memory ended while it was loaded") from error
            self._held = held.pop_all()

    def unload(self) -> None:
        """Forget the model, then let others have the device. Called by `Devices` alone."""
        with self._held:
            while self._model:
                self._unload(self._model.pop())
            tidy()

    def _require_room(self, device: Device) -> None:
        free = device.free_mb()
        if free is not None and free < self._memory_mb:
            need = needed(self._memory_mb, free)
            raise no_room(self.title, device, need)


def needed(memory_mb: int, free_mb: int) -> str:
    """Why there is no room, in words."""
    return f"It takes about {gib(memory_mb)}; {gib(free_mb)} are free there"


def no_room(title: str, device: Device, why: str) -> MissingError:
    """The error that a model does not fit on a device."""
    other = "" if device.name == "cpu" else "--device cpu uses the host's memory; "
    return MissingError(
        f"There is no room for {title} on {device.title} ({device.name}).",
        why=f"{why}.",
        fix=f"Close other programs, or use less: {other}--backend names a smaller model (`loc plan` has them "
        "all).",
    )


def gib(mib: int) -> str:
    """MiB in words."""
    return f"{mib / 1024:.1f} GiB"
