"""The only error type for reading a request, and the HTTP answer that it becomes."""

BAD_REQUEST, TOO_LARGE, UNSUPPORTED = 400, 413, 415
PHRASES = {BAD_REQUEST: "Bad Request", TOO_LARGE: "Payload Too Large", UNSUPPORTED: "Unsupported Media Type"}
# Named in TorchServe's own style.
TYPES = {
    BAD_REQUEST: "BadRequestException",
    TOO_LARGE: "PayloadTooLargeException",
    UNSUPPORTED: "UnsupportedMediaTypeException",
}


class BadImageError(ValueError):
    """The request does not contain an image that the model can read; the message says what was expected and found."""

    def __init__(self, message: str, status: int = BAD_REQUEST) -> None:
        super().__init__(message)
        self.status = status
