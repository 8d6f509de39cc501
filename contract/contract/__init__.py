"""The formats and rules that the builder, the runtime, the edge and the command line share.

Standard library only, Python 3.9 and later: each image and the host import it as it is (see ../README.md).
"""
