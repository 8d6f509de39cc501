"""Turn the folders of model_src into checked archives in the model store.

__main__ reads the command line, build goes through the models, and model builds one of them in a separate process:
inputs (files and weights) → export (folder, check, archive) → publish (scan, SBOM, sign, store).
"""
