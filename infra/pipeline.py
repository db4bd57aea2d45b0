"""`pipeline.yaml`, typed and checked: who is triggered by what, and who may publish where."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from common.domain.events import EVENT_TYPES
from common.errors import ConfigurationError, InvalidInputError
from common.wire import from_document

PIPELINE_FILE = Path(__file__).resolve().parent.parent / "pipeline.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    event: str  # the one event type that this topic carries
    trades: bool = False  # whether a message of it may lead to an order that opens something


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSpec:
    summary: str
    kind: Literal["key", "access"]  # a key signs at a venue, or opens what does
    prefix: str | None = None  # None: one secret of this name; else many, each named with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Exactly one of the three."""

    topic: str | None = None
    schedule: str | None = None  # unix-cron, UTC
    http: Literal["public"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSpec:
    summary: str
    triggers: tuple[Trigger, ...]
    publishes: tuple[str, ...]
    secrets: dict[str, Literal["read", "add"]]
    why: str  # of its memory, cpu, timeout, instances and concurrency
    memory_mb: int
    timeout_s: int
    max_instances: int
    concurrency: int | None = None  # requests at once in an instance; None: one
    cpu: int | None = None  # whole vCPUs; None: the platform's share for the memory
    later: tuple[str, ...] = ()  # of `publishes`: what it may ask to be delivered at a later time
    roles: tuple[str, ...] = ()  # of the project, without "roles/"
    outside: tuple[Literal["prices", "venues", "text", "people"], ...] = ()  # whose words it reads

    @property
    def topics(self) -> tuple[str, ...]:
        return tuple(trigger.topic for trigger in self.triggers if trigger.topic)

    @property
    def schedules(self) -> tuple[str, ...]:
        return tuple(trigger.schedule for trigger in self.triggers if trigger.schedule)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySpec:
    """How the bus delivers: the same in the cloud, the emulator and the embedded bus."""

    ack_deadline_s: int
    max_attempts: int
    backoff_min_s: int
    backoff_max_s: int
    dead_letter_retention_d: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    topics: dict[str, TopicSpec]
    secrets: dict[str, SecretSpec]
    functions: dict[str, FunctionSpec]  # in pipeline order
    delivery: DeliverySpec

    def subscribers(self, topic: str) -> tuple[str, ...]:
        """The functions that `topic` is pushed to."""
        return tuple(name for name, spec in self.functions.items() if topic in spec.topics)

    def scheduled(self) -> tuple[tuple[str, str], ...]:
        """Every (function, unix-cron) pair."""
        return tuple(
            (name, cron) for name, spec in self.functions.items() for cron in spec.schedules
        )

    def topic_of(self, event_type: str) -> str:
        return next(name for name, spec in self.topics.items() if spec.event == event_type)


@cache
def load_pipeline(path: Path = PIPELINE_FILE) -> Pipeline:
    """Read and check the file, once in a process.

    Raises:
        ConfigurationError: the file is missing or not YAML, a key is unknown or missing, or topics
            and functions do not fit together; names every problem of the last kind at once.
    """
    import yaml

    try:
        with path.open(encoding="utf-8") as file:
            # libyaml's parser where the wheel carries it: a tenth of the time, at every cold start.
            content = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both load plain data only
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path.name} cannot be read: {error}") from None
    return read_pipeline(content, name=path.name)


def read_pipeline(content: object, *, name: str = "pipeline.yaml") -> Pipeline:
    """The pipeline in the file's parsed `content`. Raises ConfigurationError as `load_pipeline`."""
    if not isinstance(content, Mapping):
        raise ConfigurationError(f"{name}: not a mapping")
    try:
        pipeline = from_document(Pipeline, dict(content))
    except InvalidInputError as error:
        raise ConfigurationError(f"{name}: {error.message}") from None
    problems = [*_topic_problems(pipeline), *_function_problems(pipeline)]
    if problems:
        raise ConfigurationError(f"{name}: {'; '.join(problems)}")
    return pipeline


def _topic_problems(pipeline: Pipeline) -> list[str]:
    problems = []
    carried = [spec.event for spec in pipeline.topics.values()]
    if sorted(carried) != sorted(EVENT_TYPES):
        problems.append("topics must carry each event type exactly once")
    publishers = {topic for spec in pipeline.functions.values() for topic in spec.publishes}
    for topic in pipeline.topics:
        if topic not in publishers:
            problems.append(f"nobody publishes {topic}")
        if not pipeline.subscribers(topic):
            problems.append(f"nobody subscribes to {topic}")
    return problems


def _function_problems(pipeline: Pipeline) -> list[str]:
    return [
        f"{name} {problem}"
        for name, spec in pipeline.functions.items()
        for problem in _spec_problems(spec, pipeline)
    ]


def _spec_problems(spec: FunctionSpec, pipeline: Pipeline) -> list[str]:
    topics, secrets = pipeline.topics, pipeline.secrets
    named = [*spec.topics, *spec.publishes]
    problems = [f"names the unknown topic {topic}" for topic in named if topic not in topics]
    problems += [f"names the unknown secret {name}" for name in spec.secrets if name not in secrets]
    problems += [
        f"delivers {topic} later and does not publish it"
        for topic in spec.later
        if topic not in spec.publishes
    ]
    if not spec.why.strip():
        problems.append("does not say why it has its size")
    if not spec.triggers:
        problems.append("has no trigger")
    for trigger in spec.triggers:
        kinds = [trigger.topic, trigger.schedule, trigger.http]
        if sum(kind is not None for kind in kinds) != 1:
            problems.append("has a trigger that is not one of topic, schedule and http")
    problems += [
        f"has the schedule {cron!r}, which is not five unix-cron fields"
        for cron in spec.schedules
        if len(cron.split()) != 5
    ]
    concurrency = 1 if spec.concurrency is None else spec.concurrency
    cpu = 1 if spec.cpu is None else spec.cpu
    if min(spec.memory_mb, spec.timeout_s, spec.max_instances, concurrency, cpu) < 1:
        problems.append("has a limit that is not above 0")
    if concurrency > 1 and spec.cpu is None:
        problems.append("takes several requests at once, which needs a whole cpu")
    return problems
