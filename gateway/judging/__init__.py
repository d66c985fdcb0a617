"""Values of judges: the question that they get, the verdict on a call, and how well a judge agrees with people."""
