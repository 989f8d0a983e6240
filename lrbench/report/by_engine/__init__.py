"""The report by engine: the same workloads on each engine side by side, what they cost, and whether the best policy of
one is the best of the other.

After Wu, Liu, Pu, Cao, Sahin, Wei and Zhang, "A Comparative Measurement Study of Deep Learning as a Service Framework"
(arXiv:1810.12210), which sets frameworks side by side under their own and each other's configurations.
"""
