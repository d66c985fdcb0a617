"""Several processes on one port. Each *worker* is a full replica; the *parent* starts them, and serves nothing itself.

The parent holds the listening socket, the connection counts (`gateway.net.server.sharing`) and, with `store: embedded`,
the private Redis. Each worker gets a *post*: what it inherits of these, and a *line* to the parent. On the line it says
that it is ready, and hears that it is to *retire*: to drain while the port as a whole stays ready. When the line ends,
the parent is dead, and the worker drains too. The *fleet* is all workers that are wanted.
"""
