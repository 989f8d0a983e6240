"""Real Caffe as an engine: where it is, how it is installed, and its two drivers."""
