"""`POST /v1/images/upscale`: a form with a picture in, a PNG out; one at a time, in order of arrival."""

import asyncio
import json
import threading
from contextlib import ExitStack
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response

from pipersr_build.service import lanes
from pipersr_build.service.jobs import Job
from pipersr_build.service.probes import check_picture
from pipersr_build.service.refusals import Refusal
from pipersr_build.service.schemas import PICTURE_FORM, refusals
from pipersr_build.service.sending import PassingFile
from pipersr_build.service.state import State, state_of
from pipersr_build.service.uploads import Upload, receive
from pipersr_build.service.workplace import job_folder

router = APIRouter(prefix="/v1")
_PASSES = {"1": 1, "2": 2}


@router.post(
    "/images/upscale",
    response_class=Response,
    openapi_extra=PICTURE_FORM,
    responses={200: {"content": {"image/png": {}}}, **refusals(400, 401, 408, 413, 415, 422, 429, 504, 507)},
)
async def upscale(request: Request, job: str | None = None) -> Response:
    """Upscale a picture: PNG, JPEG, WebP, TIFF or BMP in the form's field `file`; `passes=2` twice.

    The answer is a PNG; its header `X-Notes` is a JSON list of what could not be kept. Requests wait for
    each other. `job` is a key of the client's own making, to ask `/v1/jobs/KEY` for the progress.
    """
    state = state_of(request)
    async with state.pictures.place() as turn:
        with state.jobs.job(job) as shown, ExitStack() as stack:
            folder = stack.enter_context(job_folder(state.place))
            upload = await _receive(state, request, folder)
            shown.state = "waiting"
            target = folder / "result.png"
            notes = await lanes.while_connected(request, _in_turn(state, turn, upload, target, shown))
            after = stack.pop_all().close
    answer = PassingFile(target, "image/png", f"{Path(upload.name).stem}_upscaled.png", after)
    answer.headers["X-Notes"] = json.dumps(notes)  # ASCII only
    return answer


@router.get("/jobs/{key}", responses=refusals(401, 404))
async def progress(request: Request, key: str) -> dict[str, object]:
    """How far the picture with that key has come: `state` and tiles `done` of `total`."""
    return state_of(request).jobs.find(key).as_json()


async def _receive(state: State, request: Request, folder: Path) -> Upload:
    settings = state.settings
    return await receive(
        request,
        folder,
        mib=settings.image_mib,
        seconds=settings.upload_seconds,
        idle=settings.idle_seconds,
        fields=("passes",),
    )


async def _in_turn(
    state: State, turn: asyncio.Lock, upload: Upload, target: Path, job: Job
) -> tuple[str, ...]:
    """Wait for the turn, then write the upscaled picture to `target`; the notes on it."""
    passes = _PASSES.get(upload.fields.get("passes", "1"))
    if passes is None:
        raise Refusal(400, "passes must be 1 or 2")
    scale, side = state.engine.scale, state.settings.image_side
    await asyncio.to_thread(check_picture, upload.path, scale=scale, passes=passes, side=side)

    def work(stop: threading.Event) -> tuple[str, ...]:
        return state.engine.picture(upload.path, target, passes=passes, told=job.work, stop=stop)

    async with turn:
        return await lanes.within(state.settings.image_seconds, lanes.in_thread(work), "the picture")
