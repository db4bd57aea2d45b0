"""What a run of the local stack was asked for, and what follows from it."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from common.config import Settings
from common.domain.moment import EPOCH
from common.errors import ConfigurationError
from infra.feeds.replay import ReplayFeed
from infra.local.clock import ManualClock
from infra.local.replay import warm_up_before

_ORIGIN_FILE = "origin.json"


@dataclass(frozen=True, slots=True)
class Recording:
    """Candle files and the clock that they follow."""

    directory: Path
    feed: ReplayFeed
    clock: ManualClock


def open_recording(directory: Path, interval: str, symbols: tuple[str, ...] | None) -> Recording:
    """Without `symbols`, all that the folder has. Raises InvalidInputError (file and line)."""
    clock = ManualClock(EPOCH)
    return Recording(directory, ReplayFeed(directory, interval, symbols, clock), clock)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    settings: Settings
    data_dir: Path
    data_dir_given: bool  # by the person; else ours to clear once a replay is complete
    port: int
    backend: str  # embedded, emulator
    recording: "Recording | None"  # None: simulated or live prices
    speed: float  # clock seconds in a real second; infinite = as fast as it goes
    ticks: int | None
    seed: int
    chaos: int | None = None  # seed of a bus that duplicates, delays and reorders

    @property
    def origin(self) -> dict[str, object]:
        """Where the prices in a data directory come from; others must not mix with them."""
        interval = self.settings.swarm.interval
        if self.recording is not None:
            return {"feed": "replay", "interval": interval, "run": self.run_key}
        if self.settings.mode == "live":
            orders = {"mode": "live", "network": self.settings.network}
            return {"feed": "live", "interval": interval, **orders}
        if self.settings.feed == "live":
            return {"feed": "live", "interval": interval}
        return {"feed": "simulated", "interval": interval, "seed": self.seed}

    @property
    def warm_up(self) -> int:
        """Candles of the recording before the first tick."""
        if self.recording is None:
            return 0
        history = self.settings.swarm.history_candles
        return warm_up_before(self.ticks, self.recording.feed.tick_count, history=history)

    @property
    def run_key(self) -> str:
        """Names a replay: the same folder, interval, symbols and first candle continue it."""
        symbols = ",".join(self.settings.swarm.symbols)
        folder = self.recording.directory.resolve() if self.recording else ""
        text = f"{folder}|{self.settings.swarm.interval}|{symbols}|{self.warm_up}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def claim_data_dir(options: StackOptions) -> None:
    """Mark a new data directory with the origin of its prices, or check an old one's mark.

    Raises:
        ConfigurationError: the directory holds the state of another feed, seed, interval or replay,
            or a mark that cannot be read.
    """
    path = options.data_dir / _ORIGIN_FILE
    if path.exists():
        kept = _read_origin(path)
        if kept != options.origin:
            raise ConfigurationError(
                f"{options.data_dir} holds the state of another run ({_told(kept)}, not "
                f"{_told(options.origin)}): choose another --data-dir"
            )
        return
    options.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    whole = path.with_suffix(".new")  # a start that dies here leaves no half of a mark
    whole.write_text(json.dumps(options.origin))
    whole.replace(path)


def _read_origin(path: Path) -> dict[str, object]:
    try:
        kept = json.loads(path.read_text())
    except (OSError, ValueError):
        kept = None
    if not isinstance(kept, dict):
        raise ConfigurationError(
            f"{path} cannot be read, so nobody knows whose state is beside it: "
            "restore it, or choose another --data-dir"
        )
    return kept


def _told(origin: dict[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in origin.items())
