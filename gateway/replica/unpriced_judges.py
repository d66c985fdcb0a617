"""Judges that would grade nothing, since nobody knows what their model costs: what `serinus check` says of them."""

from collections.abc import Iterator

from gateway.calls import Usage
from gateway.config import Deployment
from gateway.pricing.pricelist import PriceList, PriceListFailed
from gateway.replica.wiring import prices


def unpriced_judges(deployment: Deployment, now: float) -> Iterator[str]:
    """Return one sentence for each judge whose model has no known price at that time, in Unix seconds."""
    judges = {agent.name: str(agent.judge.target) for agent in deployment.agents.values() if agent.judge is not None}
    if not judges:
        return
    book = prices(deployment.settings, PriceList())
    try:
        book.learn(judges.values())
    except PriceListFailed:
        return
    for agent, target in judges.items():
        if book.cost(target, Usage(1, output=1), now) is None:
            yield f"{agent} (judge): {target} has no known price, so no call is judged; add it to `prices`"
