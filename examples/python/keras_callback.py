"""A callback for Keras, with any backend: metrics of each epoch as scalars, weights as histograms.

Run with KERAS_BACKEND=jax python examples/python/keras_callback.py [folder]; needs keras and jax.
"""

import sys

import keras
import numpy as np

from tensorplex import SummaryWriter


class Record(keras.callbacks.Callback):
    """Records into a writer: a directory, or a server if TENSORPLEX_URL names one."""

    def __init__(self, writer):
        super().__init__()
        self.writer = writer

    def on_epoch_end(self, epoch, logs=None):
        for name, value in (logs or {}).items():
            self.writer.add_scalar(f"epoch/{name}", value, epoch)
        for weight in self.model.weights:
            # The array of the variable, in the backend's own type.
            self.writer.add_histogram(weight.path, weight.value, epoch)

    def on_train_end(self, logs=None):
        self.writer.close()


folder = sys.argv[1] if len(sys.argv) > 1 else "runs/keras"
x = np.random.default_rng(1).standard_normal((256, 4))
model = keras.Sequential([keras.layers.Dense(8, activation="relu", name="hidden"), keras.layers.Dense(1, name="out")])
model.compile("adam", "mse")
model.fit(x, x.sum(1), epochs=10, validation_split=0.25, verbose=0, callbacks=[Record(SummaryWriter(folder))])
print(f"tensorboard --logdir {folder}")
