"""Handler code that every archive contains: image decoding, engines, batching, errors, explanations."""
