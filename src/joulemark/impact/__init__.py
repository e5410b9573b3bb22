"""From joules to what they cause: pure functions over facts with a source. Joules are stored; these are not."""
