"""Results and settings are immutable values."""

import dataclasses
import importlib
import pkgutil

import pytest

import generation
import mwlmc_data

#: Modules that need what may not be installed, or a GPU.
ELSEWHERE = ("engines.agama", "engines.cuda", "_torch", "priors.torch", "__main__")
#: What is filled in or iterated over, and so changes by design.
CHANGING = ("HaloBatches", "Verification")


def dataclasses_of(package):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith(ELSEWHERE):
            loaded = importlib.import_module(module.name)
            for name, value in vars(loaded).items():
                is_own = isinstance(value, type) and value.__module__ == module.name and name not in CHANGING
                if is_own and dataclasses.is_dataclass(value):
                    yield pytest.param(value, id=f"{module.name}.{name}")


@pytest.mark.parametrize("cls", [*dataclasses_of(mwlmc_data), *dataclasses_of(generation)])
def test_a_value_cannot_be_changed(cls):
    value = object.__new__(cls)
    for field in dataclasses.fields(cls):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field.name, None)
