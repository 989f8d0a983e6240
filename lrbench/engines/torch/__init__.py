"""The engine PyTorch: Caffe's nets and solvers, interpreted by torch; only this package imports it."""
