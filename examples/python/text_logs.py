"""Text logs of several workers, one file each. Run with python examples/python/text_logs.py [FOLDER]"""

import logging
import sys
from pathlib import Path

from tensorplex import Loggerplex, LoggerplexClient, LoggerplexHandler


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/text_logs")
    with Loggerplex(folder, level="debug", time_format="dhms") as logs:
        # Warnings and errors also go to this terminal.
        logs.start(port=0)
        with LoggerplexClient("agent/0", url=logs.url, enable_local_logger=True, local_logger_level="warning") as log:
            log.section("start")
            log.info("two lines\nof one message")
            log.info3("loss", 0.25, "of step", 7)
            log.debugfmt("{:.1%} of {what} done", 0.125, what="all steps")
            log.warning("nothing learnt yet")
            try:
                int("three")
            except ValueError:
                log.exception("a bad setting")

        handler = LoggerplexHandler("agent/1", url=logs.url)
        logging.getLogger("train").addHandler(handler)
        logging.getLogger("train").warning("from any library")
        handler.close()

    for path in sorted(folder.glob("agent/*.log")):
        print(f"{path}:\n{path.read_text()}")


if __name__ == "__main__":
    main()
