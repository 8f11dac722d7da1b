"""The Model Context Protocol: three tools over standard input and output, for a client on this machine."""

import asyncio
import base64
import binascii
import contextlib
import json
import threading
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypeVar

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ImageContent, TextContent
from pydantic import Field

from pipersr_build import __version__, files
from pipersr_build.config.serve import ServeConfig
from pipersr_build.errors import BuildError
from pipersr_build.service import lanes
from pipersr_build.service.engine import Engine, Step, Told
from pipersr_build.service.probes import check_picture, check_video
from pipersr_build.service.refusals import Refusal, from_error
from pipersr_build.service.uploads import MIB
from pipersr_build.service.workplace import job_folder

Result = TypeVar("Result")
_INSTRUCTIONS = "Enlarges pictures and videos with a super-resolution network, on this machine."
_TELL_EVERY = 0.25  # seconds between two notifications
_THERE = "{} is there already; give another output, or overwrite=true"


def make_mcp_server(settings: ServeConfig, engine: Engine, place: Path) -> MCPServer[Any]:
    """The server with its three tools.

    Args:
        settings: limits as those of the service.
        engine: what does the work.
        place: private folder for what is being worked on.
    """
    server: MCPServer[Any] = MCPServer(
        "pipersr-build", instructions=_INSTRUCTIONS, version=__version__, log_level="WARNING"
    )
    tools = _Tools(settings, engine, place)
    for tool in (tools.image_upscale, tools.video_upscale, tools.benchmark_upscale):
        server.add_tool(tool, structured_output=False)
    return server


class _Tools:
    """The tools; their docstrings are what the client reads. They run one at a time."""

    def __init__(self, settings: ServeConfig, engine: Engine, place: Path) -> None:
        self._settings, self._engine, self._place = settings, engine, place
        self._turn = asyncio.Lock()

    async def image_upscale(
        self,
        context: Context[Any, Any],
        image: Annotated[str, Field(description="PNG, JPEG, WebP, TIFF or BMP file, base64")],
        passes: Annotated[int, Field(description="1, or 2 for the square of the scale", ge=1, le=2)] = 1,
    ) -> list[ImageContent | TextContent]:
        """Enlarge a picture. The result is a PNG, base64."""
        settings, engine = self._settings, self._engine

        def work(told: Told, stop: threading.Event) -> tuple[bytes, tuple[str, ...]]:
            with job_folder(self._place) as folder:
                source, target = folder / "upload", folder / "result.png"
                source.write_bytes(_decoded(image, settings.image_mib))
                check_picture(source, scale=engine.scale, passes=passes, side=settings.image_side)
                notes = engine.picture(source, target, passes=passes, told=told, stop=stop)
                return target.read_bytes(), notes

        data, notes = await self._run(context, work, settings.image_seconds, "the picture")
        shown = ImageContent(type="image", data=base64.b64encode(data).decode(), mime_type="image/png")
        return [shown, *(TextContent(type="text", text=note) for note in notes)]

    async def video_upscale(
        self,
        context: Context[Any, Any],
        path: Annotated[str, Field(description="the video file on this machine")],
        output: Annotated[
            str | None, Field(description="MP4 file to write; beside the video if not given")
        ] = None,
        overwrite: Annotated[bool, Field(description="replace a file that is there")] = False,
    ) -> TextContent:
        """Enlarge a video file; writes an MP4 with sound and timing kept and tells the progress in frames."""
        source = _path(path)
        target = _path(output) if output else source.parent / f"{source.stem}_upscaled.mp4"
        _check_paths(source, target, overwrite=overwrite)
        side = self._settings.video_side

        def work(told: Told, stop: threading.Event) -> dict[str, Any]:
            _check_paths(source, target, overwrite=overwrite)  # again: another call may have written it
            check_video(source)
            with files.staging(target.parent) as stage:
                done = self._engine.video(source, stage / target.name, side=side, told=told, stop=stop)
                _put_in_place(stage / target.name, target, overwrite=overwrite, stop=stop)
            return {"path": str(target.absolute()), **asdict(done)}

        done = await self._run(context, work, self._settings.video_seconds, "the video")
        return TextContent(type="text", text=json.dumps(done))

    async def benchmark_upscale(
        self,
        context: Context[Any, Any],
        quick: Annotated[bool, Field(description="fewer repetitions")] = True,
    ) -> TextContent:
        """Measure this machine: image tile, 1 Mpx image in tiles, video 360p, 480p and 540p."""

        def work(told: Told, stop: threading.Event) -> dict[str, Any]:
            return dict(self._engine.benchmark(quick=quick, told=told, stop=stop))

        record = await self._run(context, work, self._settings.video_seconds, "the benchmark")
        return TextContent(type="text", text=json.dumps(record))

    async def _run(
        self,
        context: Context[Any, Any],
        work: Callable[[Told, threading.Event], Result],
        seconds: float,
        what: str,
    ) -> Result:
        """Wait for the turn, run the work in a thread, tell of it, and turn its errors into answers."""
        progress = _Progress(context)

        async def in_turn() -> Result:
            async with self._turn:
                job = lanes.in_thread(lambda stop: work(progress.tell, stop))
                return await lanes.within(seconds, job, what)

        try:
            return await progress.while_running(lanes.apart(in_turn()))
        except (Refusal, BuildError, OSError) as error:
            refusal = from_error(error)
            raise ToolError(
                f"{refusal.what}; to do: {refusal.fix}" if refusal.fix else refusal.what
            ) from error


