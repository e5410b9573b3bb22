"""Models of transformers at work: loading one, and for every task what becomes of a sample.

Every query goes the whole way that a user's would: preprocess, model, decode. One sample or several take the same
way, so that asking in batches changes the cost and not the answers.
"""
