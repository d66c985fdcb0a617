"""What lies in the cloud's storage is read for no client, unless the configuration says so."""

from typing import Any

import pytest

from gateway.formats.cloud_files import check_contents, check_prompt
from gateway.formats.prompt import Media, Message, Prompt, Text, ToolResult, Untranslatable


@pytest.mark.parametrize("uri", ["s3://bucket/a.png", "gs://bucket/a.mp4", "S3://b/a", " gs://b/a"])
def test_an_object_in_the_clouds_storage(uri: str) -> None:
    """In any turn, in a tool's result, as a URL or as a file's id; in Gemini's own format in either spelling."""
    for media in (Media("image", url=uri), Media("video", file_id=uri)):
        for parts in ((Text("look"), media), (ToolResult("id", (media,)),)):
            with pytest.raises(Untranslatable, match="cloud_files"):
                check_prompt(Prompt((Message("user", (Text("hi"),)), Message("user", parts))))
    part: dict[str, Any]
    for part in ({"fileData": {"fileUri": uri}}, {"file_data": {"mime_type": "a/b", "file_uri": uri}}):
        for body in (
            {"contents": [{"parts": [{"text": "hi"}, part]}]},
            {"contents": {"parts": part}},
            {"contents": [{"parts": [{"functionResponse": {"parts": [part]}}]}]},
            {"system_instruction": {"parts": [part]}},
        ):
            with pytest.raises(Untranslatable, match="cloud_files"):
                check_contents(body)


def test_what_lies_elsewhere() -> None:
    """URLs of the web, data, files of the account, and texts that only speak of such objects."""
    for media in (
        Media("image", url="https://a/s3://b"),
        Media("image", data="AAAA"),
        Media("file", file_id="files/a"),
    ):
        check_prompt(Prompt((Message("user", (Text("s3://b/a"), media)),)))
    check_contents({"contents": [{"parts": [{"text": "gs://b/a"}, {"fileData": {"fileUri": "https://a"}}]}, 7, None]})