class _Progress:
    """The thread leaves its last step here; a task sends it to the client, none too often."""

    def __init__(self, context: Context[Any, Any]) -> None:
        self._context = context
        self._step: Step | None = None

    def tell(self, step: Step) -> None:
        """Take note of a step; from any thread."""
        self._step = step

    async def while_running(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Await `work`, and tell the client of new steps meanwhile."""
        telling = asyncio.ensure_future(self._keep_telling())
        try:
            result = await work
        finally:
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await telling
        await self._send()
        return result

    async def _keep_telling(self) -> None:
        while True:
            await asyncio.sleep(_TELL_EVERY)
            await self._send()

    async def _send(self) -> None:
        step, self._step = self._step, None
        if step is not None:
            left = "" if step.seconds_left is None else f"{step.seconds_left:.0f} s left"
            await self._context.report_progress(step.done, step.total, left or None)


def _decoded(image: str, mib: int) -> bytes:
    if len(image) > mib * MIB * 4 // 3 + 4:
        raise Refusal(413, f"the picture is larger than {mib} MiB")
    try:
        letters = "".join(image.rpartition(",")[2].split())  # behind data:image/png;base64, and in lines
        return base64.b64decode(letters, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(400, "the picture is not base64") from error


def _path(text: str) -> Path:
    try:
        path = Path(text).expanduser()
        path.exists()
    except RuntimeError as error:  # there is no such user
        raise ToolError(f"there is no home folder for {text}") from error
    except OSError as error:  # too long a name, links in a circle
        raise ToolError(f"{text[:80]} is no path: {error.strerror}") from error
    return path


def _check_paths(source: Path, target: Path, *, overwrite: bool) -> None:
    """A regular file in; a new MP4 out, or one that may be replaced.

    Raises:
        ToolError: not so. Devices and pipes would never end, other endings are not ours to write.
    """
    if not source.is_file():
        raise ToolError(f"there is no file {source}")
    if target.exists() and target.samefile(source):
        raise ToolError(f"{source} cannot be written over by itself")
    if target.suffix.lower() != ".mp4":
        raise ToolError("the output must end in .mp4")
    if not target.parent.is_dir():
        raise ToolError(f"there is no folder {target.parent}")
    if target.exists() and not (overwrite and target.is_file()):
        raise ToolError(_THERE.format(target))


def _put_in_place(written: Path, target: Path, *, overwrite: bool, stop: threading.Event) -> None:
    """Move the finished video to where it was wanted. A video that was stopped is only a part of one.

    Raises:
        Refusal: 499, nobody waits for it any more; whatever is at `target` stays.
        ToolError: a file has come there meanwhile that may not be replaced.
    """
    if stop.is_set():
        raise Refusal(499, "the video was stopped")
    if target.exists() and not overwrite:
        raise ToolError(_THERE.format(target))
    files.replace(written, target)
