"""Executor of sessions on the nodes of a Ray cluster (extra ``ray``).

The runner, the run folders and the locks stay on the driver, the machine of the command: a session that it opens is a
proxy of one in a worker, an actor on some node. So outputs and snapshots come to the driver as they are made, no disk
is shared, and a run whose node is lost goes on in another worker from its last snapshot.
"""
