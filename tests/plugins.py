"""Answers of TensorBoard's dashboard backends for a log directory, as JSON for the tests.

    plugins.py LOGDIR

The answers are those that a browser gets, once per reader:

    {READER: {"projector": {RUN: [EMBEDDING, ...]},
              "hparams": [SESSION, ...],
              "custom_scalars": {"layout": LAYOUT, "lines": {REGEX: {TAG: [VALUE, ...]}}},
              "meshes": {RUN: {TAG: [PART, ...]}},
              "pr_curves": {RUN: {TAG: [ENTRY, ...]}},
              "graphs": {RUN: LENGTH}}}

An EMBEDDING is {"name", "shape", "tensor", "metadata", "sprite"}: numbers row by row, lines of text, the first bytes
of the picture. A SESSION is {"name", "status", "hparams", "metrics"}; metrics are {"group/tag": value}.
"""

import base64
import json
import struct
import sys

import werkzeug.test
from tensorboard.plugins import base_plugin
from tensorboard.plugins.custom_scalar import custom_scalars_plugin
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import backend_context
from tensorboard.plugins.hparams import list_session_groups
from tensorboard.plugins.hparams import get_experiment
from tensorboard.plugins.mesh import mesh_plugin
from tensorboard.plugins.pr_curve import pr_curves_plugin
from tensorboard.plugins.projector import projector_plugin
from tensorboard.plugins.scalar import scalars_plugin

import loaders


def main():
    logdir = sys.argv[1]
    readers = loaders.both(logdir)
    document = {}
    for name, reader in readers.items():
        reader.refresh()
        document[name] = answers(reader.provider, logdir)
    print(json.dumps(document, allow_nan=False))


def answers(provider, logdir):
    scalars = {}
    context = base_plugin.TBContext(
        logdir=logdir, data_provider=provider, plugin_name_to_instance=scalars
    )
    scalars["scalars"] = scalars_plugin.ScalarsPlugin(context)
    return {
        "projector": projector(Backend(projector_plugin.ProjectorPlugin(context))),
        "hparams": hparams(provider, context),
        "custom_scalars": custom_scalars(
            Backend(custom_scalars_plugin.CustomScalarsPlugin(context)), provider
        ),
        "meshes": Backend(mesh_plugin.MeshPlugin(context)).meshes(),
        "pr_curves": Backend(pr_curves_plugin.PrCurvesPlugin(context)).pr_curves(),
        "graphs": graphs(provider),
    }


class Backend:
    """Backend of a plugin, with HTTP requests as a browser sends them."""

    def __init__(self, plugin):
        self._apps = plugin.get_plugin_apps()

    def get(self, route, **query):
        client = werkzeug.test.Client(self._apps[route])
        answer = client.get("/", query_string=query)
        if answer.status_code != 200:
            raise RuntimeError(f"{route} {query}: {answer.status_code} {answer.get_data(as_text=True)}")
        return answer

    def meshes(self):
        found = {}
        for run, tags in self.get("/tags").json.items():
            for tag in tags:
                parts = self.get("/meshes", run=run, tag=tag).json
                found.setdefault(run, {})[tag] = [
                    {"part": p["content_type"], "components": p["components"], "shape": p["data_shape"]}
                    for p in parts
                ]
        return found

    def pr_curves(self):
        found = {}
        for run, tags in self.get("/tags").json.items():
            for tag in tags:
                entries = self.get("/pr_curves", run=run, tag=tag).json[run]
                keys = ("step", "precision", "recall", "thresholds")
                found.setdefault(run, {})[tag] = [{key: e[key] for key in keys} for e in entries]
        return found


def projector(backend):
    found = {}
    for run in backend.get("/runs").json:
        embeddings = backend.get("/info", run=run).json["embeddings"]
        found[run] = [embedding(backend, run, e) for e in embeddings]
    return found


def embedding(backend, run, config):
    name = config["tensorName"]
    data = backend.get("/tensor", run=run, name=name, num_rows=1000).get_data()
    answer = {
        "name": name,
        "shape": config["tensorShape"],
        "tensor": list(struct.unpack(f"<{len(data) // 4}f", data)),
    }
    if "metadataPath" in config:
        text = backend.get("/metadata", run=run, name=name, num_rows=1000).get_data(as_text=True)
        answer["metadata"] = text.splitlines()
    if "sprite" in config:
        image = backend.get("/sprite_image", run=run, name=name).get_data()
        answer["sprite"] = config["sprite"]["singleImageDim"]
        answer["signature"] = base64.b64encode(image[:8]).decode()
    return answer


def hparams(provider, context):
    """Sessions in the dashboard's table."""
    backend = backend_context.Context(context)
    request_context = loaders.request_context()
    columns = get_experiment.Handler(
        request_context, backend, "", api_pb2.GetExperimentRequest()
    ).run()
    request = api_pb2.ListSessionGroupsRequest(
        start_index=0,
        slice_size=100,
        allowed_statuses=[
            api_pb2.STATUS_UNKNOWN,
            api_pb2.STATUS_SUCCESS,
            api_pb2.STATUS_FAILURE,
            api_pb2.STATUS_RUNNING,
        ],
    )
    for info in columns.hparam_infos:
        request.col_params.add(hparam=info.name)
    for info in columns.metric_infos:
        request.col_params.add(metric=info.name)
    groups = list_session_groups.Handler(request_context, backend, "", request).run()
    known = {info.name for info in columns.hparam_infos}
    sessions = []
    for group in groups.session_groups:
        for session in group.sessions:
            sessions.append(
                {
                    "name": session.name,
                    "status": api_pb2.Status.Name(session.status),
                    "hparams": {
                        name: plain(value) for name, value in group.hparams.items() if name in known
                    },
                    "metrics": {
                        f"{v.name.group}:{v.name.tag}": v.value for v in session.metric_values
                    },
                }
            )
    return sorted(sessions, key=lambda session: session["name"])


def plain(value):
    return getattr(value, value.WhichOneof("kind"))


def custom_scalars(backend, provider):
    layout = backend.get("/layout").json
    lines = {}
    runs = [run.run_name for run in provider.list_runs(loaders.request_context(), experiment_id="")]
    for category in (layout or {}).get("category", []):
        for chart in category["chart"]:
            for regex in chart.get("multiline", {}).get("tag", []):
                for run in sorted(runs):
                    answer = backend.get("/scalars", run=run, tag=regex).json
                    for tag, points in answer["tag_to_events"].items():
                        lines.setdefault(regex, {})[tag] = [point[2] for point in points]
    return {"layout": layout, "lines": lines}


def graphs(provider):
    """Length of each run's graph, in bytes."""
    context = loaders.request_context()
    found = {}
    for name in provider.list_plugins(context, experiment_id=""):
        if name != "graphs":
            continue
        runs = provider.read_blob_sequences(
            context, experiment_id="", plugin_name=name, downsample=loaders.ALL_POINTS
        )
        for run, tags in runs.items():
            for points in tags.values():
                key = points[-1].values[0].blob_key
                found[run] = len(provider.read_blob(context, blob_key=key))
    return found


main()
