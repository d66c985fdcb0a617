"""Overload of one process: how many calls it answers at once, whose, and which it sheds.

A *place* is the right to have a call answered; each caller has a *share* of them. To *shed* is to refuse a call with
503 and Retry-After because of the gateway's own state. The *delay* is how late the event loop is: every call waits that
long several times, whatever its provider does. A call that is shed says nothing of a version, a target or a circuit.
"""
