"""`mcp`: upscaling as tools for a client of the Model Context Protocol, over standard input and output."""

from pipersr_build.commands.serve import require_extra, settings_of


def main(words: list[str]) -> int:
    """Answer the client until it hangs up. Nothing but the protocol goes to the standard output."""
    require_extra("mcp", "fastapi", "python_multipart")
    from pipersr_build.commands.service_engine import PackageEngine
    from pipersr_build.service.mcp_server import make_mcp_server
    from pipersr_build.service.workplace import workplace

    config = settings_of(words)
    with workplace(config.serve.temporary) as place:
        make_mcp_server(config.serve, PackageEngine(config), place).run("stdio")
    return 0
