"""The stepping worker: runs inside Caffe's own Python, steps, evaluates and saves, and knows nothing else.

Caffe's log goes to standard error. Works with Python 3.5 and later, so that it also runs inside old CUDA builds of
Caffe; imports nothing of LRBench but the file of the protocol, which stands alone.
"""

import json
import os
import sys
import tempfile
import time
import types
from typing import Any

import numpy as np

# Run as a script by a Python that does not have LRBench installed.
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "process"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from server import Message, Reply, serve, usage  # type: ignore[import-not-found]
from velocity import Velocity  # type: ignore[import-not-found]

PROGRESS_SECONDS = 0.5


PROBE_NET = """
layer { name: "data" type: "DummyData" top: "data" top: "label"
  dummy_data_param { shape { dim: 64 dim: 4 } shape { dim: 64 }
    data_filler { type: "gaussian" } data_filler { type: "constant" value: 1 } } }
layer { name: "inner" type: "InnerProduct" bottom: "data" top: "inner"
  inner_product_param { num_output: 8 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "relu" type: "ReLU" bottom: "inner" top: "inner" }
layer { name: "dropout" type: "Dropout" bottom: "inner" top: "inner" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "inner" bottom: "label" top: "loss" }
"""
"""Its layers use cuBLAS, cuRAND and kernels of Caffe's own. Some of its 512 values always pass ReLU and Dropout."""


class Diverged(Exception):
    """The training loss is no longer finite."""


class Worker(object):
    """One net in training or under test."""

    def __init__(self, caffe: Any, reply: Reply) -> None:
        self.caffe = caffe
        self.reply = reply
        self.solver = None  # type: Any
        self.net = None  # type: Any
        self.test_net = None  # type: Any
        self.iter_size = 1
        self.losses = []  # type: Any
        self.main_loss = []  # type: Any
        self.last_layer = 0
        self.rates = np.zeros(0)
        self.position = 0
        self.loss_sum = 0.0
        self.partial = (0.0, 0.0)
        self.told = 0.0
        self.velocity = None  # type: Any

    def do_open(self, request: Message, payload: bytes) -> Message:
        """Build the solver that ``request['solver']`` describes; the test net shares its weights.

        The payload has the momentum of every iteration as float32 where it is not the solver's own.
        """
        self._set_mode(request)
        self.solver = self.caffe.get_solver(str(request["solver"]))
        self.net = self.solver.net
        self.test_net = self.solver.test_nets[0]
        self.test_net.share_with(self.net)
        self.iter_size = request["iter_size"]
        self.losses = [(self.net.blobs[name], weight) for name, weight in self.net.blob_loss_weights.items() if weight]
        # What is told is the main loss, as in tests; what must stay finite is the weighted sum of all.
        self.main_loss = [(self.net.blobs[request["loss"]], 1.0)] if request["loss"] else self.losses
        self.last_layer = len(self.net.layers) - 1
        self.solver.add_callback(self._on_start, self._on_gradients_ready)
        if self.iter_size > 1:
            self.net.after_forward(self._after_forward)
        if payload:
            self.velocity = Velocity(self.net, np.frombuffer(payload, dtype="<f4"))
        return {}

    def do_open_test(self, request: Message, _payload: bytes) -> Message:
        """Build only the test net, for weights that another process trains."""
        self._set_mode(request)
        self.test_net = self.caffe.Net(str(request["net"]), self.caffe.TEST)
        return {}

    def do_load(self, request: Message, _payload: bytes) -> Message:
        """Copy trained weights into the test net."""
        self.test_net.copy_from(str(request["weights"]))
        return {}

    def _set_mode(self, request: Message) -> None:
        if request["device"] == "gpu":
            use_gpu(self.caffe, request["device_id"])
        else:
            self.caffe.set_mode_cpu()

    def do_train(self, request: Message, payload: bytes) -> Message:
        """Step once for each float64 rate of the payload."""
        self.rates = np.frombuffer(payload, dtype="<f8")
        self.position = 0
        self.loss_sum = 0.0
        self.partial = (0.0, 0.0)
        self.told = time.time()
        finite = True
        started = time.perf_counter()
        try:
            self._step()
        except Diverged:
            finite = False
        seconds = time.perf_counter() - started
        return {
            "iterations": self.position,
            "loss_sum": self.loss_sum,
            "seconds": seconds,
            "finite": finite,
            "rate": float(self.solver.lr),
        }

    def _step(self) -> None:
        if self.velocity is None:
            self.solver.step(len(self.rates))
            return
        for _ in self.rates:  # only between calls are the updates there to be read
            iteration = int(self.solver.iter)
            self.solver.step(1)
            self.velocity.apply(iteration)

    def _on_start(self) -> None:
        self.solver.param.base_lr = self.rates[self.position]

    def _after_forward(self, layer: int) -> None:
        if layer == self.last_layer:
            loss, objective = self._current()
            self.partial = (self.partial[0] + loss / self.iter_size, self.partial[1] + objective / self.iter_size)

    def _on_gradients_ready(self) -> None:
        loss, objective = self.partial if self.iter_size > 1 else self._current()
        self.partial = (0.0, 0.0)
        self.loss_sum += loss
        self.position += 1
        if not np.isfinite(objective):
            raise Diverged()
        if self.velocity is not None:
            self.velocity.hold()
        now = time.time()
        if now - self.told >= PROGRESS_SECONDS:
            self.told = now
            self.reply(
                {
                    "event": "progress",
                    "iteration": int(self.solver.iter) + 1,
                    "loss": loss,
                    "rate": float(self.rates[self.position - 1]),
                }
            )

    def _current(self) -> "tuple[float, float]":
        """The main loss and the weighted sum of all losses of the batch that was just run."""
        loss, objective = (
            float(sum(float(blob.data.sum()) * weight for blob, weight in losses))
            for losses in (self.main_loss, self.losses)
        )
        return loss, objective

    def do_evaluate(self, request: Message, _payload: bytes) -> Message:
        """Run the test net over the whole test set.

        Probabilities, labels and, where they are asked for, scores follow as float32 bytes.
        """
        net, last = self.test_net, len(self.test_net.layers) - 1
        blobs = {name: net.blobs[blob] for name, blob in request["blobs"].items()}
        found = {name: [] for name in blobs}  # type: Any
        started = time.perf_counter()
        for _ in range(request["batches"]):
            net._forward(0, last)
            found["label"].append(blobs["label"].data.reshape(-1).copy())
            found["loss"].append(float(blobs["loss"].data.sum()))
            for name in ("probabilities", "scores"):
                if name in blobs:
                    values = blobs[name].data
                    found[name].append(values.reshape(values.shape[0], -1).copy())
        seconds = time.perf_counter() - started
        tables = [np.concatenate(found[name]) for name in ("probabilities", "label", "scores") if name in blobs]
        return {
            "rows": tables[0].shape[0],
            "columns": tables[0].shape[1],
            "labels": tables[1].shape[0],
            "loss": float(np.mean(found["loss"])),
            "seconds": seconds,
            "bytes": b"".join(table.astype("<f4").tobytes() for table in tables),
        }

    def do_save(self, request: Message, _payload: bytes) -> Message:
        """Have Caffe write weights and solver state under the solver's snapshot prefix, and V where there is one."""
        self.solver.snapshot()
        if self.velocity is not None:
            self.velocity.save(str(request["velocity"]))
        return {"iteration": int(self.solver.iter)}

    def do_restore(self, request: Message, _payload: bytes) -> Message:
        """Bring back a snapshot, and with it how far the data layers had read and the random generator had drawn."""
        self.solver.restore(str(request["state"]))
        if self.velocity is not None:
            self.velocity.load(str(request["velocity"]))
        positions = [list(self.net._layer_names).index(name) for name in request["replay"]]
        for _ in range(int(self.solver.iter) * self.iter_size):
            for position in positions:
                self.net._forward(position, position)
        return {"iteration": int(self.solver.iter)}

    def do_time(self, request: Message, _payload: bytes) -> Message:
        """Seconds of a forward and backward pass (times iter_size) and of a test batch; the first pass warms up."""
        self.net.forward()
        self.net.backward()
        self._settle()
        started = time.perf_counter()
        for _ in range(request["repeat"]):
            self.net.forward()
            self.net.backward()
        self._settle()
        trained = time.perf_counter()
        for _ in range(request["repeat"]):
            self.test_net.forward()
        tested = time.perf_counter()
        return {
            "iteration_seconds": (trained - started) * self.iter_size / request["repeat"],
            "test_batch_seconds": (tested - trained) / request["repeat"],
        }

    def _settle(self) -> None:
        """Wait for a GPU to end its work: reading the gradient that is computed last does."""
        for parameters in list(self.net.params.values())[:1]:
            parameters[0].diff.flat[0]

    def do_usage(self, _request: Message, _payload: bytes) -> Message:
        """Processor seconds and peak memory of this process so far."""
        return usage()


