"""FastAPI: the model is loaded in the lifespan, the raw body is read from the request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from workload import Workload

models: dict = {}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Each uvicorn process has its own model."""
    models["image"] = Workload.from_environment()
    yield
    models.clear()


app = FastAPI(lifespan=lifespan)


@app.get("/health")
def health() -> dict:
    """Answers once the lifespan has loaded the model."""
    return {"status": "ready"}


@app.post("/predict")
async def predict(request: Request) -> JSONResponse:
    """One image, one answer; a thread pool would only add switches between threads on one core per process."""
    return JSONResponse(models["image"].answer_all([await request.body()])[0])
