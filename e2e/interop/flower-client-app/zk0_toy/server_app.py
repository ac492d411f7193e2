"""ServerApps for zk0 clients that join a Flower SuperLink: a strategy of the message API, the older NumPyClient API, and
what such clients refuse. The results go to the file that the run's config names, since the test cannot see inside."""

import json
from pathlib import Path

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MessageType, RecordDict
from flwr.common import parameters_to_ndarrays
from flwr.server import ServerConfig
from flwr.server.compat import start_grid
from flwr.server.strategy import FedAvg as NumPyFedAvg
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg, FedProx

NUM_NODES = 2

app = ServerApp()


def _wait(grid: Grid) -> list[int]:
    import time

    while len(nodes := list(grid.get_node_ids())) < NUM_NODES:
        time.sleep(0.5)
    return nodes


def _ask(grid: Grid, node: int, message_type: str, content: RecordDict) -> Message:
    message = Message(content=content, message_type=message_type, dst_node_id=node)
    (reply,) = grid.send_and_receive([message])
    return reply


def _summary(arrays: dict[str, np.ndarray]) -> dict:
    return {"tensors": len(arrays), "sum": float(sum(np.abs(a).sum(dtype=np.float64) for a in arrays.values()))}


def _message_api(grid: Grid, rounds: int) -> dict:
    nodes = _wait(grid)
    properties = _ask(grid, nodes[0], MessageType.QUERY, RecordDict()).content["properties"]
    start = _ask(grid, nodes[0], "query.arrays", RecordDict()).content["arrays"]
    result = {"properties": dict(properties), "initial": _summary({k: a.numpy() for k, a in start.items()})}
    for name, strategy in (("fedavg", FedAvg()), ("fedprox", FedProx(proximal_mu=0.1))):
        done = strategy.start(grid, start, num_rounds=rounds, train_config=ConfigRecord({"local-steps": 2}))
        result[name] = {
            **_summary({k: a.numpy() for k, a in done.arrays.items()}),
            "train": {str(k): dict(v) for k, v in done.train_metrics_clientapp.items()},
            "evaluate": {str(k): dict(v) for k, v in done.evaluate_metrics_clientapp.items()},
        }
    return result


def _numpy_client(grid: Grid, rounds: int) -> dict:
    final = []

    class Kept(NumPyFedAvg):
        def aggregate_fit(self, server_round, results, failures):
            parameters, metrics = super().aggregate_fit(server_round, results, failures)
            final.append(parameters_to_ndarrays(parameters))
            return parameters, metrics

    config = lambda server_round: {"server_round": server_round, "local-steps": 2}  # noqa: E731
    history = start_grid(
        grid=grid,
        config=ServerConfig(num_rounds=rounds),
        strategy=Kept(
            min_available_clients=NUM_NODES,
            min_fit_clients=NUM_NODES,
            min_evaluate_clients=NUM_NODES,
            on_fit_config_fn=config,
        ),
    )
    arrays = {str(index): array for index, array in enumerate(final[-1])}
    return {**_summary(arrays), "losses": [loss for _, loss in history.losses_distributed]}


def _refusals(grid: Grid) -> dict:
    nodes = _wait(grid)
    one = ArrayRecord([np.zeros(1, dtype=np.float32)])
    asked = {
        "action": ("train.special", RecordDict({"arrays": one})),
        "model": ("train", RecordDict({"arrays": one})),
        "privacy": ("train", RecordDict({"arrays": one, "config": ConfigRecord({"clipping_norm": 1.0})})),
        "secagg": ("train", RecordDict({"secaggplus_configs": ConfigRecord({"stage": "setup"})})),
        "double": ("evaluate", RecordDict({"arrays": ArrayRecord([np.zeros(1)])})),
    }
    replies = {name: _ask(grid, nodes[0], kind, content) for name, (kind, content) in asked.items()}
    return {name: reply.error.reason if reply.has_error() else "answered" for name, reply in replies.items()}


@app.main()
def main(grid: Grid, context: Context) -> None:
    config = context.run_config
    rounds = int(config["num-server-rounds"])
    if config["api"] == "numpy-client":
        result = _numpy_client(grid, rounds)
    else:
        result = {**_message_api(grid, rounds), "refused": _refusals(grid)}
    Path(str(config["out"])).write_text(json.dumps(result))
