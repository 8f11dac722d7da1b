"""The MCP server over standard input and output, with the engine that repeats pixels; run by the tests."""

import sys
from pathlib import Path

from pipersr_build.config.serve import ServeConfig
from pipersr_build.service.mcp_server import make_mcp_server
from tests.unit.service.service_fakes import Repeater

if __name__ == "__main__":
    settings = ServeConfig(image_side=64, image_mib=1)
    make_mcp_server(settings, Repeater(), Path(sys.argv[1])).run("stdio")
