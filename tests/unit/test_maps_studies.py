from pathlib import Path

import pytest
import yaml

from strainprint.errors import BadInputError
from strainprint.maps.studies import PITCH_NM, STUDIES, study_of

CONFIG = Path(__file__).parents[2] / "config" / "config.yaml"


def test_the_command_line_measures_as_the_default_config_does():
    config = yaml.safe_load(CONFIG.read_text())
    assert config["maps"]["pitch_nm"] == PITCH_NM
    for name, study in STUDIES.items():
        assert {key: config["studies"][name][key] for key in vars(study)} == vars(study)


def test_an_unknown_study_is_refused():
    with pytest.raises(BadInputError, match="published, audited"):
        study_of("secret")
