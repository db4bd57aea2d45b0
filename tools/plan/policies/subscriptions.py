"""Push subscriptions: one for each topic of a function, with a token, retries, and no expiry."""

from collections.abc import Mapping

from tools.plan.finding import Finding
from tools.plan.instances import Instance
from tools.plan.made import hyphened, push_email, short, url
from tools.plan.plan import Plan, finding
from tools.plan.values import Value

SUBSCRIPTION = "google_pubsub_subscription"


def expected(plan: Plan) -> dict[str, tuple[str, str]]:
    """Function and topic by the subscription's name."""
    return {
        f"{hyphened(name)}-{topic}": (name, topic)
        for name, spec in plan.pipeline.functions.items()
        for topic in spec.topics
    }


def pushes(plan: Plan) -> list[Instance]:
    return [each for each in plan.of(SUBSCRIPTION) if "push_config" in each.configured()]


def every_topic_arrives(plan: Plan) -> list[Finding]:
    """Each function's topics are pushed to it, and nothing else is pushed to anybody."""
    made = {str(each.get("name")): each for each in pushes(plan)}
    found = [
        Finding(
            where="pipeline.yaml", what=f"functions.{name}", message=f"no subscription {wanted}"
        )
        for wanted, (name, _) in expected(plan).items()
        if wanted not in made
    ]
    for name, each in made.items():
        pair = expected(plan).get(name)
        if pair is None:
            found.append(finding(each, "no function of pipeline.yaml asks for it"))
        elif short(each.get("topic")) != pair[1]:
            found.append(finding(each, f"must take {pair[1]}, not {short(each.get('topic'))}"))
    return found


def pushed_with_token(plan: Plan) -> list[Finding]:
    """The push account's, minted for the function's own URL, which is where it is posted."""
    found = []
    for each in pushes(plan):
        pair = expected(plan).get(str(each.get("name")))
        if pair is None:
            continue
        endpoints = [block.get("push_endpoint") for block in each.blocks("push_config")]
        tokens = each.blocks("push_config", "oidc_token")
        if [str(endpoint).rstrip("/") for endpoint in endpoints] != [url(plan, pair[0])]:
            found.append(finding(each, f"must post to {url(plan, pair[0])}, not {endpoints}"))
        found += token_findings(plan, each, pair[0], tokens)
    return found


def token_findings(
    plan: Plan, each: Instance, function: str, tokens: list[Mapping[str, Value]]
) -> list[Finding]:
    """What is wrong with the token that `each` calls `function` with."""
    if len(tokens) != 1:
        return [finding(each, f"calls {function} without an OIDC token")]
    caller, audience = tokens[0].get("service_account_email"), tokens[0].get("audience")
    found = []
    if caller != push_email(plan):
        found.append(finding(each, f"calls {function} as {caller}, not as {push_email(plan)}"))
    if audience != url(plan, function):
        message = f"its token's audience must be {url(plan, function)}, not {audience}"
        found.append(finding(each, message))
    return found


def retried(plan: Plan) -> list[Finding]:
    """With the backoff that pipeline.yaml says: else a refusal is hammered. The deadline is no
    shorter than the function may run: else it is called again beside itself.
    """
    delivery, functions = plan.pipeline.delivery, plan.pipeline.functions
    wanted = {
        "minimum_backoff": f"{delivery.backoff_min_s}s",
        "maximum_backoff": f"{delivery.backoff_max_s}s",
    }
    found = []
    for each in pushes(plan):
        policies = each.blocks("retry_policy")
        if [dict(policy) for policy in policies] != [wanted]:
            found.append(
                finding(each, "must have a retry_policy with the backoff of pipeline.yaml")
            )
        pair = expected(plan).get(str(each.get("name")))
        longest = functions[pair[0]].timeout_s if pair else 0
        deadline = max(delivery.ack_deadline_s, longest)
        if each.get("ack_deadline_seconds") != deadline:
            found.append(finding(each, f"must wait {deadline} s for an answer"))
    return found


def never_expire(plan: Plan) -> list[Finding]:
    """By default a subscription that was idle for 31 days is gone, and its messages with it."""
    return [
        finding(each, 'must have an expiration_policy with ttl = "", which is never')
        for each in plan.of(SUBSCRIPTION)
        if [policy.get("ttl") for policy in each.blocks("expiration_policy")] != [""]
    ]
