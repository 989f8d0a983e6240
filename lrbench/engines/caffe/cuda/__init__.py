"""Caffe for NVIDIA GPUs: Debian's source package, built with a CUDA toolkit inside an unpacked Debian tree."""
