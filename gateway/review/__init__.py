"""Review of calls by people: the queue, who has which, labels that count as feedback, and golden cases of them."""
