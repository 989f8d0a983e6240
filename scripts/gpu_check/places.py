"""Names of what travels; this module loads nothing, as it is read before LRBench's dependencies are there."""

TREE, WHEELS, DATA = "caffe.tar.xz", "wheels", "data.npz"
