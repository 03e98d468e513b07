"""Groups choose the curves that share a chart. Run with python examples/python/groups.py [LOGDIR]

One learner with two losses in one run; sixteen agents, eight per chart; players whose names say which chart they
belong to. All of them are clients of this process here.
"""

import math
import sys

from tensorplex import Tensorplex


def colour(name):
    """Players of a colour share a chart; ``:`` makes it a section of its own."""
    return ":red" if name.startswith("red") else "others"


def main():
    logdir = sys.argv[1] if len(sys.argv) > 1 else "runs/groups"
    plex = Tensorplex(logdir)
    plex.register_normal_group("learner")  # run learner, tags actor/loss and critic/loss
    plex.register_indexed_group("agent", 8)  # run agent/9, tag agent/reward/8-15
    plex.register_combined_group("player", colour)  # run player/red2, tag player.red/score

    with plex:
        for name, speed in [("actor", 0.1), ("critic", 0.05)]:
            learner = plex.proxy(f"learner/{name}")
            for step in range(50):
                learner.add_scalar("loss", math.exp(-speed * step), step)
        for n in range(16):
            agent = plex.proxy(f"agent/{n}")
            for step in range(50):
                agent.add_scalar("reward", math.tanh(step / (n + 1)), step)
        for name in ["red1", "red2", "blue1"]:
            player = plex.proxy(f"player/{name}")
            for step in range(50):
                player.add_scalars({"score": step * len(name), ":time/step": 0.5}, step)
        plex.export_json("json")
    print("tensorboard --logdir", logdir)


if __name__ == "__main__":
    main()
