from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, File, UploadFile
from fastapi.testclient import TestClient

from heedful.web.form_fields import Fields, first


def test_every_field_comes_with_all_its_values_and_files_do_not() -> None:
    app = FastAPI()

    @app.post("/")
    def look(fields: Fields, file: Annotated[UploadFile | None, File()] = None) -> dict[str, list[str]]:
        return {name: list(values) for name, values in fields.items()}

    client = TestClient(app)
    sent = client.post("/", data={"who": ["ann", "bob"], "title": " x "}, files={"file": ("a.txt", b"content")})
    assert sent.json() == {"who": ["ann", "bob"], "title": [" x "]}
    assert client.post("/").json() == {}


def test_the_first_value_of_a_field_has_no_white_space_around_it() -> None:
    assert first({"title": [" x ", "y"]}, "title") == "x"
    assert first({"title": []}, "title") == ""
    assert first({}, "title") == ""
