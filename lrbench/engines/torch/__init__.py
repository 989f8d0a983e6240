"""The PyTorch engine: the same nets, solvers and data as Caffe, held to it by tests."""
