"""The files in etc/ are what people begin with: they are read without a complaint."""

from __future__ import annotations

from pathlib import Path

from nodepool.config import Text, check_text

ETC = Path(__file__).parents[3] / "etc"


def test_the_samples() -> None:
    # As texts: everybody may read a sample.
    names = ("nodepool.yaml-sample", "secure.conf-sample")
    main, secure = (Text((ETC / name).read_text(), name) for name in names)
    checked = check_text(main, secure)
    assert (checked.problems, checked.warnings) == ((), ())
    assert checked.config is not None
    assert all(target.jenkins for target in checked.config.targets.values())


def test_what_is_commented_out_can_be_used() -> None:
    secure = (ETC / "secure.conf-sample").read_text().replace("\n;credentials", "\ncredentials")
    main = (ETC / "nodepool.yaml-sample").read_text()
    checked = check_text(Text(main, "n"), Text(secure, "s"))
    assert checked.config is not None
    jenkins = checked.config.targets["jenkins01"].jenkins
    assert jenkins is not None
    assert jenkins.credentials_id == "nodepool-key"
