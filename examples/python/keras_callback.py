"""A callback for Keras, with any backend: metrics of each epoch as scalars, weights as histograms.

Run with KERAS_BACKEND=jax python examples/python/keras_callback.py; needs keras and jax.
"""

from tensorplex import SummaryWriter

try:
    from keras.callbacks import Callback
except ImportError:  # Keras asks for these two and calls the hooks that are there.

    class Callback:
        def set_model(self, model):
            self.model = model

        def set_params(self, params):
            self.params = params


class Record(Callback):
    """Records into a writer: a directory, or a server if TENSORPLEX_URL names one."""

    def __init__(self, writer):
        super().__init__()
        self.writer = writer

    def on_epoch_end(self, epoch, logs=None):
        for name, value in (logs or {}).items():
            self.writer.add_scalar(f"epoch/{name}", value, epoch)
        for weight in self.model.weights:
            self.writer.add_histogram(weight.path, weight.numpy(), epoch)

    def on_train_end(self, logs=None):
        self.writer.close()


if __name__ == "__main__":
    import keras
    import numpy as np

    x = np.random.default_rng(1).standard_normal((256, 4))
    model = keras.Sequential([keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(x, x.sum(1), epochs=10, verbose=0, callbacks=[Record(SummaryWriter("runs/keras"))])