def make_worker(reply: Reply) -> Worker:
    """A worker, with Caffe loaded."""
    return Worker(load_caffe(), reply)


def load_caffe() -> Any:
    """Import pycaffe without its image tools.

    They alone need SciPy and scikit-image, whose import takes longer than that of all the rest.
    """
    sys.modules["caffe.io"] = types.ModuleType("caffe.io")
    import caffe  # type: ignore[import-not-found]

    return caffe


def use_gpu(caffe: Any, device_id: int) -> None:
    """Compute on this GPU; Caffe aborts where it cannot.

    The device comes first: with the mode, Caffe makes its handles, and so a context, on the GPU that is current.
    """
    caffe.set_device(device_id)
    caffe.set_mode_gpu()


def probe() -> Message:
    """Return the versions and layer types of this Caffe; no GPU is touched."""
    caffe = load_caffe()
    return {"version": caffe.__version__, "python": sys.version.split()[0], "layers": list(caffe.layer_type_list())}


def probe_gpu(device_id: int) -> Message:
    """Train one step of a tiny net on a GPU; Caffe aborts where it cannot.

    Only a kernel that runs shows that Caffe was built for the architecture of this GPU.
    """
    caffe = load_caffe()
    use_gpu(caffe, device_id)
    with tempfile.NamedTemporaryFile("w", suffix=".prototxt") as file:
        file.write(PROBE_NET)
        file.flush()
        net = caffe.Net(file.name, caffe.TRAIN)
    loss = float(net.forward()["loss"])
    net.backward()
    gradient = float(abs(net.params["inner"][0].diff).max())
    if not (np.isfinite(loss) and np.isfinite(gradient)):
        raise ArithmeticError("GPU {} computes a loss of {} and a gradient of {}".format(device_id, loss, gradient))
    return {"device_id": device_id, "loss": loss, "gradient": gradient}


def main(arguments: "list[str]") -> None:
    """Serve requests; with --probe or --probe-gpu [ID], print one line of JSON instead."""
    if not arguments:
        serve(make_worker)
        return
    found = probe() if arguments[0] == "--probe" else probe_gpu(int(arguments[1]) if arguments[1:] else 0)
    print(json.dumps(found), flush=True)
    os._exit(0)  # a CUDA context may be gone before Caffe's own destructors


if __name__ == "__main__":
    main(sys.argv[1:])
