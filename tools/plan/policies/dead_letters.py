"""Dead letters: what no function acknowledged is kept for days, and Pub/Sub may move it there."""

from tools.plan.finding import Finding
from tools.plan.grants import grants
from tools.plan.instances import Instance
from tools.plan.made import short
from tools.plan.plan import Plan, finding
from tools.plan.policies.subscriptions import SUBSCRIPTION, pushes

AGENT = "service-<project number>@gcp-sa-pubsub.iam.gserviceaccount.com"


def dead_lettered(plan: Plan) -> list[Finding]:
    """Every push gives up after the attempts of pipeline.yaml, to a topic of this plan."""
    topics = {str(each.get("name")) for each in plan.of("google_pubsub_topic")}
    attempts = plan.pipeline.delivery.max_attempts
    found = []
    for each in pushes(plan):
        policies = each.blocks("dead_letter_policy")
        if len(policies) != 1:
            found.append(finding(each, "has no dead_letter_policy"))
            continue
        topic = short(policies[0].get("dead_letter_topic"))
        if topic not in topics:
            found.append(finding(each, f"its dead letters go to {topic}, which nothing makes"))
        if policies[0].get("max_delivery_attempts") != attempts:
            found.append(finding(each, f"must give up after {attempts} attempts"))
    return found


def kept(plan: Plan) -> list[Finding]:
    """A topic without a subscription loses what arrives at once."""
    days = plan.pipeline.delivery.dead_letter_retention_d
    found = []
    for each in dead_letter_topics(plan):
        name = str(each.get("name"))
        keeping = [
            sub
            for sub in plan.of(SUBSCRIPTION)
            if short(sub.get("topic")) == name and "push_config" not in sub.configured()
        ]
        if not keeping:
            found.append(finding(each, "has no subscription that keeps what arrives"))
        found += [
            finding(sub, f"must keep messages for {days} days")
            for sub in keeping
            if sub.get("message_retention_duration") != f"{days * 86400}s"
        ]
    return found


def moved_by_the_agent(plan: Plan) -> list[Finding]:
    """Pub/Sub's own account publishes to the dead letters and takes from each subscription."""
    held = {
        (grant.on, grant.target, grant.role) for grant in grants(plan) if grant.account == AGENT
    }
    found = [
        finding(each, f"{AGENT} may not publish to it")
        for each in dead_letter_topics(plan)
        if ("pubsub_topic", str(each.get("name")), "roles/pubsub.publisher") not in held
    ]
    return found + [
        finding(each, f"{AGENT} may not take from it what is dead")
        for each in pushes(plan)
        if ("pubsub_subscription", str(each.get("name")), "roles/pubsub.subscriber") not in held
    ]


def dead_letter_topics(plan: Plan) -> list[Instance]:
    names = {
        short(policy.get("dead_letter_topic"))
        for each in pushes(plan)
        for policy in each.blocks("dead_letter_policy")
    }
    return [each for each in plan.of("google_pubsub_topic") if str(each.get("name")) in names]
