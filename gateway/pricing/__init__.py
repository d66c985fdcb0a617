"""Cost of a call, in integer nano-dollars (1e-9 USD).

Rates come from genai-prices' list and from dated overrides in the configuration. They are resolved once for as long as
they hold, into integers; a call costs a dictionary look-up and seven multiplications. A model without a known price
costs None, never 0.
"""

from gateway.pricing.book import PriceBook, PriceOverride
from gateway.pricing.pricelist import PriceList, PriceListFailed
from gateway.pricing.rates import Rate

__all__ = ["PriceBook", "PriceList", "PriceListFailed", "PriceOverride", "Rate"]
