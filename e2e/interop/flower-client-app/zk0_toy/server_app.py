"""A ServerApp with FedAvg in Flower's message API, for zk0 clients that join a Flower SuperLink."""

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    raise NotImplementedError
