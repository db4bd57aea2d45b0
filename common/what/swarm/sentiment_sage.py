"""Sentiment Sage reads posts and news. While there is no text, it has nothing to say."""

from common.domain.market import MarketSnapshot
from common.domain.vote import Vote
from common.what.swarm.features import Features, abstention

AGENT = "sentiment_sage"


def vote(_features: Features, _snapshot: MarketSnapshot) -> Vote:
    """Abstains, which takes its weight out of the consensus instead of counting as doubt."""
    return abstention(AGENT, "no text")
