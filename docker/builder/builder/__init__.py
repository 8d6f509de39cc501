"""Turn the folders of model_src into checked archives in the model store.

__main__ reads the command line; build goes through the models; model makes one of them, in a process of its own:
inputs (files and weights) → export (folder, check, archive) → publish (scan, list, sign, store).
"""
