"""Whole gateways against each other: the same calls, the same upstream, one core each.

wire      the bytes of calls and answers, made once
upstream  the stand-in for a provider: an epoll loop that answers with them
load      the load generator: closed loop, open loop, streams
tree      a gateway's processes: their CPU time and memory
peers     the gateways: how each is installed, configured, started and called
measure   what is measured of one running gateway
report    medians, ratios and the table
"""
