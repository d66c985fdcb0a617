"""`serinus demo`: a bad canary is rolled back before your eyes, in one terminal and without any API key.

A **stage** holds the real thing in small: a private Redis, a stand-in provider, two gateway replicas, each a process.
**Traffic** from the real openai SDK flows through both; the **ledger** books what clients saw, **sights** are what
`/status` said. The **story** acts on the stage and notes **facts**; **checks** say whether they are what was promised.
"""

from gateway.rehearsal.demo.show import demo

__all__ = ["demo"]
