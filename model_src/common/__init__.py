"""Handler code that every archive carries: image decoding, engines, batching, errors, explanations."""
