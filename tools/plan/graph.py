"""Who may publish to, call, read and add what: a graph of the plan and pipeline.yaml.

Identities are e-mails of service accounts, or members as IAM writes them. A right over the project
counts on everything in it. Whoever may mint an identity's tokens has all of its rights too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from tools.plan.grants import Grant, grants
from tools.plan.made import account, functions, hyphened, push_email, short
from tools.plan.plan import Plan
from tools.plan.policies.queues import QUEUE, reached
from tools.plan.policies.subscriptions import SUBSCRIPTION
from tools.plan.policies.world import INVOKERS, SERVICES

_ALL = frozenset({"roles/owner", "roles/editor"})
PUBLISHING = _ALL | {"roles/pubsub.publisher", "roles/pubsub.editor", "roles/pubsub.admin"}
INVOKING = _ALL | {*INVOKERS, "roles/run.admin", "roles/run.developer", "roles/run.servicesInvoker"}
READING = frozenset(
    {"roles/owner", "roles/secretmanager.secretAccessor", "roles/secretmanager.admin"}
)
ADDING = READING - {"roles/secretmanager.secretAccessor"} | {
    "roles/secretmanager.secretVersionAdder",
    "roles/secretmanager.secretVersionManager",
}
ENQUEUING = _ALL | {"roles/cloudtasks.enqueuer", "roles/cloudtasks.admin"}
MINTING = _ALL | {
    "roles/iam.serviceAccountTokenCreator",
    "roles/iam.serviceAccountOpenIdTokenCreator",
    "roles/iam.serviceAccountUser",
    "roles/iam.serviceAccountKeyAdmin",
    "roles/iam.serviceAccountAdmin",
    "roles/iam.workloadIdentityUser",
}
_READ, _ADD = "secretmanager.versions.access", "secretmanager.versions.add"
SENDER = "execute"
OUTSIDERS = ("text", "prices")
"""The words that nobody answers for: never to be the cause of an order directly."""


@dataclass(frozen=True, slots=True)
class Step:
    """A way from one thing to the next: `fetch_market` publishes `market-updated`."""

    source: str
    how: str
    target: str

    def __str__(self) -> str:
        return f"{self.source} {self.how} {self.target}"


class Graph:
    """The answers are sets of identities, functions' names and topics."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.pipeline = plan.pipeline
        self.grants = grants(plan)
        self.push = push_email(plan)
        self.accounts = {name: account(each) for name, each in functions(plan).items()}
        self._names = {email: name for name, email in self.accounts.items() if email}

    # ----------------------------------------------------------------------- rights as granted
    def identities(self) -> list[str]:
        """Everybody who was granted anything, and every account of a function."""
        return sorted({*self._names, *(grant.account for grant in self.grants)})

    def called(self, identity: str) -> str:
        """A function's name for its account; else the identity."""
        return self._names.get(identity, identity)

    def holders(self, roles: frozenset[str], on: tuple[str, ...], target: str) -> set[str]:
        """Who was granted one of the roles on the thing, or on the project."""
        return {
            grant.account
            for grant in self.grants
            if grant.role in roles
            and (grant.on == "project" or (grant.on in on and grant.target == target))
        }

    def publishers(self, topic: str) -> set[str]:
        return self._with_minters(self.holders(PUBLISHING, ("pubsub_topic",), topic))

    def invokers(self, function: str) -> set[str]:
        """Who may call it over HTTP with a token of its own, or of one that it can mint."""
        return self._with_minters(self.holders(INVOKING, SERVICES, hyphened(function)))

    def readers(self, secret: str) -> set[str]:
        """Of a secret by its name in pipeline.yaml; of a prefix, of any secret that begins so."""
        return self._with_minters(self._secret(secret, READING, _READ))

    def adders(self, secret: str) -> set[str]:
        return self._with_minters(self._secret(secret, ADDING, _ADD))

    def enqueuers(self, queue: str) -> set[str]:
        return self._with_minters(self.holders(ENQUEUING, ("cloud_tasks_queue",), queue))

    def minters(self, identity: str) -> set[str]:
        """Who can have tokens of it, over any number of others; itself left out."""
        return self._with_minters({identity}) - {identity}

    def _secret(self, secret: str, roles: frozenset[str], permission: str) -> set[str]:
        return {
            grant.account
            for grant in self.grants
            if (grant.role in roles or permission in grant.permissions)
            and self._covers(grant, secret)
        }

    def _covers(self, grant: Grant, secret: str) -> bool:
        """Whether the grant is on the secret, or may be: a condition that we cannot read covers."""
        prefix = self.pipeline.secrets[secret].prefix
        begins = prefix or secret
        if grant.on == "secret_manager_secret":
            return grant.target == secret or (
                prefix is not None and grant.target.startswith(prefix)
            )
        if grant.on != "project":
            return False
        named = grant.name_prefix
        if named is None:
            return True
        return begins.startswith(named) or (prefix is not None and named.startswith(prefix))

    def _with_minters(self, first: set[str]) -> set[str]:
        found, waiting = set(first), list(first)
        while waiting:
            identity = waiting.pop()
            for grant in self._minting.get(identity, []) + self._minting.get("", []):
                if grant.account not in found:
                    found.add(grant.account)
                    waiting.append(grant.account)
        return found

    @cached_property
    def _minting(self) -> dict[str, list[Grant]]:
        """Grants by the identity whose tokens they give; "" for any in the project."""
        by: dict[str, list[Grant]] = {}
        for grant in self.grants:
            if grant.role in MINTING and grant.on in {"project", "service_account"}:
                by.setdefault("" if grant.on == "project" else grant.target, []).append(grant)
        return by

    # -------------------------------------------------------------------------------- messages
    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """From function to topic, topic to function, and function to function over a queue."""
        return (*self._published(), *self._pushed(), *self._delayed())

    def _published(self) -> Iterator[Step]:
        for topic in self.pipeline.topics:
            for identity in sorted(self.publishers(topic)):
                if identity in self._names:
                    yield Step(self._names[identity], "publishes", topic)

    def _pushed(self) -> Iterator[Step]:
        services = {hyphened(name): name for name in self.accounts}
        for each in self.plan.of(SUBSCRIPTION):
            for push in each.blocks("push_config"):
                host = str(push.get("push_endpoint")).removeprefix("https://")
                name = next((services[at] for at in services if host.startswith(f"{at}-<")), None)
                if name is not None:
                    yield Step(short(each.get("topic")), "is pushed to", name)

    def _delayed(self) -> Iterator[Step]:
        for each in self.plan.of(QUEUE):
            queue = str(each.get("name"))
            function = reached(self.plan, each)
            for identity in sorted(self.enqueuers(queue)):
                if identity in self._names:
                    targets = [function] if function else list(self.accounts)
                    for target in targets:
                        yield Step(self._names[identity], f"enqueues in {queue} for", target)

    def published_by(self, function: str) -> set[str]:
        return {
            step.target
            for step in self.steps
            if step.source == function and step.target in self.pipeline.topics
        }

    def delivered_by(self, function: str) -> set[str]:
        """The functions that it can hand any message over a queue, of whatever topic."""
        return {
            step.target
            for step in self.steps
            if step.source == function and step.target in self.accounts
        }

    # ------------------------------------------------------------------------------- questions
    def key_readers(self) -> set[str]:
        """Who can reach a key: a secret that signs at a venue, or opens what does."""
        keys = [name for name, spec in self.pipeline.secrets.items() if spec.kind == "key"]
        return {self.called(each) for name in keys for each in self.readers(name)}

    def order_path(self, start: str) -> list[Step] | None:
        """The shortest way of messages from a function to an order; None where there is none.

        An order is sent by `execute`, for a message of a topic that trades or one from a queue.
        """
        topics = self.pipeline.topics
        ordering = [
            step
            for step in self.steps
            if step.target != SENDER or step.source not in topics or topics[step.source].trades
        ]
        waiting: list[list[Step]] = [[step] for step in ordering if step.source == start]
        seen = {start}
        while waiting:
            way = waiting.pop(0)
            at = way[-1].target
            if at == SENDER:
                return way
            if at not in seen:
                seen.add(at)
                waiting += [[*way, step] for step in ordering if step.source == at]
        return None

    def readers_of_outside(self, *words: str) -> list[str]:
        """The functions that read such words of others: prices, venues, text, people."""
        functions = self.pipeline.functions
        return [name for name, spec in functions.items() if set(words) & set(spec.outside)]

    def trades_directly(self, function: str) -> set[str]:
        """What of its rights may lead to an order without another function's judgement."""
        trading = {name for name, spec in self.pipeline.topics.items() if spec.trades}
        handed = {
            f"{name} (over a queue)"
            for name in self.delivered_by(function)
            if set(self.pipeline.functions[name].topics) & trading
        }
        return (self.published_by(function) & trading) | handed

    def strangers(self, function: str) -> set[str]:
        """Who may call an internal function and is neither the push account nor Google's minter."""
        return self.invokers(function) - {self.push} - set(AGENTS)


_AGENT_NAMES = ("gcp-sa-pubsub", "gcp-sa-cloudscheduler", "gcp-sa-cloudtasks")
AGENTS = tuple(f"service-<project number>@{name}.iam.gserviceaccount.com" for name in _AGENT_NAMES)
"""Google's own accounts, of the services that call functions with the push account's tokens."""
