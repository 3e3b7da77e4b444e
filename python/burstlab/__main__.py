"""`python -m burstlab` is the burstlab program."""

import os
import sys

from ._errors import BinaryNotFoundError
from ._program import find_program


def main() -> None:
    try:
        program = find_program()
    except BinaryNotFoundError as error:
        sys.exit(f"error: {error}")
    os.execv(program, [program, *sys.argv[1:]])


if __name__ == "__main__":
    main()
