"""Turn the folders of model_src into checked archives: spec → weights → export → check → archive → publish."""
