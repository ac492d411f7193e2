"""A toy site in Flower's message API: pulls every tensor towards a constant, so that anybody can check the result.

Works with whatever arrays it gets: those of a zk0 server's run, or of the ServerApp beside it.
"""

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

TARGET = 0.5
RATE = 0.125  # a power of two: exact in float32 wherever the weights are
NUM_EXAMPLES = 8

app = ClientApp()


def _arrays(message: Message) -> dict[str, np.ndarray]:
    return {name: array.numpy() for name, array in message.content["arrays"].items()}


def _loss(arrays: dict[str, np.ndarray]) -> float:
    return float(np.mean([np.mean((value - TARGET) ** 2) for value in arrays.values()]))


@app.train()
def train(message: Message, context: Context) -> Message:
    """As many gradient steps as the server asks for, and how it went."""
    arrays = _arrays(message)
    steps = int(message.content["config"].get("local-steps", 1))
    for _ in range(steps):
        arrays = {name: value + np.float32(RATE) * (np.float32(TARGET) - value) for name, value in arrays.items()}
    metrics = MetricRecord({"loss": _loss(arrays), "num-examples": NUM_EXAMPLES})
    record = ArrayRecord({name: Array(value) for name, value in arrays.items()})
    return Message(RecordDict({"arrays": record, "metrics": metrics}), reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """The distance that is left."""
    metrics = MetricRecord({"loss": _loss(_arrays(message)), "num-examples": NUM_EXAMPLES})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)
